"""Bands of layers: stretches of rows of about the same level, found as change points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.checking import along, cells, finite, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import BAND_SHARE, FIT, SMALL_CHANGE
from layergram.words.names import Names, count, listed, share
from layergram.words.view import ORDERED, View, flat, mean

Values = npt.NDArray[np.float64]

MOST_BANDS = 5
"""More bands than this are a course, not bands."""

MOST_POINTS = 256
"""Rows of a longer axis are averaged in so many blocks before they are cut."""


def segments(profile: Values, penalty: float) -> list[tuple[int, int]]:
    """The cheapest cut of a profile: squared distance from the stretches' means, plus penalties.

    Returns:
        First point and one past the last of every stretch (optimal partitioning,
        Jackson et al. 2005).
    """
    size = len(profile)
    sums, squares = np.append(0.0, profile.cumsum()), np.append(0.0, (profile**2).cumsum())
    best, cut = np.zeros(size + 1), np.zeros(size + 1, dtype=int)
    for end in range(1, size + 1):
        start = np.arange(end)
        spread = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start)
        cost = best[start] + spread + penalty
        cut[end] = int(cost.argmin())
        best[end] = cost[cut[end]]
    found, end = [], size
    while end:
        found.append((int(cut[end]), end))
        end = int(cut[end])
    return found[::-1]


def _penalty(view: View, profile: Values) -> float:
    """BIC-like: twice the log of the length times a point's noise; at least a fair share."""
    if view.values.shape[1] > 1:
        rest = view.values - mean(view.values, axis=1)[:, None] - mean(view.values, axis=0)
        noise = float(mean((rest - mean(rest)) ** 2)) / view.values.shape[1]
    else:
        noise = float(np.median(np.diff(profile) ** 2)) / 0.91
    variation = float(((profile - profile.mean()) ** 2).sum())
    return float(max(2 * np.log(len(profile)) * noise, BAND_SHARE * variation, 1e-12))


def _find_bands(view: View) -> list[Fact]:
    there = np.flatnonzero(np.isfinite(view.profile))
    profile = view.profile[there]
    if view.rows not in ORDERED or len(profile) < 3 or not np.ptp(profile):
        return []
    blocks = np.array_split(there, min(len(there), MOST_POINTS))
    levels = np.array([view.profile[block].mean() for block in blocks])
    bands = [
        np.concatenate(blocks[start:end]) for start, end in segments(levels, _penalty(view, levels))
    ]
    level = [float(mean(view.values[band])) for band in bands]
    if not 2 <= len(bands) <= MOST_BANDS or np.ptp(level) < SMALL_CHANGE * view.range:
        return []
    rest = sum(
        float(((view.profile[band] - view.profile[band].mean()) ** 2).sum()) for band in bands
    )
    explained = 1 - rest / float(((profile - profile.mean()) ** 2).sum())
    if explained < FIT:
        return []
    labels = [[view.row_labels[at] for at in band] for band in bands]
    numbers = {f"level {at}": value for at, value in enumerate(level, 1)} | {"share": explained}
    return [BANDS.fact({view.rows: labels}, numbers, np.ptp(level) / view.range)]


def _bands_hold(array: xr.DataArray, fact: Fact) -> bool:
    dim, bands = next(iter(fact.coordinates.items()))
    told = [label for band in bands for label in band]
    there = array[dim].values[np.isfinite(along(flat(array), dim))].tolist()
    levels = [finite(cells(array, {dim: band})).mean() for band in bands]
    steps = np.abs(np.diff(levels))
    profile = dict(zip(array[dim].values.tolist(), along(flat(array), dim).tolist(), strict=True))
    series = [[profile[label] for label in band] for band in bands]
    spread = np.concatenate([np.array(x) - np.mean(x) for x in series])
    total = np.array([profile[label] for label in there]).var() * len(there)
    numbers = {f"level {at}": x for at, x in enumerate(levels, 1)}
    numbers["share"] = 1 - float((spread**2).sum()) / total
    return told == there and bool((steps > 0).all()) and same(array, fact, numbers)


def _say_bands(fact: Fact, names: Names) -> str:
    dim, bands = next(iter(fact.coordinates.items()))
    levels = [names.number(fact.numbers[f"level {at}"]) for at in range(1, len(bands) + 1)]
    parts = [f"{names.many(dim, b)} at {x}" for b, x in zip(bands, levels, strict=True)]
    plural = names.noun(dim, 2)
    return (
        f"The {plural} fall into {count(len(bands), 'band')} by their {names.average}: "
        f"{listed(parts)} "
        f"({share(fact.numbers['share'])} of the variance of the {plural})."
    )


BANDS = Kind(
    "bands",
    "Stretches of neighbouring layers of about the same level, and the level of each.",
    "counted",
    _find_bands,
    _say_bands,
    _bands_hold,
)
