"""The focus moving: the middle of what stands out in a row shifts with depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import same
from layergram.words.fact import Block, Fact, Kind
from layergram.words.limits import FOCUS_SHIFT
from layergram.words.names import Names
from layergram.words.view import ORDERED, View, flat

Values = npt.NDArray[np.float64]


def _centres(grids: Values) -> Values:
    """Centre of mass of every row above the row's lowest value, in columns: many × rows."""
    there = np.isfinite(grids)
    low = np.where(there, grids, np.inf).min(axis=2, keepdims=True)
    mass = np.where(there, grids - np.where(np.isfinite(low), low, 0.0), 0.0)
    total = mass.sum(axis=2)
    at = np.arange(grids.shape[2])
    return np.where(total > 1e-12, (mass * at).sum(axis=2) / np.maximum(total, 1e-12), np.nan)


def _find_focus(view: View) -> list[Fact]:
    rows, columns = view.values.shape
    if not {view.rows, view.columns} <= ORDERED or rows < 4 or columns < 4 or not view.range:
        return []
    if view.stack[np.isfinite(view.stack)].min() < 0:
        return []
    centres = _centres(view.values[None])[0]
    there = np.flatnonzero(np.isfinite(centres))
    if len(there) < 4:
        return []
    third = max(1, len(there) // 3)
    early, late = there[:third], there[-third:]
    first, last = float(centres[early].mean()), float(centres[late].mean())
    if abs(last - first) < FOCUS_SHIFT * columns:
        return []
    where = {
        "early": [view.row_labels[at] for at in early],
        "late": [view.row_labels[at] for at in late],
        "from": [view.column_labels[round(first)]],
        "to": [view.column_labels[round(last)]],
    }
    numbers = {"first": first / (columns - 1), "last": last / (columns - 1)}
    return [FOCUS.fact(where, numbers, abs(numbers["last"] - numbers["first"]))]


def _focus_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array).astype(np.float64)
    view = View.of(array)
    row, column = view.rows, view.columns
    above = (grid - grid.min(column)).fillna(0.0)
    places = xr.DataArray(np.arange(grid.sizes[column]), coords={column: grid[column].values})
    total = above.sum(column)
    centres = ((above * places).sum(column) / total.where(total > 1e-12)).dropna(row)
    third = max(1, centres.sizes[row] // 3)
    labels = centres[row].values.tolist()
    where: dict[str, Any] = {"early": labels[:third], "late": labels[-third:]}
    ends = [float(centres.sel({row: where[end]}).mean()) for end in ("early", "late")]
    names = grid[column].values.tolist()
    where |= {"from": [names[round(ends[0])]], "to": [names[round(ends[1])]]}
    numbers = {"first": ends[0] / (len(names) - 1), "last": ends[1] / (len(names) - 1)}
    return where == fact.coordinates and same(array, fact, numbers)


def _say_focus(fact: Fact, names: Names) -> str:
    row, column = names.sides
    n, where = fact.numbers, fact.coordinates
    nouns = names.noun(column)
    way = "later" if n["last"] > n["first"] else "earlier"
    whole = f"from the first {nouns} to the last"
    whole = whole if way == "later" else f"from the last {nouns} to the first"
    far = min(n["first"], n["last"]) < 0.4 and max(n["first"], n["last"]) > 0.6
    move = whole if far else f"towards {way} {nouns}"
    early, late = (names.many(row, where[end]) for end in ("early", "late"))
    return (
        f"The focus moves {move} with depth: their centre of mass is near "
        f"{names.many(column, where['from'])} in {early} and near "
        f"{names.many(column, where['to'])} in {late}."
    )


def _focus_cells(fact: Fact, names: Names) -> list[Block]:
    row, column = names.sides
    where = fact.coordinates
    return [
        {row: where["early"], column: where["from"]},
        {row: where["late"], column: where["to"]},
    ]


FOCUS = Kind(
    "focus",
    "The centre of mass of the columns shifting from the lowest to the highest layers.",
    "counted",
    _find_focus,
    _say_focus,
    _focus_holds,
    cells=_focus_cells,
)
