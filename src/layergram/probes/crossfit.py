"""One cell of the map: probes for every fold and pair of folds, in one call of the solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from layergram.probes.logistic import logistic
from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.auroc import Auroc, auroc, placements, shared_variance


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
    return crossfit_all(features, [Task(rows, shuffled)], count, c=c, scale=scale)[0]


@dataclass(frozen=True)
class Task:
    """What one probe of a cell has to tell apart.

    Attributes:
        rows: the examples of the cell.
        shuffled: other labels, to train and test on the same folds [row].
    """

    rows: Rows
    shuffled: Labels | None = None

    def problems(self, count: int) -> tuple[Labels, Labels]:
        """Rows to train on, and labels [problem, row]: folds, pairs of folds, shuffled labels."""
        trained, _ = trainings(self.rows.folds, count)
        labels = np.repeat(self.rows.wrong[None], len(trained), axis=0)
        if self.shuffled is not None:
            trained = np.concatenate([trained, trained[:count]])
            labels = np.concatenate([labels, np.repeat(self.shuffled[None], count, axis=0)])
        return trained, labels


def crossfit_all(
    features: torch.Tensor, tasks: Sequence[Task], count: int, *, c: float, scale: str
) -> list[Cell]:
    """Train and test the probes of several tasks on one cell, in one call of the solver."""
    problems = [task.problems(count) for task in tasks]
    device = features.device
    fits = logistic(
        features,
        torch.as_tensor(np.concatenate([labels for _, labels in problems]), device=device),
        torch.as_tensor(np.concatenate([trained for trained, _ in problems]), device=device),
        c=c,
        scale=scale,
    )
    margins, converged = fits.margins.double().cpu().numpy(), fits.converged.cpu().numpy()
    ends = np.cumsum([len(trained) for trained, _ in problems])[:-1]
    return [
        _cell(task, own, count, converged=bool(reached.all()))
        for task, own, reached in zip(
            tasks, np.split(margins, ends), np.split(converged, ends), strict=True
        )
    ]


def _cell(task: Task, margins: Values, count: int, *, converged: bool) -> Cell:
    """What the log odds of all problems of a task [problem, row] come to."""
    rows = task.rows
    _, pairs = trainings(rows.folds, count)
    every = np.arange(len(rows.folds))
    scores = margins[rows.folds, every]
    found = auroc(scores, rows.wrong, rows.folds, rows.groups)
    without = np.full((count, count), np.nan)
    for margin, (first, second) in zip(margins[count:], pairs, strict=False):
        without[first, second] = _area(margin, rows, first)
        without[second, first] = _area(margin, rows, second)
    of_shuffled = np.nan
    if task.shuffled is not None:
        control = margins[count + len(pairs) + rows.folds, every]
        of_shuffled = auroc(control, task.shuffled, rows.folds, rows.groups).value
    shared = shared_variance(found.parts, without, found.shares)
    return Cell(replace(found, shared=shared), scores, without, of_shuffled, converged)


def _area(margin: Values, rows: Rows, fold: int) -> float:
    inside = rows.folds == fold
    high, low = margin[inside & rows.wrong], margin[inside & ~rows.wrong]
    return float(placements(high, low).mean()) if high.size and low.size else np.nan
