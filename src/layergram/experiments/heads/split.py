"""Which steps make the maps and which test the masking, and the folds of those that make them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from layergram.datasets.steps import Step, StepSet
from layergram.errors import LayergramError
from layergram.experiments.heads.importance import Classes, Labelled, labelled
from layergram.experiments.heads.options import HeadMapOptions
from layergram.statistics.folds import FEWEST_OF_CLASS, grouped_folds, numbered

PARTS = 20  # templates or main questions are dealt into so many parts, of which some are tests
FEWEST_TESTS = 3  # steps of a function that test the masking


@dataclass(frozen=True)
class Split:
    """How steps are divided, by whole templates or whole main questions.

    Attributes:
        by: ``templates`` or ``questions``.
        tested: whether a step tests the masking, and makes no map [step].
        folds: the fold of each step that makes maps [step that is not tested].
    """

    by: str
    tested: npt.NDArray[np.bool_]
    folds: Classes


def split_steps(steps: StepSet, options: HeadMapOptions) -> Split:
    """Divide steps into tests of the masking, and folds of the others.

    Raises:
        LayergramError: where too few steps of a function are left to make a map, too few to test
            the masking, or they belong to too few main questions.
    """
    known = labelled([s.function for s in steps.steps], [s.group for s in steps.steps])
    by_template = options.split == "templates" and _enough_templates(steps.steps, options)
    units = numbered([s.template for s in steps.steps]) if by_template else known.groups
    tested = np.zeros(len(steps), dtype=bool)
    if options.tests:
        tested = _tests(known, units, options)
        _check_tests(known, tested)
    left = np.bincount(known.classes[~tested], minlength=len(known.functions))
    if left.min() < FEWEST_OF_CLASS:
        short = known.functions[int(left.argmin())]
        raise LayergramError(
            f"head maps of '{steps.name}'",
            got=f"{left.min()} steps of {short} beside those that test the masking "
            f"({int(tested.sum())} of {len(steps)})",
            allowed=f"at least {FEWEST_OF_CLASS} of each function",
            do="bring more steps, keep fewer for testing with --test-share, or do without the "
            "test with --mask none",
        )
    _check_folds(known, tested, options)
    evaluation = options.evaluation
    folds = grouped_folds(
        known.classes[~tested], units[~tested], folds=evaluation.folds, seed=evaluation.seed
    )
    return Split("templates" if by_template else "questions", tested, folds)


def _enough_templates(steps: Sequence[Step], options: HeadMapOptions) -> bool:
    """Whether every main question has one template, and every function enough of them."""
    of_group, of_function = defaultdict(set), defaultdict(set)
    for step in steps:
        of_group[step.group].add(step.template)
        of_function[step.function].add(step.template)
    count = len(set.union(*of_function.values()))
    fewest = min(map(len, of_function.values()))
    spent = _parts_of_tests(count, options) if options.tests else 0
    return (
        all(step.template for step in steps)
        and all(len(names) == 1 for names in of_group.values())
        and fewest - spent >= options.evaluation.folds
    )


def _parts_of_tests(parts: int, options: HeadMapOptions) -> int:
    return max(1, math.floor(parts * options.test_share + 0.5))


def _tests(known: Labelled, units: Classes, options: HeadMapOptions) -> npt.NDArray[np.bool_]:
    rarest = int(np.bincount(known.classes).min())
    parts = min(PARTS, int(units.max()) + 1, rarest)
    part = grouped_folds(known.classes, units, folds=parts, seed=options.evaluation.seed)
    return np.asarray(part < _parts_of_tests(parts, options))


def _check_tests(known: Labelled, tested: np.ndarray) -> None:
    counts = np.bincount(known.classes[tested], minlength=len(known.functions))
    if counts.min() < FEWEST_TESTS:
        short = known.functions[int(counts.argmin())]
        raise LayergramError(
            "steps to test the masking",
            got=f"{counts.min()} steps of {short} among {int(tested.sum())}",
            allowed=f"at least {FEWEST_TESTS} of each function",
            do="bring steps of more main questions, raise --test-share, or do without the test "
            "with --mask none",
        )


def _check_folds(known: Labelled, tested: np.ndarray, options: HeadMapOptions) -> None:
    """Refuse functions whose main questions are too few for a fold each."""
    for at, name in enumerate(known.functions):
        groups = len(np.unique(known.groups[(known.classes == at) & ~tested]))
        if groups < options.evaluation.folds:
            raise LayergramError(
                f"{options.evaluation.folds} folds with steps of {name} in each",
                got=f"its steps belong to {groups} main questions",
                allowed=f"at least {options.evaluation.folds} main questions of each function",
                do="ask for fewer folds with --folds, or bring steps of more main questions",
            )
