"""netCDF and Zarr files of any program, as maps: one variable of one group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.build import numbered
from layergram.maps.dimensions import DIMENSIONS, axis_named, under_new_names
from layergram.maps.foreign.axes import in_text_order, labels_of
from layergram.maps.plain import plain_value
from layergram.maps.vocabulary import (
    BIN_COORDINATES,
    CELL_COORDINATES,
    DIFFERENCE_COORDINATES,
    LENS_COORDINATES,
    TOKEN_COORDINATES,
)

NETCDF3 = b"CDF"
AS_THEY_ARE: dict[str, Any] = {"decode_times": False, "decode_timedelta": False}


def read_netcdf(path: Path, *, value: str = "") -> xr.DataArray:
    """The map in a netCDF file of any version; ``value`` names the variable if it has several."""
    with path.open("rb") as stream:
        old = stream.read(3) == NETCDF3
    if old:
        with xr.open_dataset(path, engine="scipy", **AS_THEY_ARE) as opened:
            return _only_map({"": opened.load()}, path, value)
    return _only_map(_loaded(xr.open_groups(path, engine="h5netcdf", **AS_THEY_ARE)), path, value)


def read_zarr(path: Path, *, value: str = "") -> xr.DataArray:
    """The map in a Zarr store; ``value`` names the variable if it has several."""
    opened = xr.open_groups(path, engine="zarr", consolidated=False, chunks=None, **AS_THEY_ARE)
    return _only_map(_loaded(opened), path, value)


def _loaded(opened: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The groups of a file in memory, by their paths without the slashes at the ends."""
    try:
        return {name.strip("/"): dataset.load() for name, dataset in opened.items()}
    finally:
        for dataset in opened.values():
            dataset.close()


def _only_map(groups: dict[str, xr.Dataset], path: Path, value: str) -> xr.DataArray:
    """The one map of an opened file, with plain numbers, texts and attributes."""
    group, name = _chosen(groups, path, value)
    dataset = groups[group]
    array = dataset[name]
    beside = {
        key: var
        for key, var in dataset.data_vars.items()
        if _is_coordinate(str(key)) or var.dtype.kind in "OSTU"
    }
    while group:  # labels of the axes may stand in a group further up
        group = group.rpartition("/")[0]
        beside = {**groups.get(group, xr.Dataset()).coords, **beside}
    for key, var in beside.items():
        own = key not in array.coords and key != name
        if own and all(array.sizes.get(dim) == size for dim, size in var.sizes.items()):
            array = array.assign_coords({key: var.variable})
    attrs = {key: plain_value(text) for key, text in _unpacked(array).items()}
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    array = numbered(under_new_names(array.astype(array.dtype.newbyteorder("="))))
    for key, coord in list(array.coords.items()):
        if coord.dtype.kind in "OST":
            array[key] = coord.variable.copy(data=np.array(_texts(coord), dtype=str))
    for dim in [str(dim) for dim in array.dims if dim in DIMENSIONS]:
        array = _labelled(array, dim)
    array.attrs = {"measure": str(array.name), "long_name": str(array.name), "units": "1", **attrs}
    array.encoding = {}
    return array


def _is_coordinate(name: str) -> bool:
    known = TOKEN_COORDINATES | CELL_COORDINATES | LENS_COORDINATES | BIN_COORDINATES
    known |= DIFFERENCE_COORDINATES
    return name in known


def _chosen(groups: dict[str, xr.Dataset], path: Path, value: str) -> tuple[str, str]:
    """The group and the name of the variable that is the map."""
    every = {
        f"{group}/{name}".strip("/"): (group, str(name))
        for group, dataset in groups.items()
        for name in dataset.data_vars
    }
    found = {
        full: (group, name)
        for full, (group, name) in every.items()
        if groups[group][name].dtype.kind in "iufb"
        and groups[group][name].ndim
        and not _is_coordinate(name)
    } or every
    axes = {
        full: (group, name)
        for full, (group, name) in found.items()
        if all(axis_named(str(dim)) for dim in groups[group][name].dims)
    }
    found = found if value else axes or found
    names = ", ".join(found) or "none"
    if value:
        name = value.strip("/")
        fit = [found[name]] if name in found else []
        fit = fit or [at for full, at in found.items() if full.endswith(f"/{name}")]
        fit = fit or [at for at in found.values() if at[0] == name]
        if not fit:
            raise unknown_name("variable", value, found)
    else:
        fit = list(found.values())
    if len(fit) != 1:
        raise LayergramError(
            f"the map file '{path}'",
            got=f"{len(found)} variables ({names})",
            allowed="one map at a time",
            do=f"choose one, such as --value {next(iter(found))!r} (in Python, "
            f"value={next(iter(found))!r})"
            if found
            else "check that the file holds an array of numbers",
        )
    return fit[0]


def _unpacked(array: xr.DataArray) -> dict[Any, Any]:
    """The attributes, with the valid range in the numbers of the unpacked data.

    CF conventions, section 8.1: a range of the type of the packed data is packed like them. One
    of other whole numbers, which formats without types have, is so if the values lie inside.
    """
    attrs, packed = dict(array.attrs), array.encoding
    if np.size(attrs.get("valid_range", 0)) == 2:
        attrs["valid_min"], attrs["valid_max"] = np.asarray(attrs.pop("valid_range"))
    scale, offset = packed.get("scale_factor", 1), packed.get("add_offset", 0)
    kept = np.dtype(packed.get("dtype", array.dtype))
    ends: dict[Any, float] = {}
    sure = True
    for key in ("valid_min", "valid_max"):
        end = np.asarray(attrs.get(key, ""))
        whole = end.dtype.kind in "iu" and kept.kind in "iu"
        if whole and end.size == 1 and {"scale_factor", "add_offset"} & set(packed):
            if str(packed.get("_Unsigned")).lower() == "true":
                end = end.view(f"u{end.dtype.itemsize}")
            sure = sure and end.dtype.itemsize == kept.itemsize
            ends[key] = float((end.astype(np.float64) * scale + offset).item())
    if scale < 0 and ends:
        ends = {key: ends[other] for key, other in SWAPPED.items() if other in ends}
    low, high = ends.get("valid_min", -np.inf), ends.get("valid_max", np.inf)
    outside = not sure and bool(((array.values < low) | (array.values > high)).any())
    return attrs if outside else attrs | ends


SWAPPED = {"valid_min": "valid_max", "valid_max": "valid_min"}


def _texts(coord: xr.DataArray) -> list[Any]:
    if coord.dtype.kind == "S":
        return np.char.decode(coord.values, "utf-8", "replace").tolist()  # type: ignore[no-any-return]
    return coord.values.tolist()  # type: ignore[no-any-return]


def _labelled(array: xr.DataArray, dim: str) -> xr.DataArray:
    """The array with the labels of an axis as a map has them: whole numbers, or positions."""
    labels = array[dim].values
    if DIMENSIONS[dim].kind == "names":
        return array
    for name, coord in array.coords.items():  # the texts of tokens may be called tokens
        text = name != dim and coord.dtype.kind == "U" and coord.dims == (dim,)
        if text and axis_named(str(name)) == dim and f"{dim}_text" not in array.coords:
            array = array.rename({name: f"{dim}_text"})
            break
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        return array.assign_coords({dim: labels.astype(np.int64)})
    if labels.dtype.kind != "U":
        return array
    numbers, texts = labels_of(dim, labels.tolist())
    own = {name: text for name, text in texts.items() if name not in array.coords}
    array = array.assign_coords({dim: numbers, **own})
    return array.sortby(dim) if in_text_order(labels.tolist(), numbers) else array
