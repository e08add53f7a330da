"""Folds that keep a group together, and shuffles of labels that keep the folds."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from layergram.errors import LayergramError
from layergram.statistics.arrays import Labels, Numbers


def numbered(groups: npt.ArrayLike) -> Numbers:
    """Groups as numbers 0, 1, 2, …, in the order of their names.

    Example:
        >>> numbered(["b", "a", "b"]).tolist()
        [1, 0, 1]
    """
    return np.asarray(np.unique(np.asarray(groups), return_inverse=True)[1], dtype=np.intp)


def grouped_folds(wrong: Labels, groups: npt.ArrayLike, *, folds: int, seed: int) -> Numbers:
    """The fold of every example: a group lies in one fold, and folds have like shares of a class.

    A fold is given to a group, not to an example, so that no group can be both trained and tested
    on. The assignment is drawn by scikit-learn's ``StratifiedGroupKFold``.

    Args:
        wrong: the class of each example.
        groups: the group of each example, such as its question.
        folds: how many.
        seed: of the draw.

    Raises:
        LayergramError: for fewer groups than folds, or a fold without both classes.

    Example:
        >>> wrong = np.array([True, True, False, False] * 3)
        >>> grouped_folds(wrong, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], folds=2, seed=0).tolist()
        [0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0]
    """
    # A second to import, which the processes that only train probes are spared.
    from sklearn.model_selection import StratifiedGroupKFold

    numbers = numbered(groups)
    count = int(numbers.max()) + 1
    asked = f"{folds} folds of {len(wrong)} examples in {count} groups"
    if count < folds:
        raise LayergramError(
            asked,
            got=f"{count} groups",
            allowed="at least as many groups as folds",
            do="ask for fewer folds, or for more questions",
        )
    fold_of_group = np.empty(count, dtype=np.intp)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few members of a class: tested below
        for fold, (_, held_out) in enumerate(splitter.split(numbers, wrong, numbers)):
            fold_of_group[numbers[held_out]] = fold
    result = fold_of_group[numbers]
    for fold in range(folds):
        inside = wrong[result == fold]
        if inside.all() or not inside.any():
            raise LayergramError(
                asked,
                got=f"{int(inside.sum())} wrong and {int((~inside).sum())} right in one of them",
                allowed="both in every fold",
                do="ask for fewer folds, or for more groups that have both",
            )
    return result


def shuffles(
    wrong: Labels,
    groups: Numbers,
    folds: Numbers,
    present: Labels,
    *,
    count: int,
    seed: int,
) -> Labels:
    """Labels as they could have been if they had nothing to do with the features.

    The labels of a whole group go to another group, in their order, so that what the examples of a
    group share stays shared. Only groups that are alike change places: in the same fold (so the
    folds stay stratified), of the same number of examples, and with the same roles present
    (groups whose examples differ in that count as one kind).

    Args:
        wrong: the labels [example].
        groups: numbers of groups [example].
        folds: the fold of each example [example].
        present: which roles an example has [example, role].
        count: number of shuffles.
        seed: of the draws.

    Returns:
        Shuffled labels [shuffle, example].

    Example:
        >>> wrong = np.array([True, False, False, True, False, False])
        >>> every = np.ones((6, 1), dtype=bool)
        >>> shuffled = shuffles(wrong, np.arange(6), np.array([0, 0, 0, 1, 1, 1]), every,
        ...                     count=3, seed=0)
        >>> shuffled.reshape(3, 2, 3).sum(-1).tolist()
        [[1, 1], [1, 1], [1, 1]]
    """
    generator = np.random.default_rng(seed)
    kinds = [np.stack(members) for members in _alike(groups, folds, present) if len(members) > 1]
    result = np.repeat(wrong[None], count, axis=0)
    for row in result:
        for members in kinds:
            row[members] = wrong[generator.permutation(members)]
    return result


def _alike(groups: Numbers, folds: Numbers, present: Labels) -> Iterator[list[Numbers]]:
    """The groups, as numbers of their examples, gathered by kind."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    kinds: dict[tuple[Any, ...], list[Numbers]] = defaultdict(list)
    for members in np.split(order, starts):
        patterns = {present[member].tobytes() for member in members}
        pattern = patterns.pop() if len(patterns) == 1 else b"mixed"
        kinds[folds[members[0]], len(members), pattern].append(members)
    yield from kinds.values()
