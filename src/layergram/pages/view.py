"""One map as the plain data of a page: its values, its figure, and what is said of its cells."""

from __future__ import annotations

import base64
import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.maps import belongs, cell_coordinates, dimension_of
from layergram.maps.plain import plain_value

TOP = "top_token_text"
LIKELY = "top_tokens"


class Said(Protocol):
    """A sentence about a map, with the cells that it speaks of."""

    @property
    def text(self) -> str:
        """The sentence."""
        ...

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """The cells: labels by axis, every label of an axis that is not named."""
        ...


def pack(array: npt.NDArray[Any]) -> dict[str, Any]:
    """An array as JSON can hold it, byte for byte: no value is rounded.

    Float64 becomes float32 where that gives every value back. Bytes of equal significance stand
    together, which deflates better; the result is base64.

    Returns:
        ``type`` (``f4``, ``f8``, ``u1`` or ``u4``) and ``data``.

    Example:
        >>> pack(np.array([[0.5, np.nan]]))["type"]
        'f4'
    """
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            small = array.astype(np.float32)
        array = small if np.array_equal(small, array, equal_nan=True) else array.astype(np.float64)
    else:
        array = array.astype(np.uint8 if array.dtype == np.bool_ else np.uint32)
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    planes = little.reshape(-1).view(np.uint8).reshape(-1, little.itemsize).T
    return {
        "type": f"{array.dtype.kind}{array.dtype.itemsize}",
        "data": base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode("ascii"),
    }


def view(
    array: xr.DataArray,
    *,
    name: str,
    figure: Mapping[str, Any],
    drawn: xr.DataArray,
    axes: tuple[tuple[str, ...], str, str],
    said: Sequence[Said] = (),
    sinks: bool = False,
    faint: Sequence[int] = (),
) -> dict[str, Any]:
    """One map of a page.

    Args:
        array: the whole map.
        name: what it is called among the page's maps.
        figure: the plain data of its figure, without pooling: a panel per label of the facets.
        drawn: the part of the map that the figure shows.
        axes: the facets, the axis of the rows (empty for a map of one axis), that of the columns.
        said: the sentences about it.
        faint: the places of columns whose names are written in grey.
        sinks: whether columns do not count for the limits, because they lie far above the others.

    Returns:
        Plain data, as the page's script reads it.
    """
    facets, y, x = axes
    dims = [str(dim) for dim in array.dims]
    places = {dim: {label: at for at, label in enumerate(labels_of(array, dim))} for dim in dims}
    kept = {dim: [places[dim][label] for label in labels_of(drawn, dim)] for dim in dims}
    first = figure["panels"][0]
    corners = list(itertools.product(*(range(len(kept[dim])) for dim in facets)))
    return {
        "name": name,
        "variable": str(array.name),
        "label": str(array.attrs.get("long_name", name)),
        "unit": "" if array.attrs.get("units", "1") == "1" else str(array.attrs["units"]),
        "dims": [
            {
                "name": dim,
                "noun": dimension_of(array, dim).noun,
                "plural": dimension_of(array, dim).plural,
                "labels": labels_of(array, dim),
            }
            for dim in dims
        ],
        "values": pack(np.asarray(array.values, dtype=np.float64)),
        "known": {key: pack(array[key].transpose(*dims).values) for key in cell_coordinates(array)},
        "top": _words(array, dims, TOP),
        "likely": _words(array, dims, LIKELY),
        "beside": columns_beside(array),
        "y": dims.index(y) if y else -1,
        "x": dims.index(x),
        "rows": kept[y] if y else [0],
        "columns": kept[x],
        "rowNames": first["y"]["names"] if y else [""],
        "columnNames": first["x"]["names"],
        "upwards": bool(y) and first["y"]["direction"] == "up",
        "rowLabel": first["y"]["label"] if y else "",
        "columnLabel": first["x"]["label"],
        "across": figure["columns"],
        "scale": figure["scales"][0] if figure["scales"] else None,
        "range": {
            "floor": _number(array.attrs.get("valid_min")),
            "ceiling": _number(array.attrs.get("valid_max")),
            "nothing": _number(array.attrs.get("null_value")),
        },
        "heads": {y, x} == {"layer", "head"},
        "sinks": sinks,
        "faint": list(faint),
        "worded": any(panel.get("texts") for panel in figure["panels"])
        or array.attrs["measure"] == "lens_token",
        "sinkable": bool(y) and x in ("token", "key") and "null_value" not in array.attrs,
        "panels": [
            _panel(
                panel, {dims.index(d): kept[d][at] for d, at in zip(facets, corner, strict=True)}
            )
            for panel, corner in zip(figure["panels"], corners, strict=True)
        ],
        "legend": figure["legend"],
        "notes": figure["notes"],
        "about": [
            [key, str(plain_value(value))]
            for key, value in array.attrs.items()
            if key != "answer_scores"  # the picture shows them
        ],
        "said": [
            {"text": item.text, "blocks": [_block(block, places, dims) for block in item.blocks]}
            for item in said
        ],
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def labels_of(array: xr.DataArray, dim: str) -> list[Any]:
    """The labels along an axis, or the numbers of its cells where it has none."""
    if dim not in array.coords:
        return list(range(array.sizes[dim]))
    return list(array[dim].values.tolist())


def _panel(panel: Mapping[str, Any], facet: dict[int, int]) -> dict[str, Any]:
    """One panel without its values, which are those of the map."""
    masks = {key: panel.get(key) for key in ("significant", "equal")}
    return {
        "title": panel["title"],
        "facet": list(facet.items()),
        "regions": panel.get("regions", []),
        "spans": panel["spans"],
        "bars": _bars(panel) if "lines" in panel else None,
        **{key: pack(np.array(mask, dtype=bool)) if mask else None for key, mask in masks.items()},
    }


def _bars(panel: Mapping[str, Any]) -> dict[str, Any]:
    """What a panel of a map of one axis has beside the values."""
    axis = panel["y"]
    return {
        "look": panel["look"],
        "label": axis["label"],
        "axis": {key: axis[key] for key in ("limits", "ticks", "growth")},
        "along": {key: panel["x"][key] for key in ("limits", "ticks")},
        "at": panel["at"],
        "points": panel["points"],
        "kinds": panel["kinds"],
        "kindOf": panel["kind_of"],
        "baseline": panel["baseline"],
        "limits": panel["limits"],
    }


def has_words(array: xr.DataArray, name: str) -> bool:
    """Whether cells have a likeliest token, which says nothing of maps of tokens that are read."""
    known = belongs(array, name) and set(array[name].dims) == set(array.dims)
    return known and array.attrs.get("alignment") != "reads"


def _words(array: xr.DataArray, dims: list[str], name: str) -> dict[str, Any] | None:
    """The likeliest token of each cell, or the five likeliest, where the map has them."""
    if not has_words(array, name):
        return None
    words, index = np.unique(array[name].transpose(*dims).values.astype(str), return_inverse=True)
    return {"words": words.tolist(), "index": pack(index)}


def columns_beside(array: xr.DataArray) -> list[dict[str, Any]]:
    """Coordinates along one axis, such as the tokens' texts: they go into the table as well."""
    return [
        {
            "name": str(name),
            "dim": array.dims.index(coord.dims[0]),
            "values": [_plain(value) for value in coord.values.tolist()],
        }
        for name, coord in array.coords.items()
        if coord.ndim == 1 and name not in array.dims
    ]


def _plain(value: Any) -> Any:
    """A label as JSON can hold it: NaN as ``None``, an infinite number as its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _block(
    block: Mapping[str, Any], places: Mapping[str, Mapping[Any, int]], dims: list[str]
) -> list[list[list[int]] | None]:
    """For each axis the runs of cells that a block names, or ``None`` for every cell."""
    found: list[list[list[int]] | None] = []
    for dim in dims:
        if dim not in block:
            found.append(None)
            continue
        runs: list[list[int]] = []
        for at in sorted(places[dim][label] for label in block[dim] if label in places[dim]):
            if runs and runs[-1][1] >= at - 1:
                runs[-1][1] = at
            else:
                runs.append([at, at])
        found.append(runs)
    return found
