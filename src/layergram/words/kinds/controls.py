"""Cells that depart from maps of random-weight models further than any cell of those does."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from layergram.words.chance import Values
from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, count
from layergram.words.view import View, labels_of


def _against_the_others(maps: Values) -> Values:
    """Distance of every cell of every map from the mean of the other maps, in their spread."""
    many = len(maps) - 1
    total, squares = maps.sum(axis=0), (maps**2).sum(axis=0)
    mean = (total - maps) / many
    variance = np.maximum((squares - maps**2) / many - mean**2, 0.0)
    usual = np.sqrt(np.nanmedian(variance))
    least = max(1e-3 * float(usual), 1e-12 * float(np.nanmax(np.abs(maps))), 1e-300)
    return np.asarray(np.abs(maps - mean) / np.maximum(np.sqrt(variance), least))


def departures_of(view: View, maps: Values) -> list[Fact]:
    """How many cells of the first map depart further than any cell of the others.

    Single cells, means of rows and of columns, and the mean of the map answer to one limit.

    Args:
        view: the first map.
        maps: it and its controls [map, ...].
    """
    centred = maps - np.nanmedian(maps[1:], axis=0)
    axes = range(1, maps.ndim)
    sets = [centred.reshape(len(maps), -1)]
    sets += [np.nanmean(centred, axis=axis).reshape(len(maps), -1) for axis in axes]
    sets.append(np.nanmean(sets[0], axis=1, keepdims=True))
    distances = [_against_the_others(values) for values in sets]
    limit = max(float(np.nanmax(each[1:])) for each in distances)
    beyond = distances[0][0] > limit
    if not beyond.any():
        return []
    furthest = int(np.nanargmax(np.where(beyond, np.abs(centred[0].ravel()), np.nan)))
    at = np.unravel_index(furthest, view.array.shape)
    where: dict[str, Any] = {
        str(dim): [labels_of(view.array, str(dim))[i]]
        for dim, i in zip(view.array.dims, at, strict=True)
    }
    there = maps.reshape(len(maps), -1)[1:, furthest]
    numbers = {
        "cells": beyond.sum(),
        "of": np.isfinite(maps[0]).sum(),
        "value": maps[0].flat[furthest],
        "lowest control": there.min(),
        "highest control": there.max(),
    }
    return [BEYOND.fact(where, numbers, beyond.mean())]


def _holds(array: xr.DataArray, fact: Fact) -> bool:
    cell = array.sel({str(dim): fact.coordinates[str(dim)][0] for dim in array.dims})
    n = dict(fact.numbers)
    outside = not n["lowest control"] <= float(cell) <= n["highest control"]
    numbers = n | {"value": float(cell), "of": int(array.count())}
    whole = n["cells"].is_integer() and 0 < n["cells"] <= n["of"]
    return outside and whole and same(array, fact, numbers)


def _say(fact: Fact, names: Names) -> str:
    n = fact.numbers
    verb = "departs" if n["cells"] == 1 else "depart"
    return (
        f"{count(n['cells'], 'cell')} of {int(n['of']):,} {verb} from random weights, furthest at "
        f"{names.place(fact.coordinates)}: {names.number(n['value'])}, against "
        f"{names.span(n['lowest control'], n['highest control'])} with random weights."
    )


BEYOND = Kind(
    "beyond_controls",
    "How many cells depart from maps of random-weight models, and the furthest.",
    "tested",
    lambda view: [],
    _say,
    _holds,
    seen="whole",
)
