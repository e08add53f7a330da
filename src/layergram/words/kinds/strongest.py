"""The strongest and the weakest columns and rows, by their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import along, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import SMALL_CHANGE
from layergram.words.names import Names, listed
from layergram.words.view import View, flat, mean

Values = npt.NDArray[np.float64]

MOST_NAMED = 2
"""So many of each end are named."""


def _side(view: View, dim: str, labels: list[Any], values: Values) -> list[Fact]:
    means = mean(values, axis=1)
    there = np.flatnonzero(np.isfinite(means))
    if len(there) < 3:
        return []
    limit = SMALL_CHANGE * view.range
    centre = float(means[there].mean())
    order = there[np.argsort(-means[there], kind="stable")]
    most = min(MOST_NAMED, len(there) // 3)
    high = [at for at in order[:most] if means[at] - centre > limit]
    low = [at for at in order[::-1][:most] if centre - means[at] > limit]
    if not high and not low:
        return []
    where = {
        "axis": dim,
        "highest": [labels[at] for at in high],
        "lowest": [labels[at] for at in low],
    }
    numbers = {f"highest {i}": means[at] for i, at in enumerate(high, 1)} | {"all": centre}
    numbers |= {f"lowest {i}": means[at] for i, at in enumerate(low, 1)}
    size = max(abs(means[at] - centre) for at in (*high, *low)) / view.range
    return [STRONGEST.fact(where, numbers, size)]


def _find_strongest(view: View) -> list[Fact]:
    if not view.columns or not view.range:
        return []
    facts = [fact for side in view.sides for fact in _side(view, *side)]
    return sorted(facts, key=lambda fact: -fact.strength)


def _strongest_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array)
    dim = fact.coordinates["axis"]
    means = dict(zip(grid[dim].values.tolist(), along(grid, dim).tolist(), strict=True))
    there = {label: value for label, value in means.items() if np.isfinite(value)}
    numbers = {"all": float(np.mean(list(there.values())))}
    for end in ("highest", "lowest"):
        named = [there[label] for label in fact.coordinates[end]]
        ranked = sorted(there.values(), reverse=end == "highest")[: len(named)]
        if not np.allclose(named, ranked, rtol=1e-9, atol=0):
            return False
        numbers |= {f"{end} {i}": value for i, value in enumerate(named, 1)}
    return same(array, fact, numbers)


def _say_strongest(fact: Fact, names: Names) -> str:
    dim, n = fact.coordinates["axis"], fact.numbers
    parts = []
    for end in ("highest", "lowest"):
        labels = fact.coordinates[end]
        if labels:
            values = [names.number(n[f"{end} {i}"]) for i in range(1, len(labels) + 1)]
            parts.append(f"{end} for {names.each(dim, labels, values)}")
    middle = f"over all {names.noun(dim)} it is {names.number(n['all'])}"
    return f"The {names.average} of a {names.noun(dim, 1)} is {listed(parts)}; {middle}."


STRONGEST = Kind(
    "strongest",
    "The columns, and the rows, with the highest and with the lowest mean.",
    "counted",
    _find_strongest,
    _say_strongest,
    _strongest_holds,
    cells=lambda fact, _: [
        {fact.coordinates["axis"]: fact.coordinates[end]} for end in ("highest", "lowest")
    ],
)
