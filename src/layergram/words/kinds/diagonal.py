"""Diagonal bands: how sharp they are, where they begin and end, and which panel's is sharpest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.maps import DIMENSIONS
from layergram.words.chance import normal_limit
from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import DIAGONAL_CONTRAST
from layergram.words.names import Names
from layergram.words.view import View, axes_of, mean

Values = npt.NDArray[np.float64]

LEAST_SIDE = 8
"""Rows and columns that a panel must have."""


@dataclass(frozen=True)
class Band:
    """A diagonal band: first and last row, and its numbers."""

    falling: bool
    first: int
    last: int
    base: float
    height: float
    width: float
    sharpness: float


def _offsets(height: int, width: int) -> npt.NDArray[np.int64]:
    """Columns from the diagonal that joins two corners of the grid, for every cell."""
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    return np.floor(columns - rows * (width - 1) / (height - 1) + 0.5).astype(np.int64)


def _stands_out(values: Values, offsets: npt.NDArray[np.int64]) -> float:
    """How many standard errors the cells by the diagonal lie above the others."""
    there = np.isfinite(values)
    core, rest = values[there & (abs(offsets) <= 1)], values[there & (abs(offsets) > 1)]
    spread = float(values[there].std())
    if not spread or core.size < LEAST_SIDE or not rest.size:
        return 0.0
    error = spread * float(np.sqrt(1 / core.size + 1 / rest.size))
    return float(core.mean() - rest.mean()) / error


def _measured(values: Values, offsets: npt.NDArray[np.int64], *, falling: bool) -> Band | None:
    """The band of a panel whose diagonal stands out; rows already turned for a falling one."""
    height, width = values.shape
    far = np.isfinite(values) & (abs(offsets) > width / 4)
    reach = float(np.nanmax(values) - np.nanmin(values))
    base = float(np.median(values[far])) if far.any() else float(np.nanmin(values))
    core = np.array([mean(values[i, abs(offsets[i]) <= 1]) for i in range(height)])
    core = np.where(np.isnan(core), base, core)
    smooth = np.array([np.median(core[max(i - 1, 0) : i + 2]) for i in range(height)])
    level = float(np.sort(smooth)[-max(1, height // 4) :].mean())
    inside = smooth >= (base + level) / 2
    edges = np.flatnonzero(np.diff(np.pad(inside.astype(int), 1)))
    starts, ends = edges[::2], edges[1::2]
    longest = int((ends - starts).argmax())
    first, last = int(starts[longest]), int(ends[longest]) - 1
    rows = slice(first, last + 1)

    def profile(k: int) -> float:
        here = values[rows][offsets[rows] == k]
        return float(mean(here)) - base if np.isfinite(here).any() else 0.0

    top = profile(0)
    if last - first < 3 or top < DIAGONAL_CONTRAST * reach:
        return None
    total = top
    for side in (1, -1):
        k = side
        while abs(k) < width and profile(k) > 0.1 * top:
            total += profile(k)
            k += side
    sharpness = top / reach / (total / top)
    return Band(falling, first, last, base, top, total / top, sharpness)


def _band_of(values: Values, tests: int) -> Band | None:
    offsets = _offsets(*values.shape)
    best = max((False, True), key=lambda turned: _stands_out(_turned(values, turned), offsets))
    turned = _turned(values, best)
    if _stands_out(turned, offsets) <= normal_limit(2 * tests):
        return None
    return _measured(turned, offsets, falling=best)


def _turned(values: Values, falling: bool) -> Values:
    return values[:, ::-1] if falling else values


def _find_diagonals(view: View) -> list[Fact]:
    square = bool(view.columns) and DIMENSIONS[view.columns].square
    if not square or len(view.panels) > 1:
        return []
    if min(view.values.shape) < LEAST_SIDE:
        return []
    height, width = view.values.shape
    facts = []
    for where, values in view.each():
        band = _band_of(values, len(view.stack)) if np.isfinite(values).any() else None
        if band is None:
            continue
        ends = []
        for row in (band.first, band.last):
            column = int(np.floor(row * (width - 1) / (height - 1) + 0.5))
            ends.append(width - 1 - column if band.falling else column)
        place = {
            **where,
            view.rows: [view.row_labels[band.first], view.row_labels[band.last]],
            view.columns: [view.column_labels[at] for at in ends],
            "direction": "falling" if band.falling else "rising",
        }
        numbers = {
            "base": band.base,
            "height": band.height,
            "width": band.width,
            "sharpness": band.sharpness,
        }
        facts.append(DIAGONAL.fact(place, numbers, min(1.0, 2 * band.sharpness)))
    return sorted(facts, key=lambda fact: -fact.numbers["sharpness"])


def _recomputed(array: xr.DataArray, fact: Fact) -> dict[str, float] | None:
    """The band's numbers, cell by cell, between the ends that the fact names."""
    rows, columns, panels = axes_of(array)
    grid = array.sel({d: fact.coordinates[d][0] for d in panels}).transpose(rows, columns)
    cells = grid.values.astype(np.float64).tolist()
    height, width = grid.shape
    labels = grid[rows].values.tolist()
    first, last = (labels.index(label) for label in fact.coordinates[rows])
    falling = fact.coordinates["direction"] == "falling"
    by_offset: dict[int, list[float]] = {}
    far, cores = [], []
    for i, line in enumerate(cells):
        near = []
        for j, value in enumerate(reversed(line) if falling else line):
            k = int(np.floor(j - i * (width - 1) / (height - 1) + 0.5))
            if value != value:
                continue
            if abs(k) > width / 4:
                far.append(value)
            if abs(k) <= 1:
                near.append(value)
            if first <= i <= last:
                by_offset.setdefault(k, []).append(value)
        cores.append(sum(near) / len(near) if near else float("nan"))
    present = [value for line in cells for value in line if value == value]
    base = median(far) if far else min(present)
    if not _ends_hold([base if x != x else x for x in cores], base, first, last):
        return None
    profile = {k: sum(x) / len(x) - base for k, x in by_offset.items()}
    top = total = profile[0]
    for side in (1, -1):
        k = side
        while profile.get(k, 0.0) > 0.1 * top:
            total, k = total + profile[k], k + side
    reach = max(present) - min(present)
    width_there = total / top
    sharp = top / reach / width_there
    return {"base": base, "height": top, "width": width_there, "sharpness": sharp}


def _ends_hold(cores: list[float], base: float, first: int, last: int) -> bool:
    """Whether the diagonal is above half its height from first to last, and not beyond."""
    smooth = [median(cores[max(i - 1, 0) : i + 2]) for i in range(len(cores))]
    quarter = sorted(smooth)[-max(1, len(cores) // 4) :]
    half = (base + sum(quarter) / len(quarter)) / 2
    outside = [smooth[i] for i in (first - 1, last + 1) if 0 <= i < len(smooth)]
    slack = 1e-9 * max(1.0, abs(half))
    return all(x >= half - slack for x in smooth[first : last + 1]) and all(
        x < half + slack for x in outside
    )


def _diagonal_holds(array: xr.DataArray, fact: Fact) -> bool:
    rows, columns, _ = axes_of(array)
    places = [array[rows].values.tolist().index(x) for x in fact.coordinates[rows]]
    labels = array[columns].values.tolist()
    size = (len(labels) - 1) / (array.sizes[rows] - 1)
    expected = [int(np.floor(place * size + 0.5)) for place in places]
    if fact.coordinates["direction"] == "falling":
        labels = labels[::-1]
    numbers = _recomputed(array, fact)
    named = [labels[at] for at in expected] == list(fact.coordinates[columns])
    return named and numbers is not None and same(array, fact, numbers)


def _say_diagonal(fact: Fact, names: Names) -> str:
    row, column = names.sides
    n = fact.numbers
    panel = [
        names.many(d, x) for d, x in fact.coordinates.items() if d not in (row, column, "direction")
    ]
    subject = f"{panel[0]} has" if panel else "There is"
    ends = [
        f"{names.one(row, a)}, {names.one(column, b)}"
        for a, b in zip(fact.coordinates[row], fact.coordinates[column], strict=True)
    ]
    way = (
        "a diagonal band"
        if fact.coordinates["direction"] == "rising"
        else "a falling diagonal band"
    )
    return (
        f"{subject} {way} from {ends[0]} to {ends[1]}, about {n['width']:.1f} "
        f"{names.noun(column)} wide and {names.number(n['height'])} above the "
        f"{names.number(n['base'])} around it (sharpness {n['sharpness']:.2f})."
    )


DIAGONAL = Kind(
    "diagonal",
    "A band along the diagonal of a panel: where it begins and ends, its width and height.",
    "The cells by the diagonal lie more standard errors above the rest than the furthest of as "
    "many normal values as there are panels would in 98 % of maps, and by a quarter of the range.",
    "panels",
    _find_diagonals,
    _diagonal_holds,
    _say_diagonal,
    most=12,
)


def _find_order(view: View) -> list[Fact]:
    found = _find_diagonals(view)
    if len(found) < 2 or len(view.panels) != 1:
        return []
    dim = view.panels[0]
    numbers: dict[str, Any] = {
        f"sharpness {i}": fact.numbers["sharpness"] for i, fact in enumerate(found, 1)
    }
    where = {dim: [fact.coordinates[dim][0] for fact in found]}
    where["bands"] = [dict(fact.coordinates) for fact in found]
    spread = found[0].numbers["sharpness"] / found[-1].numbers["sharpness"]
    return [DIAGONAL_ORDER.fact(where, numbers, 1 - 1 / spread)]


def _order_holds(array: xr.DataArray, fact: Fact) -> bool:
    dim = next(iter(fact.coordinates))
    sharp = []
    for label, where in zip(fact.coordinates[dim], fact.coordinates["bands"], strict=True):
        found = _recomputed(array, Fact("diagonal", where, {}, 0.0, "panels"))
        if found is None or where[dim] != [label]:
            return False
        sharp.append(found["sharpness"])
    falling = all(a >= b - 1e-9 for a, b in pairwise(sharp))
    return falling and same(array, fact, {f"sharpness {i}": x for i, x in enumerate(sharp, 1)})


def _say_order(fact: Fact, names: Names) -> str:
    dim, labels = next(iter(fact.coordinates.items()))
    n = fact.numbers
    values = [f"{n[f'sharpness {i}']:.2f}" for i in range(1, len(labels) + 1)]
    rest = len(names.labels(dim)) - len(labels)
    text = "By the sharpness of their diagonal band (height as a share of the range, over width), "
    if len(labels) <= 12:
        text += f"sharpest first: {names.each(dim, labels, values)}"
    else:
        text += f"the sharpest are {names.each(dim, labels[:3], values[:3])}"
        text += f", the least sharp {names.each(dim, labels[-3:], values[-3:])}"
    return f"{text}; {rest} {names.noun(dim, rest)} without a band." if rest else f"{text}."


DIAGONAL_ORDER = Kind(
    "diagonal_order",
    "The panels ranked by the sharpness of their diagonal band.",
    "Only panels whose band is told by the rule above are ranked.",
    "key",
    _find_order,
    _order_holds,
    _say_order,
)
