"""The dataset that an evaluation gives, and the maps in it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.errors import unknown_name
from layergram.probes.crossfit import Cell, Rows
from layergram.probes.grid import FEWEST, Grid
from layergram.probes.nested import Best, Place
from layergram.statistics.arrays import Values
from layergram.statistics.auroc import REFERENCES, Auroc, quantile
from layergram.statistics.permutation import chance

LONG_NAMES = {
    "auroc": "AUROC of a probe for wrong answers",
    "auroc_shuffled": "AUROC of a probe for shuffled labels",
}
CARRIED = {"auroc": ("low", "high", "p_value"), "auroc_shuffled": ("p_value_shuffled",)}
DEFINITION = (
    "Chance that a linear probe on the hidden state at this layer and token role gives a wrong "
    "answer a higher score than a right one, on questions that the probe was not trained on."
)
CAVEAT = (
    "A high AUROC says that the state allows telling wrong answers from right ones by a linear "
    "rule, not that the model uses it, nor that the rule carries over to other questions; "
    "compare it with the baselines and with layer 0, which sees the token alone."
)
PAPER = "Orgad et al., LLMs Know More Than They Show, ICLR 2025 (arXiv 2410.02707)"
MISSING = f"fewer than {FEWEST} wrong or {FEWEST} right answers with features here"


@dataclass(frozen=True)
class Found:
    """All that an evaluation found, before it is put into one dataset."""

    grid: Grid
    rows: Rows
    cells: dict[Place, Cell]
    statistics: Values  # of the true and of the shuffled labels [2, layer, role]
    largest: Values  # cell of each shuffle
    best: Best
    baselines: dict[str, tuple[Auroc, Auroc]]  # and the best cell on the same examples


def dataset(found: Found, *, level: float, options: Mapping[str, Any]) -> xr.Dataset:
    """Put what was found under the names that :func:`layergram.probes.evaluate` promises."""
    result = xr.Dataset(coords={"layer": found.grid.layers, "role": found.grid.roles})
    result.attrs = {
        "options": json.dumps(dict(options)),
        "examples": len(found.rows.wrong),
        "groups": int(found.rows.groups.max()) + 1,
        "wrong": int(found.rows.wrong.sum()),
        "right": int((~found.rows.wrong).sum()),
        "unconverged_cells": sum(not cell.converged for cell in found.cells.values()),
    }
    _put_maps(result, found, level, options)
    _put_best(result, found, level)
    _put_baselines(result, found, level)
    present, wrong = found.grid.present, found.rows.wrong[:, None]
    result["wrong"] = ("role", (present & wrong).sum(0))
    result["right"] = ("role", (present & ~wrong).sum(0))
    result["example_fold"] = ("example", found.rows.folds)
    return result


def _put_maps(result: xr.Dataset, found: Found, level: float, options: Mapping[str, Any]) -> None:
    dims = ("layer", "role")
    grids = {name: np.full(found.grid.shape, np.nan) for name in (*LONG_NAMES, "low", "high")}
    for place, cell in found.cells.items():
        grids["auroc"][place] = cell.auroc.value
        grids["low"][place], grids["high"][place] = cell.auroc.interval(level)
        grids["auroc_shuffled"][place] = cell.shuffled
    if found.largest.size:
        for at, ending in enumerate(("", "_shuffled")):
            p_values = chance(found.statistics[at], found.largest)
            grids[f"p_value{ending}"] = p_values
            result[f"p_map{ending}"] = float(np.nanmin(p_values))
    counts = {name: result.attrs[name] for name in ("examples", "groups", "wrong", "right")}
    for name, values in grids.items():
        result[name] = (dims, values)
    for name, long_name in LONG_NAMES.items():
        attributes = map_attributes(long_name, options, counts)
        missing = MISSING if np.isnan(grids[name]).any() else None
        coords: dict[Hashable, Any] = {"layer": found.grid.layers, "role": found.grid.roles}
        made = maps.make(
            grids[name], dims, measure=name, coords=coords, missing=missing, **attributes
        )
        result[name].attrs = made.attrs


def map_attributes(
    long_name: str, options: Mapping[str, Any], counts: Mapping[str, int]
) -> dict[str, Any]:
    """The attributes of a map of AUROC."""
    return {
        "long_name": long_name,
        "units": "1",
        "valid_min": 0.0,
        "valid_max": 1.0,
        "null_value": 0.5,
        "definition": DEFINITION,
        "caveat": CAVEAT,
        "references": f"{PAPER}; {REFERENCES}",
        "options": dict(options),
        "seed": options["seed"],
        **counts,
    }


def _put_best(result: xr.Dataset, found: Found, level: float) -> None:
    highest = np.unravel_index(np.nanargmax(result["auroc"].values), found.grid.shape)
    result["best_layer"] = found.grid.layers[int(highest[0])]
    result["best_role"] = found.grid.roles[int(highest[1])]
    best = found.best.auroc
    result["best_auroc"] = best.value
    result["best_low"], result["best_high"] = best.interval(level)
    result["chosen_layer"] = ("fold", [found.grid.layers[at] for at, _ in found.best.chosen])
    result["chosen_role"] = ("fold", [found.grid.roles[at] for _, at in found.best.chosen])
    result["score"] = ("example", found.best.scores)


def _put_baselines(result: xr.Dataset, found: Found, level: float) -> None:
    if not found.baselines:
        return
    result.coords["baseline"] = list(found.baselines)
    rows = []
    for other, best in found.baselines.values():
        gain = best.value - other.value
        error = np.sqrt(((best.pulls - other.pulls) ** 2).sum() + found.best.auroc.shared)
        reach = quantile(level) * error
        rows.append((other.value, *other.interval(level), gain, gain - reach, gain + reach))
    names = ("baseline_auroc", "baseline_low", "baseline_high", "gain", "gain_low", "gain_high")
    for name, column in zip(names, np.array(rows).T, strict=True):
        result[name] = ("baseline", column)


def map_of(result: xr.Dataset, name: str = "auroc") -> xr.DataArray:
    """A map out of an evaluation, with its interval and p-values as coordinates of its cells.

    Args:
        result: what :func:`layergram.probes.evaluate` or :func:`layergram.probes.paper` gave.
        name: ``"auroc"`` or ``"auroc_shuffled"``.

    Raises:
        LayergramError: for another name.

    Example:
        >>> from layergram.probes import paper
        >>> generator = np.random.default_rng(0)
        >>> found = paper(generator.normal(size=(100, 2, 1, 4)), np.arange(100) % 2)
        >>> sorted(set(map_of(found).coords) - {"layer", "role"})
        ['high', 'low']
    """
    known = [known for known in CARRIED if known in result]
    if name not in known:
        raise unknown_name("map of an evaluation", name, known)
    array = result[name].drop_vars([c for c in result[name].coords if c not in result[name].dims])
    for carried in CARRIED[name]:
        if carried in result:
            short = carried.removesuffix("_shuffled")
            array = array.assign_coords({short: (array.dims, result[carried].values)})
    if "p_value" in array.coords:
        array["p_value"].attrs["long_name"] = "p of the whole map"
    return maps.check(array)
