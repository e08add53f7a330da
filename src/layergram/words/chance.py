"""Grids as smooth as a map in which no column departs from the others, and the scan of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from layergram.words.limits import ALPHA, SURROGATES, UNIT_ROOT

Values = npt.NDArray[np.float64]

STEPS = np.array([0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.99, 1.0])
"""Correlations of neighbours whose estimates are known from drawn grids."""

CLIP = 3.0
"""A cell counts for at most so many standard deviations: one cell makes no block."""

NEAR = 4
"""Rows above and below whose spread is taken for that of a row."""


def standardised(grids: Values) -> Values:
    """How far each cell lies from the middle of its row, in robust standard deviations.

    The standard deviation is that of the rows around: rows of a wide spread would otherwise have
    all the extremes. Where most cells of most rows are equal, the mean distance stands for it.

    Args:
        grids: many × rows × columns.
    """
    away = grids - np.nanmedian(grids, axis=2, keepdims=True)
    spread = 1.4826 * np.nanmedian(np.abs(away), axis=2)
    last = max(spread.shape[1] - 2 * NEAR - 1, 0)
    first = [min(max(row - NEAR, 0), last) for row in range(spread.shape[1])]
    around = np.stack([np.median(spread[:, at : at + 2 * NEAR + 1], axis=1) for at in first], 1)
    typical = np.median(around, axis=1)
    typical = np.where(typical > 0, typical, np.nanmean(np.abs(away), axis=(1, 2)))
    least = np.where(typical > 0, 0.1 * typical, 1.0)[:, None]
    return np.asarray(away / np.maximum(around, least)[:, :, None])


def _ranks(grids: Values) -> tuple[Values, Values]:
    """Rank of each cell in its grid, NaN where there is none; how many cells there are."""
    flat = grids.reshape(len(grids), -1)
    ranks = np.full_like(flat, np.nan)
    for row, values in zip(ranks, flat, strict=True):
        known = np.isfinite(values)
        order = np.sort(values[known])
        ends = [np.searchsorted(order, values[known], side=side) for side in ("left", "right")]
        row[known] = (ends[0] + ends[1] + 1) / 2  # equal values share their middle rank
    return ranks.reshape(grids.shape), np.isfinite(flat).sum(axis=1)[:, None, None]


def _neighbours_alike(grids: Values) -> Values:
    """The middle correlation of a column with itself one row further, of each grid, by ranks."""
    ranks, known = _ranks(standardised(grids))
    scores = np.nan_to_num(ndtri((ranks - 0.5) / known))
    products = (scores[:, 1:] * scores[:, :-1]).sum(axis=1)
    squares = (scores[:, 1:] ** 2 + scores[:, :-1] ** 2).sum(axis=1) / 2
    return np.asarray(np.median(products / np.maximum(squares, 1e-12), axis=1))


def smooth(shape: tuple[int, ...], down: float, across: float, *, seed: int) -> Values:
    """Normal grids [many, row, column] whose neighbours correlate along each axis.

    A correlation of 1 along an axis is a random walk.
    """
    drawn = np.random.default_rng(seed).normal(size=shape)
    for axis, correlation in ((1, down), (2, across)):
        cells = np.moveaxis(drawn, axis, 0)  # a view: the grids themselves are changed
        new = np.sqrt(1 - correlation**2) if correlation < 1 else 1.0
        for at in range(1, len(cells)):
            cells[at] = correlation * cells[at - 1] + new * cells[at]
    return drawn


@lru_cache(maxsize=64)
def _expected(rows: int, columns: int, other: float) -> tuple[Values, Values]:
    """What :func:`_neighbours_alike` gives for each of ``STEPS``: its mean, and its spread."""
    many = max(20, min(60, 30_000 // (rows * columns)))
    found = [
        _neighbours_alike(smooth((many, rows, columns), step, other, seed=at))
        for at, step in enumerate(STEPS)
    ]
    return np.array([x.mean() for x in found]), np.array([x.std() for x in found])


def correlation_of(grid: Values, other: float = 0.0, *, errors: float = 1.0) -> float:
    """The correlation of neighbouring rows of a grid.

    An estimate is too low in short columns; what grids of known correlation give is inverted
    instead (indirect inference).

    Args:
        grid: rows × columns.
        other: the correlation of neighbouring columns.
        errors: by how many standard errors the estimate is raised.
    """
    mean, spread = _expected(len(grid), min(grid.shape[1], 48), round(other, 1))
    found = np.maximum.accumulate(mean - errors * spread)
    return float(np.interp(_neighbours_alike(grid[None])[0], found, STEPS))


def _correlation_across(grid: Values, down: float) -> float:
    """The same of neighbouring columns, without what they share; 0 where it may well be."""
    turned = (grid - np.nanmedian(grid, axis=1, keepdims=True)).T
    mean, spread = _expected(len(turned), min(turned.shape[1], 48), round(down, 1))
    if _neighbours_alike(turned[None])[0] < mean[0] + 2 * spread[0]:
        return 0.0
    return correlation_of(turned, down, errors=0.0)


def _mean_variance(length: int, correlation: float) -> float:
    """Variance of the mean of so many neighbours with variance 1."""
    lag = np.arange(1, length)
    return float((length + 2 * ((length - lag) * correlation**lag).sum()) / length**2)


@dataclass(frozen=True)
class Block:
    """Neighbouring rows and columns (first, one past the last), and how far their mean is out."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    score: float

    def meets(self, other: Block) -> bool:
        """Whether the two have a cell in common."""
        return all(
            one[0] < two[1] and two[0] < one[1]
            for one, two in ((self.rows, other.rows), (self.columns, other.columns))
        )


def _sizes(most: int) -> list[int]:
    """Sizes of blocks that are tried: all small ones, then in steps of a third, and the whole."""
    sizes = [1, 2, 3, 4, 5, 6, 8]
    while sizes[-1] * 4 / 3 < most:
        sizes.append(round(sizes[-1] * 4 / 3))
    return sorted({min(size, most) for size in sizes} | {most})


@dataclass(frozen=True)
class Scan:
    """Every block of neighbouring rows and columns, each against its own standard error.

    A column, a run of rows in a column and a single cell are blocks too, so that one largest value
    answers for all of them.

    Args:
        down: correlation of neighbouring rows.
        across: correlation of neighbouring columns.
        widest: most columns of a block: 1 where the order of columns means nothing.
    """

    down: float = 0.0
    across: float = 0.0
    widest: int = 16

    def _blocks(self, grids: Values) -> Iterator[tuple[int, int, Values]]:
        """Height, width, and how far out [many, first row, first column], for every size."""
        sums = np.cumsum(np.pad(np.nan_to_num(grids), [(0, 0), (1, 0), (1, 0)]), axis=1)
        sums = np.cumsum(sums, axis=2)
        rows, columns = grids.shape[1:]
        for height in _sizes(rows):
            strip = sums[:, height:] - sums[:, :-height]
            for width in _sizes(max(1, min(self.widest, columns // 2))):
                error = _mean_variance(height, self.down) * _mean_variance(width, self.across)
                total = strip[:, :, width:] - strip[:, :, :-width]
                yield height, width, total / (height * width * np.sqrt(error))

    def largest(self, grids: Values) -> Values:
        """How far out the furthest block of each grid is."""
        found = np.zeros(len(grids))
        for _, _, out in self._blocks(grids):
            np.maximum(found, np.abs(out).max(axis=(1, 2)), out=found)
        return found

    def beyond(self, grid: Values, drawn: Values) -> list[Block]:
        """Blocks of a grid further out than the furthest of 95 % of the drawn grids.

        Returns:
            Blocks without a common cell, the furthest first.
        """
        limit = np.sort(self.largest(drawn))[-int(ALPHA * (len(drawn) + 1))]
        found = []
        for height, width, out in self._blocks(grid[None]):
            for row, column in np.argwhere(np.abs(out[0]) > limit).tolist():
                place = (row, row + height), (column, column + width)
                found.append(Block(*place, float(out[0, row, column])))
        kept: list[Block] = []
        for one in sorted(found, key=lambda block: -abs(block.score)):
            if not any(one.meets(other) for other in kept):
                kept.append(one)
        return kept


def departures(grid: Values, *, widest: int, ordered: bool) -> tuple[float, list[Block]]:
    """Blocks that depart from the other columns more than any block of noise as smooth as the map.

    The noise is an AR(1) series down each column, with the map's own distribution of values.

    Args:
        grid: rows × columns; rows are ordered.
        widest: most columns of a block.
        ordered: whether neighbouring columns may be alike, as rows are.

    Returns:
        The correlation of neighbours, and the blocks: none where it is so close to 1 that one map
        cannot tell. At most 5 % of maps without a departing column give any block.
    """
    down = correlation_of(grid)
    across = _correlation_across(grid, down) if ordered else 0.0
    if max(down, across) >= UNIT_ROOT:
        return max(down, across), []
    own = standardised(grid[None])[0]
    drawn = smooth((SURROGATES, *grid.shape), down, across, seed=1)
    drawn[:, np.isnan(grid)] = np.nan
    ranks, _ = _ranks(drawn)
    at = np.where(np.isnan(ranks), 1, ranks).astype(int) - 1
    alike = np.where(np.isnan(ranks), np.nan, np.sort(own[np.isfinite(own)])[at])
    alike = np.clip(standardised(alike), -CLIP, CLIP)
    blocks = Scan(down, across, widest).beyond(np.clip(own, -CLIP, CLIP), alike)
    return down, blocks or _lone(own)


def _lone(scores: Values) -> list[Block]:
    """A cell above a gap, or below one, that is as large as the range of all the others."""
    order = np.argsort(np.where(np.isfinite(scores), scores, np.nan), axis=None)
    order = order[: int(np.isfinite(scores).sum())]
    found = []
    for line in (order, order[::-1]):
        least, second, top = (float(scores.flat[at]) for at in (line[0], line[-2], line[-1]))
        if abs(top - second) > abs(second - least) > 0:
            row, column = (int(at) for at in np.unravel_index(line[-1], scores.shape))
            found.append(Block((row, row + 1), (column, column + 1), top))
    return found


def over_units(stack: Values, *, widest: int) -> list[Block]:
    """Blocks that depart from the other columns over units, against flips of the units' signs.

    Args:
        stack: units × rows × columns.
        widest: most columns of a block.

    Returns:
        Blocks that at most 5 % of maps without a departing column give.
    """
    away = stack - np.nanmedian(stack, axis=2, keepdims=True)
    away = np.nan_to_num(away)
    count = len(away)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(SURROGATES, count))
    means = np.tensordot(np.vstack([np.ones(count), signs]), away, axes=1) / count
    error = np.sqrt(np.maximum((away**2).mean(axis=0) - means**2, 1e-300) / (count - 1))
    floor = np.median(error[0][error[0] > 1e-149]) if (error[0] > 1e-149).any() else 1.0
    scores = means / np.maximum(error, 0.1 * floor)
    return Scan(widest=widest).beyond(scores[0], scores[1:])
