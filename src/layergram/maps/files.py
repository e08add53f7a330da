"""Maps in files: netCDF keeps everything, JSON too, CSV the numbers and the labels."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.maps.build import check


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` only if the block ends well."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write(array: xr.DataArray, path: str | Path) -> Path:
    """Write a map into one file: ``.nc`` and ``.json`` keep everything, ``.csv`` numbers and labels.

    The file appears under its name only when it is whole.

    Raises:
        LayergramError: for another suffix, or where the file cannot be written.
    """
    path = Path(path)
    writer = _choose(path, WRITERS)
    check(array)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            writer(array, temporary)
    except OSError as error:
        raise LayergramError(
            f"to write '{path}'",
            got=str(error.strerror or error),
            do="choose a folder that can be written",
        ) from None
    return path


def _choose(path: Path, table: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    chosen = table.get(path.suffix.lower())
    if chosen is None:
        raise LayergramError(
            f"the map file '{path}'",
            got=f"the suffix '{path.suffix}'",
            allowed=", ".join(table),
            do="give the file one of these suffixes",
        )
    return chosen


def _write_netcdf(array: xr.DataArray, path: Path) -> None:
    dataset = array.to_dataset(name=array.name or array.attrs["measure"])
    compressed = {name: {"zlib": True, "complevel": 4} for name in dataset.data_vars}
    dataset.to_netcdf(path, engine="h5netcdf", encoding=compressed)


def _write_json(array: xr.DataArray, path: Path) -> None:
    path.write_text(json.dumps(to_plain(array), ensure_ascii=False, indent=1), encoding="utf-8")


def _write_csv(array: xr.DataArray, path: Path) -> None:
    """Long form: one row per cell, a column per axis and coordinate, the value last."""
    extra = [str(name) for name in array.coords if name not in array.dims and array[name].ndim]
    columns = [str(dim) for dim in array.dims] + extra
    grids = [np.broadcast_to(_aligned(array[name], array), array.shape).ravel() for name in columns]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, str(array.name)])
        for row in zip(*grids, array.values.ravel(), strict=True):
            writer.writerow(["" if isinstance(x, float) and np.isnan(x) else x for x in row])


def _aligned(coord: xr.DataArray, array: xr.DataArray) -> Any:
    """The coordinate's values with one axis per axis of the map, for broadcasting."""
    return coord.values.reshape([array.sizes[d] if d in coord.dims else 1 for d in array.dims])


def to_plain(array: xr.DataArray) -> dict[str, Any]:
    """The map as plain data for JSON; NaN is ``None``."""
    return {
        "layergram": "map",
        "name": str(array.name),
        "dims": list(array.dims),
        "coords": {
            str(name): {"dims": list(coord.dims), "values": _plain_list(coord.values)}
            for name, coord in array.coords.items()
        },
        "attrs": {key: _plain_value(value) for key, value in array.attrs.items()},
        "values": _plain_list(array.values),
        "dtype": str(array.dtype),
    }


def _plain_value(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _plain_list(values: Any) -> Any:
    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.floating):
        return np.where(np.isnan(values), None, values.astype(object)).tolist()
    return values.tolist()


def from_plain(plain: dict[str, Any]) -> xr.DataArray:
    """A map from what :func:`to_plain` made."""
    dtype = plain.get("dtype", "float32")
    return xr.DataArray(
        np.array(plain["values"], dtype=dtype),
        dims=plain["dims"],
        coords={name: (c["dims"], np.asarray(c["values"])) for name, c in plain["coords"].items()},
        name=plain["name"],
        attrs=plain["attrs"],
    )


def read(path: str | Path) -> xr.DataArray:
    """Read one map from a file.

    Args:
        path: ``.nc`` or ``.json`` as :func:`write` made it (a netCDF file of another source needs
            axes with the names of :data:`layergram.maps.DIMENSIONS`), or a table ``.csv``.

    Raises:
        LayergramError: if there is no such file, or it is not a map.
    """
    path = Path(path)
    if not path.exists():
        raise LayergramError(f"the map file '{path}'", got="no such file", do="check the path")
    reader = _choose(path, READERS)
    try:
        array = reader(path)
    except LayergramError:
        raise
    except (OSError, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise LayergramError(
            f"the map file '{path}'",
            got=f"a file that is not a map ({type(error).__name__}: {str(error)[:200]})",
            allowed="a file that layergram wrote, or a table of layers by tokens",
            do="check that the file is whole and has the suffix of what it is",
        ) from None
    return check(array)


def _read_netcdf(path: Path) -> xr.DataArray:
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        dataset = opened.load()
    if len(dataset.data_vars) != 1:
        names = ", ".join(map(str, dataset.data_vars)) or "none"
        raise LayergramError(
            f"the map file '{path}'",
            got=f"{len(dataset.data_vars)} variables ({names})",
            allowed="one map per file",
            do="write each variable into its own file",
        )
    array = next(iter(dataset.data_vars.values()))
    defaults = {"measure": str(array.name), "long_name": str(array.name), "units": "1"}
    array.attrs = {**defaults, **{k: _plain_value(v) for k, v in array.attrs.items()}}
    return array


def _read_json(path: Path) -> xr.DataArray:
    return from_plain(json.loads(path.read_text(encoding="utf-8")))


def _read_table(path: Path) -> xr.DataArray:
    from layergram.maps.tables import read_table

    return read_table(path)


WRITERS: dict[str, Callable[[xr.DataArray, Path], None]] = {
    ".nc": _write_netcdf,
    ".json": _write_json,
    ".csv": _write_csv,
}
READERS: dict[str, Callable[[Path], xr.DataArray]] = {
    ".nc": _read_netcdf,
    ".json": _read_json,
    ".csv": _read_table,
}
