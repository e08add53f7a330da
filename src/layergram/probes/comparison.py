"""Scores of examples by probes that did not see them, and paired comparisons of two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes.crossfit import Evaluation, Rows, assign_partitions, crossfit
from layergram.probes.grid import CLASSES, Names, checked_labels
from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.auroc import Auroc, auroc, fold_covariance, mean_auroc
from layergram.statistics.folds import numbered
from layergram.statistics.intervals import student_reach


@dataclass(frozen=True)
class OutOfFold:
    """Scores of examples by probes that did not see them, in one or more partitions into folds.

    Attributes:
        positive: whether an example is of the positive class [example].
        groups: number of the group of each example [example].
        folds: fold of each example [partition, example].
        scores: log odds of the positive class, by the probe of the other folds; NaN for an example
            without features [partition, example].
        gain: AUROC of fold f less that by the probe trained without f and g, from which the error
            of training is estimated; 0 for scores without training [partition, f, g].
        choice: variance that the choice of cells adds; 0 for one cell.
    """

    positive: Labels
    groups: Numbers
    folds: Numbers
    scores: Values
    gain: Values
    choice: float = 0.0

    @cached_property
    def auroc(self) -> Auroc:
        """Mean AUROC over the partitions, with ``.value`` and ``.interval(0.95)``.

        The AUROC of each partition are its ``parts``.
        """
        mean = mean_auroc(self.areas(np.ones(self.positive.size, dtype=np.bool_)))
        return replace(mean, choice=self.choice)

    def areas(self, examples: Labels) -> list[Auroc]:
        """AUROC of some examples in each partition, each with the error of the training.

        Args:
            examples: which to count [example].
        """
        areas = []
        for folds, scores, gain in zip(self.folds, self.scores, self.gain, strict=True):
            known = np.where(examples, scores, np.nan).astype(np.float64)
            area = auroc(known, self.positive, folds, self.groups)
            areas.append(replace(area, fold_covariance=float(fold_covariance(gain, area.weights))))
        return areas


@dataclass(frozen=True)
class Difference:
    """A paired difference of two AUROC of the same examples on the same folds.

    Attributes:
        first: the first AUROC.
        second: the second AUROC.
        partitions: first less second in each partition into folds [partition].
        influence: contribution of each group of examples to the error [group].
        training: variance on top of that of the groups: folds train each other's probes, and a cell
            that was chosen was chosen by a sample.
        smaller: number of groups that have examples of the rarer class.
        examples: number of examples, those that both have scores of.
        level: of the interval.
    """

    first: float
    second: float
    partitions: Values
    influence: Values
    training: float
    smaller: int
    examples: int
    level: float

    @property
    def value(self) -> float:
        """First less second, the mean over the partitions."""
        return self.first - self.second

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt((self.influence**2).sum() + self.training))

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.interval(self.level)[0]

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.interval(self.level)[1]

    def interval(self, level: float) -> tuple[float, float]:
        """The interval of another level, with Student's t, inside −1..1."""
        reach = student_reach(level, self.smaller) * self.error
        return max(-1.0, self.value - reach), min(1.0, self.value + reach)


def cross_fit(
    features: npt.ArrayLike,
    positive: Any,
    *,
    groups: Any,
    labels: Names = CLASSES,
    evaluation: Evaluation | None = None,
) -> OutOfFold:
    """Scores of examples by linear probes that did not see them, in several partitions into folds.

    The folds are those of :func:`evaluate` with the same examples, classes, groups and evaluation,
    and of every other call with these, so that results can be compared (:func:`compare`): a cell, a
    control such as all tokens of the embedding layer side by side, a joint score.

    Args:
        features: finite numbers [example, feature]; NaN where an example has none, which is left
            out.
        positive: whether an example is of the positive class [example].
        groups: what belongs together [example].
        labels: what the negative and the positive class are called.
        evaluation: how to train and test; ``evaluation.partitions`` says in how many partitions.

    Raises:
        LayergramError: as :func:`evaluate`.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> wrong = np.arange(120) % 2 == 0
        >>> features = generator.normal(size=(120, 4)) + wrong[:, None]
        >>> found = cross_fit(features, wrong, groups=np.arange(120))
        >>> found.auroc.value > 0.85, found.auroc.parts.size, found.scores.shape
        (True, 5, (5, 120))
    """
    evaluation = evaluation or Evaluation()
    values = np.asarray(features, dtype=np.float32)
    if values.ndim != 2 or not len(values) == len(np.asarray(positive)) == len(np.asarray(groups)):
        raise LayergramError(
            f"probes that tell {labels[1]} from {labels[0]}",
            got=f"features {values.shape}, labels {np.shape(positive)}, groups {np.shape(groups)}",
            allowed="[example, feature], [example] and [example]",
        )
    if np.isinf(values).any():
        raise LayergramError("probes", got="infinite features", allowed="finite numbers or NaN")
    numbers = numbered(groups)
    truth = checked_labels(positive, len(values), labels)
    present = np.asarray(np.isfinite(values).all(1))
    checked_labels(truth[present], int(present.sum()), labels)
    several = assign_partitions(truth, numbers, labels, evaluation).partitions()
    tensor = torch.as_tensor(values[present], device=evaluation.device)
    return crossfit_partitions(tensor, present, several, evaluation)


def crossfit_partitions(
    features: torch.Tensor, present: Labels, several: list[Rows], evaluation: Evaluation
) -> OutOfFold:
    """One cell in several partitions into folds, from the features of the examples it has."""
    first = several[0]
    scores = np.full((len(several), present.size), np.nan)
    gains = []
    for number, cell in enumerate(crossfit(features, [r[present] for r in several], evaluation)):
        scores[number, present] = cell.scores
        gains.append(cell.gain)
    return OutOfFold(
        first.positive,
        first.groups,
        np.stack([rows.folds for rows in several]),
        scores,
        np.stack(gains),
    )


def out_of_fold(result: xr.Dataset, cell: Mapping[str, Any] | None = None) -> OutOfFold:
    """What an evaluation keeps of one cell, or of the cells that its folds choose.

    Args:
        result: what :func:`evaluate` gave.
        cell: labels of the cell, such as ``{"layer": 19, "role": "last_q"}``; ``None`` for the
            nested choice, whose AUROC is ``nested_auroc``.

    Returns:
        Scores of a cell in the one partition that the map has; of the nested choice in all.

    Raises:
        LayergramError: for a cell that the map has not, or has no value of.
    """
    item = str(result["score"].dims[0])
    positive, groups = (result[f"{item}_{name}"].values for name in ("positive", "group"))
    if cell is None:
        scores, gain = result["nested_scores"].values, result["nested_gain"].values
        folds = result["partition_fold"].values
        return OutOfFold(positive, groups, folds, scores, gain, float(result["nested_choice"]))
    names = [str(name) for name in result["auroc"].dims]
    try:
        found = result.sel({name: cell[name] for name in names})
    except KeyError as error:
        raise LayergramError(
            f"the cell {dict(cell)}", got=f"none of {error}", allowed=f"labels of {names}"
        ) from None
    scores = found["cell_scores"].values
    if not np.isfinite(scores).any():
        raise LayergramError(f"the cell {dict(cell)}", got="no probe there")
    folds = result[f"{item}_fold"].values
    return OutOfFold(positive, groups, folds[None], scores[None], found["cell_gain"].values[None])


def compare(
    first: OutOfFold, second: OutOfFold | npt.ArrayLike, *, level: float = 0.95
) -> Difference:
    """The difference of two AUROC of the same examples on the same folds, with its interval.

    It is paired: the influence of every group on one AUROC is subtracted from that on the other,
    so that what makes an example hard for both does not count. Training adds its part, as in
    :func:`layergram.statistics.auroc.fold_covariance`. It is the mean over the partitions into
    folds that both have.

    Args:
        first: scores of one cell, one choice of cells, or one control (:func:`cross_fit`,
            :func:`out_of_fold`).
        second: the same of another; or plain scores that nothing was trained for [example], higher
            for the positive class.
        level: of the interval.

    Raises:
        LayergramError: for other examples or folds, or no examples in common.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> wrong = np.arange(200) % 2 == 0
        >>> def drawn(effect):
        ...     features = generator.normal(size=(200, 3)) + effect * wrong[:, None]
        ...     return cross_fit(features, wrong, groups=np.arange(200))
        >>> found = compare(drawn(1.0), drawn(0.2))
        >>> found.low > 0.1, found.partitions.size
        (True, 5)
    """
    if not isinstance(second, OutOfFold):
        plain = np.asarray(second, dtype=np.float64)
        scores = np.broadcast_to(plain, (len(first.folds), *plain.shape))
        second = replace(first, scores=scores, gain=np.zeros_like(first.gain), choice=0.0)
    first, second = _on_the_same_folds(first, second)
    both = np.asarray(np.isfinite(first.scores + second.scores).all(0))
    areas = first.areas(both), second.areas(both)
    one, other = (mean_auroc(several) for several in areas)
    if np.isnan(one.value) or one.smaller < 2:
        raise LayergramError("a paired difference of two AUROC", got="too few examples in common")
    gains = first.gain - second.gain
    shared = [fold_covariance(g, area.weights) for g, area in zip(gains, areas[0], strict=True)]
    return Difference(
        one.value,
        other.value,
        one.parts - other.parts,
        one.influence - other.influence,
        float(np.mean(shared)) + first.choice + second.choice,
        one.smaller,
        int(both.sum()),
        level,
    )


def _on_the_same_folds(first: OutOfFold, second: OutOfFold) -> tuple[OutOfFold, OutOfFold]:
    """Both in the partitions that both have, the first ones."""
    count = min(len(first.folds), len(second.folds))
    one, other = (
        replace(each, folds=each.folds[:count], scores=each.scores[:count], gain=each.gain[:count])
        for each in (first, second)
    )
    if one.scores.shape != other.scores.shape or any(
        (getattr(one, name) != getattr(other, name)).any()
        for name in ("positive", "groups", "folds")
    ):
        raise LayergramError(
            "a paired difference of two AUROC",
            got=f"scores {one.scores.shape} and {other.scores.shape} of other examples or folds",
            allowed="the same examples in the same folds",
            do="use the same labels, groups and evaluation for both",
        )
    return one, other
