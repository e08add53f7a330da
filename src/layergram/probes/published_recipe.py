"""The published recipe, for comparison: one split, no scaling, C = 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes.evaluation import Progress
from layergram.probes.grid import CLASSES, Names, checked_labels, grid_of
from layergram.probes.logistic import logistic
from layergram.probes.results import auroc_map, class_counts, described
from layergram.statistics.auroc import auroc
from layergram.statistics.intervals import LEVEL

PAPER = "Orgad et al., LLMs Know More Than They Show, ICLR 2025 (arXiv 2410.02707)"
TEST_SHARE = 0.2


def published_recipe(
    features: Any,
    positive: Any,
    *,
    labels: Names = CLASSES,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> xr.Dataset:
    """AUROC by the published recipe: 80 % to train, 20 % to test, no scaling, C = 1, one seed.

    Examples of one group are not kept together, and the map's highest cell is chosen and reported
    on the same examples; :func:`layergram.probes.evaluate` does neither.

    Args:
        features: numbers [example, layer, role, feature], as for :func:`evaluate`.
        positive: whether an example is of the positive class [example].
        labels: what the negative and the positive class are called.
        seed: of the split.
        device: where probes are trained.
        progress: called with the number of cells done and of all cells.

    Returns:
        A dataset with ``auroc`` and its interval ``low``..``high`` on the cell axes, and ``test``
        on the axis of examples. NaN cells have a split without both classes on each side.

    Raises:
        LayergramError: as :func:`evaluate`.

    Source:
        Orgad et al., *LLMs Know More Than They Show*, arXiv 2410.02707.
    """
    grid = grid_of(features)
    truths = checked_labels(positive, grid.count, labels)
    test = np.zeros(grid.count, dtype=np.bool_)
    order = np.random.default_rng(seed).permutation(grid.count)
    test[order[: round(TEST_SHARE * grid.count)]] = True
    values = {name: np.full(grid.shape, np.nan) for name in ("auroc", "low", "high")}
    for done, (place, known) in enumerate(grid.cells(), start=1):
        present = grid.present[:, place[1]]
        held_out, truth = test[present], truths[present]
        sides = [truth[held_out], truth[~held_out]]
        if known is not None and all(side.any() and not side.all() for side in sides):
            fits = logistic(
                torch.as_tensor(known, device=device),
                torch.as_tensor(truth[None], device=device),
                torch.as_tensor(~held_out[None], device=device),
                scale="none",
            )
            scores = np.where(held_out, fits.log_odds[0].cpu().numpy(), np.nan)
            area = auroc(scores, truth, np.zeros(truth.size, int), np.arange(truth.size))
            values["auroc"][place] = area.value
            values["low"][place], values["high"][place] = area.interval(LEVEL)
        if progress is not None:
            progress(done, int(np.prod(grid.shape)))
    if np.isnan(values["auroc"]).all():
        raise LayergramError(
            "the published recipe",
            got=f"no {grid.axes[1]} with both classes among the examples to train and to test on",
            do="bring more examples",
        )
    options = {"recipe": "paper", "c": 1.0, "scale": "none", "seed": seed, "test": TEST_SHARE}
    about = described(grid, labels, options)
    about["references"] = f"{PAPER}; {about['references']}"
    result = auroc_map(
        values,
        grid.coordinates(),
        **about,
        examples=grid.count,
        classes=class_counts(truths, labels),
    ).to_dataset()
    result["test"] = (grid.item, test)
    return result
