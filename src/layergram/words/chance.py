"""What chance alone would show: the same map with its cells shuffled.

A claim is a number that is large. The same number is computed of maps with the same cells in
random order; the claim is made only if hardly any of them reaches it. The rule is exact for every
map whose cells come from one distribution, whatever that distribution is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from layergram.words.limits import ALPHA, SHUFFLED_CELLS, SHUFFLES

Values = npt.NDArray[np.float64]


def pooled(values: Values, length: int, axis: int) -> Values:
    """Values averaged in blocks along an axis until at most ``length`` are left."""
    size = values.shape[axis]
    if size <= length:
        return values
    edges = np.linspace(0, size, length + 1).astype(int)[:-1]
    there = np.isfinite(values)
    total = np.add.reduceat(np.where(there, values, 0.0), edges, axis=axis)
    count = np.add.reduceat(there.astype(float), edges, axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class Shuffled:
    """A grid with its cells shuffled, many times, in three ways; missing cells stay where they are.

    Args:
        values: rows × columns.

    Attributes:
        start: the grid that is shuffled: ``values``, or blocks of its columns if it is large.
    """

    def __init__(self, values: Values) -> None:
        width = max(1, SHUFFLED_CELLS // values.shape[0])
        self.start = pooled(pooled(values, SHUFFLED_CELLS, 0), width, 1)

    def _make(self, values: Values, axis: int) -> Values:
        rng = np.random.default_rng(0)
        many = np.repeat(values[None], SHUFFLES, axis=0)
        gaps = np.isnan(many)
        if not gaps.any():
            return np.asarray(rng.permuted(many, axis=axis))
        keys = np.where(gaps, 2.0, rng.random(many.shape))
        drawn = np.take_along_axis(many, np.argsort(keys, axis=axis), axis=axis)
        out = np.empty_like(many)
        np.put_along_axis(out, np.argsort(gaps, axis=axis, kind="stable"), drawn, axis=axis)
        return out

    @cached_property
    def down(self) -> Values:
        """Shuffled within every column: what the order of the rows does is gone."""
        return self._make(self.start, 1)

    @cached_property
    def across(self) -> Values:
        """Shuffled within every row: what the columns do is gone."""
        return self._make(self.start, 2)

    @cached_property
    def everywhere(self) -> Values:
        """Shuffled over the whole grid."""
        flat = self._make(self.start.reshape(1, -1), 2)
        return flat.reshape(SHUFFLES, *self.start.shape)


def threshold(statistic: Callable[[Values], Any], shuffles: Values, *, questions: int = 1) -> float:
    """The value that a statistic must pass: only a share ``ALPHA`` of shuffled maps passes it.

    Args:
        statistic: grids (many × rows × columns) -> one number each.
        shuffles: the shuffled grids.
        questions: how many such questions one kind of fact asks; they share ``ALPHA``.
    """
    found = np.sort(np.asarray(statistic(shuffles), dtype=float))
    allowed = max(int(ALPHA / questions * (len(found) + 1)) - 1, 0)
    return float(found[len(found) - 1 - allowed])


def normal_limit(tests: int) -> float:
    """How many standard deviations the largest of so many independent values may lie out."""
    return NormalDist().inv_cdf(1 - ALPHA / max(tests, 1))
