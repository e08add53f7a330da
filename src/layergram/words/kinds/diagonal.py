"""Diagonal bands of the panels: where they begin and end, and which is sharpest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layergram.maps import DIMENSIONS
from layergram.words.fact import Block, Fact, Kind
from layergram.words.limits import DIAGONAL_CONTRAST
from layergram.words.names import Names
from layergram.words.view import View, mean

Values = npt.NDArray[np.float64]

NUMBERS = ("base", "height", "width", "sharpness")

LEAST_SIDE = 8
"""Rows and columns that a panel must have."""

LEAST_ERRORS = 4.0
"""The cells by the diagonal are so many standard errors above the others."""


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


def _errors_above(values: Values, offsets: npt.NDArray[np.int64]) -> float:
    """How many standard errors the cells by the diagonal lie above the others."""
    there = np.isfinite(values)
    core, rest = values[there & (abs(offsets) <= 1)], values[there & (abs(offsets) > 1)]
    spread = float(values[there].std())
    if not spread or core.size < LEAST_SIDE or not rest.size:
        return 0.0
    error = spread * float(np.sqrt(1 / core.size + 1 / rest.size))
    return float(core.mean() - rest.mean()) / error


def _measured(values: Values, offsets: npt.NDArray[np.int64], *, falling: bool) -> Band | None:
    """The band of a panel whose diagonal is high; rows already turned for a falling one."""
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


def _band_of(values: Values) -> Band | None:
    offsets = _offsets(*values.shape)
    best = max((False, True), key=lambda turned: _errors_above(_turned(values, turned), offsets))
    turned = _turned(values, best)
    if _errors_above(turned, offsets) < LEAST_ERRORS:
        return None
    return _measured(turned, offsets, falling=best)


def _turned(values: Values, falling: bool) -> Values:
    return values[:, ::-1] if falling else values


def _column_at(row: int, shape: tuple[int, ...], *, falling: bool) -> int:
    """The column of the diagonal in a row."""
    at = int(np.floor(row * (shape[1] - 1) / (shape[0] - 1) + 0.5))
    return shape[1] - 1 - at if falling else at


def _find(view: View) -> list[Fact]:
    shape = view.values.shape
    if not view.columns or not DIMENSIONS[view.columns].square or len(view.panels) > 1:
        return []
    if min(shape) < LEAST_SIDE:
        return []
    bands = [
        (where, band)
        for where, values in view.each()
        if np.isfinite(values).any() and (band := _band_of(values)) is not None
    ]
    if not bands:
        return []
    bands.sort(key=lambda found: -found[1].sharpness)
    places: list[dict[str, Any]] = []
    numbers: dict[str, Any] = {}
    for at, (where, band) in enumerate(bands, 1):
        rows = band.first, band.last
        columns = [_column_at(row, shape, falling=band.falling) for row in rows]
        place = {view.rows: [view.row_labels[row] for row in rows]}
        place[view.columns] = [view.column_labels[column] for column in columns]
        places.append({**where, **place, "falling": band.falling})
        numbers |= {f"{name} {at}": getattr(band, name) for name in NUMBERS}
    return [DIAGONAL.fact({"bands": places}, numbers, 1.0)]


def _say(fact: Fact, names: Names) -> str:
    row, column = names.sides
    parts = []
    for at, place in enumerate(fact.coordinates["bands"], 1):
        width, sharpness = (fact.numbers[f"{name} {at}"] for name in ("width", "sharpness"))
        ends = [
            f"{names.one(row, a)}, {names.one(column, b)}"
            for a, b in zip(place[row], place[column], strict=True)
        ]
        panel = "".join(f"{names.many(d, place[d])}, " for d in names.panels)
        way = "falling from" if place["falling"] else "from"
        parts.append(
            f"{panel}{way} {ends[0]} to {ends[1]}, {width:.1f} {names.noun(column)} wide "
            f"({sharpness:.2f})"
        )
    order = " (height as a share of the range, over width), sharpest first"
    return f"Diagonal bands by sharpness{order}: {'; '.join(parts)}."


def _cells(fact: Fact, names: Names) -> list[Block]:
    """The cells of the diagonal, from the beginning to the end of every band."""
    row, column = names.sides
    down, across = names.labels(row), names.labels(column)
    blocks: list[Block] = []
    for band in fact.coordinates["bands"]:
        panel = {dim: band[dim] for dim in names.panels}
        first, last = (down.index(label) for label in band[row])
        for at in range(first, last + 1):
            place = _column_at(at, (len(down), len(across)), falling=band["falling"])
            blocks.append({**panel, row: [down[at]], column: [across[place]]})
    return blocks


DIAGONAL = Kind(
    "diagonal",
    "Bands along the diagonal of the panels, by sharpness: where they begin and end, their width.",
    "key",
    _find,
    _say,
    cells=_cells,
    seen="raw part",
)
