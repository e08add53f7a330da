"""Painting what stands in the cells of a heatmap: dots and words, readable on every colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layergram.figures.spec import CellTexts, HeatPanel, Mask, Scale, Span, Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EQUAL_GREY = "0.8"  # darker than the middle of a diverging palette, lighter than a hatched ground
RASTER_FROM = 20_000  # cells; more are one image inside a vector file
HATCH: dict[str, Any] = {
    "facecolor": "0.95",
    "hatch": "//////",
    "edgecolor": "0.6",
    "linewidth": 0.0,
}


def paint_texts(ax: Axes, panel: HeatPanel, texts: CellTexts, scale: Scale) -> None:
    """A word in every cell that has a value, dark on light colours and light on dark ones."""
    known = ~np.isnan(panel.values)
    light = np.zeros(panel.values.shape)
    light[known] = lightness(panel.values[known], scale)
    for row, column in zip(*np.nonzero(known), strict=True):
        ax.text(
            column,
            row,
            texts.rows[row][column],
            ha="center",
            va="center_baseline",
            fontsize=texts.size,
            color="black" if light[row, column] > 0.55 else "white",
            in_layout=False,
        )


def paint_spans(ax: Axes, spans: Sequence[Span]) -> None:
    """A bracket with its label above the columns of each span, and a line between two of them."""
    for span in spans[1:]:
        ax.axvline(span.first - 0.5, color="white", linewidth=2.0, zorder=4)
        ax.axvline(span.first - 0.5, color="black", linewidth=0.8, zorder=4)
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    for span in spans:
        gap = 0.15 * min(1.0, span.last - span.first + 1)
        ends = (span.first - 0.5 + gap, span.last + 0.5 - gap)
        ax.plot(
            [ends[0], ends[0], ends[1], ends[1]],
            [1.008, 1.018, 1.018, 1.008],
            transform=ax.get_xaxis_transform(),
            color="black",
            linewidth=0.8,
            clip_on=False,
        )
        middle = (ends[0] + ends[1]) / 2
        ax.annotate(span.label, (middle, 1.018), (0, 2), ha="center", va="bottom", **place)


def paint_equal(ax: Axes, equal: Mask) -> None:
    """Grey cells, over which no colour says which side they lean to."""
    from matplotlib.colors import ListedColormap

    rows, columns = equal.shape
    ax.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_where(~equal, np.zeros(equal.shape)),
        cmap=ListedColormap([EQUAL_GREY]),
        rasterized=equal.size > RASTER_FROM,
        antialiased=False,
        linewidth=0,
    )


def paint_dots(ax: Axes, panel: HeatPanel, scale: Scale, size: tuple[float, float]) -> None:
    """A dot in every significant cell, dark on light colours and light on dark ones."""
    mask = panel.significant & ~np.isnan(panel.values)
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return
    pitch = 72 * min(size[0] / panel.values.shape[1], size[1] / panel.values.shape[0])
    shade = lightness(panel.values[mask], scale)
    ax.scatter(
        columns,
        rows,
        s=min(max(0.22 * pitch, 0.4), 2.5) ** 2,
        c=np.where(shade > 0.55, "black", "white"),
        linewidths=0,
        rasterized=rows.size > RASTER_FROM,
    )


def lightness(values: Values, scale: Scale) -> Values:
    """Luminance of the colour of each value, 0..1."""
    from matplotlib.colors import to_rgb

    clipped = np.clip(values, scale.low, scale.high)
    if scale.kind == "log":
        place = np.log(clipped / scale.low) / np.log(scale.high / scale.low)
    else:
        place = (clipped - scale.low) / (scale.high - scale.low)
    rgb = np.array([to_rgb(colour) for colour in scale.colours])
    light = rgb @ [0.299, 0.587, 0.114]
    return np.asarray(light[(place * (len(light) - 1)).round().astype(int)])
