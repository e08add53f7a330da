"""Painting a figure of one panel into Axes that a person made."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from layergram.errors import LayergramError
from layergram.figures.fonts import families_for
from layergram.figures.painting import paint_panel, settings_of, words_of
from layergram.figures.spec import Figure, TextPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Painted

BAR = (0.1, 0.08, 0.45)  # inches: a colour bar, the gap before it, its labels


def room_in(ax: Axes) -> tuple[float, float]:
    """Width and height in inches that the cells have, when a colour bar stands beside them."""
    box = ax.get_window_extent()
    figure: Any = ax.get_figure(root=True)
    return max(box.width / figure.dpi - sum(BAR), 0.2), max(box.height / figure.dpi, 0.2)


def paint_into(ax: Axes, figure: Figure) -> Painted:
    """Paint the only panel of a figure into some Axes, and its colour bar beside it.

    Args:
        ax: the Axes; what they show stays below.
        figure: of one panel, planned for the room of these Axes.

    Returns:
        The figure to which the Axes belong.

    Raises:
        LayergramError: for several panels, or the text view, which has a size of its own.
    """
    if len(figure.panels) > 1 or isinstance(figure.panels[0], TextPanel):
        several = len(figure.panels) > 1
        raise LayergramError(
            "to draw into Axes of your own",
            got=f"{len(figure.panels):,} panels" if several else "the text view",
            allowed="a map of one panel",
            do="draw one label of the other axes with select, or leave ax out"
            if several
            else "choose another kind, or leave ax out",
        )
    import matplotlib

    families, remedy = families_for(words_of(figure), figure.font)
    if remedy:
        warnings.warn(remedy, UserWarning, stacklevel=3)
    root: Any = ax.get_figure(root=True)
    with matplotlib.rc_context(settings_of(figure, families)):
        drawn = paint_panel(ax, figure, 0)
        if figure.title:
            ax.set_title(figure.title, pad=18 if figure.panels[0].spans else 4)
        for scale in figure.scales:
            width, gap, _ = BAR
            room = room_in(ax)[0] + sum(BAR)
            bar = root.colorbar(
                drawn, ax=ax, fraction=(width + BAR[2]) / room, pad=gap / room, aspect=40
            )
            bar.minorticks_off()
            bar.set_ticks([t.at for t in scale.ticks], labels=[t.label for t in scale.ticks])
            bar.set_label(scale.label)
    return root  # type: ignore[no-any-return]
