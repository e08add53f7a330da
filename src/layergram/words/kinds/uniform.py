"""Uniform rows and columns: hardly any spread within them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import UNIFORM, UNIFORM_DECADES
from layergram.words.names import Names
from layergram.words.view import Values, View, flat


def _most(values: Values, log: bool) -> float:
    """The largest spread of a uniform row: a share of where 90 % of the cells lie."""
    if log:
        return UNIFORM_DECADES
    low, high = np.quantile(values[np.isfinite(values)], [0.05, 0.95])
    return UNIFORM * float(high - low)


def _find_uniform(view: View) -> list[Fact]:
    if not view.range or not view.columns:
        return []
    log = bool(view.array.attrs.get("log10"))
    most = _most(view.values, log)
    facts = []
    for dim, labels, values in view.sides:
        there = np.isfinite(values)
        high = np.where(there, values, -np.inf).max(axis=1)
        low = np.where(there, values, np.inf).min(axis=1)
        spread = np.where(there.sum(axis=1) > 1, high - low, np.inf)
        found = np.flatnonzero(spread <= most)
        several = int(np.isfinite(spread).sum())
        if not len(found):
            continue
        numbers = {
            "count": len(found),
            "of": several,
            "spread": spread[found].max(),
            "lowest": low[found].min(),
            "highest": high[found].max(),
        }
        where = {dim: [labels[at] for at in found]}
        facts.append(UNIFORM_ROWS.fact(where, numbers, (1 - UNIFORM) * len(found) / several))
    return facts


def _uniform_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array).astype(np.float64)
    dim = next(iter(fact.coordinates))
    most = _most(grid.values, bool(array.attrs.get("log10")))
    lists = grid.transpose(dim, ...).values
    labels = grid[dim].values.tolist()
    sizes = {label: row[~np.isnan(row)] for label, row in zip(labels, lists, strict=True)}
    spreads = {label: np.ptp(values) for label, values in sizes.items() if len(values) > 1}
    named = [x for x, spread in spreads.items() if spread <= most]
    inside = np.concatenate([sizes[label] for label in named]) if named else np.zeros(1)
    numbers = {
        "count": len(named),
        "of": len(spreads),
        "spread": max((spreads[x] for x in named), default=0.0),
        "lowest": inside.min(),
        "highest": inside.max(),
    }
    return named == fact.coordinates[dim] and same(array, fact, numbers)


def _say_uniform(fact: Fact, names: Names) -> str:
    dim, labels = next(iter(fact.coordinates.items()))
    n = fact.numbers
    where = names.many(dim, labels)
    be, each = ("is", "it") if len(labels) == 1 else ("are", "each")
    within = names.span(n["lowest"], n["highest"])
    if not n["highest"] - n["lowest"]:
        return f"{where} {be} exactly uniform: all values are {within}."
    if not n["spread"]:
        return f"{where} {be} exactly uniform: {each} has one value, within {within}."
    text = f"{where} {be} nearly uniform: {each} spans at most {names.up(n['spread'])}"
    if n["highest"] - n["lowest"] <= 3 * n["spread"]:
        text += f", within {within}"
    return f"{text}."


UNIFORM_ROWS = Kind(
    "uniform",
    "Rows or columns whose values all lie close together.",
    "counted",
    _find_uniform,
    _say_uniform,
    _uniform_holds,
)
