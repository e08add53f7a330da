"""Cells above and below the value that means no effect: differences, and significant cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from layergram.maps import cell_coordinates
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
    "overview",
    _find_signs,
    _say_signs,
    seen="whole",
)


def _carried(array: xr.DataArray) -> tuple[str, str]:
    """What the cells of a map carry, and what that holds for: a cell, the map or several maps."""
    carried = cell_coordinates(array)
    if "p_value" in carried:
        rule, attrs = "p-value", array["p_value"].attrs
    elif {"low", "high"} <= set(carried) and _null(array) is not None:
        rule, attrs = "interval", array["low"].attrs
    else:
        return "", ""
    whole = "map" if "whole map" in str(attrs.get("long_name", "")) else "cell"
    return rule, str(attrs.get("holds_for", whole))


def _differs(array: xr.DataArray, rule: str) -> xr.DataArray:
    """The cells that differ from the null value, NaN for the others."""
    if rule == "p-value":
        return array.where(array["p_value"] <= SIGNIFICANT)
    null = _null(array) or 0.0
    return array.where((array["low"] > null) | (array["high"] < null))


def own_null(array: xr.DataArray) -> str:
    """What the map's own p-values or intervals say of chance, in a sentence; '' without any."""
    rule, over = _carried(array)
    if not rule:
        return ""
    known = int(array.count())
    none = "" if int(_differs(array, rule).count()) else f"No cell of {known:,} has {_such(rule)}. "
    if over == "cell":
        return f"{none}Each {rule} is of its own cell; nothing was tested for the map as a whole."
    where = "the whole map" if over == "map" else "all maps of the run together"
    holds = "p holds" if rule == "p-value" else "The intervals hold"
    return (
        f"{none}{holds} for {where}: the chance of any such cell without effect is at most "
        f"{100 * SIGNIFICANT:.0f} %."
    )


def _such(rule: str) -> str:
    return f"p ≤ {SIGNIFICANT:g}" if rule == "p-value" else "an interval without the null value"


def _find_differing(view: View, *, pointwise: bool) -> list[Fact]:
    array = view.array
    rule, over = _carried(array)
    if not rule or (over == "cell") != pointwise:
        return []
    chosen = _differs(array, rule)
    if not int(chosen.count()):
        return []
    distance = np.abs(chosen.values - (_null(array) or 0.0))
    at = np.unravel_index(int(np.nanargmax(distance)), array.shape)
    where: dict[str, Any] = {
        str(dim): [labels_of(array, str(dim))[i]] for dim, i in zip(array.dims, at, strict=True)
    }
    numbers: dict[str, Any] = {"cells": int(chosen.count()), "of": int(array.count())}
    numbers["value"] = array.values[at]
    numbers |= {name: array[name].values[at] for name in cell_coordinates(array)}
    kind = POINTWISE if pointwise else SIGNIFICANT_KIND
    return [kind.fact(where, numbers, numbers["cells"] / numbers["of"])]


def _say_differing(fact: Fact, names: Names) -> str:
    n = fact.numbers
    rule, over = _carried(names.array)
    have = "has" if n["cells"] == 1 else "have"
    text = f"{count(n['cells'], 'cell')} of {int(n['of']):,} {have} {_such(rule)}"
    if over == "cell":
        text += f"; by chance alone about {SIGNIFICANT * n['of']:.0f} would"
    which = "It is" if n["cells"] == 1 else f"The one furthest from {_null(names.array) or 0:g} is"
    text += f". {which} {names.place(fact.coordinates)}: {names.number(n['value'])}"
    if over == "cell" and {"low", "high"} <= set(n):
        text += f" (its own interval {names.span(n['low'], n['high'])})"
    return f"{text}."


SIGNIFICANT_KIND = Kind(
    "significant",
    "How many cells differ from the null value by p-values or intervals of the whole map.",
    "tested",
    lambda view: _find_differing(view, pointwise=False),
    _say_differing,
    seen="whole",
)
POINTWISE = Kind(
    "pointwise",
    "How many cells differ from the null value, each by its own interval, and how many would "
    "by chance.",
    "key",
    lambda view: _find_differing(view, pointwise=True),
    _say_differing,
    seen="whole",
)
