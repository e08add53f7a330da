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
    """Class, fold and group of examples."""

    wrong: Labels
    folds: Numbers
    groups: Numbers

    def __getitem__(self, chosen: Labels) -> Rows:
        return Rows(self.wrong[chosen], self.folds[chosen], self.groups[chosen])


@dataclass(frozen=True)
class Cell:
    """What the probes of one cell say about examples that they were not trained on.

    Attributes:
        auroc: out of fold, with its error.
        scores: log odds of wrong for each example, by the probe of the other folds [row].
        without: AUROC of fold f by the probe trained without f and g [f, g].
        shuffled: AUROC with shuffled labels; NaN where none were given.
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
    """Whether every training has both classes."""
    trained, _ = trainings(rows.folds, count)
    return bool((trained & rows.wrong).any(1).all() and (trained & ~rows.wrong).any(1).all())


def crossfit(
    features: torch.Tensor,
    rows: Rows,
    count: int,
    *,
    c: float,
    scale: str,
    shuffled: Labels | None = None,
) -> Cell:
    """Train and test the probes of one cell.

    Args:
        features: finite numbers [row, feature].
        rows: the examples of the cell.
        count: number of folds.
        c: inverse strength of the penalty.
        scale: ``"standard"`` or ``"none"``.
        shuffled: other labels, to train and test on the same folds [row].
    """
    trained, pairs = trainings(rows.folds, count)
    labels = np.repeat(rows.wrong[None], len(trained), axis=0)
    if shuffled is not None:
        trained = np.concatenate([trained, trained[:count]])
        labels = np.concatenate([labels, np.repeat(shuffled[None], count, axis=0)])
    device = features.device
    fits = logistic(
        features,
        torch.as_tensor(labels, device=device),
        torch.as_tensor(trained, device=device),
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
    of_shuffled = np.nan
    if shuffled is not None:
        control = margins[count + len(pairs) + rows.folds, every]
        of_shuffled = auroc(control, shuffled, rows.folds, rows.groups).value
    shared = shared_variance(found.parts, without, found.shares)
    converged = bool(fits.converged.all())
    return Cell(replace(found, shared=shared), scores, without, of_shuffled, converged)


def _area(margin: Values, rows: Rows, fold: int) -> float:
    inside = rows.folds == fold
    high, low = margin[inside & rows.wrong], margin[inside & ~rows.wrong]
    return float(placements(high, low).mean()) if high.size and low.size else np.nan
