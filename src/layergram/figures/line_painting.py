"""Painting panels of lines and of bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from layergram.figures.bars import paint_bars
from layergram.figures.cell_marks import HATCH, paint_spans
from layergram.figures.spec import BarKind, LinePanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 2.6,
    "markeredgewidth": 0,
    "color": "black",
    "zorder": 1.5,
}
STUB = 0.05  # of the height: the hatched foot of a bar without a value


def paint_lines(ax: Axes, panel: LinePanel) -> None:
    """Lines with their bands, or bars; a hatched ground where a value is missing."""
    ax.spines[["top", "right"]].set_visible(False)
    at = np.asarray(panel.at or range(len(panel.lines[0].values)), dtype=float)
    if panel.points:
        # many on one place are darker
        faint = min(0.25, max(0.07, 100 / len(panel.points)))
        ax.plot(*zip(*panel.points, strict=True), alpha=faint, **POINTS)
    if panel.missing:
        for gap in np.flatnonzero(np.isnan(panel.lines[0].values)):
            height = STUB if panel.look == "bars" else 1.0
            ax.axvspan(gap - 0.5, gap + 0.5, ymax=height, zorder=0, **HATCH)
    if panel.baseline is not None:
        ax.axhline(panel.baseline, color="0.5", linewidth=0.7, zorder=1)
    for line in panel.lines:
        if panel.look == "bars":
            paint_bars(
                ax, at, line.values, panel.kinds or (BarKind(line.colour, True, ""),), panel.kind_of
            )
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
            markersize=3.6 if panel.at else 2.2,
            zorder=3,
        )
        if line.low is None or line.high is None:
            continue
        if panel.at:
            ax.vlines(at, line.low, line.high, color=line.colour, linewidth=0.9, zorder=3)
        else:
            ax.fill_between(at, line.low, line.high, color=line.colour, alpha=0.15, linewidth=0)
    for limit in panel.limits:
        ax.axhline(limit.at, color="black", linewidth=0.8, linestyle=(0, (4, 2)), zorder=5)
    paint_spans(ax, panel.spans)
    if any(line.label for line in panel.lines):
        ax.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0,
            frameon=False,
            handlelength=2.2,
            labelspacing=0.3,
        )
