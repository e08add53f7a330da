"""How large the values are, and where the highest and the lowest stand."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.words.checking import finite, same
from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, count
from layergram.words.view import View, labels_of


def _find_level(view: View) -> list[Fact]:
    values = view.stack[np.isfinite(view.stack)]
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    numbers = {
        "cells": values.size,
        "lowest": values.min(),
        "highest": values.max(),
        "mean": values.mean(),
        "quarter": quarter,
        "three quarters": three_quarters,
    }
    return [LEVEL.fact({}, numbers, 1.0)]


def _level_holds(array: xr.DataArray, fact: Fact) -> bool:
    ordered = sorted(finite(array).tolist())
    series = xr.DataArray(ordered, dims="cell")
    numbers = {
        "cells": len(ordered),
        "lowest": ordered[0],
        "highest": ordered[-1],
        "mean": float(series.mean()),
        "quarter": float(series.quantile(0.25)),
        "three quarters": float(series.quantile(0.75)),
    }
    return same(array, fact, numbers)


def _say_level(fact: Fact, names: Names) -> str:
    n = fact.numbers
    if n["cells"] == 1:
        return f"The only value is {names.number(n['mean'])}."
    if n["lowest"] == n["highest"]:
        return f"All {count(n['cells'], 'value')} are {names.number(n['mean'])}."
    middle = names.span(n["quarter"], n["three quarters"])
    return (
        f"The {count(n['cells'], 'value')} run from {names.span(n['lowest'], n['highest'])}. "
        f"Their mean is {names.number(n['mean'])}; the middle half of them lies at {middle}."
    )


LEVEL = Kind(
    "level",
    "How many values there are, their range, their mean and where the middle half lies.",
    "Not a claim: it holds for every map.",
    "overview",
    _find_level,
    _level_holds,
    _say_level,
)


def _find_extremes(view: View) -> list[Fact]:
    array = view.array
    values = array.values.astype(np.float64)
    low, high = np.nanmin(values), np.nanmax(values)
    if low == high:
        return []
    facts = []
    for end, value in (("highest", high), ("lowest", low)):
        places = np.argwhere(values == value)
        where = {
            str(dim): [labels_of(array, str(dim))[at]]
            for dim, at in zip(array.dims, places[0], strict=True)
        }
        numbers = {"value": value, "cells": len(places)}
        facts.append(EXTREMES.fact({"end": end, **where}, numbers, 0.9))
    return facts


def _extremes_hold(array: xr.DataArray, fact: Fact) -> bool:
    values = finite(array)
    value = values.max() if fact.coordinates["end"] == "highest" else values.min()
    where = {str(dim): fact.coordinates[str(dim)] for dim in array.dims}
    there = float(array.sel(where).values.ravel()[0])
    reached = int((values == value).sum())
    return there == value and same(array, fact, {"value": value, "cells": reached})


def _say_extremes(fact: Fact, names: Names) -> str:
    end, value = fact.coordinates["end"], names.number(fact.numbers["value"])
    where = names.place(fact.coordinates)
    reached = int(fact.numbers["cells"])
    if reached == 1:
        return f"The {end} value, {value}, is at {where}."
    return f"The {end} value, {value}, is reached by {count(reached, 'cell')}, first at {where}."


EXTREMES = Kind(
    "extremes",
    "The highest and the lowest value with their coordinates.",
    "Not a claim: every map that is not constant has them.",
    "overview",
    _find_extremes,
    _extremes_hold,
    _say_extremes,
)
