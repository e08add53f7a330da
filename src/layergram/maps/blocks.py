"""Contiguous blocks of a map: the one that stands out most, and the one around the highest cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Edges = npt.NDArray[np.int64]
Span = tuple[int, int]
Box = tuple[int, ...]  # top, bottom, left, right; bottom and right are one past the last
MOST_SEARCHED = (64, 128)  # rows and columns up to which every block is tried


@dataclass(frozen=True)
class Block:
    """A block of neighbouring rows and columns.

    Args:
        rows: first and last row, both included.
        columns: first and last column, both included.
        inside: mean of its cells.
        outside: mean of all other cells.
        share: part of the map's variance that the two means explain, 0..1.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    inside: float
    outside: float
    share: float


def best_block(values: npt.ArrayLike, *, least: tuple[int, int] = (3, 2)) -> Block | None:
    """The block with the highest contrast to the rest, weighed by how many cells it has.

    Of all blocks of at least ``least`` rows × columns (or the whole axis, where it is shorter)
    whose mean is above the mean of the rest, the one for which the two means explain the largest
    share of the map's variance: n·m/(n+m)·(inside − outside)², n and m being the numbers of cells
    inside and outside. A larger contrast and a larger block both count, so one bright cell does
    not win over a bright band, and a band is not cut to its brightest cells.

    Args:
        values: rows × columns; NaN cells count for nothing.
        least: fewest rows and columns.

    Returns:
        The block, or None where all cells are equal or no such block leaves a rest. Beyond
        64 × 128 cells a coarse search is followed by moving each edge to its best place.

    Example:
        >>> cells = np.zeros((12, 8))
        >>> cells[5:10, 2:6] = 1
        >>> block = best_block(cells)
        >>> block.rows, block.columns, round(block.share, 6)
        ((5, 9), (2, 5), 1.0)
    """
    grid = np.asarray(values, dtype=np.float64)
    known = np.isfinite(grid)
    count = int(known.sum())
    if count == 0:
        return None
    mean = float(grid[known].mean())
    centred = np.where(known, grid - mean, 0.0)
    spread = float((centred**2).sum())
    if spread <= 1e-12 * max(1.0, mean**2) * count:
        return None
    sums, counts = _integral(centred), _integral(known.astype(np.float64))
    least = (min(least[0], grid.shape[0]), min(least[1], grid.shape[1]))
    edges = [
        np.unique(np.linspace(0, size, min(size, most) + 1).round().astype(int))
        for size, most in zip(grid.shape, MOST_SEARCHED, strict=True)
    ]
    found = _search(sums, counts, edges[0], edges[1], least)
    if found is None:
        return None
    top, bottom, left, right = _refined(sums, counts, found, least)
    inside, total = (_sum(a, (top, bottom, left, right)) for a in (counts, sums))
    return Block(
        rows=(top, bottom - 1),
        columns=(left, right - 1),
        inside=float(mean + total / inside),
        outside=float(mean - total / (count - inside)),
        share=float(_score(total, inside, count) / spread),
    )


def block_around_highest(values: npt.ArrayLike, *, floor: float) -> tuple[Span, Span]:
    """First and last row and column of the largest block with the highest cell and none below.

    Args:
        values: rows × columns; a NaN cell belongs to no block.
        floor: the value that no cell of the block is below; the highest cell may not be either.

    Returns:
        The rows and the columns, both ends included. Of two blocks with as many cells the one
        with the higher mean.

    Example:
        >>> block_around_highest([[1, 5, 4], [2, 4, 4], [1, 1, 4]], floor=4)
        ((0, 1), (1, 2))
    """
    grid = np.asarray(values, dtype=np.float64)
    row, column = (int(at) for at in np.unravel_index(np.nanargmax(grid), grid.shape))
    fits: npt.NDArray[np.bool_] = grid >= floor
    best, found = (0.0, 0.0), ((row, row), (column, column))
    for top in range(row, -1, -1):
        for bottom in range(row, len(grid)):
            whole = np.asarray(fits[top : bottom + 1].all(0))
            if not whole[column]:
                break
            left, right = column, column
            while left > 0 and whole[left - 1]:
                left -= 1
            while right + 1 < whole.size and whole[right + 1]:
                right += 1
            block = grid[top : bottom + 1, left : right + 1]
            if (block.size, block.mean()) > best:
                best, found = (block.size, block.mean()), ((top, bottom), (left, right))
    return found


def _integral(grid: Values) -> Values:
    return np.pad(grid, ((1, 0), (1, 0))).cumsum(0).cumsum(1)


def _sum(table: Values, box: Box) -> float:
    top, bottom, left, right = box
    return float(table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left])


def _score(total: Values | float, inside: Values | float, count: float) -> Values:
    """Sum of squares between block and rest, from the block's sum of centred values."""
    rest = count - np.asarray(inside, dtype=np.float64)
    valid = (np.asarray(inside) > 0) & (rest > 0) & (np.asarray(total) > 0)
    below = np.where(valid, inside * rest, 1.0)
    return np.asarray(np.where(valid, np.square(total) * count / below, -1.0))


def _search(
    sums: Values, counts: Values, rows: Edges, columns: Edges, least: tuple[int, int]
) -> Box | None:
    """The best block with edges on the given lines."""
    count = float(counts[-1, -1])
    wide_enough = columns[None, :] - columns[:, None] >= least[1]
    best, found = 0.0, None
    for i, top in enumerate(rows):
        for bottom in rows[i + 1 :]:
            if bottom - top < least[0]:
                continue
            total = (sums[bottom] - sums[top])[columns]
            inside = (counts[bottom] - counts[top])[columns]
            scores = _score(total[None] - total[:, None], inside[None] - inside[:, None], count)
            scores = np.where(wide_enough, scores, -1.0)
            at = int(scores.argmax())
            if scores.flat[at] > best * (1 + 1e-9):
                best = float(scores.flat[at])
                left, right = divmod(at, columns.size)
                found = (int(top), int(bottom), int(columns[left]), int(columns[right]))
    return found


def _refined(sums: Values, counts: Values, box: Box, least: tuple[int, int]) -> Box:
    """The block after moving one edge at a time to its best place, as long as that gains."""
    count = float(counts[-1, -1])
    best = float(_score(_sum(sums, box), _sum(counts, box), count))
    moved = True
    while moved:
        moved = False
        for edge in range(4):
            for at in range(sums.shape[edge // 2]):
                tried = (*box[:edge], at, *box[edge + 1 :])
                if tried[1] - tried[0] < least[0] or tried[3] - tried[2] < least[1]:
                    continue
                score = float(_score(_sum(sums, tried), _sum(counts, tried), count))
                if score > best * (1 + 1e-9):
                    best, box, moved = score, tried, True
    return box
