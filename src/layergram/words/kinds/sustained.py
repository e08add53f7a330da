"""Columns that stay high over a long run of layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import cells, finite, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import LONG_RUN
from layergram.words.names import Names
from layergram.words.view import ORDERED, View, flat

Values = npt.NDArray[np.float64]


def _runs(high: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Length of the run of high cells that ends at each cell, down the rows (axis -2)."""
    length = np.zeros(high.shape, dtype=np.intp)
    run = np.zeros(high.shape[:-2] + high.shape[-1:], dtype=np.intp)
    for row in range(high.shape[-2]):
        run = np.where(high[..., row, :], run + 1, 0)
        length[..., row, :] = run
    return length


def _find_sustained(view: View) -> list[Fact]:
    rows, columns = view.values.shape
    if view.rows not in ORDERED or columns < 4 or rows < 6 or not view.range:
        return []
    line = float(np.nanmin(view.values) + np.nanmax(view.values)) / 2

    def longest(grids: Values) -> Values:
        return np.asarray(_runs(np.nan_to_num(grids, nan=-np.inf) >= line).max(axis=(1, 2)))

    limit = threshold(longest, view.shuffled.across)
    lengths = _runs(np.nan_to_num(view.values, nan=-np.inf) >= line)
    best = lengths.max(axis=0)
    usual = float(np.median(best))
    found = np.flatnonzero((best > limit) & (best >= max(LONG_RUN * rows, 1.5 * usual)))
    facts = []
    for at in sorted(found.tolist(), key=lambda at: -best[at]):
        last = int(lengths[:, at].argmax())
        run = slice(last - int(best[at]) + 1, last + 1)
        where = {
            view.columns: [view.column_labels[at]],
            view.rows: view.row_labels[run],
        }
        numbers = {"line": line, "mean": view.values[run, at].mean(), "usual": usual}
        facts.append(SUSTAINED.fact(where, numbers, (best[at] - usual) / rows))
    return facts


def _sustained_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array)
    column, row = fact.coordinates
    line = float(grid.min() / 2 + grid.max() / 2)
    named = finite(cells(array, fact.coordinates))
    longest = []
    for series in grid.transpose(column, row).values.astype(np.float64).tolist():
        runs = "".join("x" if value >= line else " " for value in series)
        longest.append(max(map(len, runs.split(" "))))
    own = longest[grid[column].values.tolist().index(fact.coordinates[column][0])]
    numbers = {"line": line, "mean": named.mean(), "usual": np.median(longest)}
    runs_on = len(named) == len(fact.coordinates[row]) == own and bool((named >= line).all())
    return runs_on and same(array, fact, numbers)


def _say_sustained(fact: Fact, names: Names) -> str:
    (column, labels), (row, run) = fact.coordinates.items()
    n = fact.numbers
    usual = f"{n['usual']:g}"
    return (
        f"{names.many(column, labels)} stays above the middle of the range "
        f"({names.number(n['line'])}) from {names.one(row, run[0])} to {names.one(row, run[-1])}: "
        f"a run of {len(run)} {names.noun(row)}, where {usual} are usual."
    )


SUSTAINED = Kind(
    "sustained",
    "Columns that stay in the upper half of the range over a long run of layers.",
    "The run is longer than the longest in 98 % of maps shuffled within their rows.",
    "columns",
    _find_sustained,
    _sustained_holds,
    _say_sustained,
    most=2,
)
