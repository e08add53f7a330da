"""Sheets: many small heatmaps over the same axes, close together, labelled at the sheet's edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layergram.figures.fonts import text_width
from layergram.figures.panels import Part
from layergram.figures.sizes import BAR, LINE, too_narrow
from layergram.figures.spec import Axis, Figure, HeatPanel
from layergram.figures.style import MM, Style

MORE_THAN = 40  # panels; fewer are laid out one by one, each with its labels
TITLE_SIZE = 5.0  # points, of the title of a panel
TITLE = TITLE_SIZE * 1.3 / 72  # inches above a panel
GAP = 0.05  # inches between neighbours
NARROWEST = 0.28  # inches: the width of a panel
LEAST = 0.1  # inches: the same where the columns are chosen
TALLEST = 8.8  # inches: the height of a sheet that fits a page
MARGIN = 0.06  # inches around everything

Box = tuple[float, float, float, float]


def is_sheet(parts: Sequence[Part]) -> bool:
    """Whether panels are many heatmaps over the same rows and columns, with one colour scale."""
    axes = {(part.heat, part.group, part.x, part.y) for part in parts}
    return len(parts) > MORE_THAN and len(axes) == 1 and parts[0].heat


def sheet_size(parts: Sequence[Part], style: Style) -> tuple[int, tuple[float, float]]:
    """Panels per row, and width and height of one in inches, so that the sheet fits a page.

    Where that cannot be, panels are as narrow as they may be, and the sheet is higher.

    Raises:
        LayergramError: if the sheet is too narrow for its columns.
    """
    first = parts[0]
    size = style.font_size
    names = first.y.shown if first.y else ()
    left = max(text_width(name, size, style.font) for name in names) + 2.4 * size * LINE
    room = style.width / MM - left - BAR - 5 * 0.64 * size / 72 - (size + 1) * LINE - 2 * MARGIN
    rows = first.y.drawn if first.y else 1
    shape = min(max(rows / first.x.drawn, 0.5), 1.4)
    columns = style.columns or max(min(4, int(room / (LEAST + GAP))), 1)
    while style.columns is None:
        width = room / columns - GAP
        height = math.ceil(len(parts) / columns) * (width * shape + TITLE + GAP)
        narrower = room / (columns + 1) - GAP
        if height <= TALLEST or narrower < NARROWEST or columns == len(parts):
            break
        columns += 1
    width = room / columns - GAP
    if width < LEAST:
        raise too_narrow(columns, width, LEAST, style)
    return columns, (width, width * shape)


@dataclass(frozen=True)
class Sheet:
    """Where everything on a sheet stands, in inches from its lower left corner.

    Args:
        size: width and height of the whole figure.
        panels: left, bottom, width and height of each panel.
        bar: the same of the colour bar.
        x_label: where the middle of the label of the columns stands.
        y_label: where the middle of the label of the rows stands.
    """

    size: tuple[float, float]
    panels: tuple[Box, ...]
    bar: Box
    x_label: tuple[float, float]
    y_label: tuple[float, float]


def sheet_of(figure: Figure, *, foot: float, top: float) -> Sheet:
    """The places on a sheet that has ``foot`` inches for notes below and ``top`` for its title."""
    panel = figure.panels[0]
    assert isinstance(panel, HeatPanel)
    line = (figure.font_size + 1) * LINE
    left = MARGIN + line + _widest(panel.y, figure) + 0.06
    below = MARGIN + line + _lowest(panel.x, figure) + 0.06
    width, height = figure.panel_width, figure.row_heights[0]
    count = len(figure.row_heights)
    step = (width + GAP, height + TITLE + GAP)
    inner = (figure.columns * step[0] - GAP, count * step[1] - GAP)
    bottom = foot + below
    boxes = []
    for at in range(len(figure.panels)):
        row, column = divmod(at, figure.columns)
        boxes.append((left + column * step[0], bottom + (count - 1 - row) * step[1], width, height))
    tall = min(inner[1] - TITLE, 6.0)
    bar = (left + inner[0] + 0.08, bottom + inner[1] - TITLE - tall, 0.1, tall)
    ticks = max(
        text_width(tick.label, figure.font_size, figure.font) for tick in figure.scales[0].ticks
    )
    whole = (bar[0] + 0.1 + 0.06 + ticks + line + MARGIN, bottom + inner[1] + top + MARGIN)
    return Sheet(
        size=whole,
        panels=tuple(boxes),
        bar=bar,
        x_label=(left + inner[0] / 2, foot + MARGIN + line / 2),
        y_label=(MARGIN + line / 2, bottom + inner[1] / 2),
    )


def _widest(axis: Axis, figure: Figure) -> float:
    return max(text_width(tick.label, figure.font_size, figure.font) for tick in axis.ticks)


def _lowest(axis: Axis, figure: Figure) -> float:
    """How far the labels of the columns reach down, in inches."""
    line = figure.font_size * LINE
    return line if axis.rotation == 0 else max(line, _widest(axis, figure))
