"""Painting a planned figure with matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from layergram.figures.cell_marks import (
    HATCH,
    RASTER_FROM,
    paint_dots,
    paint_equal,
    paint_spans,
    paint_texts,
)
from layergram.figures.fonts import families_for, text_width
from layergram.figures.line_painting import paint_lines
from layergram.figures.scales import norm_of
from layergram.figures.sheets import TITLE_SIZE, sheet_of
from layergram.figures.spec import (
    Figure,
    HeatPanel,
    LinePanel,
    Region,
    Scale,
    TextPanel,
)
from layergram.figures.surroundings import (
    footer_height,
    title_height,
    wrapped,
    write_footer,
    write_title,
)
from layergram.figures.text_painting import paint_text
from layergram.figures.text_view import LARGER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Painted


FAINT = "0.6"  # still read on white
BAR_WIDTH, TALLEST_BAR = 0.1, 6.0  # inches
ROUNDS = 3  # times that the figure's size is set right after measuring its panels


def paint(figure: Figure) -> Painted:
    """The figure painted with matplotlib, in the size that its panels need.

    Args:
        figure: what :func:`layergram.figures.plan` made.

    Returns:
        A matplotlib figure of its own, unknown to pyplot, which notebooks show. A warning names
        the characters that no installed font has, and what to install.
    """
    import matplotlib

    from layergram.figures.picture import Picture

    families, remedy = families_for(words_of(figure), figure.font)
    if remedy:
        warnings.warn(remedy, UserWarning, stacklevel=2)
    with matplotlib.rc_context(settings_of(figure, families)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        painted = Picture(figsize=_first_guess(figure), facecolor="white")
        if figure.layout == "sheet":
            _paint_sheet(painted, figure)
        else:
            _paint_panels(painted, figure)
        write_footer(painted, figure)
        write_title(painted, figure)
        painted.set_label(" ".join(figure.notes))  # written into files as their description
    return painted


def _paint_panels(painted: Painted, figure: Figure) -> None:
    """Panels in a grid, each with its labels, with the room that these need."""
    painted.set_layout_engine("constrained")
    grid = painted.subplots(
        len(figure.row_heights), figure.columns, squeeze=False, height_ratios=figure.row_heights
    )
    axes = list(grid.flat)
    for empty in axes[len(figure.panels) :]:
        empty.remove()
    axes = axes[: len(figure.panels)]
    drawn = [paint_panel(ax, figure, at) for at, ax in enumerate(axes)]
    _one_label_for_low_rows(painted, axes, figure)
    for scale_at, scale in enumerate(figure.scales):
        own = [
            at
            for at, panel in enumerate(figure.panels)
            if not isinstance(panel, LinePanel) and panel.scale == scale_at
        ]
        _colour_bar(painted, drawn[own[0]], [axes[at] for at in own], scale, figure)
    _fit(painted, axes, figure)


def _one_label_for_low_rows(painted: Painted, axes: list[Axes], figure: Figure) -> None:
    """Write the label that all rows share once beside them, where it is longer than a row."""
    shared = {getattr(panel, "y", None) and panel.y.label for panel in figure.panels}  # type: ignore[union-attr]
    (label,) = shared if len(shared) == 1 else ("",)
    size, rows = figure.font_size + 1, figure.row_heights
    if len(rows) == 1 or not label or text_width(label, size, figure.font) <= min(rows):
        return
    for ax in axes:
        ax.set_ylabel("")
    painted.supylabel(wrapped(label, sum(rows), size), size=size)


def _paint_sheet(painted: Painted, figure: Figure) -> None:
    """Many small panels at places of their own: a layout engine would take minutes for them."""
    wide = figure.panel_width * figure.columns
    sheet = sheet_of(figure, foot=footer_height(figure, wide), top=title_height(figure, wide))
    painted.set_size_inches(*sheet.size)
    across, up = sheet.size
    places = [(x / across, y / up, w / across, h / up) for x, y, w, h in (*sheet.panels, sheet.bar)]
    drawn = [paint_panel(painted.add_axes(at), figure, n) for n, at in enumerate(places[:-1])]
    mesh = next(mesh for mesh in drawn if mesh is not None)
    bar = painted.colorbar(mesh, cax=painted.add_axes(places[-1]))
    _finish_bar(bar, figure.scales[0], sheet.bar[3], figure)
    panel = figure.panels[0]
    size = figure.font_size + 1
    middle: dict[str, Any] = {"ha": "center", "va": "center", "size": size}
    x, y = sheet.x_label, sheet.y_label
    painted.text(x[0] / across, x[1] / up, panel.x.label, **middle)  # type: ignore[union-attr]
    painted.text(y[0] / across, y[1] / up, panel.y.label, rotation=90, **middle)  # type: ignore[union-attr]


def words_of(figure: Figure) -> Iterator[str]:
    """Everything that is written in a figure."""
    yield from (figure.title, *figure.notes, *(entry.text for entry in figure.legend))
    for panel in figure.panels:
        yield panel.title
        if isinstance(panel, TextPanel):
            yield from (box.text for line in panel.lines for box in line)
            continue
        for axis in (panel.x, panel.y):
            yield axis.label
            yield from (tick.label for tick in axis.ticks)
        yield from (span.label for span in panel.spans)
        if isinstance(panel, HeatPanel) and panel.texts is not None:
            yield from (text for row in panel.texts.rows for text in row)
        if isinstance(panel, LinePanel):
            yield from (line.label for line in panel.lines)
    for scale in figure.scales:
        yield scale.label


def settings_of(figure: Figure, families: list[str]) -> dict[str, Any]:
    """What matplotlib is told of fonts, sizes and lines."""
    size = figure.font_size
    return {
        "font.family": families,
        "font.size": size,
        "axes.labelsize": size + 1,
        "axes.titlesize": size + 1,
        "xtick.labelsize": size,
        "ytick.labelsize": size,
        "legend.fontsize": size,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.pad": 2.0,
        "ytick.major.pad": 2.0,
        "hatch.linewidth": 0.5,
        "text.parse_math": False,  # a token may be a dollar sign
        "text.usetex": False,
        "axes.unicode_minus": True,
        "figure.dpi": 100,
        "figure.constrained_layout.h_pad": 0.03,
        "figure.constrained_layout.w_pad": 0.03,
    }


def _first_guess(figure: Figure) -> tuple[float, float]:
    width = min(figure.panel_width * figure.columns + 1.2, figure.width)
    return width, sum(figure.row_heights) + 1.0 + footer_height(figure, width)


def paint_panel(ax: Axes, figure: Figure, at: int) -> Any:
    """Paint one panel; axes equal to those of a neighbour are labelled only once."""
    panel = figure.panels[at]
    if isinstance(panel, TextPanel):
        points = figure.font_size + LARGER
        return paint_text(ax, panel, figure.scales[panel.scale], size=points, hatch=HATCH)
    below, left = at + figure.columns, at - 1
    shared_x = below < len(figure.panels) and getattr(figure.panels[below], "x", None) == panel.x
    shared_y = at % figure.columns > 0 and getattr(figure.panels[left], "y", None) == panel.y
    if isinstance(panel, HeatPanel):
        size = (figure.panel_width, figure.row_heights[at // figure.columns])
        drawn = paint_heat(ax, panel, figure.scales[panel.scale], size=size)
    else:
        drawn = None
        paint_lines(ax, panel)
    if figure.layout == "sheet":
        sides = replace(panel.x, ticks=() if shared_x else panel.x.ticks, label="")
        panel = replace(panel, x=sides)
        panel = replace(
            panel, y=replace(panel.y, ticks=() if shared_y else panel.y.ticks, label="")
        )
    _axes(ax, panel, write_x=not shared_x, write_y=not shared_y)
    if figure.layout == "sheet":
        ax.set_title(panel.title, size=TITLE_SIZE, y=1.0, pad=1.2)
        return drawn
    for axis, length in (
        (ax.xaxis, figure.panel_width),
        (ax.yaxis, figure.row_heights[at // figure.columns]),
    ):
        axis.set_label_text(wrapped(axis.get_label_text(), length, figure.font_size + 1))
    return drawn


def _axes(ax: Axes, panel: HeatPanel | LinePanel, *, write_x: bool, write_y: bool) -> None:
    x, y = panel.x, panel.y
    ax.set_xlim(*x.limits)
    ax.set_ylim(*(y.limits[::-1] if y.direction == "down" else y.limits))
    turned: dict[str, Any] = {}
    if x.rotation:
        turned = {"ha": "right", "va": "center", "rotation_mode": "anchor"}
    ax.set_xticks(
        [tick.at for tick in x.ticks],
        [tick.label if write_x else "" for tick in x.ticks],
        rotation=x.rotation,
        **turned,
    )
    for tick, text in zip(x.ticks, ax.get_xticklabels(), strict=True):
        if tick.upright:
            text.set(rotation=0, ha="center", va="top")
        if tick.faint:
            text.set_color(FAINT)
    if y.growth == "log":
        ax.set_yscale("log")
        ax.minorticks_off()
    ax.set_yticks([t.at for t in y.ticks], [t.label if write_y else "" for t in y.ticks])
    if write_x:
        ax.set_xlabel(x.label)
    if write_y:
        ax.set_ylabel(y.label)
    if panel.title:
        ax.set_title(panel.title, pad=18 if panel.spans else 4)


def _colour_bar(
    painted: Painted, mesh: Any, owners: list[Axes], scale: Scale, figure: Figure
) -> None:
    width, height = figure.panel_width, figure.row_heights[0]
    if len(owners) > 1:
        width, height = width * figure.columns, sum(figure.row_heights)
    drawn = min(height, TALLEST_BAR)
    bar = painted.colorbar(
        mesh,
        ax=owners,
        fraction=0.16 / width,
        pad=0.08 / width,
        shrink=drawn / height,
        aspect=drawn / BAR_WIDTH,
        anchor=(0.0, 1.0) if drawn < height else (0.0, 0.5),
    )
    _finish_bar(bar, scale, drawn, figure)


def _finish_bar(bar: Any, scale: Scale, length: float, figure: Figure) -> None:
    bar.minorticks_off()
    bar.set_ticks([tick.at for tick in scale.ticks], labels=[tick.label for tick in scale.ticks])
    bar.set_label(wrapped(scale.label, length, figure.font_size + 1))
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(width=0.6, length=2.5)
    solids: Any = bar.solids
    solids.set(edgecolor="face", linewidth=0.2)


def _fit(painted: Painted, axes: list[Axes], figure: Figure) -> None:
    """Set the figure's size so that its panels have theirs."""
    wanted = np.array([figure.panel_width, figure.row_heights[0]])
    times = np.array([figure.columns, sum(figure.row_heights) / figure.row_heights[0]])
    top = title_height(figure, painted.get_size_inches()[0])
    engine: Any = painted.get_layout_engine()
    for _ in range(ROUNDS):
        width, height = painted.get_size_inches()
        foot = footer_height(figure, width)
        room = 1 - (foot + top) / height
        engine.set(rect=(0.0, foot / height, 1.0, room))
        engine.execute(painted)
        box = axes[0].get_window_extent()
        have = np.array([box.width, box.height]) / painted.dpi
        lacking = (wanted - have) * times
        wider = min(width + lacking[0], figure.width)  # what is lacking then, the panels give up
        if max(abs(wider - width), abs(lacking[1])) < 0.01:
            break
        painted.set_size_inches(wider, height + lacking[1])
    painted.set_layout_engine("none")  # laid out for good: saving need not do it again


def paint_heat(ax: Axes, panel: HeatPanel, scale: Scale, *, size: tuple[float, float]) -> Any:
    """Cells in their colours over a hatched ground, which shows where there is no value."""
    from matplotlib.colors import ListedColormap

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
        norm=norm_of(scale),
        rasterized=panel.values.size > RASTER_FROM,
        antialiased=False,
        linewidth=0,  # an edge would reach over the corners of the neighbours
    )
    if panel.equal is not None:
        paint_equal(ax, panel.equal & ~np.isnan(panel.values))
    if panel.significant is not None:
        paint_dots(ax, panel, scale, size)
    if panel.texts is not None:
        paint_texts(ax, panel, panel.texts, scale)
    paint_spans(ax, panel.spans)
    for region in panel.regions:
        _rectangle(ax, region)
    return mesh


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
