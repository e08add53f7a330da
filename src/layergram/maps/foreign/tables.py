"""Tables of numbers as maps: a column per axis (long), or a row per layer (wide)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.build import make
from layergram.maps.dimensions import DIMENSIONS, axis_named
from layergram.maps.foreign.axes import axes_named, axis_of_columns, in_text_order, labels_of
from layergram.maps.foreign.cells import (
    Cells,
    as_written,
    missing,
    number_in,
    read_cells,
    values_of,
)
from layergram.maps.foreign.columns import Columns, Layout, columns_of, could_be, is_unnamed
from layergram.maps.vocabulary import CELL_COORDINATES

TEXT_COLUMNS = ("token_text", "part")


def read_table(
    path: str | Path, *, layout: Layout = "auto", columns: str | None = None, value: str = ""
) -> xr.DataArray:
    """A map from a table in a text file, with commas, semicolons, tabs or spaces between cells.

    **Long**: columns named like axes, then one column of values, with coordinates, ``low``,
    ``high`` and ``p_value`` beside it, as :func:`layergram.maps.write` makes it. Axes keep the
    order of the rows; where the rows come in no order, or in the order of their texts
    (0, 1, 10, 2), numbered axes are sorted. Cells without a row are NaN. Beside one axis, several
    columns of metrics become the axis ``measure``; beside more, ``value`` has to say which one.

    **Wide**: the first column holds the layers (or the axis that its header names), the header
    the tokens' texts, role names, or heads (``h0``, ``head 3``, or the bare numbers 0, 1, 2, …).
    The first header cell may name both axes: ``layer/token``. Names may repeat for tokens.
    A matrix of numbers without a header is layers from 1 by token positions.

    Empty cells, ``nan`` and ``NA`` are NaN. Values become float32 where that gives them back as
    they are written. Where all values end in ``%`` that is their unit.

    Args:
        path: the file, in UTF-8.
        layout: ``"long"`` or ``"wide"`` where it should not be decided by the header.
        columns: the axis that the columns of a wide table stand for, if not the one above.
        value: the column of values, where several could be.

    Raises:
        LayergramError: with the line and the column of what is wrong.
    """
    return from_cells(read_cells(Path(path)), layout=layout, columns=columns, value=value)


def from_cells(
    cells: Cells, *, layout: Layout = "auto", columns: str | None = None, value: str = ""
) -> xr.DataArray:
    """A map from the cells of a table; :func:`read_table` says how they are understood."""
    if columns is not None and not axis_named(columns):
        raise unknown_name("axis", columns, DIMENSIONS)
    cells = _with_row_labels(_without_index(cells))
    if layout != "wide" and columns is None:
        found = columns_of(cells, value=value, layout=layout)
        if found is not None:
            return _long(cells, found)
    return _wide(cells, axis_named(columns or ""))


def _without_index(cells: Cells) -> Cells:
    """The cells without the index that pandas writes, and without empty columns at the end."""
    header, rows = cells.header, cells.rows
    while len(header) > 2 and is_unnamed(header[-1]) and all(missing(row[-1]) for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    axis = len(header) > 2 and axis_named(header[1])
    if axis and is_unnamed(header[0]) and could_be(axis, [row[1] for row in rows]):
        header, rows = header[1:], [row[1:] for row in rows]
    return replace(cells, header=header, rows=rows)


def _with_row_labels(cells: Cells) -> Cells:
    """The cells with layers from 1 before them, where the first column is values already."""
    first = [row[0] for row in cells.rows]
    if axes_named(cells.header[0]) or is_unnamed(cells.header[0]):
        return cells
    if not all(
        re.fullmatch(r"\s*[-+−]?\d*[.,]\d+(e[-+]?\d+)?\s*", c, re.IGNORECASE) for c in first
    ):
        return cells
    if any(axis_named(name) for name in cells.header):
        return cells
    rows = [[str(at), *row] for at, row in enumerate(cells.rows, start=1)]
    return replace(cells, header=["layer", *cells.header], rows=rows)


# --- wide ---------------------------------------------------------------------------------------


def _wide(cells: Cells, columns: str) -> xr.DataArray:
    corner = axes_named(cells.header[0])
    rows = corner[0] if corner else "layer"
    names = cells.header[1:]
    if not columns:
        guess = axis_of_columns(names)
        columns = corner[1] if len(corner) == 2 else guess if rows == "layer" else "layer"
    if rows == columns:
        raise LayergramError(
            f"the table '{cells.source}'",
            got=f"the axis {rows} for the rows and for the columns",
            allowed="two axes",
            do="name both in the first cell of the header, such as layer/token",
        )
    values, unit = values_of(cells, range(1, len(cells.header)))
    coords: dict[Any, Any] = {}
    for axis, (dim, texts) in enumerate(((rows, [row[0] for row in cells.rows]), (columns, names))):
        labels, extra = labels_of(dim, texts)
        if in_text_order(texts, labels):
            values = values.take(np.argsort(labels), axis=axis)
            labels = sorted(labels)
        coords |= {dim: labels, **extra}
    array = make(
        values,
        (rows, columns),
        measure="value",
        coords=coords,
        units=unit,
        source=Path(cells.source).name,
    )
    return array.transpose("layer", ...) if columns == "layer" else array


# --- long ---------------------------------------------------------------------------------------


def _long(cells: Cells, columns: Columns) -> xr.DataArray:
    coords: dict[Any, Any] = {}
    labels: dict[str, list[Any]] = {}
    codes: dict[str, Any] = {}
    for dim, at in columns.axes.items():
        texts = f"{dim}_text" in columns.coordinates
        labels[dim], codes[dim], extra = _coded(dim, [row[at] for row in cells.rows], texts=texts)
        coords |= extra
    place, codes = _placed(cells, columns, labels, codes)
    shape = tuple(len(names) for names in labels.values())
    ends = [at for own in columns.intervals.values() for at in own.values()]
    numbers, unit = values_of(cells, [*columns.measures, *ends])
    grids = {
        at: _spread(numbers[:, i], place, shape) for i, at in enumerate([*columns.measures, *ends])
    }
    empty = np.full(shape, np.nan, dtype=numbers.dtype)
    several = len(columns.measures) > 1

    def joined(parts: list[Any]) -> Any:
        return np.stack(parts, axis=-1) if several else parts[0]

    dims = (*labels, "measure") if several else tuple(labels)
    coords |= labels
    if several:
        coords["measure"] = [cells.header[at].strip() for at in columns.measures]
    for name in CELL_COORDINATES:
        own = [columns.intervals[at].get(name) for at in columns.measures]
        if any(at is not None for at in own):
            coords[name] = (dims, joined([empty if at is None else grids[at] for at in own]))
    for name, at in columns.coordinates.items():
        coords[name] = _coordinate(cells, name, at, labels, codes, place)
    return make(
        joined([grids[at] for at in columns.measures]),
        dims,
        measure="value" if several else cells.header[columns.measures[0]].strip() or "value",
        coords=coords,
        units=unit,
        source=Path(cells.source).name,
    )


def _coded(dim: str, cells: list[str], *, texts: bool) -> tuple[list[Any], Any, dict[str, Any]]:
    """The labels of one axis in their order of appearance, and each row's place among them.

    ``texts``: the table has the texts of the positions in another column.
    """
    order = {cell: at for at, cell in enumerate(dict.fromkeys(cells))}
    codes = np.array([order[cell] for cell in cells])
    names = list(order)
    counted = all(name.strip().lstrip("-").isdecimal() for name in names)
    if counted and DIMENSIONS[dim].kind == "positions":
        return [int(name) for name in names], codes, {}
    labels, extra = labels_of(dim, names)
    return labels, codes, {} if texts else extra


def _placed(
    cells: Cells, columns: Columns, labels: dict[str, list[Any]], codes: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Where each row's value belongs in the flat array; rows in no order sort numbered axes."""
    shape = tuple(len(labels[dim]) for dim in labels)
    place = np.ravel_multi_index(tuple(codes.values()), shape)
    ordered = np.array_equal(place, np.arange(np.prod(shape)))
    for dim, names in labels.items():
        column = dict.fromkeys(row[columns.axes[dim]] for row in cells.rows)
        counted = all(isinstance(name, int) for name in names)
        if counted and (not ordered or in_text_order(list(column), names)):
            order = np.argsort(names)
            labels[dim] = [names[at] for at in order]
            codes = {**codes, dim: np.argsort(order)[codes[dim]]}
    place = np.ravel_multi_index(tuple(codes.values()), shape)
    first = np.unique(place, return_index=True)[1]
    if len(first) < len(place):
        row = int(np.setdiff1d(np.arange(len(place)), first)[0])
        where = ", ".join(f"{dim} {labels[dim][codes[dim][row]]}" for dim in labels)
        raise LayergramError(
            f"the table '{cells.source}'",
            got=f"a second value for {where} in line {cells.lines[row]}",
            allowed="one row for every cell",
            do=_apart(cells, columns),
        )
    return place, codes


def _apart(cells: Cells, columns: Columns) -> str:
    """What to do with rows of the same axes: name the column that tells them apart, if one does."""
    others = set(range(len(cells.header))) - {*columns.axes.values(), *columns.measures}
    for at in sorted(others):
        rows = {(*(row[axis] for axis in columns.axes.values()), row[at]) for row in cells.rows}
        if len(rows) == len(cells.rows):
            return (
                f"the column {cells.header[at].strip()!r} tells these rows apart: name it after an "
                f"axis ({', '.join(DIMENSIONS)}), or keep only some of the rows"
            )
    return "number repeated tokens in the column token, and keep their texts in token_text"


def _spread(column: Any, place: Any, shape: tuple[int, ...]) -> Any:
    """The column in the shape of the map; NaN, or no text, where there is no row."""
    if np.issubdtype(column.dtype, np.integer):
        column = column.astype(np.float64)
    empty = np.nan if np.issubdtype(column.dtype, np.floating) else ""
    full = np.full(int(np.prod(shape)), empty, dtype=column.dtype)
    full[place] = column
    return full.reshape(shape)


def _coordinate(
    cells: Cells,
    name: str,
    at: int,
    labels: dict[str, list[Any]],
    codes: dict[str, Any],
    place: Any,
) -> tuple[Any, Any]:
    """A further column, on the one axis that decides it, or on all."""
    column = np.array([row[at] for row in cells.rows], dtype=object)
    axes = list(labels)
    likely = sorted(axes, key=lambda d: (DIMENSIONS[d].kind != "positions", -axes.index(d)))
    for dim in likely:
        first = np.unique(codes[dim], return_index=True)[1]
        if (column[first][codes[dim]] == column).all():
            return (dim,), _typed(name, list(column[first]), cells.comma)
    shape = tuple(len(labels[dim]) for dim in axes)
    return tuple(axes), _spread(np.array(_typed(name, list(column), cells.comma)), place, shape)


def _typed(name: str, column: list[str], comma: str) -> Any:
    """Whole numbers, numbers, or the text itself."""
    if name in TEXT_COLUMNS or not any(column):
        return column
    try:
        return np.array([int(cell) for cell in column])
    except ValueError:
        pass
    try:
        return as_written(np.array([number_in(cell, comma) for cell in column]))
    except ValueError:
        return column
