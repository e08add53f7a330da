"""Labelled steps out of files, of the hub's data sets, and of layergram itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layergram.datasets.embedded_steps import EMBEDDED
from layergram.datasets.questions import listed
from layergram.datasets.records import Record, label, match_columns, records, texts
from layergram.datasets.steps import FUNCTIONS, Step, StepSet, checked, function_named
from layergram.errors import LayergramError, unknown_name

FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("question", "main_question", "context", "passage", "prompt"),
    "step": ("step", "subquestion", "sub_question", "sub-question"),
    "answer": ("answer", "subanswer", "sub_answer", "target"),
    "function": ("function", "cognitive_skill", "cognitive_function", "skill", "label"),
    "id": ("id", "step_id"),
    "group": ("group", "group_id", "main_id", "question_id"),
    "template": ("template",),
}
"""The fields of a step, and the names of columns that are taken for them, best first."""

NEEDED = ("step", "answer", "function")
NESTED = ("generated", "steps")
MOST_STRAY = 0.05
_ESCAPED = re.compile(r"\\n(?![a-z])")


def load_steps(source: str | Path, *, columns: Mapping[str, str] | None = None) -> StepSet:
    r"""Labelled steps, every one of them checked.

    Main questions with their steps inside them are understood as CogQA publishes them; the two
    characters ``\n`` that stand for a line break in its texts become one. Labels that are no
    function are left out and counted, up to 5 % of the steps.

    Args:
        source: ``"functions"``, the embedded set; or a file, one row per step, with columns
            ``step``, ``answer`` and ``function`` and, where there are any, ``question``,
            ``group``, ``template`` and ``id``; or a JSON file of main questions as in CogQA
            (``question`` and ``generated``, a list of ``subquestion``, ``answer`` and
            ``cognitive_skill``); or the id of a data set on the Hugging Face hub, for which
            ``datasets`` has to be installed. Steps without a group that share a main question
            are one group.
        columns: field -> column, where the columns have other names.

    Raises:
        LayergramError: if there is no such set or column; if a step lacks words, an answer or a
            function, or two have one id; if more than 5 % of the steps have a label that is no
            function; if a function has fewer than 10 steps, or fewer than two functions have any.

    Example:
        >>> steps = load_steps("functions")
        >>> len(steps), steps.counts()["Inference"]
        (560, 70)
        >>> step = next(s for s in steps.steps if s.template == "inference-1")
        >>> print(step.question, step.step, step.answer)
        Rosa holds a boarding pass and looks for gate 12. Where is Rosa most likely? at an airport
    """
    name = str(source)
    if name in EMBEDDED:
        if columns:
            raise LayergramError(
                f"columns of the embedded steps '{name}'", allowed="columns of a file or data set"
            )
        return checked(StepSet(name, tuple(EMBEDDED[name]())))
    rows = _flat(name, records(name, kind="step set", embedded=EMBEDDED))
    chosen = match_columns(name, list(rows[0]), columns or {}, fields=FIELDS, needed=NEEDED)
    found = _steps(rows, chosen)
    kept = [step for step in found if step.function in FUNCTIONS]
    strays = Counter(step.function for step in found if step.function not in FUNCTIONS)
    _check_labels(name, found, strays, chosen["function"])
    return checked(StepSet(label(name), tuple(kept), dict(strays)))


def _flat(name: str, rows: Sequence[Record]) -> list[Record]:
    """One row per step: the rows themselves, or the steps inside the rows of main questions."""
    inside = next((key for key in NESTED if _is_list(rows[0].get(key))), None)
    if inside is None:
        return list(rows)
    asked = next((key for key in FIELDS["question"] if key in rows[0]), "")
    found: list[Record] = []
    for at, row in enumerate(rows, start=1):
        steps = row[inside] if _is_list(row[inside]) else [row[inside]]
        if not all(isinstance(step, Mapping) for step in steps):
            raise LayergramError(
                f"the step set '{name}'",
                got=f"main question {at}: '{inside}' holds something else than steps",
                allowed='a list such as [{"subquestion": "…", "answer": "…", '
                '"cognitive_skill": "…"}]',
            )
        for place, step in enumerate(steps, start=1):
            key = "main_question" if "question" in step else "question"
            cells = {"id": f"{at}.{place}", **step, key: row.get(asked)}
            found.append({name: _unescaped(cell) for name, cell in cells.items()})
    if not found:
        raise LayergramError(f"the step set '{name}'", got="no step", do="check the file")
    names = dict.fromkeys(key for row in found for key in row)
    return [{key: row.get(key) for key in names} for row in found]


def _is_list(cell: Any) -> bool:
    return isinstance(cell, Iterable) and not isinstance(cell, str | Mapping)


def _unescaped(cell: Any) -> Any:
    r"""A text with line breaks for ``\n``, but not in words of LaTeX such as ``\nu``."""
    return _ESCAPED.sub("\n", cell) if isinstance(cell, str) else cell


def _steps(rows: Sequence[Record], columns: Mapping[str, str]) -> list[Step]:
    """A step per row; its function is its label where that is no function."""
    groups: dict[str, str] = {}
    found = []
    for at, row in enumerate(rows, start=1):
        text = {
            field: " ".join(texts(row.get(column), split=False)).strip()
            for field, column in columns.items()
        }
        name = text.get("id") or str(at)
        question = text.get("question", "")
        group = text.get("group") or f"step {name}"
        if question and not text.get("group"):
            key = " ".join(question.split())
            group = groups.setdefault(key, f"question {len(groups) + 1}")
        found.append(
            Step(
                name,
                question,
                text["step"],
                text["answer"],
                function_named(text["function"]) or text["function"],
                group,
                text.get("template", ""),
            )
        )
    return found


def _check_labels(name: str, found: list[Step], strays: Counter[str], column: str) -> None:
    """Refuse steps without a label, and labels that are no functions beyond a few strays."""
    asked = f"the steps '{name}'"
    bare = [step.id for step in found if not step.function]
    if bare:
        raise LayergramError(
            asked,
            got=f"{len(bare)} of {len(found)} steps without a function: {listed(bare)}",
            allowed=", ".join(FUNCTIONS),
            do="label or remove these rows",
        )
    if strays.total() <= MOST_STRAY * len(found):
        return
    shown = [f"'{label}' {count}" for label, count in strays.most_common(5)]
    more = f" and {len(strays) - len(shown)} other labels" if len(strays) > len(shown) else ""
    near = unknown_name("function", strays.most_common(1)[0][0], FUNCTIONS).do
    raise LayergramError(
        asked,
        got=f"{strays.total()} of {len(found)} steps with a label that is no function, in the "
        f"column '{column}': {', '.join(shown)}{more}",
        allowed=f"{', '.join(FUNCTIONS)}; of other labels {MOST_STRAY:.0%} of the steps at most",
        do=near
        if near.startswith("did")
        else "rename the labels, or say which column it is: --columns function=COLUMN",
    )
