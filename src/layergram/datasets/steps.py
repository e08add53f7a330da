"""A labelled step, and a set of them that is known to be sound."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from layergram.datasets.questions import listed
from layergram.errors import LayergramError
from layergram.statistics.folds import FEWEST_OF_CLASS

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

FEWEST_FUNCTIONS = 2


@dataclass(frozen=True)
class Step:
    """One step of answering a main question, under the function that it calls for.

    Attributes:
        id: unlike that of any other step of the set.
        question: the main question, or the passage that the step is about; "" where it stands
            alone.
        step: what is asked.
        answer: the given answer.
        function: one of :data:`FUNCTIONS`.
        group: steps of one group never stand in two folds of an evaluation.
        template: the pattern that the step was made by, or "".
    """

    id: str
    question: str
    step: str
    answer: str
    function: str
    group: str
    template: str = ""


@dataclass(frozen=True)
class StepSet:
    """Steps that passed every check, under a name.

    Attributes:
        name: of the set.
        steps: in the order of their source.
        dropped: labels that are no function -> how many steps were left out for it.
    """

    name: str
    steps: tuple[Step, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def digest(self) -> str:
        """``sha256:`` and 16 digits that change with any word of the set."""
        plain = json.dumps([asdict(step) for step in self.steps], ensure_ascii=False)
        return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()[:16]}"

    def counts(self) -> dict[str, int]:
        """Steps per function that has any, in the order of :data:`FUNCTIONS`."""
        found = Counter(step.function for step in self.steps)
        return {function: found[function] for function in FUNCTIONS if found[function]}

    def first(self, limit_per_function: int | None) -> StepSet:
        """The first so many steps of every function, or all of them.

        Raises:
            LayergramError: if these are fewer than 10, too few to learn a function from.
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


def function_named(label: str) -> str | None:
    """The function that a label means, whatever its capitals, hyphens and spaces, or none.

    Example:
        >>> function_named("decision_making"), function_named("Induction")
        ('Decision-making', None)
    """
    return _BY_LETTERS.get(_letters(label))


def _letters(label: str) -> str:
    return re.sub(r"[\W_]+", "", label).casefold()


_BY_LETTERS = {_letters(function): function for function in FUNCTIONS}


def checked(found: StepSet) -> StepSet:
    """The set itself, if every step is whole and every function has enough of them.

    Raises:
        LayergramError: naming the steps, or the functions, that are at fault.
    """
    asked = f"the steps '{found.name}'"
    times = Counter(step.id for step in found.steps)
    faults = (
        ("without words", [step.id for step in found.steps if not step.step.strip()]),
        ("without an answer", [step.id for step in found.steps if not step.answer.strip()]),
        ("with the id of another", [name for name, count in times.items() if count > 1]),
    )
    for fault, ids in faults:
        if ids:
            raise LayergramError(
                asked,
                got=f"{len(ids)} of {len(found)} steps {fault}: {listed(ids)}",
                allowed="an id of its own, words and an answer for every step",
                do="repair or remove these rows",
            )
    counts = found.counts()
    told = ", ".join(f"{function} {count}" for function, count in counts.items())
    few = [function for function, count in counts.items() if count < FEWEST_OF_CLASS]
    if few:
        raise LayergramError(
            asked,
            got=f"fewer than {FEWEST_OF_CLASS} steps of {', '.join(few)} ({told})",
            allowed=f"{FEWEST_OF_CLASS} or more steps of every function that has any",
            do="add steps, or remove those of this function"
            if len(few) == 1
            else "add steps, or remove those of these functions",
        )
    if len(counts) < FEWEST_FUNCTIONS:
        raise LayergramError(
            asked,
            got=f"steps of one function only ({told})" if counts else "no step",
            allowed=f"steps of {FEWEST_FUNCTIONS} functions or more, to tell one from the others",
            do="add steps of other functions",
        )
    return found
