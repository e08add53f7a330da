"""Cells above and below the value that means no effect: differences, and significant cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from layergram.maps import cell_coordinates
from layergram.words.checking import finite, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import SIGNIFICANT
from layergram.words.names import Names, count, share
from layergram.words.view import View, labels_of


def _null(array: xr.DataArray) -> float | None:
    value = array.attrs.get("null_value")
    return None if value is None else float(value)


def _find_signs(view: View) -> list[Fact]:
    null = _null(view.array)
    values = view.stack[np.isfinite(view.stack)]
    if null is None or not (values.min() < null < values.max()):
        return []
    numbers = {
        "null": null,
        "above": (values > null).sum(),
        "below": (values < null).sum(),
        "cells": values.size,
        "mean above": values[values > null].mean(),
        "mean below": values[values < null].mean(),
    }
    return [SIGNS.fact({}, numbers, 0.8)]


def _signs_hold(array: xr.DataArray, fact: Fact) -> bool:
    null = _null(array)
    if null is None:
        return False
    above, below = array.where(array > null), array.where(array < null)
    numbers = {
        "null": null,
        "above": int(above.count()),
        "below": int(below.count()),
        "cells": int(array.count()),
        "mean above": finite(above).mean(),
        "mean below": finite(below).mean(),
    }
    return same(array, fact, numbers)


def _say_signs(fact: Fact, names: Names) -> str:
    n = fact.numbers
    null = f"{n['null']:g}"
    if not n["null"]:
        up, down = names.signed(n["mean above"]), names.signed(n["mean below"])
        return (
            f"{share(n['above'] / n['cells'])} of the cells are positive ({up} on average), "
            f"{share(n['below'] / n['cells'])} negative ({down} on average)."
        )
    return (
        f"{share(n['above'] / n['cells'])} of the cells are above {null}, the value without "
        f"any effect, and {share(n['below'] / n['cells'])} below it."
    )


SIGNS = Kind(
    "signs",
    "How many cells lie above and below the value that means no effect, and how far.",
    "Not a claim: it is counted.",
    "overview",
    _find_signs,
    _signs_hold,
    _say_signs,
)


def _find_significant(view: View) -> list[Fact]:
    array, null = view.array, _null(view.array)
    carried = cell_coordinates(array)
    there = np.isfinite(array.values)
    if "p_value" in carried:
        chosen = there & (array["p_value"].values <= SIGNIFICANT)
        rule = "p-value"
    elif {"low", "high"} <= set(carried) and null is not None:
        chosen = there & ((array["low"].values > null) | (array["high"].values < null))
        rule = "interval"
    else:
        return []
    numbers: dict[str, Any] = {"cells": chosen.sum(), "of": there.sum()}
    where: dict[str, Any] = {"rule": rule}
    if chosen.any():
        distance = np.abs(array.values - (null or 0.0))
        at = np.unravel_index(np.argmax(np.where(chosen, distance, -1.0)), array.shape)
        where |= {
            str(dim): [labels_of(array, str(dim))[i]] for dim, i in zip(array.dims, at, strict=True)
        }
        numbers["value"] = array.values[at]
        numbers |= {name: array[name].values[at] for name in carried}
    return [SIGNIFICANT_KIND.fact(where, numbers, chosen.sum() / max(int(there.sum()), 1))]


def _significant_holds(array: xr.DataArray, fact: Fact) -> bool:
    null = _null(array) or 0.0
    if fact.coordinates["rule"] == "p-value":
        chosen = array.where(array["p_value"] <= SIGNIFICANT)
    else:
        chosen = array.where((array["low"] > null) | (array["high"] < null))
    numbers: dict[str, Any] = {"cells": int(chosen.count()), "of": int(array.count())}
    if numbers["cells"]:
        cell = chosen.sel({str(dim): fact.coordinates[str(dim)][0] for dim in array.dims})
        numbers["value"] = float(cell)
        numbers |= {name: float(cell[name]) for name in cell_coordinates(array)}
        furthest = float(np.abs(chosen - null).max())
        if not np.isclose(abs(float(cell) - null), furthest):
            return False
    return same(array, fact, numbers)


def _say_significant(fact: Fact, names: Names) -> str:
    n = fact.numbers
    by_p = fact.coordinates["rule"] == "p-value"
    rule = f"a p-value of at most {SIGNIFICANT:g}" if by_p else "an interval without the null value"
    chance = f"; by chance alone about {SIGNIFICANT * n['of']:.0f} would" if by_p else ""
    have = "has" if n["cells"] == 1 else "have"
    text = f"{count(n['cells'], 'cell')} of {int(n['of']):,} {have} {rule}{chance}"
    if not n["cells"]:
        return f"No cell of {int(n['of']):,} has {rule}{chance}."
    text += f". The one furthest out is {names.number(n['value'])}"
    if {"low", "high"} <= set(n):
        text += f" (interval {names.span(n['low'], n['high'])})"
    return f"{text} at {names.place(fact.coordinates)}."


SIGNIFICANT_KIND = Kind(
    "significant",
    "How many cells differ from the null value by their p-value or interval, and the furthest.",
    "The map's own p-values or intervals decide; the number expected by chance is told with it.",
    "key",
    _find_significant,
    _significant_holds,
    _say_significant,
)
