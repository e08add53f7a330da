"""Panels painted with matplotlib: heatmaps, lines and bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from layergram.figures.spec import HeatPanel, LinePanel, Region, Scale, Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RASTER_FROM = 20_000  # cells; more are one image inside a vector file
HATCH: dict[str, Any] = {
    "facecolor": "0.95",
    "hatch": "//////",
    "edgecolor": "0.6",
    "linewidth": 0.0,
}


def paint_heat(ax: Axes, panel: HeatPanel, scale: Scale, *, size: tuple[float, float]) -> Any:
    """Cells in their colours over a hatched ground, which shows where there is no value."""
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    norm = LogNorm if scale.kind == "log" else Normalize
    rows, columns = panel.values.shape
    if panel.missing:
        ax.patch.set(**HATCH)
    # Painted from limits that may be cut off: outer colours also stand for what lies beyond.
    clipped = np.clip(panel.values, scale.low, scale.high)
    mesh = ax.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(clipped),
        cmap=ListedColormap(list(scale.colours)),
        norm=norm(scale.low, scale.high),
        rasterized=panel.values.size > RASTER_FROM,
        antialiased=False,
        edgecolors="face",  # else viewers of vector files show hairlines between cells
        linewidth=0.4,
        snap=True,
    )
    if panel.significant is not None:
        _dots(ax, panel, scale, size)
    for region in panel.regions:
        _rectangle(ax, region)
    return mesh


def _dots(ax: Axes, panel: HeatPanel, scale: Scale, size: tuple[float, float]) -> None:
    """A dot in every significant cell, dark on light colours and light on dark ones."""
    mask = panel.significant & ~np.isnan(panel.values)
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return
    pitch = 72 * min(size[0] / panel.values.shape[1], size[1] / panel.values.shape[0])
    shade = _lightness(panel.values[mask], scale)
    ax.scatter(
        columns,
        rows,
        s=min(max(0.22 * pitch, 0.4), 2.5) ** 2,
        c=np.where(shade > 0.55, "black", "white"),
        linewidths=0,
        rasterized=rows.size > RASTER_FROM,
    )


def _lightness(values: Values, scale: Scale) -> Values:
    from matplotlib.colors import to_rgb

    clipped = np.clip(values, scale.low, scale.high)
    if scale.kind == "log":
        place = np.log(clipped / scale.low) / np.log(scale.high / scale.low)
    else:
        place = (clipped - scale.low) / (scale.high - scale.low)
    rgb = np.array([to_rgb(colour) for colour in scale.colours])
    light = rgb @ [0.299, 0.587, 0.114]
    return np.asarray(light[(place * (len(light) - 1)).round().astype(int)])


def _rectangle(ax: Axes, region: Region) -> None:
    from matplotlib.patches import Rectangle

    (top, bottom), (left, right) = region.rows, region.columns
    ax.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left + 1,
            bottom - top + 1,
            fill=False,
            edgecolor="black",
            linewidth=1.6,
            linestyle="solid" if region.chosen == "given" else (0, (4, 1.5)),
            zorder=5,
            clip_on=False,
        )
    )


def paint_lines(ax: Axes, panel: LinePanel) -> None:
    """Lines with their bands, or bars; a hatched ground where a value is missing."""
    ax.spines[["top", "right"]].set_visible(False)
    at = np.arange(len(panel.lines[0].values), dtype=float)
    if panel.missing:
        for gap in np.flatnonzero(np.isnan(panel.lines[0].values)):
            ax.axvspan(gap - 0.5, gap + 0.5, zorder=0, **HATCH)
    if panel.baseline is not None:
        ax.axhline(panel.baseline, color="0.5", linewidth=0.7, zorder=1)
    for line in panel.lines:
        if panel.look == "bars":
            _bars(ax, at, line.values, line.colour)
            if line.low is not None and line.high is not None:
                ax.vlines(at, line.low, line.high, color="black", linewidth=0.7, zorder=4)
            continue
        ax.plot(
            at,
            line.values,
            color=line.colour,
            linestyle=line.dash,
            linewidth=1.2,
            label=line.label or "_",
            marker="o" if at.size <= 40 and len(panel.lines) <= 10 else "",
            markersize=2.2,
            zorder=3,
        )
        if line.low is not None and line.high is not None:
            ax.fill_between(at, line.low, line.high, color=line.colour, alpha=0.15, linewidth=0)
    if any(line.label for line in panel.lines):
        ax.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0,
            frameon=False,
            handlelength=2.2,
            labelspacing=0.3,
        )


def _bars(ax: Axes, at: Values, values: Values, colour: str) -> None:
    if at.size <= 120:
        ax.bar(at, values, width=0.8, color=colour, linewidth=0, zorder=3)
    else:
        edges = np.append(at - 0.5, at[-1] + 0.5)
        ax.stairs(values, edges, fill=True, color=colour, zorder=3)
