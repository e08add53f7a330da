"""Uniform rows and columns: hardly any spread within them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import reach, same
from layergram.words.fact import Fact, Kind, Section
from layergram.words.limits import UNIFORM
from layergram.words.names import Names
from layergram.words.view import View, flat

Values = npt.NDArray[np.float64]


def _spread(values: Values) -> Values:
    """Highest minus lowest value of each row; infinite for rows with fewer than two values."""
    there = np.isfinite(values)
    high = np.where(there, values, -np.inf).max(axis=-1)
    low = np.where(there, values, np.inf).min(axis=-1)
    return np.asarray(np.where(there.sum(axis=-1) > 1, high - low, np.inf))


def _find_uniform(view: View) -> list[Fact]:
    if not view.range or not view.columns:
        return []
    facts = []
    for side, (dim, labels, values) in enumerate(view.sides):

        def uniform_rows(grids: Any, side: int = side) -> Any:
            turned = grids.swapaxes(1, 2) if side else grids
            return (_spread(turned) <= UNIFORM * view.range).sum(axis=1)

        spread = _spread(values)
        found = np.flatnonzero(spread <= UNIFORM * view.range)
        chance = threshold(uniform_rows, view.shuffled.everywhere, questions=2)
        if not len(found) or uniform_rows(view.shuffled.start[None])[0] <= chance:
            continue
        named = [labels[at] for at in found]
        numbers = {
            "count": len(found),
            "of": int(np.isfinite(spread).sum()),
            "spread": spread[found].max(),
            "lowest": np.nanmin(values[found]),
            "highest": np.nanmax(values[found]),
        }
        part = len(found) / max(numbers["of"], 1)
        section: Section = "columns" if side else "rows"
        size = (1 - UNIFORM) * part
        facts.append(UNIFORM_ROWS.fact({dim: named}, numbers, size, section=section))
    return facts


def _uniform_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array)
    dim = next(iter(fact.coordinates))
    lists = grid.transpose(dim, ...).values.astype(np.float64)
    labels = grid[dim].values.tolist()
    sizes = {label: row[~np.isnan(row)] for label, row in zip(labels, lists, strict=True)}
    spreads = {label: np.ptp(values) for label, values in sizes.items() if len(values) > 1}
    named = [x for x, spread in spreads.items() if spread <= UNIFORM * reach(grid)]
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
    other = next((names.noun(d) for d in names.sides if d != dim), "the other axis")
    within = names.span(n["lowest"], n["highest"])
    if names.bare(n["lowest"]) == names.bare(n["highest"]) and n["spread"]:
        return f"{where} {be} uniform: all values are {within}."
    if not n["spread"]:
        return f"{where} {be} exactly uniform: the same value for all {other} ({within})."
    text = f"{where} {be} nearly uniform: {each} spans at most {names.up(n['spread'])}"
    if n["highest"] - n["lowest"] <= 3 * n["spread"]:
        text += f", within {within}"
    return f"{text}."


UNIFORM_ROWS = Kind(
    "uniform",
    "Rows or columns whose values all lie close together.",
    "More such rows than in 98 % of maps with all cells shuffled.",
    "rows",
    _find_uniform,
    _uniform_holds,
    _say_uniform,
)
