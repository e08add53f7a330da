"""Make a map, and prove that an array is one."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.dimensions import DIMENSIONS
from layergram.maps.vocabulary import ALIGNMENTS, CELL_COORDINATES, LENS_COORDINATES, NUMBERS, TEXTS

SCHEMA = 1


@cache
def layergram_version() -> str:
    """The installed version of layergram, or 'unknown' when it runs from a bare source tree."""
    try:
        return version("layergram")
    except PackageNotFoundError:
        return "unknown"


def make(
    values: Any,
    dims: Sequence[str],
    *,
    measure: str,
    coords: Mapping[Hashable, Any] | None = None,
    **attributes: Any,
) -> xr.DataArray:
    """A map: an array with named axes that says what its numbers are and how they were made.

    Args:
        values: array-like of numbers, one axis per name in ``dims``; kept in float32 or float64.
        dims: axis names out of :data:`layergram.maps.DIMENSIONS`.
        measure: name of what was measured; becomes the array's name too.
        coords: coordinates as :class:`xarray.DataArray` takes them. A missing ``layer`` axis is
            numbered from 1, any other missing axis from 0.
        **attributes: see :data:`layergram.maps.ATTRIBUTES`; ``None`` is left out, a dict or a
            bool is written as JSON.

    Returns:
        A checked map (:func:`check`), stamped with version, time and schema number.

    Raises:
        LayergramError: where the array cannot be a map.

    Example:
        >>> m = make([[0.1, 0.2], [0.3, 0.4]], ("layer", "token"), measure="divergence",
        ...          long_name="Jensen-Shannon divergence", units="bit", valid_min=0, valid_max=1)
        >>> m.dims, m.layer.values.tolist(), m.attrs["units"]
        (('layer', 'token'), [1, 2], 'bit')
    """
    return check(assemble(values, dims, measure=measure, coords=coords, **attributes))


def assemble(
    values: Any,
    dims: Sequence[str],
    *,
    measure: str,
    coords: Mapping[Hashable, Any] | None = None,
    **attributes: Any,
) -> xr.DataArray:
    """What :func:`make` makes, unchecked: a piece of a map need not have a value, for example.

    Raises:
        LayergramError: for values that are no numbers, or another number of axes.
    """
    array = np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        try:
            array = array.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise LayergramError(
                f"a map '{measure}'", got=str(error), allowed="an array of numbers"
            ) from None
    if array.ndim != len(dims):
        raise LayergramError(
            f"a map '{measure}' with the axes {', '.join(dims)}",
            got=f"an array of shape {array.shape}",
            allowed=f"{len(dims)} axes",
            do="name every axis of the array once",
        )
    stamped: dict[str, Any] = {
        "measure": measure,
        "long_name": measure.replace("_", " "),
        "units": "1",
        **attributes,
        "layergram_version": layergram_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "schema": SCHEMA,
    }
    attrs = _without_empty_numbers(
        {key: _attribute(value) for key, value in stamped.items() if value is not None}
    )
    labelled = {name: _storable_labels(coord) for name, coord in (coords or {}).items()}
    for dim, size in zip(dims, array.shape, strict=True):
        labelled.setdefault(dim, _numbers(dim, size))
    return xr.DataArray(array, coords=labelled, dims=tuple(dims), name=measure, attrs=attrs)


def _storable_labels(coord: Any) -> Any:
    """A coordinate as :class:`xarray.DataArray` takes it, its texts as a file can hold them."""
    dims, *rest = coord if isinstance(coord, tuple) else (None, coord)
    values = rest[0]
    if isinstance(values, xr.DataArray | xr.Variable):
        dims, values = values.dims, values.values
    labels = np.asarray(values)
    if labels.dtype.kind not in "UO":
        return coord
    texts = np.array([storable(str(text)) for text in labels.ravel()]).reshape(labels.shape)
    return texts if dims is None else (dims, texts, *rest[1:])


def numbered(array: xr.DataArray) -> xr.DataArray:
    """The array with labels on every axis: layers from 1, others from 0, if it has none."""
    bare = [dim for dim in array.dims if dim not in array.coords]
    return array.assign_coords({dim: _numbers(dim, array.sizes[dim]) for dim in bare})


def _numbers(dim: Hashable, size: int) -> npt.NDArray[np.int64]:
    return np.arange(size) + (1 if dim == "layer" else 0)


def with_numbers(array: xr.DataArray) -> xr.DataArray:
    """The array with its numerical attributes as numbers, which other programs write as text.

    Raises:
        LayergramError: for one that is none, by name.
    """
    numbers = {}
    for key in NUMBERS:
        value = array.attrs.get(key)
        if value is None or isinstance(value, int | float):
            continue
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        try:
            number = float(alone)
        except (TypeError, ValueError):
            raise LayergramError(
                f"a map from the array '{array.name}'",
                got=f"the attribute {key} = {value!r}",
                allowed="a number",
                do="correct or remove this attribute",
            ) from None
        numbers[key] = int(number) if number.is_integer() else number
    texts = {key: str(array.attrs[key]) for key in TEXTS if key in array.attrs}
    told = array.assign_attrs(numbers | texts)
    told.attrs = _without_empty_numbers(told.attrs)
    return told


def _without_empty_numbers(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Attributes without bounds at infinity, and numbers that are NaN: they say nothing."""
    return {
        key: value
        for key, value in attrs.items()
        if not (key in NUMBERS and isinstance(value, float) and not math.isfinite(value))
    }


def _attribute(value: Any) -> Any:
    if isinstance(value, Mapping | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return storable(value) if isinstance(value, str) else value


def storable(text: str) -> str:
    """The text without what no file format keeps: NUL becomes its picture, half a character �.

    Example:
        >>> storable("a\\0b")
        'a␀b'
    """
    return text.replace("\0", "␀").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def check(array: xr.DataArray) -> xr.DataArray:
    """The array itself, if it is a map; an error that says why it is not, otherwise.

    A map has axes out of the vocabulary, each with unique labels; numbers that are finite or NaN
    (with at least one that is not NaN), inside ``valid_min``..``valid_max`` if those are given;
    and the attributes ``measure``, ``long_name`` and ``units``.
    """
    asked = f"a map from the array '{array.name}'"
    if array.size == 0 or array.ndim == 0:
        raise LayergramError(
            asked, got=f"an empty array, shape {array.shape}", do="check its source"
        )
    for dim in map(str, array.dims):
        if dim not in DIMENSIONS:
            raise unknown_name("axis", dim, DIMENSIONS)
        _check_labels(asked, dim, array)
    _check_values(asked, array)
    lacking = [key for key in ("measure", "long_name", "units") if key not in array.attrs]
    if lacking:
        raise LayergramError(
            asked, got=f"no attribute {', '.join(lacking)}", do="make it with layergram.maps.make"
        )
    alignment = array.attrs.get("alignment")
    if alignment is not None and alignment not in ALIGNMENTS:
        raise unknown_name("alignment", str(alignment), ALIGNMENTS)
    return array


def _check_labels(asked: str, dim: str, array: xr.DataArray) -> None:
    labels = array[dim].values if dim in array.coords else np.arange(array.sizes[dim])
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise LayergramError(
            asked,
            got=f"a {dim} labelled {labels[~np.isfinite(labels)][0]}",
            allowed="a finite number, or a text, for every label",
            do=f"give this {dim} a label of its own",
        )
    unique, counts = np.unique(labels, return_counts=True)
    if unique.size < labels.size:
        twice = ", ".join(str(label) for label in unique[counts > 1][:5])
        raise LayergramError(
            asked,
            got=f"the same {dim} more than once: {twice}",
            allowed=f"every {dim} once",
            do="repeated token texts belong into the coordinate token_text"
            if dim == "token"
            else f"remove or rename the repeated {dim}",
        )


def _check_values(asked: str, array: xr.DataArray) -> None:
    values = array.values
    if not np.issubdtype(values.dtype, np.floating):
        raise LayergramError(asked, got=f"values of type {values.dtype}", allowed="floats")
    if np.isinf(values).any():
        where = np.argwhere(np.isinf(values))[0]
        place = ", ".join(
            f"{dim} {array[dim].values[i]}" for dim, i in zip(array.dims, where, strict=True)
        )
        raise LayergramError(
            asked,
            got=f"{int(np.isinf(values).sum())} infinite values, the first at {place}",
            allowed="finite numbers, or NaN for a cell without a value",
        )
    if np.isnan(values).all():
        raise LayergramError(
            asked, got="only NaN", allowed="at least one cell with a value", do="check its source"
        )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    least, most = array.attrs.get("valid_min", -np.inf), array.attrs.get("valid_max", np.inf)
    slack = 1e-5 * max(1.0, abs(low), abs(high))
    if low < least - slack or high > most + slack:
        raise LayergramError(
            asked, got=f"values from {low:.6g} to {high:.6g}", allowed=f"{least:g} to {most:g}"
        )


def options_of(array: xr.DataArray, attribute: str = "options") -> dict[str, Any]:
    """The options that a map was made with, from its JSON attribute ``options`` or ``run``.

    Empty where the attribute is missing, or is a note of another program.
    """
    try:
        options = json.loads(array.attrs.get(attribute, "{}"))
    except (TypeError, ValueError):
        return {}
    return options if isinstance(options, dict) else {}


def belongs(array: xr.DataArray, name: str) -> bool:
    """Whether a map has a coordinate of the lens, and not that of another measure.

    A dataset gives such a coordinate to all maps on the same axes; its attribute ``measure`` names
    the one that it was made with.
    """
    if name not in array.coords:
        return False
    measure = array.attrs.get("of", array.attrs.get("measure"))
    return bool(array[name].attrs.get("measure", measure) == measure)


def without_others(array: xr.DataArray) -> xr.DataArray:
    """The map without the coordinates of the lens that belong to another measure."""
    found = [name for name in LENS_COORDINATES if name in array.coords]
    return array.drop_vars([name for name in found if not belongs(array, name)])


def cell_coordinates(array: xr.DataArray) -> list[str]:
    """Which of ``low``, ``high`` and ``p_value`` the map carries for its cells, as numbers."""
    return [
        name
        for name in CELL_COORDINATES
        if name in array.coords
        and array[name].dims == array.dims
        and array[name].dtype.kind in "fiu"
    ]
