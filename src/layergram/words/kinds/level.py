"""How large the values are, and where the highest and the lowest stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, count
from layergram.words.view import View, labels_of


def _find_level(view: View) -> list[Fact]:
    values = view.stack[np.isfinite(view.stack)]
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    numbers = {
        "cells": values.size,
        "mean": values.mean(),
        "quarter": quarter,
        "three quarters": three_quarters,
    }
    return [LEVEL.fact({}, numbers, 1.0)]


def _say_level(fact: Fact, names: Names) -> str:
    n = fact.numbers
    if n["cells"] == 1:
        return f"The only value is {names.number(n['mean'])}."
    return (
        f"The mean of the {count(n['cells'], 'value')} is {names.number(n['mean'])}; the middle "
        f"half lies within {names.span(n['quarter'], n['three quarters'])}."
    )


LEVEL = Kind(
    "level",
    "How many values there are, their mean and where the middle half of them lies.",
    "overview",
    _find_level,
    _say_level,
    seen="whole",
)


def _find_extremes(view: View) -> list[Fact]:
    array = view.array
    values = array.values.astype(np.float64)
    where: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    for end, value in (("lowest", np.nanmin(values)), ("highest", np.nanmax(values))):
        places = np.argwhere(values == value)
        where[end] = {
            str(dim): [labels_of(array, str(dim))[at]]
            for dim, at in zip(array.dims, places[0], strict=True)
        }
        numbers |= {end: value, f"cells {end}": len(places)}
    if numbers["lowest"] == numbers["highest"]:
        return []
    return [EXTREMES.fact(where, numbers, 0.9)]


def _say_extremes(fact: Fact, names: Names) -> str:
    n = fact.numbers
    parts = []
    for end in ("lowest", "highest"):
        shown = names.number(n[end])
        where = names.place(fact.coordinates[end])
        several = n[f"cells {end}"] > 1
        first = f"{count(n[f'cells {end}'], 'cell')}, first at " if several else "at "
        parts.append(f"{shown} ({first}{where})")
    return f"The values run from {parts[0]} to {parts[1]}."


EXTREMES = Kind(
    "extremes",
    "The lowest and the highest value with their coordinates.",
    "overview",
    _find_extremes,
    _say_extremes,
    seen="whole",
)
