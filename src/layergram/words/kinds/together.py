"""Columns that move together: the same course with depth, close to one another."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import cells, reach, same
from layergram.words.fact import Fact, Kind
from layergram.words.kinds.roles import same_token
from layergram.words.limits import SAME_TOKEN, SMALL_CHANGE, TOGETHER, TOGETHER_GAP
from layergram.words.names import Names, listed, share
from layergram.words.view import ORDERED, View, flat, mean

Values = npt.NDArray[np.float64]

MOST_SERIES = 64
"""With more columns than this no groups are looked for."""


def _correlations(grids: Values) -> Values:
    """Correlation of every two columns: many × columns × columns; 0 for constant columns."""
    centred = grids - mean(grids, axis=1)[:, None, :]
    centred = np.where(np.isnan(centred), 0.0, centred)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit = np.where(length > 1e-12, centred / np.maximum(length, 1e-12), 0.0)
    return np.asarray(unit.swapaxes(1, 2) @ unit)


def _find_together(view: View) -> list[Fact]:
    rows, columns = view.values.shape
    if (
        view.panels
        or view.rows not in ORDERED
        or not 2 <= columns <= MOST_SERIES
        or rows < 4
        or not view.range
    ):
        return []
    if np.isnan(view.values).any():
        return []
    related = _correlations(view.values[None])[0]
    gaps = np.abs(view.values[:, :, None] - view.values[:, None, :]).max(axis=0) / view.range
    moves = np.ptp(view.values, axis=0) > 2 * SMALL_CHANGE * view.range
    alike = (related > TOGETHER) & (gaps <= TOGETHER_GAP) & moves[:, None] & moves[None, :]
    facts, left = [], set(np.flatnonzero(moves).tolist())
    while len(left) > 1:
        groups = [_grown(start, left, alike, gaps) for start in sorted(left)]
        group = max(groups, key=len)
        if len(group) < 2:
            break
        left -= set(group)
        pairs = list(combinations(group, 2))
        numbers = {
            "correlation": min(related[a, b] for a, b in pairs),
            "gap": max(gaps[a, b] for a, b in pairs) * view.range,
        }
        where = {view.columns: [view.column_labels[at] for at in group]}
        size = numbers["correlation"] * len(group) / columns
        facts.append(TOGETHER_KIND.fact(where, numbers, size))
    return facts


def _grown(start: int, left: set[int], alike: npt.NDArray[np.bool_], gaps: Values) -> list[int]:
    """A group around one column: the nearest first, each alike with all that are in it."""
    group = [start]
    for at in sorted(left - {start}, key=lambda at: (gaps[start, at], at)):
        if all(alike[at, other] for other in group):
            group.append(at)
    return sorted(group)


def _together_holds(array: xr.DataArray, fact: Fact) -> bool:
    dim, labels = next(iter(fact.coordinates.items()))
    series = [cells(array, {dim: label}).values.ravel() for label in labels]
    pairs = list(combinations(series, 2))
    numbers: dict[str, Any] = {
        "correlation": min(np.corrcoef(a, b)[0, 1] for a, b in pairs),
        "gap": max(float(np.abs(a - b).max()) for a, b in pairs),
    }
    close = numbers["gap"] <= TOGETHER_GAP * reach(flat(array)) * (1 + 1e-9)
    return bool(close and numbers["correlation"] > TOGETHER) and same(array, fact, numbers)


def _say_together(fact: Fact, names: Names) -> str:
    dim, labels = next(iter(fact.coordinates.items()))
    n = fact.numbers
    who = names.many(dim, labels)
    if len(labels) > 6:
        who = f"{names.count(len(labels), dim)} ({who})"
    if not n["gap"]:
        return f"{who} are the same throughout."
    bound = f"{np.floor(100 * n['correlation']) / 100:.2f}"
    pair = "a correlation of" if len(labels) == 2 else "every pair has a correlation of"
    text = (
        f"{who} move together: {pair} at least {bound}, "
        f"and they are never more than {names.up(n['gap'])} apart"
    )
    if dim != "role":
        return f"{text}."
    known = same_token(names.array)
    parts = {two: known.get(frozenset(two), 0.0) for two in combinations(labels, 2)}
    closest = max(parts, key=lambda two: parts[two])
    if parts[closest] >= SAME_TOKEN:
        return (
            f"{listed([names.one(dim, role) for role in closest])} are the same token in "
            f"{share(parts[closest])} of the answers; {text}."
        )
    from_end = sum(str(label).startswith("-") for label in labels)
    if not known and 0 < from_end < len(labels):
        return f"{text}; how often they are the same token, the map does not say."
    return f"{text}."


TOGETHER_KIND = Kind(
    "together",
    "Columns that rise and fall together and stay close to one another.",
    "counted",
    _find_together,
    _say_together,
    _together_holds,
)
