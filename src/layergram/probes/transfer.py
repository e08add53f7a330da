"""Whether a probe of one data set tells the classes of another apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes.crossfit import Evaluation, assign_folds, crossfit
from layergram.probes.grid import CLASSES, Names, examples_of
from layergram.probes.probe import fit
from layergram.probes.results import auroc_map
from layergram.statistics.auroc import REFERENCES, auroc


def generalisation(
    sets: Mapping[str, tuple[Any, Any, Any]],
    *,
    labels: Names = CLASSES,
    evaluation: Evaluation | None = None,
) -> xr.DataArray:
    """AUROC of a probe trained on one set and tested on another, for every pair.

    Args:
        sets: by name: features of one cell [example, feature], whether an example is of the
            positive class [example], and groups [example]. All have the same features; examples
            with NaN are left out.
        labels: what the negative and the positive class are called.
        evaluation: how to train, and how to cross-validate on the diagonal.

    Returns:
        A map [train, test] with the interval of each cell. The diagonal is out of fold.

    Raises:
        LayergramError: for fewer than two sets, sets of different width, and as :func:`evaluate`.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> def drawn(sign):
        ...     wrong = np.arange(80) % 2 == 0
        ...     return generator.normal(size=(80, 3)) + sign * wrong[:, None], wrong, np.arange(80)
        >>> areas = generalisation({"sums": drawn(2), "same": drawn(2), "turned": drawn(-2)})
        >>> (areas.sel(train="sums") > 0.5).values.tolist()
        [True, True, False]
    """
    evaluation = evaluation or Evaluation()
    if len(sets) < 2:
        raise LayergramError(
            "how far probes generalise", got=f"{len(sets)} sets", allowed="at least two"
        )
    names = {name: (f"{labels[0]} of '{name}'", f"{labels[1]} of '{name}'") for name in sets}
    known = {name: examples_of(*parts, names[name]) for name, parts in sets.items()}
    widths = {name: values.shape[1] for name, (values, _, _) in known.items()}
    if len(set(widths.values())) > 1:
        raise LayergramError(
            "one probe for several sets",
            got=", ".join(f"{width} features of '{name}'" for name, width in widths.items()),
            allowed="features of the same model",
        )
    cells = {name: np.empty((len(known), len(known))) for name in ("auroc", "low", "high")}
    for row, (name, (values, positive, groups)) in enumerate(known.items()):
        probe = fit(values, positive, groups=groups, labels=names[name], evaluation=evaluation)
        for column, (other, (tested, truth, members)) in enumerate(known.items()):
            if other == name:
                rows = assign_folds(positive, groups, names[name], evaluation)
                tensor = torch.as_tensor(values, device=evaluation.device)
                area = crossfit(tensor, [rows], evaluation)[0].auroc
            else:
                one_fold = np.zeros(truth.size, dtype=np.intp)
                area = auroc(probe.score(tested), truth, one_fold, members)
            cells["auroc"][row, column] = area.value
            cells["low"][row, column], cells["high"][row, column] = area.interval(evaluation.level)
    return auroc_map(
        cells,
        {"train": list(known), "test": list(known)},
        measure="generalisation",
        long_name="AUROC across sets",
        definition=f"Chance that a linear probe trained on one set ranks {labels[1]} of another "
        f"set above {labels[0]}, one of each drawn at random; on the diagonal, in groups of the "
        "same set that it was not trained on.",
        caveat=f"A high AUROC off the diagonal says that the direction that tells {labels[1]} from "
        f"{labels[0]} is alike in both sets, which may be that of something else that they share; "
        "one near 0.5 does not say that the other set has no such direction, for it has its own "
        "probe on the diagonal.",
        references=REFERENCES,
        options=asdict(evaluation),
        seed=evaluation.seed,
    )
