"""Panels of a figure: the parts of a map, and marked regions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import xarray as xr

from layergram import maps as currency
from layergram.errors import LayergramError
from layergram.figures import labels, scales
from layergram.figures.labels import Cells, describe_range, range_of
from layergram.figures.rounding import beyond
from layergram.figures.spec import HeatPanel, Mask, Region, Span, Values
from layergram.figures.style import Style
from layergram.maps.blocks import best_block

MOST_PANELS = 120  # of lines; more do not fit a page, and take minutes to lay out
MOST_HEATMAPS = 800  # of a sheet; 400 take about six seconds


@dataclass(frozen=True)
class Part:
    """One panel in the making: a piece of a map with its place among the axes.

    Args:
        title: what stands above it.
        array: the piece of the map.
        group: which parts share a colour scale.
        x: the columns.
        y: the rows; None for a map of one axis.
        heat: whether it becomes a heatmap; otherwise lines or bars.
        values: the values that are drawn as a heatmap, rows × columns.
        basis: the values that the limits of the scale come from.
        significant: cells that differ from no effect.
        equal: cells of a difference that are equal to within rounding.
        regions: marked blocks.
        signed: whether the values lie on both sides of no effect.
        sinks: places of the columns that the limits do not come from.
    """

    title: str
    array: xr.DataArray
    group: int
    x: Cells
    y: Cells | None
    heat: bool
    values: Values
    basis: Values
    significant: Mask | None = None
    regions: tuple[Region, ...] = ()
    signed: bool = False
    sinks: tuple[int, ...] = ()
    equal: Mask | None = None

    @property
    def units(self) -> str:
        """The unit of its values; empty where they have none."""
        units = str(self.array.attrs.get("units", "1"))
        return "" if units == "1" else units


def parts_of(
    array: xr.DataArray, title: str, group: int, *, style: Style, sinks: tuple[int, ...] = ()
) -> Iterator[Part]:
    """The panels of one map: one per label of its facets.

    Args:
        array: the map.
        title: what stands above the panels, before the labels of the facets.
        group: which maps share a colour scale.
        style: the person's choices.
        sinks: places of the columns that do not count for the limits of the colours.
    """
    facets, y_dim, x_dim = labels.axes_of(array, style)
    kind = scales.kind_of(array.values[np.isfinite(array.values)], array.attrs, style)
    lines = not y_dim or style.kind == "lines"
    for name, piece in facets_of(array, facets, most=MOST_PANELS if lines else MOST_HEATMAPS):
        full = ", ".join(text for text in (title, name) if text)
        if lines:
            empty = np.zeros((0, 0))
            x = labels.cells_of(piece, x_dim)
            y = labels.cells_of(piece, y_dim) if y_dim else None
            yield Part(full, piece, group, x, y, False, empty, empty)
        else:
            heat = piece.transpose(y_dim, x_dim)
            yield _heat(heat, full, group, kind == "diverging", style, sinks)


def facets_of(
    array: xr.DataArray, facets: tuple[str, ...], *, most: int
) -> Iterator[tuple[str, xr.DataArray]]:
    """The title and the part of each panel, in the order of the axes.

    Raises:
        LayergramError: for more panels than a page can hold.
    """
    count = int(np.prod([array.sizes[dim] for dim in facets], dtype=int))
    if count > most:
        raise LayergramError(
            f"a panel for every {' and '.join(facets)}",
            got=f"{count:,} panels",
            allowed=f"{most:,} panels in one figure",
            do=f"select some, for example {facets[0]}="
            f"{array[facets[0]].values[0]}:{array[facets[0]].values[-1]} with other ends",
        )
    cells = [labels.cells_of(array, dim) for dim in facets]
    for places in itertools.product(*(range(len(c.labels)) for c in cells)):
        names = [
            c.names[i]
            if isinstance(c.labels[i], str)
            else f"{c.axis.noun.capitalize()} {c.labels[i]}"
            + (f": {c.names[i]}" if c.texts else "")
            for c, i in zip(cells, places, strict=True)
        ]
        part = array.isel(dict(zip(facets, places, strict=True)))
        yield ", ".join(names), part


def _heat(
    piece: xr.DataArray,
    title: str,
    group: int,
    signed: bool,
    style: Style,
    sinks: tuple[int, ...],
) -> Part:
    """One heatmap's values, and its marked blocks."""
    y, x = (labels.cells_of(piece, str(dim)) for dim in piece.dims)
    values = piece.values.astype(np.float64)
    equal = currency.within_rounding(piece)
    basis = np.delete(values if equal is None else beyond(piece, values, equal), sinks, axis=1)
    if style.first_token == "off_scale":
        basis = labels.without_first_token(piece).values.astype(np.float64)
    return Part(
        title,
        piece,
        group,
        x,
        y,
        True,
        values,
        basis,
        _significant(piece, style),
        regions_of(values, y, x, style=style),
        signed,
        sinks,
        equal,
    )


def _significant(piece: xr.DataArray, style: Style) -> Mask | None:
    """Cells whose p-value is small, or whose interval does not contain the null value."""
    carried = currency.cell_coordinates(piece)
    if style.significance == "none":
        return None
    if "p_value" in carried:
        return np.asarray(piece["p_value"].values < style.alpha)
    null = piece.attrs.get("null_value")
    if null is None or not {"low", "high"} <= set(carried):
        return None
    return np.asarray((piece["low"].values > float(null)) | (piece["high"].values < float(null)))


def heat_panel(
    part: Part, y: Cells, *, scale: int, size: tuple[float, float], style: Style
) -> tuple[HeatPanel, list[str]]:
    """A heatmap with its axes, and what has to be said about their labels."""
    first = style.first_layer
    if first == "auto":
        first = part.x.axis.layers if y.dim == "layer" else "top"
    alignment = str(part.array.attrs.get("alignment", ""))
    x_axis, x_note = labels.axis_of(
        part.x, room=size[0], font_size=style.font_size, direction="right", alignment=alignment
    )
    y_axis, y_note = labels.axis_of(
        y,
        room=size[1],
        font_size=style.font_size,
        font=style.font,
        direction="up" if first == "bottom" else "down",
        label="i-th Layer" if (y.dim, part.x.dim) == ("layer", "token") else "",
    )
    missing = ""
    if np.isnan(part.values).any():
        missing = str(part.array.attrs.get("missing", "no value"))
    panel = HeatPanel(
        title=part.title,
        x=x_axis,
        y=y_axis,
        values=part.values,
        scale=scale,
        regions=part.regions,
        significant=part.significant,
        equal=part.equal,
        missing=missing,
        spans=spans_of(part),
    )
    return panel, [note for note in (x_note, y_note) if note]


def spans_of(part: Part) -> tuple[Span, ...]:
    """The prompt and the answer among the columns; nothing where the columns are of one of them."""
    coord = part.array.coords.get("part")
    if coord is None or coord.dims != (part.x.dim,):
        return ()
    spans: list[Span] = []
    at = 0
    for label, run in groupby(coord.values.tolist()):
        end = at + len(list(run))
        first = spans[-1].last + 1 if spans else 0  # a pooled column belongs to where it begins
        last = (end - 1) // part.x.pool
        if last >= first:
            spans.append(Span(first, last, str(label)))
        at = end
    return tuple(spans) if len(spans) > 1 else ()


def regions_of(values: Values, y: Cells, x: Cells, *, style: Style) -> tuple[Region, ...]:
    """The blocks that ``style.mark`` asks for in one panel, before cells are pooled.

    Args:
        values: rows × columns.
        y: the rows.
        x: the columns.
        style: its ``mark`` holds ``rows,columns`` with ``first:last`` labels each, ``best``, or
            ``diagonal`` for the cells whose row and column have one label;
            ``mark_least`` is the fewest rows and columns of the best block.

    Raises:
        LayergramError: if a mark is no region, lies outside the map, or nothing stands out.
    """
    found: list[Region] = []
    for mark in map(str.strip, style.mark):
        if mark == "diagonal":
            found += _diagonal(y, x)
        else:
            found.append(_best(values, y, x, style) if mark == "best" else _given(mark, y, x))
    return tuple(found)


def _diagonal(y: Cells, x: Cells) -> list[Region]:
    """The cells whose row and column have one label."""
    shared = [label for label in y.labels if label in x.labels]
    places = ((y.labels.index(label), x.labels.index(label)) for label in shared)
    text = f"{y.axis.noun} = {x.axis.noun}"
    return [Region((row, row), (column, column), "given", text) for row, column in places]


def _given(mark: str, y: Cells, x: Cells) -> Region:
    asked = f"to mark the region '{mark}'"
    rows, comma, columns = mark.partition(",")
    if not comma:
        raise LayergramError(
            asked,
            got="one range",
            allowed=f"{y.dim} first:last, a comma, and {x.dim} first:last; or 'best'",
            do="for example " + f"{y.labels[0]}:{y.labels[-1]},{x.labels[0]}:{x.labels[-1]}",
        )
    row, column = range_of(rows, y, asked=asked), range_of(columns, x, asked=asked)
    return Region(row, column, "given", _text(row, column, y, x))


def _best(values: Values, y: Cells, x: Cells, style: Style) -> Region:
    found = best_block(values, least=style.mark_least)
    if found is None:
        raise LayergramError(
            "to mark the best block",
            got="a map where no block stands out",
            allowed="a map with unequal values, larger than the smallest block",
            do="give the region by its labels, or a smaller mark_least",
        )
    least = np.minimum(style.mark_least, values.shape)
    text = (
        f"{_text(found.rows, found.columns, y, x)}: mean {found.inside:.3g}, "
        f"elsewhere {found.outside:.3g} (best block of at least {least[0]} × {least[1]} cells)"
    )
    return Region(found.rows, found.columns, "best", text)


def _text(rows: tuple[int, int], columns: tuple[int, int], y: Cells, x: Cells) -> str:
    return f"{describe_range(y, *rows)} × {describe_range(x, *columns)}"
