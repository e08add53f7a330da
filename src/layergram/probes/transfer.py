"""Whether a probe of one data set tells the classes of another apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes.comparison import OutOfFold
from layergram.probes.crossfit import Evaluation, Rows, assign_folds, crossfit
from layergram.probes.grid import CLASSES, Names, examples_of
from layergram.probes.logistic import logistic
from layergram.probes.results import auroc_map
from layergram.statistics.arrays import Labels, Numbers
from layergram.statistics.auroc import REFERENCES, Auroc, auroc, jackknife_variance


def generalisation(
    sets: Mapping[str, tuple[Any, Any, Any]],
    *,
    labels: Names = CLASSES,
    evaluation: Evaluation | None = None,
    nested: Mapping[str, OutOfFold] | None = None,
) -> xr.DataArray:
    """AUROC of a probe trained on one set and tested on another, for every pair.

    Args:
        sets: by name: features of one cell [example, feature], whether an example is of the
            positive class [example], and groups [example]. All have the same features; examples
            with NaN are left out.
        labels: what the negative and the positive class are called.
        evaluation: how to train, and how to cross-validate on the diagonal.
        nested: by name, for a set whose own labels chose the cell: the scores of its nested choice
            (:func:`out_of_fold` of its evaluation), which take the place of the cell's own on the
            diagonal.

    Returns:
        A map [train, test] with the interval of each cell, which covers other examples to train and
        to test on alike. The diagonal is out of fold. Off it, the variance of training is a
        jackknife of the folds: each probe is also trained without one of them.

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
    for row, (name, own) in enumerate(known.items()):
        rows = assign_folds(own[1], own[2], names[name], evaluation)
        for column, (other, tested) in enumerate(known.items()):
            if other != name:
                area = _transferred(own, rows, tested, evaluation)
            elif nested is not None and name in nested:
                area = nested[name].auroc
            else:
                tensor = torch.as_tensor(own[0], device=evaluation.device)
                area = crossfit(tensor, [rows], evaluation)[0].auroc
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


Examples = tuple[npt.NDArray[np.float32], Labels, Numbers]  # features, positive, groups


def _transferred(own: Examples, rows: Rows, tested: Examples, evaluation: Evaluation) -> Auroc:
    """AUROC on other examples of the probe of all examples, with the error of its training."""
    every = np.ones_like(rows.positive)
    inside = np.stack([every, *(rows.folds != fold for fold in range(evaluation.folds))])
    trained = np.concatenate([inside, np.zeros((len(inside), len(tested[0])), dtype=bool)], axis=1)
    truth = np.concatenate([rows.positive, tested[1]])
    device = evaluation.device
    fits = logistic(
        torch.as_tensor(np.concatenate([own[0], tested[0]]), device=device),
        torch.as_tensor(truth, device=device).expand(len(trained), -1),
        torch.as_tensor(trained, device=device),
        c=evaluation.c,
        scale=evaluation.scale,
    )
    scores = fits.log_odds.cpu().numpy()[:, len(own[0]) :]
    one_fold = np.zeros(tested[1].size, dtype=np.intp)
    whole, *parts = (auroc(each, tested[1], one_fold, tested[2]) for each in scores)
    training = jackknife_variance(np.array([part.value for part in parts]))
    return replace(whole, fold_covariance=training)
