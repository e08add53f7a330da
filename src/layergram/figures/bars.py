"""Painting bars of several meanings, and their signs in the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from layergram.figures.spec import BarKind, LegendEntry, Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch


def paint_bars(
    ax: Axes, at: Values, values: Values, kinds: Sequence[BarKind], kind_of: Sequence[int]
) -> None:
    """Bars of each kind in its colour; many touch, few stand apart."""
    from matplotlib.collections import PolyCollection

    half = 0.4 if at.size <= 120 else 0.5
    of = np.asarray(kind_of or np.zeros(at.size, dtype=int))
    for place, kind in enumerate(kinds):
        own = (of == place) & np.isfinite(values)
        x, top, base = at[own], values[own], np.zeros(int(own.sum()))
        inner = half if kind.filled else half - 0.06
        corners = [(x - inner, base), (x - inner, top), (x + inner, top), (x + inner, base)]
        ax.add_collection(
            PolyCollection(
                list(np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)),
                facecolor=kind.colour if kind.filled else "white",
                edgecolor="none" if kind.filled else kind.colour,
                linewidth=0 if kind.filled else 0.9,
                zorder=3,
            )
        )


def sign_of_bar(entry: LegendEntry) -> Patch:
    """The bar that stands in the legend."""
    from matplotlib.patches import Patch

    face = entry.colour if entry.look == "bar" else "white"
    return Patch(facecolor=face, edgecolor=entry.colour, linewidth=0.8)
