"""Folds that keep every group together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layergram.errors import LayergramError
from layergram.statistics.arrays import Numbers

FEWEST_OF_CLASS = 10
"""Examples of a class below which no probe is trained."""


def numbered(groups: npt.ArrayLike) -> Numbers:
    """Groups as numbers 0, 1, 2, …, in the order of their names.

    Example:
        >>> numbered(["b", "a", "b"]).tolist()
        [1, 0, 1]
    """
    return np.asarray(np.unique(np.asarray(groups), return_inverse=True)[1], dtype=np.intp)


def grouped_folds(
    classes: npt.ArrayLike, groups: npt.ArrayLike, *, folds: int, seed: int
) -> Numbers:
    """The fold of every example: a group lies in one fold, and folds have like shares of a class.

    A fold is given to a group, not to an example, so that no group can be both trained and tested
    on. The assignment is drawn by scikit-learn's ``StratifiedGroupKFold``. A fold may lack a class
    where most of its examples are in few groups.

    Args:
        classes: the class of each example, two or more classes.
        groups: the group of each example, such as its question.
        folds: how many, at least two.
        seed: of the draw.

    Raises:
        LayergramError: for fewer groups, or fewer examples of a class, than folds.

    Example:
        >>> classes = [True, True, False, False] * 3
        >>> grouped_folds(classes, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], folds=2, seed=0).tolist()
        [0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0]
    """
    # A second to import, which the processes that only train probes are spared.
    from sklearn.model_selection import StratifiedGroupKFold

    classes, numbers = numbered(classes), numbered(groups)
    count, rarest = int(numbers.max()) + 1, int(np.bincount(classes).min())
    if not 2 <= folds <= min(count, rarest):
        raise LayergramError(
            f"{folds} folds of {len(classes)} examples",
            got=f"{count} groups, and {rarest} examples of the rarest class",
            allowed="two folds or more, and at least as many groups, and examples of each class",
            do="ask for fewer folds, or bring examples of more groups",
        )
    result = np.empty(len(classes), dtype=np.intp)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(numbers, classes, numbers)):
        result[held_out] = fold
    return result
