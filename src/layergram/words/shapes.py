"""The shape of a series: how well a line with at most one bend fits, and which way it goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from layergram.words.limits import DIRECT, SMALL_CHANGE

Values = npt.NDArray[np.float64]


@lru_cache(maxsize=8)
def _bases(size: int) -> Values:
    """Orthonormal bases of all lines with one bend over ``size`` points, two columns each."""
    at = np.arange(size, dtype=float)
    bends = range(1, max(size - 1, 2))
    bases = []
    for bend in bends:
        columns = np.stack([at, np.maximum(at - bend, 0.0)], axis=1)
        basis, _ = np.linalg.qr(columns - columns.mean(axis=0))
        bases.append(basis)
    return np.concatenate(bases, axis=1)


def explained(series: Values) -> Values:
    """Sum of squares that the best line with one bend explains of each series (many × points)."""
    middle = series - series.mean(axis=-1, keepdims=True)
    parts = (middle @ _bases(series.shape[-1])).reshape(*middle.shape[:-1], -1, 2)
    return np.asarray((parts**2).sum(axis=-1).max(axis=-1))


@dataclass(frozen=True)
class Shape:
    """A series in a few numbers.

    Args:
        name: 'rises', 'falls', 'falls, then rises' or 'rises, then falls'.
        start: its first value.
        turn: value at the turning point; the last value where there is none.
        end: its last value.
        first: first place of the turning point.
        last: last place of the turning point: neighbours with the same value belong to it.
    """

    name: str
    start: float
    turn: float
    end: float
    first: int
    last: int


def _direct(series: Values) -> bool:
    moved = float(np.abs(np.diff(series)).sum())
    return moved > 0 and abs(float(series[-1] - series[0])) >= DIRECT * moved


def shape_of(series: Values, scale: float) -> Shape | None:
    """The shape of a series without NaN, or None where it goes neither way clearly.

    Args:
        series: the values in order.
        scale: the range of the map; a rise or fall spans at least ``SMALL_CHANGE`` of it.
    """
    least = SMALL_CHANGE * scale
    start, end, final = float(series[0]), float(series[-1]), len(series) - 1
    for name, sign in (("falls, then rises", 1.0), ("rises, then falls", -1.0)):
        turn = float((sign * series).min() * sign)
        places = np.flatnonzero(np.abs(series - turn) <= 1e-9 * max(abs(turn), scale))
        first, last = int(places[0]), int(places[-1])
        deep = min(sign * (start - turn), sign * (end - turn)) >= max(least, 1e-12)
        if deep and _direct(series[: first + 1]) and _direct(series[last:]):
            if last - first + 1 > len(places):
                last = first
            return Shape(name, start, turn, end, first, last)
    if abs(end - start) >= max(least, 1e-12) and _direct(series):
        return Shape("rises" if end > start else "falls", start, end, end, final, final)
    return None
