"""Rows or columns of a map as lines, and maps of one axis as lines or bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from layergram import maps as currency
from layergram.errors import LayergramError, unknown_name
from layergram.figures import labels, scales, scatter, ticks
from layergram.figures.settling import last_layer, settling_bars
from layergram.figures.spec import Axis, Line, LinePanel, Values
from layergram.figures.style import Style
from layergram.maps.bins import mean_scores

# Okabe & Ito (2008), without yellow, which is too light for a line on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Literal["solid", "dashed", "dotted", "dashdot"], ...] = (
    *("solid", "dashed", "dashdot", "dotted"),
)
HEADROOM = 1.06  # of the axis of settling depths: the last layer is below the frame
MOST_DISTINCT = 10
MOST_NAMED = 16


def line_panel(
    array: xr.DataArray,
    title: str,
    *,
    size: tuple[float, float],
    style: Style,
    beside: Sequence[xr.DataArray] = (),
) -> tuple[LinePanel, list[str]]:
    """One or two axes of a map as a panel of lines or bars.

    Args:
        array: a map of one axis (a line if it is the layers, bars otherwise), or of two: a line
            per label of the other axis, along ``style.along`` (by default the layers).
        title: what stands above the panel.
        size: width and height in inches.
        style: the person's choices.
        beside: the maps of all panels that share the axis of values with this one.

    Returns:
        The panel, and what has to be said about it. Up to ten lines differ in colour and dash;
        more get shades from the first to the last, and no bands.

    Raises:
        LayergramError: for an axis to run along that the map does not have, or regions to mark.
    """
    if style.mark:
        raise LayergramError(
            "to mark a region in a figure of lines",
            allowed="marks in heatmaps",
            do="choose kind 'heatmap', or leave the mark out",
        )
    dims = [str(dim) for dim in array.dims]
    along = style.along or ("layer" if "layer" in dims else dims[-1])
    if along not in dims:
        raise unknown_name("axis to run along", along, dims)
    across = [dim for dim in dims if dim != along]
    array = array.transpose(*across, along)
    every = beside or [array]
    bars = not across and not currency.DIMENSIONS[along].joined and style.kind != "lines"
    at = mean_scores(array)
    lines, notes = _lines(array, across, sign="Whiskers" if bars or at else "Bands")
    x, x_note = labels.axis_of(
        labels.cells_of(array, along),
        room=size[0],
        font_size=style.font_size,
        font=style.font,
        direction="right",
        alignment=str(array.attrs.get("alignment", "")),
    )
    y = _value_axis(every, style, bars=bars, intervals=any(line.low is not None for line in lines))
    if at:
        x = scatter.score_axis(array, x, room=size[0], style=style)
        notes += scatter.scatter_notes(array)
    missing = bool(np.isnan(array.values).any()) and not across
    said = scales.label_of({**array.attrs, "units": "1"}) == title.replace(
        "\n", " "
    )  # along the axis of values
    kinds, kind_of, limits = settling_bars(array) if bars else ((), (), ())
    panel = LinePanel(
        title="" if said else title,
        x=x,
        y=y,
        lines=lines,
        look="bars" if bars else "lines",
        baseline=array.attrs.get("null_value"),
        missing=str(array.attrs.get("missing", "no value")) if missing else "",
        kinds=kinds,
        kind_of=kind_of,
        limits=limits,
        at=at,
        points=scatter.points_of(array),
    )
    return panel, [*notes, *([x_note] if x_note else [])]


def _lines(
    array: xr.DataArray, across: list[str], *, sign: str
) -> tuple[tuple[Line, ...], list[str]]:
    intervals = {"low", "high"} <= set(currency.cell_coordinates(array))

    def rows(values: Values) -> Values:
        return np.asarray(values, dtype=np.float64).reshape(-1, array.sizes[array.dims[-1]])

    values = rows(array.values)
    low = rows(array["low"].values) if intervals else None
    high = rows(array["high"].values) if intervals else None
    names = [""]
    if across:
        cells = labels.cells_of(array, across[0])
        names = list(cells.names)
        if cells.texts:
            names = [f"{at}: {name}" for at, name in zip(cells.labels, names, strict=True)]
        elif not isinstance(cells.labels[0], str):
            names = [f"{cells.axis.noun.capitalize()} {name}" for name in names]
    notes = []
    count = len(names)
    shades: tuple[str, ...] = COLOURS
    if count > MOST_DISTINCT:
        low = high = None
        shades = scales.colours_of("viridis", count=count + count // 8)[:count]
        step = -(-count // MOST_NAMED)
        named = [*range(0, count - step // 2 - 1, step), count - 1]
        names = [name if i in named else "" for i, name in enumerate(names)]
        notes.append(
            f"{count} lines, shaded from the first (dark) to the last (light)"
            + (f"; every {step}th is named" if step > 1 else "")
            + ("; their intervals are left out." if intervals else ".")
        )
    lines = tuple(
        Line(
            label=names[i],
            values=values[i],
            low=None if low is None else low[i],
            high=None if high is None else high[i],
            colour=shades[i % len(shades)],
            dash="solid" if count > MOST_DISTINCT else DASHES[i // 2 % len(DASHES)],
        )
        for i in range(count)
    )
    if low is not None:
        notes.append(f"{sign} show the interval of each value.")
    return lines, notes


def _value_axis(
    arrays: Sequence[xr.DataArray], style: Style, *, bars: bool, intervals: bool
) -> Axis:
    """The axis of values of some panels, chosen as the limits of a colour scale are."""
    array = arrays[0]
    attrs = dict(array.attrs)
    every = [one.values for one in arrays]
    for name in ("low", "high") if intervals else ():
        every += [one[name].values for one in arrays if name in one.coords]
    if "rounding" in array.coords:  # an axis that is finer would show digits without meaning
        every += [sign * one["rounding"].values for one in arrays for sign in (-1, 1)]
    points = any(scatter.points_of(one) for one in arrays)
    if points:
        every.append(np.array([0.0, 1.0]))
    known = np.concatenate([v[np.isfinite(v)].astype(np.float64) for v in every])
    log = style.scale == "log" or (not bars and scales.kind_of(known, attrs, style) == "log")
    if style.limits is not None:
        low, high = style.limits
    elif log:
        scale = scales.scale_for([known], attrs, style=style, columns="layer")
        low, high = scale.low, scale.high
    else:
        least, most = float(known.min()), float(known.max())
        null = attrs.pop("null_value", None)  # a line may go below it, unlike a colour
        if null is not None:
            least, most = min(least, float(null)), max(most, float(null))
        if bars:
            least, most = min(least, 0.0), max(most, 0.0)
        low, high = ticks.round_limits(least, most)
        low = max(low, min(least, float(attrs.get("valid_min", -np.inf))))
        high = min(high, max(most, float(attrs.get("valid_max", np.inf))))
        if bars and last_layer(array):
            low, high = 0.0, float(last_layer(array))
    marks = ticks.ticks_between(low, high, log=log)
    if points and not log and style.limits is None:
        low, high = low - scatter.OUTSIDE, high + scatter.OUTSIDE
    return Axis(
        dim="",
        label=style.bar or scales.label_of(array.attrs),
        names=(),
        ticks=marks,
        limits=(low, high * HEADROOM if bars and last_layer(array) else high),
        direction="up",
        growth="log" if log else "linear",
    )
