"""The panels of a figure: pieces of maps, pooled, marked, and given their axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from layergram import maps as currency
from layergram.figures import labels, pooling, prepare, regions, scales
from layergram.figures.spec import HeatPanel, Mask, Region, Values
from layergram.figures.style import Style


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
        values: the values that are drawn as a heatmap, rows × columns, pooled.
        basis: the values that the limits of the scale come from.
        significant: cells that differ from no effect.
        regions: marked blocks.
        signed: whether the values lie on both sides of no effect.
    """

    title: str
    array: xr.DataArray
    group: int
    x: labels.Cells
    y: labels.Cells | None
    heat: bool
    values: Values
    basis: Values
    significant: Mask | None = None
    regions: tuple[Region, ...] = ()
    signed: bool = False

    @property
    def units(self) -> str:
        """The unit of its values; empty where they have none."""
        units = str(self.array.attrs.get("units", "1"))
        return "" if units == "1" else units


def parts_of(array: xr.DataArray, title: str, group: int, *, style: Style) -> Iterator[Part]:
    """The panels of one map: one per label of its facets."""
    facets, y_dim, x_dim = prepare.axes_of(array, style)
    signed = scales.kind_of(array.values[np.isfinite(array.values)], array.attrs, style)
    centre = float(array.attrs.get("null_value", 0.0)) if signed == "diverging" else None
    for name, piece in prepare.facets_of(array, facets):
        full = ", ".join(text for text in (title, name) if text)
        if not y_dim or style.kind == "lines":
            empty = np.zeros((0, 0))
            x = labels.cells_of(piece, x_dim)
            y = labels.cells_of(piece, y_dim) if y_dim else None
            yield Part(full, piece, group, x, y, False, empty, empty)
        else:
            yield _pooled(piece.transpose(y_dim, x_dim), full, group, centre, style)


def _pooled(
    piece: xr.DataArray, title: str, group: int, centre: float | None, style: Style
) -> Part:
    """One heatmap's values with long axes pooled, and its marked blocks."""
    y, x = (
        labels.cells_of(piece, str(dim), pool=pooling.pool_size(size, style.most_columns))
        for dim, size in piece.sizes.items()
    )

    def pooled(values: Values) -> Values:
        across = pooling.pool(values, x.pool, axis=1, rule=style.pooling, centre=centre)
        return pooling.pool(across, y.pool, axis=0, rule=style.pooling, centre=centre)

    values = piece.values.astype(np.float64)
    basis = values
    if style.first_token == "off_scale":
        basis = prepare.without_first_token(piece).values.astype(np.float64)
    significant = _significant(piece, style)
    if significant is not None:
        significant = pooling.pool_any(significant, x.pool, axis=1)
        significant = pooling.pool_any(significant, y.pool, axis=0)
    found = regions.regions_of(values, y, x, style=style)
    return Part(
        title,
        piece,
        group,
        x,
        y,
        True,
        pooled(values),
        pooled(basis),
        significant,
        found,
        centre is not None,
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
    part: Part, y: labels.Cells, *, scale: int, size: tuple[float, float], style: Style
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
        missing=missing,
    )
    return panel, [note for note in (x_note, y_note) if note]
