"""The strongest and the weakest columns and rows, by their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import along, same
from layergram.words.fact import Fact, Kind, Section
from layergram.words.limits import MOST_OF_A_KIND, SMALL_CHANGE
from layergram.words.names import Names, listed
from layergram.words.view import View, flat, mean

Values = npt.NDArray[np.float64]


def _furthest(means: Values) -> Values:
    """The largest distance of a mean from the middle of all means, for many grids."""
    centre = mean(means, axis=1)
    distance = np.abs(means - centre[:, None])
    return np.asarray(np.where(np.isnan(distance), 0.0, distance).max(axis=1))


def _side(view: View, side: int, dim: str, labels: list[Any], values: Values) -> list[Fact]:
    means = mean(values, axis=1)
    there = np.flatnonzero(np.isfinite(means))
    if len(there) < 3:
        return []
    axis = 1 if side else 2
    shuffles = view.shuffled.across if side else view.shuffled.down
    limit = threshold(lambda grids: _furthest(mean(grids, axis=axis)), shuffles, questions=2)
    limit = max(limit, SMALL_CHANGE * view.range)
    centre = float(means[there].mean())
    order = there[np.argsort(-means[there], kind="stable")]
    most = min(MOST_OF_A_KIND, len(there) // 3)
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
    section: Section = "columns" if side else "rows"
    return [STRONGEST.fact(where, numbers, size, section=section)]


def _find_strongest(view: View) -> list[Fact]:
    if not view.columns or not view.range:
        return []
    sides = enumerate(view.sides)
    facts = [
        fact
        for side, (dim, labels, values) in sides
        for fact in _side(view, side, dim, labels, values)
    ]
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
    return f"The mean of a {names.noun(dim, 1)} is {listed(parts)}; {middle}."


STRONGEST = Kind(
    "strongest",
    "The columns, and the rows, with the highest and with the lowest mean.",
    "The mean must lie further from the middle than the furthest mean in 98 % of maps shuffled "
    "along the other axis.",
    "columns",
    _find_strongest,
    _strongest_holds,
    _say_strongest,
    most=2,
)
