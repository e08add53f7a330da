"""One cell of the map: probes for every fold and pair of folds, in one call of the solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from layergram.errors import LayergramError, check_seed
from layergram.probes.grid import Names
from layergram.probes.logistic import SCALES, logistic
from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.auroc import Auroc, auroc, fold_covariance, placements
from layergram.statistics.folds import grouped_folds

APART = 7919  # between the seeds of two partitions


@dataclass(frozen=True)
class Evaluation:
    """How probes are trained and tested.

    Attributes:
        folds: number of folds, 3 to 20; an example is scored by probes that saw none of its fold.
        c: inverse strength of the L2 penalty, as in scikit-learn.
        permutations: shuffles of the labels behind the p-values; 0 for none.
        seed: of folds and shuffles.
        level: of the intervals, between 0 and 1.
        partitions: in how many partitions into folds the best cell, the nested choice and
            differences are evaluated, 1 to 20; a map has the first.
        scale: ``"standard"`` standardises features on the training rows of each probe, ``"none"``
            takes them as they are.
        device: where probes are trained, such as ``"cpu"`` or ``"cuda"``.
    """

    folds: int = 5
    c: float = 1.0
    permutations: int = 1000
    seed: int = 0
    level: float = 0.95
    partitions: int = 5
    scale: str = "standard"
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be evaluated."""
        check_seed(self.seed)
        allowed = {
            "folds": (3 <= self.folds <= 20, "3 to 20"),
            "c": (0 < self.c < np.inf, "a number above 0"),
            "permutations": (self.permutations >= 0, "0 or more"),
            "partitions": (1 <= self.partitions <= 20, "1 to 20"),
            "level": (0 < self.level < 1, "between 0 and 1, such as 0.95"),
            "scale": (self.scale in SCALES, ", ".join(SCALES)),
            "device": (_has_device(self.device), "a device of this machine, such as cpu"),
        }
        for name, (fits, range_) in allowed.items():
            if not fits:
                raise LayergramError(f"{name} = {getattr(self, name)!r}", allowed=range_)


def _has_device(name: str) -> bool:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        return False
    return True


@dataclass(frozen=True)
class Rows:
    """Class, fold and group of examples, and labels that they could have by chance.

    Attributes:
        positive: whether an example is of the positive class [row].
        folds: number of its fold [row].
        groups: number of its group [row].
        shuffled: shuffled labels [labelling, row]; probes are trained and tested on the first of
            them too.
        repeats: number of its fold in each further partition [partition, row].
    """

    positive: Labels
    folds: Numbers
    groups: Numbers
    shuffled: Labels | None = None
    repeats: Numbers | None = None

    def __getitem__(self, chosen: Labels) -> Rows:
        shuffled = None if self.shuffled is None else self.shuffled[:, chosen]
        repeats = None if self.repeats is None else self.repeats[:, chosen]
        folds, groups = self.folds[chosen], self.groups[chosen]
        return Rows(self.positive[chosen], folds, groups, shuffled, repeats)

    def partitions(self) -> list[Rows]:
        """The rows in each partition, without shuffled labels; the first is that of ``folds``."""
        further = [] if self.repeats is None else list(self.repeats)
        return [Rows(self.positive, folds, self.groups) for folds in (self.folds, *further)]

    def labellings(self) -> Labels:
        """The true labels and the shuffled ones [1 + labelling, row]."""
        true = self.positive[None]
        return true if self.shuffled is None else np.concatenate([true, self.shuffled])

    def problems(self, count: int) -> tuple[Labels, Labels]:
        """Rows to train on, and labels [problem, row]: folds, pairs of folds, shuffled labels."""
        trained, _ = trainings(self.folds, count)
        labels = np.repeat(self.positive[None], len(trained), axis=0)
        if self.shuffled is not None:
            trained = np.concatenate([trained, trained[:count]])
            labels = np.concatenate([labels, np.repeat(self.shuffled[:1], count, axis=0)])
        return trained, labels


def assign_folds(positive: Labels, groups: Numbers, names: Names, evaluation: Evaluation) -> Rows:
    """Examples in folds that keep groups together, each with examples of both classes.

    Raises:
        LayergramError: as :func:`layergram.statistics.folds.grouped_folds`, or for a fold without
            both classes.
    """
    folds = grouped_folds(positive, groups, folds=evaluation.folds, seed=evaluation.seed)
    for fold in range(evaluation.folds):
        inside = positive[folds == fold]
        if inside.all() or not inside.any():
            raise LayergramError(
                f"{evaluation.folds} folds of {len(folds)} examples in {groups.max() + 1} groups",
                got=f"{inside.sum()} {names[1]} and {(~inside).sum()} {names[0]} in one of them",
                allowed="both in every fold",
                do="ask for fewer folds, or bring more groups that have both",
            )
    return Rows(positive, folds, groups)


def assign_partitions(
    positive: Labels, groups: Numbers, names: Names, evaluation: Evaluation
) -> Rows:
    """The same in all partitions of an evaluation; the first is that of :func:`assign_folds`.

    They follow the labels, the groups and the seed alone, so that everything that is evaluated on
    the same examples has the same folds. A later partition in which a fold lacks a class is left
    out.
    """
    rows, further = assign_folds(positive, groups, names, evaluation), []
    for number in range(1, evaluation.partitions):
        seed = (evaluation.seed + number * APART) % (2**32 - 1)
        try:
            again = assign_folds(positive, groups, names, replace(evaluation, seed=seed))
        except LayergramError:
            continue
        further.append(again.folds)
    return replace(rows, repeats=np.array(further, dtype=np.intp).reshape(-1, len(positive)))


@dataclass(frozen=True)
class Cell:
    """What the probes of one cell say about examples that they were not trained on.

    Attributes:
        auroc: out of fold, with its error.
        scores: log odds of the positive class, by the probe of the other folds [row].
        without: AUROC of fold f by the probe trained without f and g [f, g].
        shuffled: AUROC with shuffled labels; NaN where none were given.
        converged: whether every probe reached its optimum.
    """

    auroc: Auroc
    scores: Values
    without: Values
    shuffled: float
    converged: bool

    @property
    def gain(self) -> Values:
        """AUROC of fold f less that by the probe trained without f and g [f, g]."""
        return self.auroc.parts[:, None] - self.without


def trainings(folds: Numbers, count: int) -> tuple[Labels, list[tuple[int, int]]]:
    """Rows to train on: all but each fold, then all but each pair of folds [problem, row]."""
    pairs = list(combinations(range(count), 2))
    single = [folds != fold for fold in range(count)]
    double = [(folds != first) & (folds != second) for first, second in pairs]
    return np.stack(single + double), pairs


def trainable(rows: Rows, count: int) -> bool:
    """Whether every training has both classes."""
    trained, _ = trainings(rows.folds, count)
    return bool((trained & rows.positive).any(1).all() and (trained & ~rows.positive).any(1).all())


def crossfit(features: torch.Tensor, several: Sequence[Rows], evaluation: Evaluation) -> list[Cell]:
    """Train and test the probes of one cell, of several classes in one call of the solver.

    Args:
        features: finite numbers [row, feature].
        several: the same rows, once for each class against the others.
        evaluation: how to train.
    """
    count = evaluation.folds
    problems = [rows.problems(count) for rows in several]
    device = features.device
    fits = logistic(
        features,
        torch.as_tensor(np.concatenate([labels for _, labels in problems]), device=device),
        torch.as_tensor(np.concatenate([trained for trained, _ in problems]), device=device),
        c=evaluation.c,
        scale=evaluation.scale,
    )
    log_odds, converged = fits.log_odds.cpu().numpy(), fits.converged.cpu().numpy()
    ends = np.cumsum([len(trained) for trained, _ in problems])[:-1]
    return [
        _cell(rows, of_rows, count, converged=bool(reached.all()))
        for rows, of_rows, reached in zip(
            several, np.split(log_odds, ends), np.split(converged, ends), strict=True
        )
    ]


def _cell(rows: Rows, log_odds: Values, count: int, *, converged: bool) -> Cell:
    """What the log odds of all problems [problem, row] come to."""
    _, pairs = trainings(rows.folds, count)
    every = np.arange(len(rows.folds))
    scores = log_odds[rows.folds, every]
    area = auroc(scores, rows.positive, rows.folds, rows.groups)
    without = np.full((count, count), np.nan)
    for others, (first, second) in zip(log_odds[count:], pairs, strict=False):
        without[first, second] = _area(others, rows, first)
        without[second, first] = _area(others, rows, second)
    of_shuffled = np.nan
    if rows.shuffled is not None:
        control = log_odds[count + len(pairs) + rows.folds, every]
        of_shuffled = auroc(control, rows.shuffled[0], rows.folds, rows.groups).value
    gain = area.parts[:, None] - without
    area = replace(area, fold_covariance=float(fold_covariance(gain, area.weights)))
    return Cell(area, scores, without, of_shuffled, converged)


def _area(scores: Values, rows: Rows, fold: int) -> float:
    inside = rows.folds == fold
    high, low = scores[inside & rows.positive], scores[inside & ~rows.positive]
    return float(placements(high, low).mean()) if high.size and low.size else np.nan
