"""Bands of layers: stretches of rows of about the same level, found as change points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import pooled, threshold
from layergram.words.checking import along, cells, finite, neighbours, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import BAND_SHARE, LONGEST_PROFILE, MOST_NAMES, SMALL_CHANGE
from layergram.words.names import Names, count, listed
from layergram.words.view import ORDERED, View, flat, mean

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


def best_stretch(profiles: Values) -> Values:
    """How much of each profile's variation one stretch of another level explains, at best.

    Args:
        profiles: many × points, without NaN.
    """
    size = profiles.shape[-1]
    centred = profiles - profiles.mean(axis=-1, keepdims=True)
    total = np.cumsum(np.pad(centred, [(0, 0), (1, 0)]), axis=-1)
    first, last = np.triu_indices(size, 1)
    first, last = np.append(first, np.arange(1, size)), np.append(last, np.full(size - 1, size))
    length = last - first
    gain = (total[:, last] - total[:, first]) ** 2 * size / (length * (size - length))
    return np.asarray(gain.max(axis=-1))


def _row_profiles(grids: Values) -> Values:
    """Row means of many grids, in at most ``LONGEST_PROFILE`` blocks, empty rows at the mean."""
    profiles = pooled(mean(grids, axis=2), LONGEST_PROFILE, 1)
    return np.where(np.isnan(profiles), mean(profiles, axis=1)[:, None], profiles)


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


def _cut(view: View) -> list[Places]:
    """The rows of every band, or nothing where no change stands out."""
    there = np.flatnonzero(np.isfinite(view.profile))
    profile = view.profile[there]
    if view.rows not in ORDERED or len(profile) < 3 or not np.ptp(profile):
        return []
    observed = float(best_stretch(_row_profiles(view.shuffled.start[None]))[0])
    if observed <= threshold(lambda grids: best_stretch(_row_profiles(grids)), view.shuffled.down):
        return []
    blocks = np.array_split(there, min(len(there), 4 * LONGEST_PROFILE))
    levels = np.array([view.profile[block].mean() for block in blocks])
    cuts = segments(levels, _penalty(view, levels))
    bands = [np.concatenate(blocks[start:end]) for start, end in cuts]
    level = [float(mean(view.values[band])) for band in bands]
    return bands if np.ptp(level) >= SMALL_CHANGE * view.range else []


def _find_bands(view: View) -> list[Fact]:
    bands = _cut(view)
    if len(bands) < 2:
        return []
    level = [float(mean(view.values[band])) for band in bands]
    labels = [[view.row_labels[at] for at in band] for band in bands]
    numbers = {f"level {at}": value for at, value in enumerate(level, 1)}
    return [BANDS.fact({view.rows: labels}, numbers, np.ptp(level) / view.range)]


def _find_each(view: View) -> list[Fact]:
    bands = _cut(view)
    return [_band(view, band) for band in bands] if len(bands) > 1 else []


def _band(view: View, band: Places) -> Fact:
    labels = [view.row_labels[at] for at in band]
    values = view.values[band]
    level = float(mean(values))
    numbers = {"level": level, "lowest": np.nanmin(values), "highest": np.nanmax(values)}
    where: dict[str, Any] = {view.rows: labels}
    columns = mean(values, axis=0)
    top = np.flatnonzero(columns >= np.nanmax(columns) - 0.05 * view.range)
    stands_out = np.nanmax(columns) - level >= SMALL_CHANGE * view.range
    if stands_out and len(top) <= MOST_NAMES:
        where[view.columns] = [view.column_labels[at] for at in top]
        numbers["columns"] = float(mean(values[:, top]))
    distance = abs(level - float(mean(view.values))) / view.range
    return BAND.fact(where, numbers, distance)


def _bands_hold(array: xr.DataArray, fact: Fact) -> bool:
    dim, bands = next(iter(fact.coordinates.items()))
    told = [label for band in bands for label in band]
    there = array[dim].values[np.isfinite(along(flat(array), dim))].tolist()
    levels = [finite(cells(array, {dim: band})).mean() for band in bands]
    steps = np.abs(np.diff(levels))
    return (
        told == there
        and bool((steps > 0).all())
        and same(array, fact, {f"level {at}": x for at, x in enumerate(levels, 1)})
    )


def _band_holds(array: xr.DataArray, fact: Fact) -> bool:
    dim = next(iter(fact.coordinates))
    band = cells(array, {dim: fact.coordinates[dim]})
    values = finite(band)
    numbers = {"level": values.mean(), "lowest": values.min(), "highest": values.max()}
    across = [d for d in map(str, band.dims) if d != dim and d in fact.coordinates]
    for side in across:
        named = band.sel({side: fact.coordinates[side]})
        numbers["columns"] = finite(named).mean()
        others = band.drop_sel({side: fact.coordinates[side]})
        if others.size and np.nanmax(along(others, side)) > np.nanmin(along(named, side)):
            return False
    ordered = array.sel({dim: np.isfinite(along(flat(array), dim))})
    return neighbours(ordered, dim, fact.coordinates[dim]) and same(array, fact, numbers)


def _say_bands(fact: Fact, names: Names) -> str:
    dim, bands = next(iter(fact.coordinates.items()))
    levels = [names.number(fact.numbers[f"level {at}"]) for at in range(1, len(bands) + 1)]
    parts = [f"{names.many(dim, b)} at {x}" for b, x in zip(bands, levels, strict=True)]
    plural = names.noun(dim, 2)
    return f"The {plural} fall into {count(len(bands), 'band')} by their mean: {listed(parts)}."


def _say_band(fact: Fact, names: Names) -> str:
    dim = next(iter(fact.coordinates))
    n = fact.numbers
    where = names.many(dim, fact.coordinates[dim])
    text = f"{where[0].upper()}{where[1:]}: mean {names.number(n['level'])}"
    if names.bare(n["lowest"]) != names.bare(n["highest"]):
        text += f", values {names.span(n['lowest'], n['highest'])}"
    across = [d for d in fact.coordinates if d != dim]
    if across:
        columns = names.many(across[0], fact.coordinates[across[0]])
        text += f", highest for {columns} (mean {names.bare(n['columns'])})"
    return text + "."


CHANCE = (
    "The best single stretch of rows must explain more of the row means than in 98 % of maps "
    "shuffled within their columns; each further cut must pay a penalty like the BIC's and "
    "explain 5 % of the variation."
)
BANDS = Kind(
    "bands",
    "Stretches of neighbouring layers of about the same level, and the level of each.",
    CHANCE,
    "rows",
    _find_bands,
    _bands_hold,
    _say_bands,
)
BAND = Kind(
    "band",
    "One band of layers: its mean, its range and the columns that are highest in it.",
    "Told only with the bands it belongs to.",
    "rows",
    _find_each,
    _band_holds,
    _say_band,
    most=12,
)
