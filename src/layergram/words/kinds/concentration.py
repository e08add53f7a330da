"""Concentration: how much of the sum a few cells hold, of the map and of each panel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layergram.words.fact import Fact, Kind
from layergram.words.limits import CONCENTRATED_SHARE, TOP_MASS
from layergram.words.names import Names, count, share
from layergram.words.view import View

Values = npt.NDArray[np.float64]


LEAST_CELLS = 40
"""Fewer cells are too few to be called concentrated."""


def _measures(values: Values) -> tuple[float, float, int] | None:
    """Share of the sum in the top twentieth of the cells, Gini coefficient, cells in the top."""
    ordered = np.sort(values[np.isfinite(values)])
    total = float(ordered.sum())
    if ordered.size < LEAST_CELLS or ordered[0] < 0 or total <= 0:
        return None
    top = int(TOP_MASS * ordered.size)
    rank = np.arange(1, ordered.size + 1)
    gini = float(((2 * rank - ordered.size - 1) * ordered).sum() / (ordered.size * total))
    return float(ordered[-top:].sum()) / total, gini, top


def _find_concentration(view: View) -> list[Fact]:
    found = _measures(view.stack)
    if found is None or found[0] < CONCENTRATED_SHARE:
        return []
    part, gini, top = found
    return [CONCENTRATION.fact({}, {"share": part, "gini": gini, "cells": top}, part)]


def _say_concentration(fact: Fact, names: Names) -> str:
    n = fact.numbers
    verb = "holds" if n["cells"] == 1 else "hold"
    return (
        f"The values are concentrated: the highest {count(n['cells'], 'cell')} (5 %) {verb} "
        f"{share(n['share'])} of the sum (Gini coefficient {n['gini']:.2f})."
    )


CONCENTRATION = Kind(
    "concentration",
    "How much of the sum the top twentieth of the cells holds, and the Gini coefficient.",
    "counted",
    _find_concentration,
    _say_concentration,
    seen="raw part",
)
