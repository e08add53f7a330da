"""Marked blocks of cells: given by their labels, or found."""

from __future__ import annotations

import numpy as np

from layergram.errors import LayergramError
from layergram.figures.labels import Cells, describe_range, range_of
from layergram.figures.spec import Region, Values
from layergram.figures.style import Style
from layergram.maps.blocks import best_block


def regions_of(values: Values, y: Cells, x: Cells, *, style: Style) -> tuple[Region, ...]:
    """The blocks that ``style.mark`` asks for in one panel, before columns are pooled.

    Args:
        values: rows × columns.
        y: the rows.
        x: the columns.
        style: its ``mark`` holds ``rows,columns`` with ``first:last`` labels each, ``best``, or
            ``diagonal`` for the cells whose row and column have one label;
            ``mark_least`` is the fewest rows and columns of the best block.

    Raises:
        LayergramError: if a mark is no region, lies outside the map, or nothing stands out.
    """
    found: list[Region] = []
    for mark in map(str.strip, style.mark):
        if mark == "diagonal":
            found += _diagonal(y, x)
        else:
            found.append(_best(values, y, x, style) if mark == "best" else _given(mark, y, x))
    return tuple(found)


def _diagonal(y: Cells, x: Cells) -> list[Region]:
    """The cells whose row and column have one label."""
    shared = [label for label in y.labels if label in x.labels]
    places = ((y.labels.index(label), x.labels.index(label)) for label in shared)
    text = f"{y.axis.noun} = {x.axis.noun}"
    return [Region((row, row), (column, column), "given", text) for row, column in places]


def _given(mark: str, y: Cells, x: Cells) -> Region:
    asked = f"to mark the region '{mark}'"
    rows, comma, columns = mark.partition(",")
    if not comma:
        raise LayergramError(
            asked,
            got="one range",
            allowed=f"{y.dim} first:last, a comma, and {x.dim} first:last; or 'best'",
            do="for example " + f"{y.labels[0]}:{y.labels[-1]},{x.labels[0]}:{x.labels[-1]}",
        )
    row, column = range_of(rows, y, asked=asked), range_of(columns, x, asked=asked)
    return Region(_drawn(row, y), _drawn(column, x), "given", _text(row, column, y, x))


def _best(values: Values, y: Cells, x: Cells, style: Style) -> Region:
    found = best_block(values, least=style.mark_least)
    if found is None:
        raise LayergramError(
            "to mark the best block",
            got="a map where no block stands out",
            allowed="a map with unequal values, larger than the smallest block",
            do="give the region by its labels, or a smaller mark_least",
        )
    least = np.minimum(style.mark_least, values.shape)
    text = (
        f"{_text(found.rows, found.columns, y, x)}: mean {found.inside:.3g}, "
        f"elsewhere {found.outside:.3g} (best block of at least {least[0]} × {least[1]} cells)"
    )
    return Region(_drawn(found.rows, y), _drawn(found.columns, x), "best", text)


def _drawn(span: tuple[int, int], cells: Cells) -> tuple[int, int]:
    return span[0] // cells.pool, span[1] // cells.pool


def _text(rows: tuple[int, int], columns: tuple[int, int], y: Cells, x: Cells) -> str:
    return f"{describe_range(y, *rows)} × {describe_range(x, *columns)}"
