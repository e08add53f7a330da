"""How large panels are, and how they stand beside each other."""

from __future__ import annotations

import math

from layergram.maps import Dimension

PAGE = 7.2  # inches: the width of a page of two columns
LINE = 1.25 / 72  # inches per point of font size


def columns_for(panels: int, *, wide: bool) -> int:
    """Panels per row: near a square, or 3 or 4 wide ones, with as few empty places as possible.

    Example:
        >>> [columns_for(n, wide=False) for n in (1, 3, 8, 9, 12, 32)]
        [1, 3, 4, 3, 4, 8]
        >>> [columns_for(n, wide=True) for n in (2, 8, 9, 14, 32)]
        [2, 4, 3, 3, 4]
    """
    if panels <= 3:
        return panels
    near = math.ceil(math.sqrt(panels))
    candidates = (3, 4) if wide else (near, near + 1, near + 2)
    return min(candidates, key=lambda c: (-panels % c, c))


def panel_size(
    x: Dimension, *, cells: tuple[int, int], columns: int, maps: int, font_size: float
) -> tuple[float, float]:
    """Width and height in inches of one panel's cells.

    Args:
        x: the dimension of the columns.
        cells: rows and columns of the largest panel; 0 rows for lines and bars.
        columns: panels per row.
        maps: how many maps the figure shows; several stand in a row and get more room.
        font_size: size of the labels in points.
    """
    rows, wide = cells
    line = font_size * LINE
    room = PAGE / columns - 0.15
    if x.square and rows:
        if columns == 1:
            largest, least = (4.0, 0.04) if x.kind == "numbers" else (5.0, line)
            pitch = min(max(largest / max(rows, wide), least), 0.22)
            pitch = min(pitch, PAGE / max(rows, wide))
            return max(wide * pitch, 1.2), max(rows * pitch, 1.2)
        width = min(max(room, 0.9), 2.6)
        return width, width * min(max(rows / wide, 0.5), 1.4)
    if columns == 1:
        pitch = min(max(6.2 / wide, line), 0.5 if x.name == "role" else 0.3)
        width = min(max(wide * pitch, 1.8), PAGE)
    elif maps > 1:
        width = min(max(wide * line, 1.6), 5.0 if columns == 2 else 3.7)
    else:
        width = max(room, 1.1)
    if not rows:
        return max(width, 2.6) if columns == 1 else width, min(max(0.45 * width, 1.3), 2.2)
    tallest = 4.2 if columns == 1 else 3.0 if maps > 1 else 2.2
    per_row = 0.12 if columns == 1 or maps > 1 else 0.06
    return width, min(max(rows * per_row, 1.5 if columns == 1 else 1.0), tallest)
