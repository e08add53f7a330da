"""The recipe of the paper, for comparison: one split, no scaling, C = 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes.evaluation import Progress
from layergram.probes.grid import checked_labels, grid_of
from layergram.probes.logistic import logistic
from layergram.probes.results import LONG_NAMES, MISSING, map_attributes
from layergram.statistics.auroc import auroc

TEST_SHARE = 0.2
LEVEL = 0.95


def paper(
    features: Any,
    wrong: Any,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> xr.Dataset:
    """AUROC by the paper's own recipe: 80 % to train, 20 % to test, no scaling, C = 1, one seed.

    Questions asked more than once are not kept together, and the map's highest cell is chosen and
    reported on the same examples; :func:`layergram.probes.evaluate` does neither.

    Args:
        features: numbers [example, layer, role, feature], as for :func:`evaluate`.
        wrong: whether the answer is wrong [example].
        seed: of the split.
        device: where probes are trained.
        progress: called with the number of cells done and of all cells.

    Returns:
        A dataset with ``auroc``, ``low`` and ``high`` on (layer, role) and ``test`` on example. NaN
        cells have a split without both classes on each side.

    Raises:
        LayergramError: as :func:`evaluate`.
    """
    grid = grid_of(features)
    count = grid.features.sizes["example"]
    labels = checked_labels(wrong, count)
    test = np.zeros(count, dtype=np.bool_)
    test[np.random.default_rng(seed).permutation(count)[: round(TEST_SHARE * count)]] = True
    values = {name: np.full(grid.shape, np.nan) for name in ("auroc", "low", "high")}
    for done, (place, known) in enumerate(grid.cells(), start=1):
        present = grid.present[:, place[1]]
        held_out, truth = test[present], labels[present]
        sides = [truth[held_out], truth[~held_out]]
        if known is not None and all(side.any() and not side.all() for side in sides):
            fits = logistic(
                torch.as_tensor(known, device=device),
                torch.as_tensor(truth[None], device=device),
                torch.as_tensor(~held_out[None], device=device),
                scale="none",
            )
            margins = fits.margins[0].double().cpu().numpy()
            scores = np.where(held_out, margins, np.nan)
            found = auroc(scores, truth, np.zeros(truth.size, int), np.arange(truth.size))
            values["auroc"][place] = found.value
            values["low"][place], values["high"][place] = found.interval(LEVEL)
        if progress is not None:
            progress(done, int(np.prod(grid.shape)))
    if np.isnan(values["auroc"]).all():
        raise LayergramError(
            "the paper's recipe",
            got="no role with both classes among the examples to train and to test on",
            do="ask more questions",
        )
    result = xr.Dataset(coords={"layer": grid.layers, "role": grid.roles})
    for name, cells in values.items():
        result[name] = (("layer", "role"), cells)
    result["test"] = ("example", test)
    options = {"recipe": "paper", "c": 1.0, "scale": "none", "seed": seed, "test": TEST_SHARE}
    counts = {"examples": count, "wrong": int(labels.sum()), "right": int((~labels).sum())}
    result["auroc"].attrs = maps.make(
        values["auroc"],
        ("layer", "role"),
        measure="auroc",
        coords={"layer": grid.layers, "role": grid.roles},
        missing=MISSING if np.isnan(values["auroc"]).any() else None,
        **map_attributes(LONG_NAMES["auroc"], options, counts),
    ).attrs
    return result
