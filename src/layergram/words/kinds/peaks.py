"""Peaks: the highest cells, one per row, where the top of the map is gathered."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import cells, finite, reach, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import PEAK_EDGE, PEAK_HEIGHT, SMALL_CHANGE, TOP_CELLS
from layergram.words.names import Names
from layergram.words.view import ORDERED, View, flat

Values = npt.NDArray[np.float64]

FEWEST = 5
"""Cells in the smallest top that is looked at."""

PLATEAU = 0.25
"""With more than this share of the cells near the top, the top is a region and no peak."""


def _gathered(grids: Values) -> Values:
    """How much the top cells of each grid share rows and columns, and touch, for several sizes."""
    lists = grids.reshape(len(grids), -1)
    filled = np.where(np.isnan(lists), -np.inf, lists)
    known = int(np.isfinite(lists[0]).sum())
    sizes = {min(known, max(FEWEST, round(part * known))) for part in (0.0, *TOP_CELLS)}
    found = []
    for wanted in sorted(sizes):
        limit = np.partition(filled, -wanted, axis=1)[:, -wanted]
        top = filled.reshape(grids.shape) >= limit[:, None, None]
        squares = (top.sum(axis=1) ** 2).sum(axis=1) + (top.sum(axis=2) ** 2).sum(axis=1)
        joined = (top[:, 1:] & top[:, :-1]).sum(axis=(1, 2))
        joined += (top[:, :, 1:] & top[:, :, :-1]).sum(axis=(1, 2))
        found += [squares / top.sum(axis=(1, 2)), joined.astype(float)]
    return np.stack(found, axis=1)


def _is_gathered(view: View) -> bool:
    """Whether the top cells are gathered more than chance would have them, at any size."""
    chance = _gathered(view.shuffled.everywhere)
    middle, spread = chance.mean(axis=0), chance.std(axis=0) + 1e-9
    observed = ((_gathered(view.shuffled.start[None])[0] - middle) / spread).max()
    limit = threshold(lambda scores: ((scores - middle) / spread).max(axis=1), chance)
    return bool(observed > limit)


def _standing_alone(values: Values) -> int:
    """How many values, at most a few, lie above a gap that is larger than all that is below it."""
    ordered = np.sort(values[np.isfinite(values)])
    for few in range(1, min(FEWEST, ordered.size - 2) + 1):
        if ordered[-few] - ordered[-few - 1] > ordered[-few - 1] - ordered[0]:
            return few
    return 0


def _drop(series: Values, at: int) -> float:
    """How far values fall beside a place before they rise above it: the smaller of both."""
    drops = []
    for side in (series[:at][::-1], series[at + 1 :]):
        side = side[np.isfinite(side)]
        higher = np.flatnonzero(side > series[at])
        lower = side[: higher[0]] if len(higher) else side
        drops.append(float(series[at] - lower.min()) if len(lower) else 0.0)
    return min(drops)


def _crests(view: View) -> list[tuple[float, float, int, Any]]:
    """The highest value of each row that is a peak of its column: value, drop, row, columns."""
    low, final, found = np.nanmin(view.values), len(view.values) - 1, []
    for row, values in enumerate(view.values):
        if not np.isfinite(values).any():
            continue
        top = np.nanmax(values)
        columns = np.flatnonzero(values == top)
        if top < low + PEAK_HEIGHT * view.range:
            continue
        if view.rows not in ORDERED:
            drop, least = float(top - np.nanmedian(view.values)), SMALL_CHANGE
        elif row in (0, final):
            beside = view.values[1 if row == 0 else final - 1, columns] if final else np.nan
            drop, least = float(np.min(top - beside)), PEAK_EDGE
        else:
            drop, least = min(_drop(view.values[:, at], row) for at in columns), SMALL_CHANGE
        if drop >= least * view.range:
            found.append((float(top), drop, row, columns))
    return sorted(found, key=lambda peak: (-peak[0], peak[2]))


def _touch(view: View, one: tuple[int, Any], other: tuple[int, Any]) -> bool:
    """Whether two peaks (row, columns) share a column or are neighbours; heads are none."""
    if view.columns and set(one[1].tolist()) & set(other[1].tolist()):
        return True
    reach = 1 if view.columns in ORDERED else 0
    apart = np.abs(np.subtract.outer(one[1], other[1])).min()
    return bool(abs(one[0] - other[0]) <= 1 and apart <= reach)


def _find_peaks(view: View) -> list[Fact]:
    values = view.values[np.isfinite(view.values)]
    if not view.range or values.size < 8 or "function" in view.panels:
        return []
    high = values.max() - 0.1 * view.range
    if (values >= high).mean() > PLATEAU:
        return []
    most = len(view.row_labels) if view.columns and _is_gathered(view) else 0
    most = most or _standing_alone(view.values)
    if not most:
        return []
    median = float(np.median(values))
    facts: list[Fact] = []
    told: list[tuple[int, Any]] = []
    for value, drop, row, columns in _crests(view):
        near = any(_touch(view, (row, columns), other) for other in told)
        if near or len(facts) >= most:
            continue
        told.append((row, columns))
        where = {view.rows: [view.row_labels[row]]}
        if view.columns:
            where[view.columns] = [view.column_labels[at] for at in columns]
        numbers = {"value": value, "above median": value - median, "drop": drop}
        facts.append(PEAKS.fact(where, numbers, (value - median) / view.range))
    return facts


def _peaks_hold(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array).astype(np.float64)
    there = finite(grid)
    named = finite(cells(array, fact.coordinates))
    row = next(d for d in fact.coordinates)
    labels = array[row].values.tolist()
    at = labels.index(fact.coordinates[row][0])
    columns = {d: x for d, x in fact.coordinates.items() if d != row}
    series = [cells(array, {d: [x] for d in columns}) for x in next(iter(columns.values()), [None])]
    if row in ORDERED:
        drop = min(_fall(one.values.ravel().tolist(), at) for one in series)
    else:
        drop = float(named[0] - np.median(there))
    high_enough = named[0] >= there.min() + PEAK_HEIGHT * reach(grid) - 1e-9
    numbers = {"value": named[0], "above median": named[0] - np.median(there), "drop": drop}
    return bool(high_enough and np.ptp(named) == 0) and same(array, fact, numbers)


def _fall(series: list[float], at: int) -> float:
    """The drop beside a place, walked cell by cell; at an end of the axis, to the next cell."""
    if at in (0, len(series) - 1):
        return series[at] - series[1 if at == 0 else at - 1]
    falls = []
    for step in (-1, 1):
        lowest, place = series[at], at + step
        while 0 <= place < len(series) and not series[place] > series[at]:
            lowest = min(lowest, series[place]) if series[place] == series[place] else lowest
            place += step
        falls.append(series[at] - lowest)
    return min(falls)


def _say_peak(fact: Fact, names: Names) -> str:
    row, *columns = fact.coordinates
    where = names.many(row, fact.coordinates[row])
    value = names.number(fact.numbers["value"])
    if not columns:
        return f"A peak of {value} stands at {where}."
    labels = fact.coordinates[columns[0]]
    each = " each" if len(labels) > 1 else ""
    return f"A peak at {where}: {names.many(columns[0], labels)} with {value}{each}."


PEAKS = Kind(
    "peaks",
    "The highest cells, one place per layer, with their coordinates.",
    "The top cells (5, or 2, 5 or 10 %) share rows and columns, or touch, more than in 98 % of "
    "maps with all cells shuffled, or up to 5 lie above a gap larger than all that is below it.",
    "key",
    _find_peaks,
    _peaks_hold,
    _say_peak,
    most=5,
)
