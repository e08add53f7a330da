"""Tables of numbers as maps: a column per axis (long), or a row per layer (wide)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.build import make
from layergram.maps.dimensions import DIMENSIONS
from layergram.maps.foreign.axes import axes_named, axis_name, axis_of_columns, labels_of
from layergram.maps.foreign.cells import Cells, float_type, missing, read_cells, values_of
from layergram.maps.vocabulary import CELL_COORDINATES, ROLES, TOKEN_COORDINATES

Layout = Literal["auto", "long", "wide"]
TEXT_COLUMNS = ("token_text", "part")


def read_table(
    path: str | Path, *, layout: Layout = "auto", columns: str | None = None
) -> xr.DataArray:
    """A map from a table in a text file, with commas, semicolons or tabs between the cells.

    **Long**, as :func:`layergram.maps.write` makes it: leading columns named like axes, then
    coordinates, then one column of values. Axes keep the order of the rows; where the rows come
    in no order, numbered axes are sorted. Cells without a row are NaN.

    **Wide**: the first column holds the layers (or the axis that its header names), the header
    the tokens' texts, role names, or heads (``h0``, ``head 3``, or the bare numbers 0, 1, 2, …).
    The first header cell may name both axes: ``layer/token``. Names may repeat for tokens.
    A matrix of numbers without a header is layers from 1 by token positions.

    Empty cells, ``nan`` and ``NA`` are NaN. Values with at most nine digits become float32.
    Where all values end in ``%`` that is their unit.

    Args:
        path: the file, in UTF-8.
        layout: ``"long"`` or ``"wide"`` where it should not be decided by the header.
        columns: the axis that the columns of a wide table stand for, if not the one above.

    Raises:
        LayergramError: with the line and the column of what is wrong.
    """
    return from_cells(read_cells(Path(path)), layout=layout, columns=columns)


def from_cells(
    cells: Cells, *, layout: Layout = "auto", columns: str | None = None
) -> xr.DataArray:
    """A map from the cells of a table; :func:`read_table` says how they are understood."""
    columns = axis_name(columns) if columns else None
    if columns is not None and columns not in DIMENSIONS:
        raise unknown_name("axis", columns, DIMENSIONS)
    if cells.header[0] == "" and len(cells.header) > 2 and axis_name(cells.header[1]) in DIMENSIONS:
        without = [row[1:] for row in cells.rows]  # the index that pandas writes
        cells = Cells(cells.source, cells.header[1:], without, cells.lines, cells.comma)
    if layout == "long" or (layout == "auto" and columns is None and _is_long(cells)):
        return _long(cells)
    return _wide(cells, columns)


# --- wide ---------------------------------------------------------------------------------------


def _wide(cells: Cells, columns: str | None) -> xr.DataArray:
    corner = axes_named(cells.header[0])
    rows = corner[0] if corner else "layer"
    names = cells.header[1:]
    if columns is None:
        guess = axis_of_columns(names)
        columns = corner[1] if len(corner) == 2 else guess if rows == "layer" else "layer"
    if rows == columns:
        raise LayergramError(
            f"the table '{cells.source}'",
            got=f"the axis {rows} for the rows and for the columns",
            allowed="two axes",
            do="name both in the first cell of the header, such as layer/token",
        )
    values, unit = values_of(cells, 1, len(cells.header))
    row_labels, row_coords = labels_of(rows, [row[0] for row in cells.rows])
    column_labels, column_coords = labels_of(columns, names)
    coords: dict[Any, Any] = {rows: row_labels, columns: column_labels}
    array = make(
        values,
        (rows, columns),
        measure="value",
        coords=coords | row_coords | column_coords,
        units=unit,
        source=Path(cells.source).name,
    )
    return array.transpose("layer", ...) if columns == "layer" else array


# --- long ---------------------------------------------------------------------------------------


def _axis_columns(header: Sequence[str]) -> list[str]:
    return list(takewhile(DIMENSIONS.__contains__, map(axis_name, header)))


def _is_long(cells: Cells) -> bool:
    axes = _axis_columns(cells.header[:-1])
    if not axes or len(set(axes)) < len(axes) or cells.header[-1].strip() in ROLES:
        return False
    between = cells.header[len(axes) : -1]
    first = [row[0] for row in cells.rows]
    return set(between) <= {*TOKEN_COORDINATES, *CELL_COORDINATES} or (
        len(axes) > 1 and len(set(first)) < len(first)
    )


def _long(cells: Cells) -> xr.DataArray:
    axes = _axis_columns(cells.header[:-1])
    if not axes:
        raise LayergramError(
            f"the long table '{cells.source}'",
            got=f"the first column {cells.header[0]!r}",
            allowed=", ".join(DIMENSIONS),
            do="name the leading columns after the axes",
        )
    values, unit = values_of(cells, len(cells.header) - 1, len(cells.header))
    coords: dict[Any, Any] = {}
    labels: dict[str, list[Any]] = {}
    codes: dict[str, Any] = {}
    for at, dim in enumerate(axes):
        labels[dim], codes[dim], extra = _coded(dim, [row[at] for row in cells.rows])
        coords |= extra
    place, codes = _placed(cells, labels, codes)
    shape = tuple(len(labels[dim]) for dim in axes)
    coords |= labels
    for at, name in enumerate(cells.header[len(axes) : -1], start=len(axes)):
        coords[name] = _coordinate(cells, at, labels, codes, place)
    measure = cells.header[-1].strip() or "value"
    return make(
        _spread(values[:, 0], place, shape),
        axes,
        measure=measure,
        coords=coords,
        units=unit,
        source=Path(cells.source).name,
    )


def _coded(dim: str, cells: list[str]) -> tuple[list[Any], Any, dict[str, Any]]:
    """The labels of one axis in their order of appearance, and each row's place among them."""
    order = {cell: at for at, cell in enumerate(dict.fromkeys(cells))}
    codes = np.array([order[cell] for cell in cells])
    names = list(order)
    counted = all(name.strip().lstrip("-").isdecimal() for name in names)
    if counted and DIMENSIONS[dim].kind == "positions":
        return [int(name) for name in names], codes, {}
    labels, extra = labels_of(dim, names)
    return labels, codes, extra


def _placed(
    cells: Cells, labels: dict[str, list[Any]], codes: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Where each row's value belongs in the flat array; rows in no order sort numbered axes."""
    shape = tuple(len(labels[dim]) for dim in labels)
    place = np.ravel_multi_index(tuple(codes.values()), shape)
    if not np.array_equal(place, np.arange(np.prod(shape))):
        for dim, names in labels.items():
            if all(isinstance(name, int) for name in names):
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
            do="number repeated tokens in the column token, and keep their texts in token_text",
        )
    return place, codes


def _spread(column: Any, place: Any, shape: tuple[int, ...]) -> Any:
    """The column in the shape of the map; NaN, or no text, where there is no row."""
    if np.issubdtype(column.dtype, np.integer):
        column = column.astype(np.float64)
    empty = np.nan if np.issubdtype(column.dtype, np.floating) else ""
    full = np.full(int(np.prod(shape)), empty, dtype=column.dtype)
    full[place] = column
    return full.reshape(shape)


def _coordinate(
    cells: Cells, at: int, labels: dict[str, list[Any]], codes: dict[str, Any], place: Any
) -> tuple[Any, Any]:
    """A further column, on the one axis that decides it, or on all."""
    name = cells.header[at]
    column = np.array([row[at] for row in cells.rows], dtype=object)
    axes = list(labels)
    likely = sorted(axes, key=lambda d: (DIMENSIONS[d].kind != "positions", -axes.index(d)))
    for dim in [] if name in CELL_COORDINATES else likely:
        first = np.unique(codes[dim], return_index=True)[1]
        if (column[first][codes[dim]] == column).all():
            return (dim,), _typed(name, list(column[first]))
    shape = tuple(len(labels[dim]) for dim in axes)
    return tuple(axes), _spread(np.array(_typed(name, list(column))), place, shape)


def _typed(name: str, column: list[str]) -> Any:
    """Whole numbers, numbers, or the text itself."""
    if name in TEXT_COLUMNS:
        return column
    try:
        return np.array([int(cell) for cell in column])
    except ValueError:
        pass
    try:
        numbers = [float("nan") if missing(cell) else float(cell) for cell in column]
    except ValueError:
        return column
    return np.array(numbers, dtype=float_type(column)) if any(column) else column
