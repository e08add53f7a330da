"""Maps as plain data, which is what JSON can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def to_plain(array: xr.DataArray) -> dict[str, Any]:
    """The map as plain data for JSON; NaN is ``None``."""
    return {
        "layergram": "map",
        "name": str(array.name),
        "dims": list(array.dims),
        "coords": {
            str(name): {
                "dims": list(coord.dims),
                "values": _plain_list(coord.values),
                "dtype": str(coord.dtype),
            }
            for name, coord in array.coords.items()
        },
        "attrs": {key: plain_value(value) for key, value in array.attrs.items()},
        "values": _plain_list(array.values),
        "dtype": str(array.dtype),
    }


def plain_value(value: Any) -> Any:
    """An attribute as the Python value that it is: number, text or list."""
    return np.asarray(value).tolist() if isinstance(value, np.generic | np.ndarray) else value


def _plain_list(values: Any) -> Any:
    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.floating):
        holes = np.isnan(values)
        values = values.astype(object)
        values[holes] = None
    return values.tolist()


def from_plain(plain: dict[str, Any]) -> xr.DataArray:
    """A map from what :func:`to_plain` made."""
    return xr.DataArray(
        np.array(plain["values"], dtype=plain.get("dtype", "float32")),
        dims=plain["dims"],
        coords={
            name: (coord["dims"], _typed(coord["values"], coord.get("dtype", "")))
            for name, coord in plain["coords"].items()
        },
        name=plain["name"],
        attrs=plain["attrs"],
    )


def _typed(values: Any, dtype: str) -> Any:
    return np.array(values, dtype=dtype if dtype.startswith(("float", "int")) else None)
