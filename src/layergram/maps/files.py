"""Maps in files: netCDF, Zarr and JSON keep everything, CSV the numbers and the labels."""

from __future__ import annotations

import csv
import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.maps.build import check, numbered, with_numbers, without_others
from layergram.maps.dimensions import under_new_names
from layergram.maps.foreign import read_json, read_netcdf, read_table, read_zarr
from layergram.maps.foreign.datasets import NETCDF3
from layergram.maps.plain import to_plain


def write_json(plain: Any, path: str | Path) -> Path:
    """Write plain data as JSON; see :func:`write_text`."""
    return write_text(json.dumps(plain, ensure_ascii=False, indent=1) + "\n", path)


PARTIAL = ".partial"
"""Ending of the temporary name of what is being written; a killed process can leave one."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` only if the block ends well.

    The block may make a file or a folder of that name. A folder takes the place of an older one
    in two renames; a file in one.
    """
    holder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.stem}-", suffix=PARTIAL))
    temporary = holder / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            path.replace(holder / "older")
        temporary.replace(path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write(array: xr.DataArray, path: str | Path) -> Path:
    """Write a map: ``.nc``, ``.zarr`` and ``.json`` keep everything, ``.csv`` numbers and labels.

    The file appears under its name only when it is whole. ``top_tokens`` goes into the file of the
    measure that it was made with alone, also where a dataset gives it to other maps.

    Raises:
        LayergramError: for another suffix, or where the file cannot be written.
    """
    path = Path(path)
    writer = _choose(path, WRITERS)
    own = without_others(check(array))
    with _writing(path) as temporary:
        writer(own, temporary)
    return path


def write_text(text: str, path: str | Path) -> Path:
    """Write a text in UTF-8; the file appears under its name only when it is whole.

    Raises:
        LayergramError: where the file cannot be written.
    """
    path = Path(path)
    with _writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """As :func:`replacing`, in a folder that is made if need be, with errors for the user."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise not_written(path, error) from None


def not_written(path: Path, error: OSError) -> LayergramError:
    """The error for a file that cannot be written; a full disk ends work that was asked rightly."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return LayergramError(
        f"to write '{path}'",
        got=str(error.strerror or error),
        do="make room, and start again; everything finished so far is kept"
        if full
        else "choose a folder that can be written",
        exit_code=1 if full else 2,
    )


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


DEFLATED = {"zlib": True, "complevel": 4}


def _write_netcdf(array: xr.DataArray, path: Path) -> None:
    dataset = array.to_dataset(name=array.name or array.attrs["measure"])
    compressed: dict[Any, dict[str, Any]] = {name: dict(DEFLATED) for name in dataset.data_vars}
    for name, coord in dataset.coords.items():
        if coord.ndim > 1 and coord.dtype.kind in "UO":  # HDF5 deflates only texts of one width
            compressed[name] = {"dtype": "S1", **DEFLATED}
    # through memory: on a full disk HDF5 raises an error of its own, and cannot close the file
    whole = dataset.to_netcdf(None, engine="h5netcdf", encoding=compressed)
    path.write_bytes(bytes(whole))


def _write_json(array: xr.DataArray, path: Path) -> None:
    path.write_text(json.dumps(to_plain(array), ensure_ascii=False, indent=1), encoding="utf-8")


def _write_csv(array: xr.DataArray, path: Path) -> None:
    """Write a map in long form: a row per cell, a column per axis and coordinate, values last."""
    extra = [str(name) for name in array.coords if name not in array.dims and array[name].ndim]
    columns = [str(dim) for dim in array.dims] + extra
    grids = [np.broadcast_to(_aligned(array[name], array), array.shape).ravel() for name in columns]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, str(array.name)])
        for row in zip(*grids, array.values.ravel(), strict=True):
            writer.writerow(["" if x != x else x for x in row])


def _aligned(coord: xr.DataArray, array: xr.DataArray) -> Any:
    """The coordinate's values with one axis per axis of the map, for broadcasting."""
    ordered = coord.transpose(*(dim for dim in array.dims if dim in coord.dims))
    return ordered.values.reshape([array.sizes[d] if d in coord.dims else 1 for d in array.dims])


def _write_zarr(array: xr.DataArray, path: Path) -> None:
    dataset = array.to_dataset(name=array.name or array.attrs["measure"])
    for name, coord in list(dataset.coords.items()):
        if coord.dtype.kind == "U":  # Zarr has no settled form for text of a fixed width
            dataset[name] = coord.variable.astype(object)
    dataset.to_zarr(path, mode="w", zarr_format=3, consolidated=False)


def read(path: str | Path, *, value: str = "") -> xr.DataArray:
    """Read one map from a file; axes with a name of older versions get that of today.

    Layers without labels are numbered from 1, other axes from 0.

    Args:
        path: ``.nc``, ``.zarr`` or ``.json`` as :func:`write` made it (a netCDF or Zarr file of
            another source needs axes with the names of :data:`layergram.maps.DIMENSIONS`); or a
            table, ``.csv``, ``.tsv`` or ``.json``, as :func:`layergram.maps.foreign.read_table`
            and :func:`layergram.maps.foreign.read_json` understand it.
        value: which column of a table, or which variable of a netCDF or Zarr file, holds the
            values, where several could be.

    Raises:
        LayergramError: if there is no such file, or it is not a map.
    """
    path = Path(path)
    asked = f"the map file '{path}'"
    if path.is_dir() and path.suffix.lower() != ".zarr":
        raise _folder(path, asked)
    reader = _choose(path, READERS)
    if not path.exists():
        raise LayergramError(asked, got="no such file", do="check the path")
    try:
        array = under_new_names(reader(path, value=value))
        return check(numbered(with_numbers(array)))
    except LayergramError as error:
        if str(path) in error.asked:
            raise
        raise LayergramError(
            f"{asked}: {error.asked}", got=error.got, allowed=error.allowed, do=error.do
        ) from None
    except PermissionError as error:
        raise LayergramError(
            asked, got=str(error.strerror), do="ask for the right to read it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        detail = " ".join(str(error).split())[:200]
        nature = _nature(path, detail) if isinstance(error, OSError) else ""
        raise LayergramError(
            asked,
            got=nature or f"a file that is not a map ({type(error).__name__}: {detail})",
            allowed="a file that layergram wrote, or a table of layers by tokens",
            do="check that the file is whole and has the suffix of what it is",
        ) from None


def _folder(path: Path, asked: str) -> LayergramError:
    """The refusal of a folder, with the maps in it."""
    inside: list[Path] = []
    with suppress(OSError):  # a folder that may not be looked into
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in (".nc", ".zarr"))
    listed = ", ".join(one.name for one in inside[:MANY])
    more = f" and {len(inside) - MANY} more" if len(inside) > MANY else ""
    return LayergramError(
        asked,
        got=f"a folder with the maps {listed}{more}" if inside else "a folder without maps",
        allowed="map files, or folders NAME.zarr",
        do=f"name them, such as '{inside[0]}'" if inside else "check the path",
    )


def _nature(path: Path, detail: str) -> str:
    """What a file is that is no netCDF, whatever its suffix says; nothing where that is open."""
    if path.suffix.lower() != ".nc":
        return ""
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError:
        return ""
    if not start:
        return "an empty file"
    if start.startswith((HDF5, NETCDF3)):
        return f"a netCDF file that is torn, or in use ({detail})"
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            return f"{kind}, not a map in netCDF"
    kind = "a file of another kind" if b"\0" in start else "a text file"
    return f"{kind}, not a map in netCDF"


MANY = 6  # so many maps of a folder are named
HDF5 = b"\x89HDF\r\n\x1a\n"
KINDS = {b"\x89PNG": "a PNG picture", b"%PDF": "a PDF file", b"PK\x03\x04": "a ZIP file"}

WRITERS: dict[str, Callable[[xr.DataArray, Path], None]] = {
    ".nc": _write_netcdf,
    ".zarr": _write_zarr,
    ".json": _write_json,
    ".csv": _write_csv,
}
READERS: dict[str, Callable[..., xr.DataArray]] = {
    ".nc": read_netcdf,
    ".zarr": read_zarr,
    ".json": read_json,
    ".csv": read_table,
    ".tsv": read_table,
}
