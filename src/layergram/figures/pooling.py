"""Fewer columns than tokens: neighbours drawn as one, by a stated rule."""

from __future__ import annotations

import warnings

import numpy as np

from layergram.figures.spec import Mask, Values
from layergram.figures.style import Pooling


def pool_size(count: int, most: int) -> int:
    """How many neighbours share a column: the smallest power of two that leaves ``most`` or fewer.

    Example:
        >>> pool_size(512, 512), pool_size(8192, 512)
        (1, 16)
    """
    size = 1
    while -(-count // size) > most:
        size *= 2
    return size


def pool(values: Values, size: int, *, axis: int, rule: Pooling, centre: float | None) -> Values:
    """The values with every ``size`` neighbours along ``axis`` made one.

    Args:
        values: rows × columns.
        size: how many neighbours; the last group may have fewer.
        axis: 0 for rows, 1 for columns.
        rule: ``"max"`` keeps the largest value, or the one farthest from ``centre`` where a centre
            is given, so that no peak is lost; ``"mean"`` keeps the level.
        centre: value that means no effect, of a signed map.

    Returns:
        The pooled values; NaN only where all neighbours are NaN.

    Example:
        >>> pool(np.array([[0.1, 0.9, 0.2, -0.4]]), 2, axis=1, rule="max", centre=None).tolist()
        [[0.9, 0.2]]
        >>> pool(np.array([[0.1, 0.9, 0.2, -0.4]]), 2, axis=1, rule="max", centre=0.0).tolist()
        [[0.9, -0.4]]
    """
    if size == 1:
        return values
    groups = _groups(values, size, axis, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a group of NaN only stays NaN
        if rule == "mean":
            return np.asarray(np.nanmean(groups, axis=axis + 1))
        if centre is None:
            return np.asarray(np.nanmax(groups, axis=axis + 1))
        high, low = np.nanmax(groups, axis=axis + 1), np.nanmin(groups, axis=axis + 1)
    return np.asarray(np.where(centre - low > high - centre, low, high))


def pool_any(mask: Mask, size: int, *, axis: int) -> Mask:
    """A mask that is true where any of the pooled neighbours was."""
    if size == 1:
        return mask
    return np.asarray(_groups(mask, size, axis, False).any(axis=axis + 1), dtype=np.bool_)


def _groups(values: np.ndarray, size: int, axis: int, fill: float) -> np.ndarray:  # type: ignore[type-arg]
    short = -values.shape[axis] % size
    padding = [(0, short if i == axis else 0) for i in range(values.ndim)]
    padded = np.pad(values, padding, constant_values=fill)
    shape = list(padded.shape)
    shape[axis : axis + 1] = [shape[axis] // size, size]
    return padded.reshape(shape)
