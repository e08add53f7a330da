"""Columns that are new in a map, as the plain data that a shown page takes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.maps import cell_coordinates
from layergram.pages.view import LIKELY, TOP, columns_beside, has_words, labels_of


def columns_data(
    columns: xr.DataArray, *, name: str, axis: str, names: Sequence[str]
) -> dict[str, Any]:
    """New or changed columns of one map, for the ``append`` of a page that shows it.

    Args:
        columns: the columns: a map that differs from the shown one along ``axis`` alone. Labels
            that the page has already are replaced, the others put behind them.
        name: of the map on the page.
        axis: the dimension of the columns.
        names: each column as a reader should see it.

    Returns:
        Plain data; arrays are little-endian bytes in base64, in the order of the map's axes.
    """
    dims = [str(dim) for dim in columns.dims]
    return {
        "name": name,
        "labels": labels_of(columns, axis),
        "names": list(names),
        "values": _raw(np.asarray(columns.values)),
        "known": {
            key: _raw(columns[key].transpose(*dims).values) for key in cell_coordinates(columns)
        },
        "top": _words(columns, TOP),
        "likely": _words(columns, LIKELY),
        "beside": {
            column["name"]: column["values"]
            for column in columns_beside(columns)
            if dims[column["dim"]] == axis
        },
    }


def _words(columns: xr.DataArray, name: str) -> dict[str, Any] | None:
    if not has_words(columns, name):
        return None
    dims = [str(dim) for dim in columns.dims]
    words, index = np.unique(columns[name].transpose(*dims).values.astype(str), return_inverse=True)
    return {"words": words.tolist(), "index": _raw(index.astype(np.uint32))}


def _raw(array: npt.NDArray[Any]) -> dict[str, str]:
    if array.dtype.kind == "f" and array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {
        "type": f"{array.dtype.kind}{array.dtype.itemsize}",
        "raw": base64.b64encode(little.tobytes()).decode("ascii"),
    }
