"""Cells of a map against each other: differences that hold all at once, and the best ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import norm
from scipy.stats import t as student

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes.comparison import Difference, compare, out_of_fold
from layergram.probes.results import SIMULTANEOUS
from layergram.statistics.auroc import fold_covariance
from layergram.statistics.simultaneous import drawn_errors, simultaneous_level

DRAWS = 1000
LEAST_VARIANCE = 1e-12  # of the difference of two cells that are not the same


def difference_map(
    first: xr.Dataset,
    second: xr.Dataset | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    level: float = 0.95,
) -> xr.DataArray:
    """Paired differences of AUROC, cell by cell, with limits that hold for all cells at once.

    The limits are as many standard errors wide as the largest error of all cells is (max
    statistic), so that the chance that any cell of a map without a difference has limits without 0
    is 5 %.

    Args:
        first: what :func:`evaluate` gave, or some layers or roles of it (``result.sel(...)``).
        second: what to subtract: another evaluation on the same examples and folds, such as that
            of a model with random weights; the first itself if ``None``.
        at: the cell of ``second`` that is subtracted from a cell of ``first``: labels that take the
            place of its own. ``{"role": "last_q"}`` is last_q at the same layer.
        level: of all limits together.

    Returns:
        A map with ``low`` and ``high``, whose attribute ``holds_for`` is ``map``; NaN where either
        cell has no value.

    Raises:
        LayergramError: for other examples, or labels that ``second`` has not.

    Example:
        >>> from layergram.probes import evaluate
        >>> wrong = np.arange(120) % 2 == 0
        >>> features = np.random.default_rng(0).normal(size=(120, 2, 2, 3))
        >>> features[:, 1, 1] += 2 * wrong[:, None]
        >>> result = evaluate(features, wrong, groups=np.arange(120))
        >>> (difference_map(result, at={"role": "0"}).low > 0).values.tolist()
        [[False, False], [False, True]]
    """
    second = first if second is None else second
    axes = [str(axis) for axis in first["auroc"].dims]
    pairs: dict[tuple[int, ...], Difference] = {}
    for place in zip(*np.nonzero(np.isfinite(first["auroc"].values)), strict=True):
        cell = {axis: first[axis].values[i] for axis, i in zip(axes, place, strict=True)}
        other = cell | dict(at or {})
        if np.isfinite(float(second["auroc"].sel(other))):
            pairs[place] = compare(out_of_fold(first, cell), out_of_fold(second, other))
    if not pairs:
        raise LayergramError("a map of differences", got="no cell that both have a value of")
    influence = np.stack([pair.influence for pair in pairs.values()])
    deviation = np.sqrt((influence**2).sum(1))
    together = simultaneous_level(drawn_errors(influence), deviation, level)
    cells = {name: np.full(first["auroc"].shape, np.nan) for name in ("value", "low", "high")}
    for place, pair in pairs.items():
        cells["value"][place] = pair.value
        cells["low"][place], cells["high"][place] = pair.interval(together)
    return maps.make(
        cells["value"],
        axes,
        measure="auroc_difference",
        coords={axis: first[axis].variable for axis in axes}
        | {name: (axes, cells[name], SIMULTANEOUS) for name in ("low", "high")},
        long_name="difference of AUROC",
        definition="AUROC of this cell's probe less that of the one it is compared with, on the "
        "same examples and folds.",
        units="1",
        valid_min=-1.0,
        valid_max=1.0,
        null_value=0.0,
    )


def region(result: xr.Dataset, *, level: float = 0.95) -> xr.DataArray:
    """The cells that are not worse than the best: the best cell is among them, with this level.

    A cell is left out where some other cell is better by more than the largest error that the
    difference of any cell to it has (multiple comparisons with the best, Hsu 1984, by paired
    influence values and a max statistic). Few examples give a large region: it says what is not
    known to be worse.

    Args:
        result: what :func:`evaluate` gave.
        level: the chance that the cell with the highest true AUROC is in the region.

    Returns:
        True for the cells of the region, on the axes of the map; False for cells without a value.

    Example:
        >>> from layergram.probes import evaluate
        >>> wrong = np.arange(120) % 2 == 0
        >>> features = np.random.default_rng(0).normal(size=(120, 2, 2, 3))
        >>> features[:, 1, 1] += 2 * wrong[:, None]
        >>> region(evaluate(features, wrong, groups=np.arange(120))).values.tolist()
        [[False, False], [False, True]]
    """
    auroc = result["auroc"]
    axes = [str(axis) for axis in auroc.dims]
    places = np.argwhere(np.isfinite(auroc.values))
    areas = []
    for place in places:
        cell = {axis: result[axis].values[i] for axis, i in zip(axes, place, strict=True)}
        areas.append(out_of_fold(result, cell))
    own = [each.auroc for each in areas]
    gain = np.stack([each.gain[0] for each in areas])
    weights = areas[0].areas(np.ones(areas[0].positive.size, dtype=np.bool_))[0].weights
    values = np.array([area.value for area in own])
    influence = np.stack([area.influence for area in own])
    smaller = min(area.smaller for area in own)
    errors, products = drawn_errors(influence, draws=DRAWS), influence @ influence.T
    inside = np.zeros(auroc.shape, dtype=np.bool_)
    for number, place in enumerate(places):
        variance = products.diagonal() + products[number, number] - 2 * products[number]
        training = fold_covariance(gain - gain[number], weights)
        differ = variance > LEAST_VARIANCE
        if not differ.any():
            inside[tuple(place)] = True
            continue
        deviation = np.sqrt(variance[differ])
        largest = ((errors[:, differ] - errors[:, [number]]) / deviation).max(1)
        tail = norm.cdf(np.quantile(largest, level))
        reach = student.ppf(tail, smaller - 1) * np.sqrt(variance[differ] + training[differ])
        inside[tuple(place)] = bool((values[differ] - values[number] <= reach).all())
    return xr.DataArray(inside, dims=axes, coords={axis: result[axis].variable for axis in axes})
