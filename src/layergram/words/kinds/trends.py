"""Trends with depth: rising, falling, U-shaped, or rising and then falling."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import along, cells, reach, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import DIRECT, FIT, SMALL_CHANGE
from layergram.words.names import Names
from layergram.words.shapes import Shape, explained, shape_of
from layergram.words.view import ORDERED, View, axes_of, flat, labels_of, mean

Values = npt.NDArray[np.float64]

MOST_FITTED = 256
"""With more columns than this no single one is told of."""

MOST_POINTS = 512
"""With more rows than this no course is looked for."""


def _fit(series: Values) -> float:
    """Share of a series' variation that a line with one bend explains."""
    total = float(((series - series.mean()) ** 2).sum())
    return float(explained(series[None])[0]) / total if total > 1e-18 else 0.0


def _numbers(shape: Shape) -> dict[str, float]:
    return {"start": shape.start, "turn": shape.turn, "end": shape.end}


def _where(labels: list[Any], shape: Shape) -> list[Any]:
    return labels[shape.first : shape.last + 1]


def _size(shape: Shape, view: View) -> float:
    return max(abs(shape.turn - shape.start), abs(shape.end - shape.turn)) / view.range


def _find_overall(view: View) -> list[Fact]:
    there = np.flatnonzero(np.isfinite(view.profile))
    if view.rows not in ORDERED or not 4 <= len(there) <= MOST_POINTS or not view.range:
        return []
    profile = view.profile[there]
    shape = shape_of(profile, view.range)
    if shape is None or _fit(profile) < FIT:
        return []
    labels = [view.row_labels[at] for at in there]
    where = {"shape": shape.name, view.rows: _where(labels, shape)}
    return [TREND.fact(where, _numbers(shape), _size(shape, view))]


def _find_columns(view: View) -> list[Fact]:
    rows, columns = view.values.shape
    if view.rows not in ORDERED or not view.columns or not 4 <= rows <= MOST_POINTS:
        return []
    if columns > MOST_FITTED or not view.range:
        return []
    alike: dict[tuple[Any, ...], list[Any]] = {}
    shapes: dict[tuple[Any, ...], Shape] = {}
    for at in range(columns):
        series = view.values[:, at]
        there = np.flatnonzero(np.isfinite(series))
        shape = shape_of(series[there], view.range) if len(there) > 3 else None
        if shape is None or _fit(series[there]) < FIT:
            continue
        labels = [view.row_labels[i] for i in there]
        key = (shape.name, *map(_tidy, _numbers(shape).values()), *_where(labels, shape))
        alike.setdefault(key, []).append(view.column_labels[at])
        shapes[key] = shape
    found = []
    for key, named in alike.items():
        where = {"shape": key[0], view.columns: named, view.rows: list(key[4:])}
        numbers = _numbers(shapes[key]) | {"rank": _rank(view, named)}
        found.append(COLUMN_TREND.fact(where, numbers, _size(shapes[key], view)))
    return sorted(found, key=lambda fact: -fact.strength)


def _tidy(value: float) -> float:
    return float(f"{value:.9g}")


def _rank(view: View, named: list[Any]) -> int:
    """How many columns start strictly higher, plus one; 0 where it is not known of all."""
    start = view.values[0]
    if np.isnan(start).any():
        return 0
    own = [view.column_labels.index(label) for label in named]
    return 1 + int((start > start[own].min()).sum()) - int((start[own] > start[own].min()).sum())


def _trend_matches(fact: Fact, series: xr.DataArray) -> dict[str, float] | None:
    """The numbers of a trend recomputed from a labelled series, if it has the shape told."""
    dim = str(series.dims[0])
    series = series.dropna(dim)
    values, labels = series.values.tolist(), labels_of(series, dim)
    told, turning = fact.coordinates["shape"], fact.coordinates[dim]
    first, last = labels.index(turning[0]), labels.index(turning[-1])
    legs = [(values[: first + 1], told.split(", then ")[0])]
    if ", then " in told:
        legs.append((values[last:], told.split(", then ")[1]))
    elif last != len(labels) - 1:
        return None
    for leg, verb in legs:
        steps = [after - before for before, after in pairwise(leg)]
        net = sum(steps) if verb == "rises" else -sum(steps)
        if net <= 0 or net < DIRECT * sum(map(abs, steps)) * (1 - 1e-9):
            return None
    ends = [values[0], values[first], values[-1]]
    extreme = max(values) if told == "rises, then falls" else min(values)
    if ", then " in told and abs(values[first] - extreme) > 1e-9 * max(1.0, abs(extreme)):
        return None
    return dict(zip(("start", "turn", "end"), ends, strict=True))


def _overall_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array)
    dim = next(d for d in map(str, grid.dims) if d in fact.coordinates)
    series = xr.DataArray(along(grid, dim), coords={dim: grid[dim].values}, dims=dim)
    numbers = _trend_matches(fact, series)
    return numbers is not None and same(array, fact, numbers)


def _column_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array)
    column, row = [d for d in fact.coordinates if d != "shape"]
    start = grid.isel({row: 0}).values.tolist()
    own = [float(x) for x in grid.isel({row: 0}).sel({column: fact.coordinates[column]})]
    for label in fact.coordinates[column]:
        numbers = _trend_matches(fact, cells(array, {column: label}))
        if numbers is None:
            return False
        others = sum(value > min(own) for value in start) - sum(value > min(own) for value in own)
        rank = 0 if any(np.isnan(start)) else 1 + others
        if not same(array, fact, numbers | {"rank": rank}):
            return False
    return True


def _ends(fact: Fact, names: Names, row: str) -> tuple[str, str]:
    """The first and the last row of a series that have a value: 'layer 2', 'layer 30'."""
    grid = flat(names.array)
    column = next((d for d in fact.coordinates if d not in ("shape", row)), "")
    if column:
        grid = grid.sel({column: fact.coordinates[column]})
    known = grid.notnull().any([d for d in grid.dims if d != row]).values
    labels = [x for x, there in zip(names.labels(row), known, strict=True) if there]
    return names.one(row, labels[0]), names.one(row, labels[-1])


def _course(fact: Fact, names: Names, row: str, *, start: str) -> str:
    """What a series does: 'falls to 0.60 at layers 20–22 and rises to 0.80 at layer 30'."""
    n, turning = fact.numbers, names.many(row, fact.coordinates[row])
    first, *second = fact.coordinates["shape"].split(", then ")
    text = f"{first} {start}to {names.number(n['turn'])} at {turning}"
    if not second:
        return text
    final = _ends(fact, names, row)[1]
    return f"{text} and {second[0]} to {names.number(n['end'])} at {final}"


def _say_overall(fact: Fact, names: Names) -> str:
    row = next(d for d in fact.coordinates if d != "shape")
    subject = (
        f"the {names.average} over the {names.noun(names.other(row))}"
        if names.other(row)
        else "the value"
    )
    start = f"from {names.bare(fact.numbers['start'])} "
    sentence = f"From {_ends(fact, names, row)[0]} on, {subject} "
    return sentence + _course(fact, names, row, start=start) + "."


def _say_column(fact: Fact, names: Names) -> str:
    column, row = [d for d in fact.coordinates if d != "shape"]
    labels, n = fact.coordinates[column], fact.numbers
    subject = names.many(column, labels)
    subject = f"{subject} each" if len(labels) > 1 else subject
    course = _course(fact, names, row, start="")
    if len(labels) > 1:
        course = course.replace("falls", "fall").replace("rises", "rise")
    first = f"{names.number(n['start'])} at {_ends(fact, names, row)[0]}"
    link = ", " if " and " in course else " and "
    if n["rank"] == 1 and len(labels) < len(names.labels(column)):
        begin = "start highest" if len(labels) > 1 else "starts highest"
        return f"{subject} {begin} ({first}){link}{course}."
    begin = "start" if len(labels) > 1 else "starts"
    return f"{subject} {begin} at {first}{link}{course}."


def _find_direction(view: View) -> list[Fact]:
    columns = view.values.shape[1]
    if view.rows not in ORDERED or columns < 8 or len(view.values) < 4 or not view.range:
        return []
    third = max(1, len(view.values) // 3)
    change = mean(view.values[-third:], axis=0) - mean(view.values[:third], axis=0)
    change = change[np.isfinite(change)]
    lower, higher = (int((s * change > SMALL_CHANGE * view.range).sum()) for s in (-1, 1))
    if not len(change) or max(lower, higher) < 0.7 * len(change):
        return []
    numbers = {
        "lower": lower,
        "higher": higher,
        "columns": len(change),
        "change": np.median(change),
    }
    size = abs(float(np.median(change))) / view.range
    return [DIRECTION.fact({}, numbers, size * max(lower, higher) / len(change))]


def _direction_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array).astype(np.float64)
    row, column, _ = axes_of(array)
    size = max(1, grid.sizes[row] // 3)
    late = grid.isel({row: slice(-size, None)}).mean(row, skipna=True)
    early = grid.isel({row: slice(0, size)}).mean(row, skipna=True)
    change = (late - early).dropna(column).values
    least = SMALL_CHANGE * reach(grid)
    numbers = {
        "lower": (change < -least).sum(),
        "higher": (change > least).sum(),
        "columns": len(change),
        "change": np.median(change),
    }
    return same(array, fact, numbers)


def _say_direction(fact: Fact, names: Names) -> str:
    row, column = names.sides
    n = fact.numbers
    down = n["lower"] >= n["higher"]
    many, few = (n["lower"], n["higher"]) if down else (n["higher"], n["lower"])
    way, other = ("lower", "higher") if down else ("higher", "lower")
    text = (
        f"{int(many)} of {names.count(int(n['columns']), column)} are {way} in the last third "
        f"of the {names.noun(row)} than in the first, "
        f"{'none are' if not few else f'{int(few)} are' if few > 1 else '1 is'} {other}; "
    )
    return text + f"the median change is {names.signed(n['change'])}."


TREND = Kind(
    "trend",
    "How the mean of the rows goes with depth, with its turning point.",
    "counted",
    _find_overall,
    _say_overall,
    _overall_holds,
)
COLUMN_TREND = Kind(
    "column_trend",
    "How single columns go with depth, with their turning points.",
    "counted",
    _find_columns,
    _say_column,
    _column_holds,
)
DIRECTION = Kind(
    "direction",
    "How many columns are lower, and how many higher, in the last third of the rows.",
    "counted",
    _find_direction,
    _say_direction,
    _direction_holds,
)
