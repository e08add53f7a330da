"""Does a probe of one question set see the wrong answers of another?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import xarray as xr

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes.crossfit import Rows, crossfit, trainable
from layergram.probes.evaluation import Evaluation
from layergram.probes.grid import checked_labels
from layergram.probes.probe import fit
from layergram.probes.results import map_attributes
from layergram.statistics.auroc import Auroc, auroc
from layergram.statistics.folds import grouped_folds, numbered

DEFINITION = (
    "Chance that a linear probe trained on one question set gives a wrong answer of another set "
    "a higher score than a right one; on the diagonal, on questions of the same set that it was "
    "not trained on."
)
CAVEAT = (
    "A high AUROC off the diagonal says that both sets show a wrong answer in the same direction, "
    "which may be something that they share beside being wrong; one near 0.5 does not say that "
    "the other set shows nothing, for it has its own probe on the diagonal."
)


def generalisation(
    sets: Mapping[str, tuple[Any, Any, Any]], *, evaluation: Evaluation | None = None
) -> xr.DataArray:
    """AUROC of a probe trained on one question set and tested on another, for every pair.

    Args:
        sets: by name: features of one layer and role [example, feature], whether the answer is
            wrong [example], and groups [example]. All have the same features; examples with NaN are
            left out.
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
        >>> found = generalisation({"sums": drawn(2), "same": drawn(2), "turned": drawn(-2)})
        >>> (found.sel(train="sums") > 0.5).values.tolist()
        [True, True, False]
    """
    evaluation = evaluation or Evaluation()
    if len(sets) < 2:
        raise LayergramError(
            "how far probes generalise", got=f"{len(sets)} question sets", allowed="at least two"
        )
    known = {name: _known(name, *parts) for name, parts in sets.items()}
    widths = {name: values.shape[1] for name, (values, _, _) in known.items()}
    if len(set(widths.values())) > 1:
        raise LayergramError(
            "one probe for several question sets",
            got=", ".join(f"{width} features of '{name}'" for name, width in widths.items()),
            allowed="features of the same model",
        )
    grids = {name: np.empty((len(known), len(known))) for name in ("auroc", "low", "high")}
    for row, (name, (values, wrong, groups)) in enumerate(known.items()):
        probe = fit(values, wrong, groups=groups, evaluation=evaluation)
        for column, (other, (tested, truth, members)) in enumerate(known.items()):
            if other == name:
                found = _within(values, wrong, groups, evaluation)
            else:
                one_fold = np.zeros(truth.size, dtype=np.intp)
                found = auroc(probe.score(tested), truth, one_fold, members)
            grids["auroc"][row, column] = found.value
            low, high = found.interval(evaluation.level)
            grids["low"][row, column], grids["high"][row, column] = low, high
    coords: dict[Hashable, Any] = {"train": list(known), "test": list(known)}
    coords |= {name: (("train", "test"), grids[name]) for name in ("low", "high")}
    attributes = map_attributes("AUROC across question sets", asdict(evaluation), {})
    return maps.make(
        grids["auroc"],
        ("train", "test"),
        measure="generalisation",
        coords=coords,
        **{**attributes, "definition": DEFINITION, "caveat": CAVEAT},
    )


def _known(name: str, features: Any, wrong: Any, groups: Any) -> tuple[Any, Any, Any]:
    """The examples of a set that have features."""
    values = np.asarray(features, dtype=np.float32)
    sizes = {values.shape[:1], np.shape(wrong), np.shape(groups)}
    if values.ndim != 2 or len(sizes) != 1:
        raise LayergramError(
            f"the question set '{name}'",
            got=f"features {values.shape}, labels {np.shape(wrong)}, groups {np.shape(groups)}",
            allowed="[example, feature], [example] and [example]",
        )
    rows = ~np.isnan(values).any(1)
    try:
        labels = checked_labels(np.asarray(wrong)[rows], int(rows.sum()))
    except LayergramError as error:
        raise LayergramError(
            f"{error.asked}, in the set '{name}'",
            got=error.got,
            allowed=error.allowed,
            do=error.do,
        ) from None
    return values[rows], labels, numbered(np.asarray(groups)[rows])


def _within(values: Any, wrong: Any, groups: Any, evaluation: Evaluation) -> Auroc:
    folds = grouped_folds(wrong, groups, folds=evaluation.folds, seed=evaluation.seed)
    rows = Rows(wrong, folds, groups)
    if not trainable(rows, evaluation.folds):
        raise LayergramError(
            f"{evaluation.folds} folds",
            got="a training without both classes",
            do="bring more questions, or ask for other folds",
        )
    features = torch.as_tensor(values, device=evaluation.device)
    cell = crossfit(features, rows, evaluation.folds, c=evaluation.c, scale=evaluation.scale)
    return cell.auroc
