"""Panels side by side: which one is higher."""

from __future__ import annotations

import numpy as np

from layergram.words.fact import Fact, Kind
from layergram.words.limits import SMALL_CHANGE
from layergram.words.names import Names
from layergram.words.view import View, mean


def _find_levels(view: View) -> list[Fact]:
    if len(view.panels) != 1 or len(view.stack) < 2:
        return []
    flat_panels = view.stack.reshape(len(view.stack), -1)
    means = mean(flat_panels, axis=1)
    if np.isnan(means).any():
        return []
    spread = float(means.max() - means.min())
    reach = float(np.nanmax(view.stack) - np.nanmin(view.stack))
    if not reach or spread < 0.5 * SMALL_CHANGE * reach:
        return []
    dim = view.panels[0]
    labels = [where[dim][0] for where, _ in view.each()]
    order = np.argsort(-means, kind="stable")
    numbers = {f"mean {i}": means[at] for i, at in enumerate(order, 1)}
    return [LEVELS.fact({dim: [labels[at] for at in order]}, numbers, spread / reach)]


def _say_levels(fact: Fact, names: Names) -> str:
    dim, labels = next(iter(fact.coordinates.items()))
    n = fact.numbers
    means = [names.number(n[f"mean {i}"]) for i in range(1, len(labels) + 1)]
    ends = [names.each(dim, [labels[at]], [means[at]]) for at in (0, -1)]
    return f"The highest mean is that of {ends[0]}, the lowest that of {ends[1]}."


LEVELS = Kind(
    "panel_levels",
    "The panels ranked by their mean.",
    "counted",
    _find_levels,
    _say_levels,
    seen="raw part",
)
