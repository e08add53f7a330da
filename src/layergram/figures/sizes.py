"""How many panels stand in a row, and how large they are, so that the figure fits its width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from layergram import maps as currency
from layergram.errors import LayergramError
from layergram.figures.fonts import text_width
from layergram.figures.panels import Part
from layergram.figures.spec import HeatPanel, Panel
from layergram.figures.style import MM, Style
from layergram.maps import Dimension

LINE = 1.25 / 72  # inches per point of font size
GAP = 0.12  # inches between neighbouring panels, and around the outer ones
BAR = 0.22  # inches: a colour bar with its gap and ticks
LEAST = 0.45  # inches: a narrower panel shows nothing
READABLE = 2.0  # inches: maps side by side go to more rows before they are narrower
MANY = 24  # panels; more stand closer


def columns_of(parts: Sequence[Part], maps: int, style: Style) -> int:
    """Panels per row: as asked; maps side by side where they can be read so; else near a square."""
    if style.columns is not None:
        return min(style.columns, len(parts))
    line = style.font_size * LINE
    if maps == len(parts) and maps <= 4:
        wanted = min(max(part.x.drawn for part in parts) * line, READABLE)
        return next(
            (c for c in range(maps, 1, -1) if room_of(parts, c, style) >= wanted),
            1 if maps > 1 and len(parts) > 1 else maps,
        )
    wide = any(part.x.dim not in ("head", "layer") for part in parts)
    usual = columns_for(len(parts), wide=wide)
    return next((c for c in range(usual, 1, -1) if room_of(parts, c, style) >= LEAST), 1)


def room_of(parts: Sequence[Part], columns: int, style: Style) -> float:
    """The width in inches that is left for each panel's cells beside labels and colour bars."""
    size = style.font_size
    names = [_row_names(part) for part in parts]
    shared = len(set(names)) == 1 and all(part.y is not None for part in parts)
    widest = max(text_width(name, size, style.font) for one in names for name in one)
    left = widest + 0.08 + (size + 1) * LINE
    bars = {part.group for part in parts if part.heat}
    beside = min(len(bars), columns) if len(bars) > 1 else len(bars)
    bar = BAR + 5 * 0.64 * size / 72 + (size + 1) * LINE
    named = [part.y for part in parts if not part.heat and part.y is not None]
    if named:  # the names of lines stand beside the panel
        left += 0.5 + max(text_width(name, size, style.font) for y in named for name in y.shown)
    furniture = left * (1 if shared else columns) + bar * beside + GAP * (columns + 1)
    return (style.width / MM - furniture) / columns


def _row_names(part: Part) -> tuple[str, ...]:
    """What is written beside a panel: its rows, or numbers as wide as most are."""
    if part.heat and part.y is not None:
        return part.y.shown
    return ("0.000",)


def row_heights(panels: Sequence[Panel], columns: int, height: float) -> tuple[float, ...]:
    """The height of each row; one without a heatmap is lower than those that have one."""
    rows = [panels[at : at + columns] for at in range(0, len(panels), columns)]
    heat = [any(isinstance(panel, HeatPanel) for panel in row) for row in rows]
    lower = max(0.4 * height, 1.0) if any(heat) else height
    return tuple(height if has else lower for has in heat)


def too_narrow(columns: int, room: float, least: float, style: Style) -> LayergramError:
    """The refusal of a figure whose cells would have less than ``least`` inches in each panel."""
    mm = ".1f" if least * MM < 10 else ".0f"
    side_by_side = f"{columns} panels side by side" if columns > 1 else "a panel"
    return LayergramError(
        f"{side_by_side} in {style.width:g} mm",
        got=f"{max(room, 0) * MM:{mm}} mm for the cells of each",
        allowed=f"{least * MM:{mm}} mm or more",
        do="give a larger width, fewer columns, or a smaller font_size",
    )


def size_of(parts: Sequence[Part], columns: int, maps: int, style: Style) -> tuple[float, float]:
    """Width and height of one panel's cells, in inches.

    Raises:
        LayergramError: if the figure is too narrow for its panels.
    """
    heat = [part for part in parts if part.heat]
    shown = heat or parts
    if not heat and shown[0].y is not None:
        x, wide = currency.DIMENSIONS["layer"], 30
    else:
        x, wide = shown[0].x.axis, max(part.x.drawn for part in shown)
    rows = max((part.y.drawn for part in heat if part.y), default=0)
    room = room_of(parts, columns, style)
    if room < LEAST:
        raise too_narrow(columns, room, LEAST, style)
    return panel_size(
        x, cells=(rows, wide), columns=columns, maps=maps, font_size=style.font_size, room=room
    )


def columns_for(panels: int, *, wide: bool) -> int:
    """Panels per row: near a square, or 3 or 4 wide ones, with as few empty places as possible.

    Example:
        >>> [columns_for(n, wide=False) for n in (1, 3, 8, 9, 12, 32)]
        [1, 3, 4, 3, 4, 8]
        >>> [columns_for(n, wide=True) for n in (2, 8, 9, 14, 24, 100)]
        [2, 4, 3, 3, 3, 6]
    """
    if panels <= 3:
        return panels
    near = min(math.ceil(math.sqrt(panels)), 8)
    narrow = tuple(c for c in (near, near + 1, near + 2) if c <= 8)
    candidates = ((3, 4) if panels <= MANY else (6, 7, 8)) if wide else narrow
    return min(candidates, key=lambda c: (-panels % c, c))


def panel_size(
    x: Dimension,
    *,
    cells: tuple[int, int],
    columns: int,
    maps: int,
    font_size: float,
    room: float,
) -> tuple[float, float]:
    """Width and height in inches of one panel's cells.

    Args:
        x: the dimension of the columns.
        cells: rows and columns of the largest panel; 0 rows for lines and bars.
        columns: panels per row.
        maps: how many maps the figure shows; several stand in a row and get more room.
        font_size: size of the labels in points.
        room: the largest width.
    """
    rows, wide = cells
    line = font_size * LINE
    if x.square and rows:
        if columns == 1:
            largest, least = (4.0, 0.04) if x.kind == "numbers" else (5.0, line)
            pitch = min(max(largest / max(rows, wide), least), 0.22)
            pitch = min(pitch, room / wide)
            return min(max(wide * pitch, 1.2), room), max(rows * pitch, min(1.2, room))
        width = min(room, 2.6)
        return width, width * min(max(rows / wide, 0.5), 1.4)
    if columns == 1:
        pitch = min(max(6.2 / wide, line), 0.5 if x.name == "role" else 0.3)
        width = max(wide * pitch, 1.8)
    elif maps > 1:
        width = min(max(wide * line, 1.6), 5.0 if columns == 2 else 3.7)
    else:
        width = max(room, 1.1)
    width = min(width, room)
    if not rows:
        wider = min(max(width, 2.6), room) if columns == 1 else width
        return wider, min(max(0.45 * width, 1.3 if columns < 5 else 0.6), 2.2)
    tallest = 4.2 if columns == 1 else 3.0 if maps > 1 else 2.2
    per_row = 0.12 if columns == 1 or maps > 1 else 0.06
    lowest = 1.5 if columns == 1 else 1.0 if columns < 5 else 0.6
    return width, min(max(rows * per_row, lowest), tallest)
