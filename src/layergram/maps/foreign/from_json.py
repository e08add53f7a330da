"""Maps from JSON: our own form, and the ones that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.maps.build import make
from layergram.maps.dimensions import DIMENSIONS
from layergram.maps.foreign.axes import axes_named, labels_of
from layergram.maps.foreign.cells import Cells
from layergram.maps.foreign.tables import from_cells
from layergram.maps.plain import from_plain

FORMS = (
    'what layergram wrote; {"layers": […], "tokens": […], "values": [[…]]}; a list of rows; '
    'a list of records; {"columns": […], "index": […], "data": [[…]]}'
)


def read_json(path: Path) -> xr.DataArray:
    """A map from a JSON file.

    Besides our own form: an object with one list of labels per axis (``layers``, ``tokens``,
    ``roles``, ``heads``, ``functions``, …; in the order of the axes) and the ``values``; a list of
    rows, which are layers from 1; a list of records, one per cell; and what pandas writes with
    ``orient="split"``. Tables are understood as :func:`layergram.maps.foreign.read_table` says.

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
            return from_plain(plain)
        case {"columns": [_, *_] as names, "data": [_, *_] as rows}:
            index = plain.get("index", range(1, len(rows) + 1))
            if len(index) != len(rows):
                raise LayergramError(asked, got=f"{len(rows)} rows and {len(index)} in the index")
            whole = [[label, *_listed(asked, row)] for label, row in zip(index, rows, strict=True)]
            return from_cells(_cells(path, ["", *names], whole))
        case {"values": [_, *_]} | {"data": [_, *_]}:
            return _labelled(path, plain)
        case [dict(), *_] if all(isinstance(record, dict) for record in plain):
            header = list(dict.fromkeys(key for record in plain for key in record))
            records = [[record.get(key) for key in header] for record in plain]
            return from_cells(_cells(path, header, records), layout="long")
        case [[_, *_] as first, *_]:
            rows = [[at, *_listed(asked, row)] for at, row in enumerate(plain, start=1)]
            return from_cells(_cells(path, ["layer/token", *map(str, range(len(first)))], rows))
    raise LayergramError(asked, got=_outline(plain), allowed=FORMS)


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


def _labelled(path: Path, plain: dict[str, Any]) -> xr.DataArray:
    """An object with a list of labels for every axis, and the values."""
    asked = f"the map file '{path}'"
    named = {key: axes_named(key) for key, labels in plain.items() if isinstance(labels, list)}
    axes = {found[0]: plain[key] for key, found in named.items() if found}
    values = plain.get("values", plain.get("data"))
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LayergramError(
            asked, got=f"values that are no even grid of numbers: {error}", allowed=FORMS
        ) from None
    if array.shape != tuple(map(len, axes.values())):
        labels = (
            ", ".join(f"{len(names)} {DIMENSIONS[dim].plural}" for dim, names in axes.items())
            or "no labels"
        )
        shape = " × ".join(map(str, array.shape))
        raise LayergramError(
            asked, got=f"{labels}, and {shape} values", allowed="one label for every row and column"
        )
    coords: dict[Any, Any] = {}
    for dim, names in axes.items():
        coords[dim], extra = labels_of(dim, [str(name) for name in names])
        coords |= extra
    known = ("long_name", "units", "valid_min", "valid_max")
    return make(
        array.astype(np.float32),
        tuple(axes),
        measure=str(plain.get("measure", plain.get("name", "value"))),
        coords=coords,
        source=path.name,
        **{key: plain[key] for key in known if isinstance(plain.get(key), str | int | float)},
    )
