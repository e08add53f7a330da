"""Concentration: how much of the sum a few cells hold, of the map and of each panel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import finite, same
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


def _gini(values: Values) -> float:
    """The Gini coefficient from the Lorenz curve."""
    lorenz = np.append(0.0, np.cumsum(sorted(values.tolist()))) / values.sum()
    return float(1 - 2 * np.trapezoid(lorenz, dx=1 / values.size))


def _concentration_holds(array: xr.DataArray, fact: Fact) -> bool:
    values = finite(array)
    top = int(TOP_MASS * values.size)
    part = sum(sorted(values.tolist(), reverse=True)[:top]) / values.sum()
    numbers = {"share": part, "gini": _gini(values), "cells": top}
    return bool(values.min() >= 0) and same(array, fact, numbers)


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
    "Told from 30 % of the sum on; even values hold 5 %, uniform noise 10 %, half-normal noise "
    "up to 26 %.",
    "key",
    _find_concentration,
    _concentration_holds,
    _say_concentration,
)


def _find_order(view: View) -> list[Fact]:
    if len(view.panels) != 1 or not 2 <= len(view.stack) <= 64:
        return []
    measured = [_measures(values) for values in view.stack]
    known = [found for found in measured if found is not None]
    if len(known) < len(measured) or max(found[0] for found in known) < CONCENTRATED_SHARE:
        return []
    dim = view.panels[0]
    labels = [where[dim][0] for where, _ in view.each()]
    order = sorted(range(len(known)), key=lambda at: -known[at][1])
    spread = known[order[0]][1] - known[order[-1]][1]
    if spread < 0.1:
        return []
    numbers: dict[str, Any] = {f"gini {i}": known[at][1] for i, at in enumerate(order, 1)}
    where = {dim: [labels[at] for at in order]}
    return [CONCENTRATION_ORDER.fact(where, numbers, spread)]


def _order_holds(array: xr.DataArray, fact: Fact) -> bool:
    dim, labels = next(iter(fact.coordinates.items()))
    ginis = [_gini(finite(array.sel({dim: label}))) for label in labels]
    falling = all(a >= b - 1e-9 for a, b in pairwise(ginis))
    complete = sorted(map(str, labels)) == sorted(map(str, array[dim].values.tolist()))
    numbers = {f"gini {i}": gini for i, gini in enumerate(ginis, 1)}
    return falling and complete and same(array, fact, numbers)


def _say_order(fact: Fact, names: Names) -> str:
    dim, labels = next(iter(fact.coordinates.items()))
    n = fact.numbers
    ginis = [f"Gini {n[f'gini {i}']:.2f}" for i in range(1, len(labels) + 1)]
    if len(labels) <= 8:
        named = names.each(dim, labels, ginis)
        return f"From the most to the least concentrated {names.noun(dim, 1)}: {named}."
    most, least = names.each(dim, labels[:3], ginis[:3]), names.each(dim, labels[-3:], ginis[-3:])
    return f"Most concentrated are {most}; least, {least}."


CONCENTRATION_ORDER = Kind(
    "concentration_order",
    "The panels ranked by how concentrated their values are.",
    "Told if one panel is concentrated by the rule above and the Gini coefficients differ by 0.1.",
    "panels",
    _find_order,
    _order_holds,
    _say_order,
)
