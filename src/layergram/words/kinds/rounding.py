"""How many cells of a difference are equal to within rounding."""

from __future__ import annotations

import numpy as np

from layergram.maps import within_rounding
from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, count
from layergram.words.view import View


def _find_equal(view: View) -> list[Fact]:
    mask = within_rounding(view.array)
    if mask is None:
        return []
    known = np.isfinite(view.array.values)
    equal = known & mask
    if not equal.any():
        return []
    numbers = {
        "equal": equal.sum(),
        "cells": known.sum(),
        "largest": np.abs(view.array.values[equal]).max(),
        "floor": view.array["rounding"].transpose(*view.array.dims).values[equal].max(),
    }
    return [EQUAL.fact({}, numbers, 1.0)]


def _say_equal(fact: Fact, names: Names) -> str:
    n = fact.numbers
    own = Names(names.array.copy(data=np.full(names.array.shape, n["largest"])), names.style)
    all_of_them = n["equal"] == n["cells"]
    which = f"All {count(n['cells'], 'cell')}" if n["cells"] > 1 else "The only cell"
    many = which if all_of_them else f"{int(n['equal']):,} of {count(n['cells'], 'cell')}"
    verb = "is" if n["equal"] == 1 else "are"
    text = f"{many} {verb} equal to within rounding"
    if not n["largest"]:
        return f"{text}: no digit differs."
    text += f": the largest difference among them is {own.number(n['largest'])}"
    return f"{text}." if all_of_them else f"{text}; they count as 0 below."


EQUAL = Kind(
    "equal",
    "How many cells of a difference are equal to within rounding.",
    "overview",
    _find_equal,
    _say_equal,
    seen="map",
)


def all_equal(facts: list[Fact]) -> bool:
    """Whether the two maps of a difference are equal to within rounding in every cell."""
    return any(f.kind == "equal" and f.numbers["equal"] == f.numbers["cells"] for f in facts)
