"""Panels side by side: which one is higher."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import Shuffled, threshold
from layergram.words.checking import finite, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import SMALL_CHANGE
from layergram.words.names import Names
from layergram.words.view import View, mean

Values = npt.NDArray[np.float64]


def _spread(grids: Values) -> Values:
    means = mean(grids, axis=2)
    return np.asarray(np.nanmax(means, axis=1) - np.nanmin(means, axis=1))


def _find_levels(view: View) -> list[Fact]:
    if len(view.panels) != 1 or len(view.stack) < 2:
        return []
    flat_panels = view.stack.reshape(len(view.stack), -1)
    means = mean(flat_panels, axis=1)
    if np.isnan(means).any():
        return []
    shuffled = Shuffled(flat_panels)
    spread = float(means.max() - means.min())
    reach = float(np.nanmax(view.stack) - np.nanmin(view.stack))
    limit = threshold(_spread, shuffled.down)
    if float(_spread(shuffled.start[None])[0]) <= limit or spread < 0.5 * SMALL_CHANGE * reach:
        return []
    dim = view.panels[0]
    labels = [where[dim][0] for where, _ in view.each()]
    order = np.argsort(-means, kind="stable")
    numbers = {f"mean {i}": means[at] for i, at in enumerate(order, 1)}
    return [LEVELS.fact({dim: [labels[at] for at in order]}, numbers, spread / reach)]


def _levels_hold(array: xr.DataArray, fact: Fact) -> bool:
    dim, labels = next(iter(fact.coordinates.items()))
    means = [finite(array.sel({dim: label})).mean() for label in labels]
    falling = all(a >= b - 1e-9 * abs(b) for a, b in pairwise(means))
    complete = sorted(map(str, labels)) == sorted(map(str, array[dim].values.tolist()))
    numbers = {f"mean {i}": value for i, value in enumerate(means, 1)}
    return falling and complete and same(array, fact, numbers)


def _say_levels(fact: Fact, names: Names) -> str:
    dim, labels = next(iter(fact.coordinates.items()))
    n = fact.numbers
    means = [names.number(n[f"mean {i}"]) for i in range(1, len(labels) + 1)]
    if len(labels) <= 8:
        return f"By their mean, from the highest: {names.each(dim, labels, means)}."
    high, low = names.each(dim, labels[:3], means[:3]), names.each(dim, labels[-3:], means[-3:])
    return f"The highest mean is that of {high}; the lowest, of {low}."


LEVELS = Kind(
    "panel_levels",
    "The panels ranked by their mean.",
    "The means differ more than in 98 % of maps whose cells are shuffled between the panels.",
    "panels",
    _find_levels,
    _levels_hold,
    _say_levels,
)
