"""Painting a text whose tokens are tinted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from layergram.figures.cell_marks import EQUAL_GREY, lightness
from layergram.figures.scales import norm_of
from layergram.figures.spec import Scale, TextPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIXED_WIDTH = "DejaVu Sans Mono"  # comes with matplotlib
BOX = (0.08, 0.92)  # top and bottom of a token's tint within its line
GAP = 0.06  # letters between two tints


def paint_text(
    ax: Axes, panel: TextPanel, scale: Scale, *, size: float, hatch: dict[str, Any]
) -> Any:
    """Every token on the colour of its value; what the colour bar is made from."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Rectangle

    colours = ScalarMappable(norm_of(scale), ListedColormap(list(scale.colours)))
    ax.set_axis_off()
    ax.set_xlim(0, panel.columns)
    ax.set_ylim(panel.rows, 0)
    families = [FIXED_WIDTH, *matplotlib.rcParams["font.family"]]
    for at, line in enumerate(panel.lines):
        for box in line:
            look: dict[str, Any] = {**hatch}
            dark = False
            if box.value is not None:
                value = float(np.clip(box.value, scale.low, scale.high))
                dark = not box.equal and bool(lightness(np.array([value]), scale)[0] <= 0.55)
                tint = EQUAL_GREY if box.equal else colours.to_rgba(np.array([value]))[0]
                look = {"facecolor": tint, "linewidth": 0}
            corner = (box.place + GAP / 2, at + BOX[0])
            ax.add_patch(Rectangle(corner, box.width - GAP, BOX[1] - BOX[0], **look))
            ax.text(
                box.place + box.width / 2,
                at + 0.5,
                box.text,
                ha="center",
                va="center_baseline",
                family=families,
                fontsize=size,
                color="white" if dark else "black",
                in_layout=False,
            )
    if panel.answer_from:
        ax.axhline(panel.answer_from, color="black", linewidth=0.8)
    return colours
