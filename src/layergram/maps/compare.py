"""The difference of two maps, cell by cell where both have the same labels or positions."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.build import check, make, without_others
from layergram.maps.dimensions import DIMENSIONS
from layergram.maps.rounding import ROUNDING, rounding_between
from layergram.maps.vocabulary import CELL_COORDINATES, LENS_COORDINATES

Match = Literal["exact", "common", "position"]
SAME = ("measure", "of", "units", "alignment")
MADE_BY = (
    "model",
    "revision",
    "model_type",
    "layers",
    "dtype",
    "device",
    "edits",
    "seed",
    "text",
    "source",
)
RUN = ("options", "run", "layergram_version", "created")


def difference(
    a: xr.DataArray,
    b: xr.DataArray,
    *,
    match: Match = "exact",
    names: tuple[str, str] = ("the first map", "the second map"),
) -> xr.DataArray:
    """How much higher the first map is than the second, cell by cell: ``a - b``.

    Tokens are matched by position, and their texts have to be the same (their ids, where there
    are no texts); layers, heads, roles and functions by their labels, in any order.

    Args:
        a, b: maps of the same measure in the same unit, on the same axes.
        match: ``"exact"`` refuses maps whose labels differ; ``"common"`` keeps the labels that
            both have, of tokens those before the first that differs; ``"position"`` compares
            texts of as many tokens position by position, whatever their tokens are, and names
            both where they differ: ``she / he``.
        names: what to call the two maps in messages.

    Returns:
        A map ``difference`` in the unit of ``a``, with ``null_value`` 0 and limits as far as the
        measure's own limits allow. NaN where either map has none. ``of`` names the measure;
        what made both maps is kept, and what made only one of them stands in the JSON attributes
        ``minuend`` and ``subtrahend``. The coordinate ``rounding`` says how large a difference
        rounding alone can make in each cell (:func:`layergram.maps.within_rounding`). Intervals and
        p-values of the maps are not those of their difference, and left out. So are tokens of the
        lens that only one map names, or that differ.

    Raises:
        LayergramError: that shows the first place where the maps do not match.

    Example:
        >>> from layergram.maps import make
        >>> a = make([[0.5, 0.75]], ("layer", "head"), measure="entropy", valid_min=0, valid_max=1)
        >>> d = difference(a, a - 0.25)
        >>> d.values.tolist(), d.attrs["of"], d.attrs["valid_min"], d.attrs["valid_max"]
        ([[0.25, 0.25]], 'entropy', -1, 1)
    """
    if match not in get_args(Match):
        raise unknown_name("match", match, get_args(Match))
    a, b = without_others(check(a)), without_others(check(b))
    asked = f"the difference of {names[0]} and {names[1]}"
    if set(a.dims) != set(b.dims):
        raise LayergramError(
            asked,
            got=f"the axes {', '.join(map(str, a.dims))} and {', '.join(map(str, b.dims))}",
            allowed="maps on the same axes",
        )
    _same_measure(asked, a, b)
    for dim in map(str, a.dims):
        keep = _matching(asked, dim, a, b, match, names)
        a, b = a.sel({dim: keep}), b.sel({dim: keep})
    b = b.transpose(*a.dims)
    coords = _shared_coordinates(a, b) | (_both_texts(a, b) if match == "position" else {})
    coords[ROUNDING] = (a.dims, rounding_between(a, b).astype(a.dtype))
    return make(
        a.values - b.values,
        [str(dim) for dim in a.dims],
        measure="difference",
        coords=coords,
        matched=match,
        **_attributes(a, b, names),
    )


def _same_measure(asked: str, a: xr.DataArray, b: xr.DataArray) -> None:
    for key in SAME:
        mine, other = a.attrs.get(key), b.attrs.get(key)
        if mine != other:
            raise LayergramError(
                asked,
                got=f"{key} {mine or 'unknown'} in the first, {other or 'unknown'} in the second",
                allowed=f"two maps with the same {key}",
                do="compare two runs of the same measure",
            )


def _matching(
    asked: str, dim: str, a: xr.DataArray, b: xr.DataArray, match: Match, names: tuple[str, str]
) -> list[Any]:
    """The labels of one axis to compare, in the order of ``a``."""
    mine, other = a[dim].values.tolist(), b[dim].values.tolist()
    common = [label for label in mine if label in set(other)]
    only = [[x for x in mine if x not in set(other)], [x for x in other if x not in set(mine)]]
    if DIMENSIONS[dim].kind == "positions" and match == "position":
        if mine != other:
            raise _other_length(asked, dim, (mine, other), names)
    elif DIMENSIONS[dim].kind == "positions":
        at = _first_difference(dim, common, a, b)
        if match == "exact" and at is not None:
            raise LayergramError(
                asked,
                got=f"different texts at {dim} {common[at]}: "
                f"{_described(dim, common[at], a)} in {names[0]}, "
                f"{_described(dim, common[at], b)} in {names[1]}",
                allowed="the same tokens in both maps",
                do="make both maps from the same text, or compare only the tokens before it with "
                "match 'common', or texts of as many tokens with match 'position'",
            )
        common = common[:at]
    if match != "common" and any(only):
        plural = DIMENSIONS[dim].plural
        lists = [f"only in {name}: {_short(x)}" for name, x in zip(names, only, strict=True) if x]
        raise LayergramError(
            asked,
            got=f"{plural} {'; '.join(lists)}",
            allowed=f"the same {plural} in both maps",
            do="compare only what both have with match 'common'",
        )
    if not common:
        raise LayergramError(
            asked,
            got=f"no {dim} in common: {_short(mine)} in {names[0]}, {_short(other)} in {names[1]}",
            allowed=f"at least one {dim} that both maps have",
        )
    return common


def _other_length(
    asked: str, dim: str, labels: tuple[list[Any], list[Any]], names: tuple[str, str]
) -> LayergramError:
    plural = DIMENSIONS[dim].plural
    counts = [f"{len(own)} {plural} in {name}" for own, name in zip(labels, names, strict=True)]
    alike = len(labels[0]) == len(labels[1])
    return LayergramError(
        f"{asked}, position by position",
        got=" and ".join(counts) + (", at other positions" if alike else ""),
        allowed=f"texts of as many {plural}, read from the same position on",
        do="change one text until both have as many, or compare what both begin with by "
        "match 'common'",
    )


def _both_texts(a: xr.DataArray, b: xr.DataArray) -> dict[Any, Any]:
    """The texts of tokens that are compared by position: both, where they differ."""
    found = {}
    for dim in map(str, a.dims):
        mine, other = (_texts(dim, x[dim].values.tolist(), x, "text") for x in (a, b))
        if mine is None or other is None or mine == other:
            continue
        pairs = zip(mine, other, strict=True)
        joined = [x if x == y else f"{x} / {y.removeprefix(' ')}" for x, y in pairs]
        found[f"{dim}_text"] = (dim, np.array(joined, dtype=object))
    return found


def _texts(dim: str, labels: list[Any], array: xr.DataArray, kind: str) -> list[Any] | None:
    name = f"{dim}_{kind}"
    if name not in array.coords or array[name].dims != (dim,):
        return None
    values: list[Any] = array[name].sel({dim: labels}).values.tolist()
    return values


def _first_difference(dim: str, labels: list[Any], a: xr.DataArray, b: xr.DataArray) -> int | None:
    """The first of the labels whose token differs; ids count only without texts."""
    for kind in ("text", "id"):
        mine, other = _texts(dim, labels, a, kind), _texts(dim, labels, b, kind)
        if mine is not None and other is not None:
            pairs = enumerate(zip(mine, other, strict=True))
            return next((at for at, (x, y) in pairs if x != y), None)
    return None


def _described(dim: str, label: Any, array: xr.DataArray) -> str:
    text = _texts(dim, [label], array, "text") or _texts(dim, [label], array, "id") or [label]
    return repr(text[0])


def _short(labels: list[Any]) -> str:
    shown = ", ".join(map(str, labels[:8]))
    return f"{shown} and {len(labels) - 8} more" if len(labels) > 8 else shown


def _shared_coordinates(a: xr.DataArray, b: xr.DataArray) -> dict[Any, Any]:
    """The coordinates that both maps have alike; those that only one has, too.

    What the lens says of a cell in one map alone says nothing of the difference.
    """
    shared = {
        name: (coord.dims, coord.values)
        for name, coord in a.coords.items()
        if name not in b.coords or coord.variable.equals(b[name].transpose(*coord.dims).variable)
    }
    only_b = {n: (c.dims, c.values) for n, c in b.coords.items() if n not in a.coords}
    both = {**shared, **only_b}
    one = {name for name in LENS_COORDINATES if name not in a.coords or name not in b.coords}
    return {n: coord for n, coord in both.items() if n not in one and n not in CELL_COORDINATES}


def _attributes(a: xr.DataArray, b: xr.DataArray, names: tuple[str, str]) -> dict[str, Any]:
    made = [{k: x.attrs[k] for k in (*MADE_BY, *RUN) if k in x.attrs} for x in (a, b)]
    both = {k: v for k, v in made[0].items() if k in MADE_BY and made[1].get(k) == v}
    own = [{k: v for k, v in one.items() if k not in both} for one in made]
    long_name = a.attrs["long_name"]
    attributes: dict[str, Any] = {
        **both,
        "of": a.attrs.get("of", a.attrs["measure"]),
        "long_name": f"difference in {long_name}",
        "units": a.attrs["units"],
        "null_value": 0.0,
        "final_value": 0.0 if "final_value" in a.attrs else None,
        "alignment": a.attrs.get("alignment"),
        "definition": f"{long_name} of {names[0]}, less that of {names[1]}",
        "caveat": a.attrs.get("caveat"),
        "pooling": a.attrs.get("pooling"),
        "references": a.attrs.get("references"),
        "minuend": {"name": names[0], **own[0]},
        "subtrahend": {"name": names[1], **own[1]},
        "missing": _reasons(a, b, names),
    }
    if "valid_min" in a.attrs and "valid_max" in a.attrs:
        span = a.attrs["valid_max"] - a.attrs["valid_min"]
        if np.isfinite(span):
            attributes |= {"valid_min": -span, "valid_max": span}
    return attributes


def _reasons(a: xr.DataArray, b: xr.DataArray, names: tuple[str, str]) -> str | None:
    """Why cells of the difference have no value."""
    holes = [
        x.attrs.get("missing", "not given") if np.isnan(x.values).any() else "" for x in (a, b)
    ]
    if holes[0] == holes[1]:
        return holes[0] or None
    return "; ".join(f"{name}: {why}" for name, why in zip(names, holes, strict=True) if why)
