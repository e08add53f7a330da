"""Maps from JSON: our own form, and the ones that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.build import make
from layergram.maps.dimensions import DIMENSIONS, axis_named, layout, split_words
from layergram.maps.foreign.axes import in_text_order, labels_of
from layergram.maps.foreign.cells import Cells, as_written
from layergram.maps.foreign.columns import is_unnamed
from layergram.maps.foreign.tables import from_cells
from layergram.maps.plain import from_plain
from layergram.maps.vocabulary import TOKEN_COORDINATES

FORMS = (
    'what layergram wrote; {"layers": […], "tokens": […], "values": [[…]]}; a list of rows; '
    'a list of records; {"layer": […], "accuracy": […], …}; '
    '{"columns": […], "index": […], "data": [[…]]}'
)


def read_json(path: Path, *, value: str = "") -> xr.DataArray:
    """A map from a JSON file.

    Besides our own form: an object with one list of labels per axis (``layers``, ``tokens``,
    ``roles``, ``heads``, ``functions``, …; in the order of the axes, or with the names of the axes
    in ``dims``) and the ``values``; a list of rows, which are layers from 1; a list of records, one
    per cell or one per layer; an object of columns, or of rows; and what pandas writes with any
    ``orient``. Tables are understood as :func:`layergram.maps.foreign.read_table` says.

    Args:
        path: the file, in UTF-8.
        value: the column of values, where several could be.

    Raises:
        LayergramError: for anything else, with what it was.
    """
    asked = f"the map file '{path}'"
    try:
        plain = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise LayergramError(
            asked, got=f"no JSON: {error.msg} in line {error.lineno}", allowed=FORMS
        ) from None
    match plain:
        case {"layergram": "map"}:
            return _the_one(from_plain(plain), value)
        case {"values": [_, *_]} | {"data": [_, *_]} if not {"columns", "schema"} & set(plain):
            return _the_one(_labelled(path, plain), value)
    header, rows = _table_in(asked, plain)
    return from_cells(_cells(path, header, rows), value=value)


def _the_one(array: xr.DataArray, value: str) -> xr.DataArray:
    """The one map of a file, which ``value`` may name."""
    if value not in ("", array.name):
        raise unknown_name("map", value, [str(array.name)])
    return array


def _table_in(asked: str, plain: Any) -> tuple[list[Any], list[list[Any]]]:
    """The header and the rows of the table that plain data stands for."""
    match plain:
        case {"data": [dict(), *_] as records, "schema": _}:
            return _of_records(records)
        case {"columns": [_, *_] as names, "data": [_, *_] as rows}:
            index = plain.get("index", range(1, len(rows) + 1))
            if len(index) != len(rows):
                raise LayergramError(asked, got=f"{len(rows)} rows and {len(index)} in the index")
            whole = [[label, *_listed(asked, row)] for label, row in zip(index, rows, strict=True)]
            return ["", *names], whole
        case [dict(), *_] if all(isinstance(record, dict) for record in plain):
            return _of_records(plain)
        case [[_, *_] as first, *_]:
            rows = [[at, *_listed(asked, row)] for at, row in enumerate(plain, start=1)]
            return ["layer/token", *range(len(first))], rows
        case dict() if plain and all(isinstance(part, dict) for part in plain.values()):
            inner = [key for part in plain.values() for key in part]
            if all(key.isdecimal() for key in [*plain, *inner]):
                raise LayergramError(
                    asked,
                    got="an object of objects, both with numbers as keys",
                    allowed=FORMS,
                    do="say which are the layers: name their keys layer_0, layer_1, …",
                )
            if any(axis_named(key) for key in inner):  # a row per key, and its labels are inside
                return _of_records(list(plain.values()))
            if _are_layers(plain):  # a row per layer
                return _of_records([{"layer": key, **part} for key, part in plain.items()])
            index = list(dict.fromkeys(key for part in plain.values() for key in part))
            columns = list(plain.values())
            return ["", *plain], [[key, *(part.get(key) for part in columns)] for key in index]
        case dict() if plain and all(isinstance(part, list) and part for part in plain.values()):
            if _are_layers(plain):
                rows = [[key, *part] for key, part in plain.items()]
                return ["layer/token", *range(len(rows[0]) - 1)], rows
            lengths = {key: len(part) for key, part in plain.items()}
            if len(set(lengths.values())) > 1:
                listed = ", ".join(f"{key}: {length}" for key, length in lengths.items())
                raise LayergramError(
                    asked, got=f"columns of different lengths ({listed})", allowed=FORMS
                )
            if any(axis_named(key) for key in plain):
                return list(plain), [list(row) for row in zip(*plain.values(), strict=True)]
    raise LayergramError(asked, got=_outline(plain), allowed=FORMS)


def _of_records(records: list[dict[str, Any]]) -> tuple[list[Any], list[list[Any]]]:
    header = list(dict.fromkeys(key for record in records for key in record))
    if any(axis_named(key) for key in header):  # they come first, and an index goes
        header = [key for key in header if not is_unnamed(key)]
        header.sort(key=lambda key: not axis_named(key))
    return header, [[record.get(key) for key in header] for record in records]


def _are_layers(keys: Any) -> bool:
    try:
        labels_of("layer", list(keys))
    except LayergramError:
        return False
    return True


def _listed(asked: str, row: Any) -> list[Any]:
    if not isinstance(row, list):
        raise LayergramError(asked, got=f"{_outline(row)} in the place of a row", allowed=FORMS)
    return row


def _cells(path: Path, header: list[Any], rows: list[list[Any]]) -> Cells:
    for at, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise LayergramError(
                f"the map file '{path}'",
                got=f"{len(row) - 1} numbers in row {at}, {len(header) - 1} columns",
                allowed="rows of the same length",
            )
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return Cells(str(path), [str(name) for name in header], texts, list(range(1, len(rows) + 1)))


def _outline(plain: Any) -> str:
    if isinstance(plain, dict):
        keys = ", ".join(map(str, list(plain)[:6]))
        return f"an object with the keys {keys}" if plain else "an empty object"
    if isinstance(plain, list):
        return f"a list of {type(plain[0]).__name__}" if plain else "an empty list"
    return f"the value {str(plain)[:60]!r}"


# --- values with a list of labels for every axis -------------------------------------------------


def _labelled(path: Path, plain: dict[str, Any]) -> xr.DataArray:
    """An object with a list of labels for every axis, and the values."""
    asked = f"the map file '{path}'"
    lists = {key: part for key, part in plain.items() if isinstance(part, list)}
    axes, extra = _axes_in(asked, lists)
    try:
        array = np.array(plain.get("values", plain.get("data")), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LayergramError(
            asked, got=f"values that are no even grid of numbers: {error}", allowed=FORMS
        ) from None
    if not axes and array.ndim == 2:
        axes = {"token": list(range(array.shape[1]))}
    if "layer" not in axes and array.ndim == len(axes) + 1:
        axes = {"layer": list(range(1, len(array) + 1)), **axes}
    dims = _order(asked, axes, array.shape, list(plain), plain.get("dims"))
    coords: dict[Any, Any] = {}
    for dim in dims:
        texts = [str(name) for name in axes[dim]]
        labels, own = labels_of(dim, texts)
        if in_text_order(texts, labels):
            array = array.take(np.argsort(labels), axis=dims.index(dim))
            labels = sorted(labels)
        coords |= {dim: labels, **own}
    known = ("long_name", "units", "valid_min", "valid_max", "null_value")
    return make(
        as_written(array),
        dims,
        measure=str(plain.get("measure", plain.get("name", "value"))),
        coords=coords | extra,
        source=path.name,
        **{key: plain[key] for key in known if isinstance(plain.get(key), str | int | float)},
    )


def _axes_in(
    asked: str, lists: dict[str, list[Any]]
) -> tuple[dict[str, list[Any]], dict[str, tuple[str, list[Any]]]]:
    """The labels of each axis, and the coordinates of the tokens."""
    axes: dict[str, list[Any]] = {}
    keys: dict[str, str] = {}
    extra: dict[str, tuple[str, list[Any]]] = {}
    for key, labels in lists.items():
        known = "_".join(split_words(key)).removesuffix("s")
        dim = axis_named(key)
        if known in TOKEN_COORDINATES:
            extra[known] = ("token", labels)
        elif not dim:
            continue
        elif dim not in axes:
            axes[dim], keys[dim] = labels, key
        elif dim == "token" and _positions(labels) != _positions(axes[dim]):
            words, places = sorted((labels, axes[dim]), key=_positions)
            axes[dim], extra["token_text"] = places, ("token", words)
        else:
            raise LayergramError(
                asked,
                got=f"two lists for the axis {dim}: {keys[dim]!r} and {key!r}",
                allowed="one list of labels for every axis",
                do="remove or rename one of them",
            )
    if extra and "token" not in axes:
        length = len(next(iter(extra.values()))[1])
        axes["token"] = list(range(length))
    return axes, extra


def _positions(labels: list[Any]) -> bool:
    return all(isinstance(label, int) for label in labels)


def _order(
    asked: str, axes: dict[str, list[Any]], shape: tuple[int, ...], keys: list[str], given: Any
) -> tuple[str, ...]:
    """The order of the axes: as ``dims`` says, or as the lists stand, where the sizes agree.

    Keys in the order of the alphabet may have been sorted by the program that wrote them: then
    the sizes decide, and where they do not, axes in an unusual order are refused.
    """
    named = tuple(axis_named(str(name)) for name in given) if isinstance(given, list) else ()
    sizes = {dim: len(labels) for dim, labels in axes.items()}
    order = named if set(named) == set(axes) else tuple(axes)
    usual = order
    if axes:
        panels, down, across = layout(order)
        usual = tuple(dim for dim in (*panels, down, across) if dim)
    fits = [dims for dims in (order, usual) if tuple(sizes[dim] for dim in dims) == shape]
    if not fits:
        labels = (
            ", ".join(f"{len(names)} {DIMENSIONS[dim].plural}" for dim, names in axes.items())
            or "no labels"
        )
        raise LayergramError(
            asked,
            got=f"{labels}, and {' × '.join(map(str, shape))} values",
            allowed="one label for every row and column",
        )
    if not named and len(set(fits)) > 1 and keys == sorted(keys):
        raise LayergramError(
            asked,
            got=f"keys in the order of the alphabet, and as many {DIMENSIONS[order[0]].plural} as "
            f"{DIMENSIONS[order[-1]].plural}: the values may run either way",
            allowed=f'"dims": {json.dumps(usual)} or "dims": {json.dumps(order)} beside them',
            do="say with dims which axis comes first",
        )
    return fits[0]
