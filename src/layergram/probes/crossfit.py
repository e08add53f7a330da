"""One cell of the map: probes for every fold and pair of folds, in one call of the solver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from layergram.probes.arrays import Labels, Numbers, Values
from layergram.probes.auroc import Auroc, auroc, placements, shared_variance
from layergram.probes.logistic import logistic


@dataclass(frozen=True)
class Rows:
    """The examples of a cell: class, fold and group of each, and labels that were shuffled."""

    wrong: Labels
    folds: Numbers
    groups: Numbers
    shuffled: Labels

    def __getitem__(self, chosen: Labels) -> Rows:
        return Rows(
            self.wrong[chosen], self.folds[chosen], self.groups[chosen], self.shuffled[chosen]
        )


@dataclass(frozen=True)
class Cell:
    """What the probes of one cell say about examples that they were not trained on.

    Attributes:
        auroc: out of fold, with its error.
        scores: log odds of wrong for each example, by the probe of the other folds [row].
        without: AUROC of fold f by the probe trained without f and g [f, g].
        shuffled: AUROC with shuffled labels.
        converged: whether every probe reached its optimum.
    """

    auroc: Auroc
    scores: Values
    without: Values
    shuffled: float
    converged: bool


def trainings(folds: Numbers, count: int) -> tuple[Labels, list[tuple[int, int]]]:
    """Rows to train on: all but each fold, then all but each pair of folds [problem, row]."""
    pairs = list(combinations(range(count), 2))
    single = [folds != fold for fold in range(count)]
    double = [(folds != first) & (folds != second) for first, second in pairs]
    return np.stack(single + double), pairs


def trainable(rows: Rows, count: int) -> bool:
    """Whether every training has both classes, with the true labels and with the shuffled ones."""
    trained, _ = trainings(rows.folds, count)
    classes = np.stack([rows.wrong, ~rows.wrong, rows.shuffled, ~rows.shuffled])
    return bool((trained @ classes.T.astype(int) > 0).all())


def crossfit(features: torch.Tensor, rows: Rows, count: int, *, c: float, scale: str) -> Cell:
    """Train and test the probes of one cell.

    Args:
        features: finite numbers [row, feature].
        rows: the examples of the cell.
        count: number of folds.
        c: inverse strength of the penalty.
        scale: ``"standard"`` or ``"none"``.
    """
    trained, pairs = trainings(rows.folds, count)
    problems = np.concatenate([trained, trained[:count]])
    labels = np.stack([rows.wrong] * len(trained) + [rows.shuffled] * count)
    device = features.device
    fits = logistic(
        features,
        torch.as_tensor(labels, device=device),
        torch.as_tensor(problems, device=device),
        c=c,
        scale=scale,
    )
    margins = fits.margins.double().cpu().numpy()
    every = np.arange(len(rows.folds))
    scores = margins[rows.folds, every]
    found = auroc(scores, rows.wrong, rows.folds, rows.groups)
    without = np.full((count, count), np.nan)
    for margin, (first, second) in zip(margins[count:], pairs, strict=False):
        without[first, second] = _area(margin, rows, first)
        without[second, first] = _area(margin, rows, second)
    shared = shared_variance(found.parts, without, found.shares)
    of_shuffled = margins[len(trained) + rows.folds, every]
    return Cell(
        replace(found, shared=shared),
        scores,
        without,
        auroc(of_shuffled, rows.shuffled, rows.folds, rows.groups).value,
        bool(fits.converged.all()),
    )


def _area(margin: Values, rows: Rows, fold: int) -> float:
    inside = rows.folds == fold
    high, low = margin[inside & rows.wrong], margin[inside & ~rows.wrong]
    return float(placements(high, low).mean()) if high.size and low.size else np.nan
