"""Peaks: the highest cells, one per row, where the top of the map is gathered."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import cells, finite, reach, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import PEAK_EDGE, PEAK_HEIGHT, SMALL_CHANGE
from layergram.words.names import Names
from layergram.words.view import ORDERED, View, flat

Values = npt.NDArray[np.float64]

PLATEAU = 0.25
"""With more than this share of the cells near the top, the top is a region and no peak."""


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
    crests = _crests(view)
    if not crests or crests[0][0] < values.max():  # the highest cell is no peak: none is told
        return []
    median = float(np.median(values))
    facts: list[Fact] = []
    told: list[tuple[int, Any]] = []
    for value, drop, row, columns in crests:
        if any(_touch(view, (row, columns), other) for other in told):
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
    "counted",
    _find_peaks,
    _say_peak,
    _peaks_hold,
    most=3,
)
