"""Labelled steps: the embedded set, sets from files or from the hub."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layergram.datasets.cells import cell_text
from layergram.datasets.examples import ExampleSet, check_examples, quoted_ids
from layergram.datasets.records import Record, match_columns, read_records, set_name
from layergram.errors import LayergramError, unknown_name
from layergram.statistics.folds import FEWEST_OF_CLASS

EMBEDDED = ("functions",)
"""The embedded step sets: files of JSON lines like any other."""

FUNCTIONS = (
    "Knowledge Recall",
    "Retrieval",
    "Logical Reasoning",
    "Decision-making",
    "Semantic Understanding",
    "Syntactic Understanding",
    "Inference",
    "Math Calculation",
)
"""The cognitive functions of the CogQA data set, in the order of the published figure."""

FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("question", "main_question", "context", "passage", "prompt"),
    "step": ("step", "subquestion", "sub_question"),
    "answer": ("answer", "subanswer", "sub_answer", "target"),
    "function": ("function", "cognitive_skill", "cognitive_function", "skill", "label"),
    "id": ("id", "step_id"),
    "group": ("group", "group_id", "main_id", "question_id"),
    "template": ("template",),
}
"""The fields of a step, and the column names recognised for each, best first."""

NEEDED = ("step", "answer", "function")
NESTED = ("generated", "steps")  # columns of a main question that can hold its steps
FEWEST_FUNCTIONS = 2
MOST_UNKNOWN = 0.05  # share of the steps whose label may be no function
ESCAPED_BREAK = re.compile(r"\\n(?![a-z])")  # but not LaTeX such as \nu


@dataclass(frozen=True)
class Step:
    """One step of answering a main question, labelled with the cognitive function it needs.

    Attributes:
        id: unique in the set.
        question: the main question, or the passage that the step is about; "" if there is none.
        step: what is asked.
        answer: the given answer.
        function: one of :data:`FUNCTIONS`.
        group: steps of one group always stay in one fold of an evaluation.
        template: the pattern that the step was generated from, or "".
    """

    id: str
    question: str
    step: str
    answer: str
    function: str
    group: str
    template: str = ""


@dataclass(frozen=True)
class StepSet(ExampleSet):
    """Steps under a name; those that :func:`steps` reads have passed every check.

    Attributes:
        name: of the set.
        steps: in the order of their source.
        dropped: labels that are not functions -> how many steps were left out for each.
    """

    name: str
    steps: tuple[Step, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def examples(self) -> tuple[Step, ...]:
        """The steps."""
        return self.steps

    def counts(self) -> dict[str, int]:
        """Steps of each function that has any, in the order of :data:`FUNCTIONS`."""
        counts = Counter(step.function for step in self.steps)
        return {function: counts[function] for function in FUNCTIONS if counts[function]}

    def first(self, limit_per_function: int | None) -> StepSet:
        """The first ``limit_per_function`` steps of every function, or all of them.

        Raises:
            LayergramError: if these are fewer than 10, too few to train a probe on.
        """
        if limit_per_function is None:
            return self
        if limit_per_function < FEWEST_OF_CLASS:
            raise LayergramError(
                f"the first {limit_per_function} steps of every function",
                allowed=f"{FEWEST_OF_CLASS} or more",
            )
        seen: Counter[str] = Counter()
        kept = []
        for step in self.steps:
            seen[step.function] += 1
            kept += [step] if seen[step.function] <= limit_per_function else []
        return StepSet(self.name, tuple(kept), self.dropped)


def steps(source: str | Path, *, columns: Mapping[str, str] | None = None) -> StepSet:
    r"""Labelled steps, with every step checked.

    Main questions with their steps inside them are read as CogQA publishes them; the two
    characters ``\n`` that stand for a line break in its texts become one. Steps whose label is
    not a function are left out and counted, up to 5 % of the steps.

    Args:
        source: ``"functions"``, the embedded set; or a file with one row per step, with columns
            ``step``, ``answer`` and ``function`` and optionally ``question``, ``group``,
            ``template`` and ``id``; or a JSON file of main questions as in CogQA (``question``
            and ``generated``, a list of ``subquestion``, ``answer`` and ``cognitive_skill``); or
            the id of a data set on the Hugging Face hub (``org/name:split``), which needs the
            package ``datasets``. Steps without a group that share a main question are one group.
        columns: field -> column, where the columns have other names.

    Raises:
        LayergramError: if there is no such set, file or column; if a step has no text, answer or
            function, or two share an id; if more than 5 % of the steps have a label that is not a
            function; if a function has fewer than 10 steps, or fewer than two functions have any.

    Example:
        >>> functions = steps("functions")
        >>> len(functions), functions.counts()["Inference"]
        (448, 56)
        >>> step = functions.steps[180]
        >>> print(step.question)
        Tess plays the pianoforte. Rosa wears out a pair of sticks each week.
        >>> print(step.step, step.answer)
        What does Rosa play? drums
    """
    name = str(source)
    rows = _one_row_per_step(name, read_records(name, kind="step set", embedded=EMBEDDED))
    matched = match_columns(name, list(rows[0]), columns or {}, fields=FIELDS, needed=NEEDED)
    every = _steps(rows, matched)
    unknown = Counter(step.function for step in every if step.function not in FUNCTIONS)
    _check_labels(name, every, unknown, matched["function"])
    kept = tuple(step for step in every if step.function in FUNCTIONS)
    loaded = StepSet(set_name(name), kept, dict(unknown))
    _check(loaded)
    return loaded


def match_function(label: str) -> str | None:
    """The function that a label names, ignoring case, hyphens and spaces, or ``None``.

    Example:
        >>> match_function("decision_making"), match_function("Induction")
        ('Decision-making', None)
    """
    return _BY_LETTERS.get(_letters(label))


def _letters(label: str) -> str:
    return re.sub(r"[\W_]+", "", label).casefold()


_BY_LETTERS = {_letters(function): function for function in FUNCTIONS}


def _one_row_per_step(name: str, rows: Sequence[Record]) -> list[Record]:
    """The rows themselves, or the steps inside the rows of main questions."""
    nested = next((key for key in NESTED if any(_is_list(row.get(key)) for row in rows)), None)
    if nested is None:
        return list(rows)
    main = next((key for key in FIELDS["question"] if key in rows[0]), "")
    flat: list[Record] = []
    for number, row in enumerate(rows, start=1):
        inside = row.get(nested) or []
        inside = inside if _is_list(inside) else [inside]
        if not inside:
            raise LayergramError(
                f"the step set '{name}'",
                got=f"main question {number} without steps in '{nested}'",
                allowed="at least one step for every main question",
                do="remove this row, or give it steps",
            )
        if not all(isinstance(step, Mapping) for step in inside):
            raise LayergramError(
                f"the step set '{name}'",
                got=f"main question {number}: '{nested}' contains something other than steps",
                allowed='a list such as [{"subquestion": "…", "answer": "…", '
                '"cognitive_skill": "…"}]',
            )
        for place, step in enumerate(inside, start=1):
            key = "main_question" if "question" in step else "question"
            cells = {"id": f"{number}.{place}", **step, key: row.get(main)}
            flat.append({column: _unescaped(cell) for column, cell in cells.items()})
    names = dict.fromkeys(key for row in flat for key in row)
    return [{key: row.get(key) for key in names} for row in flat]


def _is_list(cell: Any) -> bool:
    return isinstance(cell, Iterable) and not isinstance(cell, str | Mapping)


def _unescaped(cell: Any) -> Any:
    return ESCAPED_BREAK.sub("\n", cell) if isinstance(cell, str) else cell


def _steps(rows: Sequence[Record], columns: Mapping[str, str]) -> list[Step]:
    """One step per row; a label that is not a function is kept as it is."""
    groups: dict[str, str] = {}
    loaded = []
    for number, row in enumerate(rows, start=1):
        text = {name: cell_text(row.get(column)) for name, column in columns.items()}
        name = text.get("id") or str(number)
        question = text.get("question", "")
        group = text.get("group") or f"step {name}"
        if question and not text.get("group"):
            key = " ".join(question.split())
            group = groups.setdefault(key, f"question {len(groups) + 1}")
        loaded.append(
            Step(
                name,
                question,
                text["step"],
                text["answer"],
                match_function(text["function"]) or text["function"],
                group,
                text.get("template", ""),
            )
        )
    return loaded


def _check_labels(name: str, every: Sequence[Step], unknown: Counter[str], column: str) -> None:
    """Refuse steps without a label, and more than a few with a label that is not a function."""
    asked = f"the steps '{name}'"
    unlabelled = [step.id for step in every if not step.function]
    if unlabelled:
        raise LayergramError(
            asked,
            got=f"{len(unlabelled)} of {len(every)} steps without a function: "
            f"{quoted_ids(unlabelled)}",
            allowed=", ".join(FUNCTIONS),
            do="label or remove these rows",
        )
    if unknown.total() <= MOST_UNKNOWN * len(every):
        return
    shown = [f"'{label}' {count}" for label, count in unknown.most_common(5)]
    more = f" and {len(unknown) - len(shown)} other labels" if len(unknown) > len(shown) else ""
    near = unknown_name("function", unknown.most_common(1)[0][0], FUNCTIONS).do
    raise LayergramError(
        asked,
        got=f"{unknown.total()} of {len(every)} steps with a label that is not a function, in the "
        f"column '{column}': {', '.join(shown)}{more}",
        allowed=f"{', '.join(FUNCTIONS)}; other labels for at most {MOST_UNKNOWN:.0%} of the steps",
        do=near
        if near.startswith("did")
        else "rename the labels, or name another column: --columns function=COLUMN",
    )


def _check(loaded: StepSet) -> None:
    asked = f"the steps '{loaded.name}'"
    check_examples(
        loaded.steps,
        {
            "without a text": [step.id for step in loaded.steps if not step.step.strip()],
            "without an answer": [step.id for step in loaded.steps if not step.answer.strip()],
        },
        asked=asked,
        noun="steps",
        allowed="a unique id, a text and an answer for every step",
    )
    counts = loaded.counts()
    listed = ", ".join(f"{function} {count}" for function, count in counts.items())
    few = [function for function, count in counts.items() if count < FEWEST_OF_CLASS]
    if few:
        raise LayergramError(
            asked,
            got=f"fewer than {FEWEST_OF_CLASS} steps of {', '.join(few)} ({listed})",
            allowed=f"{FEWEST_OF_CLASS} or more steps of every function that has any",
            do="add steps, or remove those of this function"
            if len(few) == 1
            else "add steps, or remove those of these functions",
        )
    if len(counts) < FEWEST_FUNCTIONS:
        raise LayergramError(
            asked,
            got=f"steps of only one function ({listed})" if counts else "no step",
            allowed=f"steps of {FEWEST_FUNCTIONS} or more functions, to distinguish them",
            do="add steps of other functions",
        )
