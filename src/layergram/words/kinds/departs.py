"""Columns, cells and blocks that depart from the other columns more than chance would have it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import Values, departures, over_units
from layergram.words.checking import cells, finite, neighbours, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import (
    FEWEST_COLUMNS,
    FEWEST_ROWS,
    FEWEST_UNITS,
    MOST_CELLS,
    STATED_FALSE_ALARM,
    UNIT_ROOT,
)
from layergram.words.names import Names
from layergram.words.view import ORDERED, View

Places = npt.NDArray[np.intp]

UNITS = ("example", "head", "model")
"""Axes whose labels are a sample: what holds over them holds for others of their kind."""


def departing(view: View) -> tuple[list[Fact], str]:
    """What departs from the other columns, and the null in a sentence."""
    why = _unsuitable(view)
    if why:
        return [], f"Nothing was tested for standing out: {why}."
    row, column = view.rows, view.columns
    turned = row not in ORDERED
    stack = view.stack.swapaxes(1, 2) if turned else view.stack
    grid = view.values.T if turned else view.values
    if turned:
        row, column = column, row
    rows = np.flatnonzero(np.isfinite(grid).any(axis=1))
    columns = np.flatnonzero(np.isfinite(grid).any(axis=0))
    groups = np.array_split(columns, min(len(columns), max(1, MOST_CELLS // len(rows))))
    names = Names(view.array)
    widest = 16 if column in ORDERED else 1
    others = f"no {names.noun(column, 1)} departs from the others"
    if view.panels and view.panels[0] in UNITS and len(stack) >= FEWEST_UNITS:
        blocks = over_units(_pooled(stack[:, rows], groups), widest=widest)
        null = (
            f"Null: {others} over the {names.count(len(stack), view.panels[0])}, whose signs were "
            "flipped"
        )
    else:
        pooled = _pooled(grid[None, rows], groups)[0]
        alike, blocks = departures(pooled, widest=widest, ordered=column in ORDERED)
        if alike >= UNIT_ROOT:
            return [], (
                f"Whether anything stands out cannot be decided from this map: neighbours are so "
                f"alike (correlation {alike:.2f}) that chance alone makes such courses."
            )
        null = (
            f"Null: noise as smooth as this map (neighbouring {names.noun(row)} correlate by "
            f"{alike:.2f}), in which {others}"
        )
    null += (
        f"; at most {100 * STATED_FALSE_ALARM:.0f} % of descriptions would name anything then. A "
        f"course that all {names.noun(column)} share was not tested: one map cannot decide it."
    )
    places = [(rows[slice(*b.rows)], np.concatenate(groups[slice(*b.columns)])) for b in blocks]
    found = []
    for (down, across), block in zip(places, blocks, strict=True):
        inside, outside = _means(grid, down, across)
        if (inside - outside) * block.score <= 0:  # the median decided, the mean is told
            continue
        labels = {
            row: [_labels(view, row)[at] for at in down],
            column: [_labels(view, column)[at] for at in across],
        }
        numbers = {"inside": inside, "others": outside}
        found.append(DEPARTS.fact(labels, numbers, abs(inside - outside) / (view.range or 1.0)))
    return found[: DEPARTS.most], null


def _labels(view: View, dim: str) -> list[object]:
    return view.row_labels if dim == view.rows else view.column_labels


def _unsuitable(view: View) -> str:
    """Why a map cannot be tested, if it cannot."""
    names = Names(view.array)
    if not view.columns:
        return "a single series has nothing to be compared with"
    if "head" in (view.rows, view.columns):
        return "a head has no counterpart in the next layer, and the map carries no p-values"
    if view.rows not in ORDERED and view.columns not in ORDERED:
        return "neither axis has an order"
    row = view.rows if view.rows in ORDERED else view.columns
    column = view.columns if row == view.rows else view.rows
    there = np.isfinite(view.values)
    sizes = {view.rows: int(there.any(axis=1).sum()), view.columns: int(there.any(axis=0).sum())}
    if sizes[row] < FEWEST_ROWS or sizes[column] < FEWEST_COLUMNS:
        return (
            f"{names.count(sizes[row], row)} and {names.count(sizes[column], column)} are too few "
            f"({FEWEST_ROWS} and {FEWEST_COLUMNS} are needed)"
        )
    return "" if view.range else "all values are the same"


def _pooled(stack: Values, groups: list[Places]) -> Values:
    if all(len(group) == 1 for group in groups):
        return np.asarray(stack[:, :, np.concatenate(groups)])
    return np.stack([np.nanmean(stack[:, :, group], axis=2) for group in groups], axis=2)


def _means(grid: Values, rows: Places, columns: Places) -> tuple[float, float]:
    """Mean of a block, and of the other columns in the same rows."""
    inside = grid[np.ix_(rows, columns)]
    outside = np.delete(grid[rows], columns, axis=1)
    return float(np.nanmean(inside)), float(np.nanmean(outside))


def _departs_holds(array: xr.DataArray, fact: Fact) -> bool:
    row, column = fact.coordinates
    known = array.dropna(row, how="all").dropna(column, how="all")
    if not all(neighbours(known, dim, fact.coordinates[dim]) for dim in (row, column)):
        return False
    band = cells(array, {row: fact.coordinates[row]})
    inside = finite(band.sel({column: fact.coordinates[column]})).mean()
    others = finite(band.drop_sel({column: fact.coordinates[column]})).mean()
    return same(array, fact, {"inside": inside, "others": others})


def _say_departs(fact: Fact, names: Names) -> str:
    (row, rows), (column, columns) = fact.coordinates.items()
    n = fact.numbers
    who, noun = names.many(column, columns), names.noun(column)
    verb = "departs" if len(columns) == 1 else "depart"
    where = names.many(row, rows)
    single = len(rows) == len(columns) == 1
    mean = "" if single else f" ({names.average})"
    return (
        f"{who} {verb} from the other {noun} {'at' if len(rows) == 1 else 'in'} {where}: "
        f"{names.number(n['inside'])}{mean}, against {names.number(n['others'])} for the others."
    )


DEPARTS = Kind(
    "departs",
    "A column, a run of layers in it, a cell or a block that departs from the other columns.",
    "tested",
    lambda view: departing(view)[0],
    _say_departs,
    _departs_holds,
    most=3,
)
