"""Permutation tests: shuffles of labels that keep groups together, p-values of a whole map."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from layergram.statistics.arrays import Labels, Numbers, Values


def shuffles(
    labels: npt.NDArray[Any],
    groups: Numbers,
    *,
    count: int,
    seed: int,
    folds: Numbers | None = None,
    present: Labels | None = None,
) -> npt.NDArray[Any]:
    """Labels as they could have been if they had nothing to do with the features.

    The labels of a whole group go to another group, in their order, so that what the examples of a
    group share stays shared. Only groups that are alike change places: of the same number of
    examples, in the same fold (so the folds stay stratified), and with the same values present
    (groups whose examples differ in that count as one kind).

    Args:
        labels: the labels [example].
        groups: numbers of groups [example].
        count: number of shuffles.
        seed: of the draws.
        folds: the fold of each example [example]; one fold if ``None``.
        present: which values an example has [example, value]; all of them if ``None``.

    Returns:
        Shuffled labels [shuffle, example].

    Example:
        >>> labels = np.array([True, False, False, True, False, False])
        >>> folds = np.array([0, 0, 0, 1, 1, 1])
        >>> shuffles(labels, np.arange(6), count=3, seed=0, folds=folds).reshape(3, 2, 3).sum(-1)
        array([[1, 1],
               [1, 1],
               [1, 1]])
    """
    folds = np.zeros(len(labels), dtype=np.intp) if folds is None else folds
    present = np.ones((len(labels), 1), dtype=np.bool_) if present is None else present
    order = np.argsort(groups, kind="stable")
    alike: dict[tuple[Any, ...], list[Numbers]] = defaultdict(list)
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        patterns = {present[member].tobytes() for member in members}
        pattern = patterns.pop() if len(patterns) == 1 else b"mixed"
        alike[folds[members[0]], len(members), pattern].append(members)
    kinds = [np.stack(members) for members in alike.values()]
    generator = np.random.default_rng(seed)
    result = np.repeat(labels[None], count, axis=0)
    for row in result:
        for members in kinds:
            row[members] = labels[generator.permutation(members)]
    return result


def p_values(observed: Values, largest: Values) -> Values:
    """p-values of the cells of a map against the largest cell of every shuffle.

    Each is the share of shuffles (the observed labels counted as one of them) whose largest cell
    is as large as this cell, so that the chance that any cell of a map without effect gets p ≤ α is
    at most α (the max-statistic method).

    Args:
        observed: a statistic per cell; NaN stays NaN.
        largest: the largest statistic of each shuffle.

    Example:
        >>> p_values(np.array([2.5, 0.1, np.nan]), np.array([0.5, 1.0, 2.0])).tolist()
        [0.25, 1.0, nan]
    """
    above = largest.size - np.searchsorted(np.sort(largest), observed, side="left")
    return np.where(np.isnan(observed), np.nan, (1 + above) / (1 + largest.size))
