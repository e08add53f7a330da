"""AUROC over folds and groups, and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.intervals import student_reach

ROUNDING = 1e-9  # a value that is nearer than this to 0 or 1 is 0 or 1
REFERENCES = (
    "DeLong et al., Biometrics 44:837 (1988); Obuchowski, Biometrics 53:567 (1997) for groups; "
    "LeDell et al., Electronic Journal of Statistics 9:1583 (2015) for folds"
)


@dataclass(frozen=True)
class Auroc:
    """An AUROC over folds, and the influence of each group on it.

    Attributes:
        value: mean over the folds, weighted by their pairs of a positive and a negative; NaN where
            no fold has both.
        parts: AUROC of each fold; NaN where it has not both classes [fold].
        weights: weight of each fold [fold].
        influence: contribution of each group of examples to the estimate's error [group]. Two AUROC
            of the same examples can be subtracted, group by group.
        smaller: number of groups that have examples of the rarer class.
        fold_covariance: variance on top of that of the groups, because folds train each other's
            probes (:func:`fold_covariance`).
        choice: variance on top of both, where each fold has a cell of its own
            (:func:`jackknife_variance`).
    """

    value: float
    parts: Values
    weights: Values
    influence: Values
    smaller: int
    fold_covariance: float = 0.0
    choice: float = 0.0

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt((self.influence**2).sum() + self.fold_covariance + self.choice))

    def interval(self, level: float) -> tuple[float, float]:
        """The interval of this level, inside 0..1; NaN where a class has fewer than two groups.

        It is symmetric on the logit scale, with Student's t for the groups of the rarer class, less
        one. Near 0 and 1 that scale stretches an error that does not shrink with the distance from
        the end, as that of the training does, beyond all measure. There the interval reaches as far
        as on the plain scale, and at least as far as the exact one of as many successes as the
        rarer class has groups.
        """
        if np.isnan(self.value) or self.smaller < 2:
            return np.nan, np.nan
        reach = student_reach(level, self.smaller) * self.error
        exact = float(((1 - level) / 2) ** (1 / self.smaller))
        low, high = _logit_ends(self.value, reach)
        if self.value >= 0.5:
            return max(low, min(self.value - reach, exact)), high
        return low, min(high, max(self.value + reach, 1 - exact))


def _logit_ends(value: float, reach: float) -> tuple[float, float]:
    """The ends of an interval that is symmetric on the logit scale."""
    if min(value, 1 - value) < ROUNDING:
        return 0.0, 1.0
    odds, stretched = np.log(value / (1 - value)), reach / (value * (1 - value))
    return float(expit(odds - stretched)), float(expit(odds + stretched))


def auroc(scores: Values, positive: Labels, folds: Numbers, groups: Numbers) -> Auroc:
    """AUROC within folds: the chance that a positive scores above a negative of the same fold.

    Scores of different folds come from different probes and are never compared. Ties count half.
    The error is DeLong's, with all examples of a group taken as one draw, as Obuchowski does it,
    and deviations taken from the AUROC of all folds, so that a fold may have a single example of a
    class.

    Args:
        scores: one number per example, a probe's or any other; an example with NaN is left out.
        positive: the class of each example.
        folds: the fold of each example; all of a group lie in one.
        groups: number of the group of each example.

    Example:
        >>> scores = np.array([0.1, 0.4, 0.35, 0.8, 0.2, 0.7])
        >>> area = auroc(scores, np.arange(6) % 2 == 1, np.zeros(6, int), np.arange(6))
        >>> round(area.value, 2), round(area.error, 2), [round(e, 2) for e in area.interval(0.95)]
        (1.0, 0.0, [0.29, 1.0])
    """
    finite = np.isfinite(scores)
    count = int(folds.max()) + 1
    sides = finite & positive, finite & ~positive
    parts, pairs = np.full(count, np.nan), np.zeros(count)
    terms, weights = np.full(scores.size, np.nan), np.zeros(scores.size)
    for fold in range(count):
        high, low = (side & (folds == fold) for side in sides)
        if not (high.any() and low.any()):
            continue
        terms[high] = placements(scores[high], scores[low])
        terms[low] = 1 - placements(scores[low], scores[high])
        weights[high], weights[low] = 1 / high.sum(), 1 / low.sum()
        parts[fold], pairs[fold] = terms[high].mean(), high.sum() * low.sum()
    of_class = [np.unique(groups[side & (weights > 0)]).size for side in sides]
    influence = np.zeros(int(groups.max()) + 1)
    if not pairs.any():
        return Auroc(np.nan, parts, pairs, np.full_like(influence, np.nan), min(of_class))
    shares = pairs / pairs.sum()
    value = float(np.nansum(shares * parts))
    for side, several in zip(sides, of_class, strict=True):
        used = side & (weights > 0)
        correction = np.sqrt(several / (several - 1)) if several > 1 else np.nan
        pull = correction * shares[folds[used]] * weights[used] * (terms[used] - value)
        np.add.at(influence, groups[used], pull)
    return Auroc(value, parts, shares, influence, min(of_class))


def mean_auroc(areas: Sequence[Auroc]) -> Auroc:
    """The mean of AUROC of the same examples in several partitions into folds.

    Args:
        areas: one per partition.

    Returns:
        An AUROC whose ``parts`` are those of the partitions.
    """
    return Auroc(
        float(np.mean([area.value for area in areas])),
        np.array([area.value for area in areas]),
        np.full(len(areas), 1 / len(areas)),
        np.mean([area.influence for area in areas], axis=0),
        min(area.smaller for area in areas),
        float(np.mean([area.fold_covariance for area in areas])),
        float(np.mean([area.choice for area in areas])),
    )


def fold_covariance(gain: Values, weights: Values) -> Values:
    """Variance that an AUROC over folds has because the folds train each other's probes.

    An example of fold f and one of fold g meet twice: one trains the probe that scores the other,
    and the other way round, so the errors of both folds agree. DeLong's formula takes them as
    independent; with as many features as examples its intervals then cover the truth in about
    80 to 90 of 100 cases instead of 95. What fold g gives to fold f is seen by leaving g out of
    training: the product of what both give to each other estimates the covariance of their errors,
    once the steady gain that more examples bring to every fold is taken off.

    Args:
        gain: AUROC of fold f by the probe trained on all others, less that of the probe trained
            without f and without g; NaN counts as none. For a difference of two AUROC, the
            difference of their gains [..., f, g].
        weights: weight of each fold [fold].

    Returns:
        The sum of the covariances; 0 where it is estimated below 0 [...].
    """
    first, second = np.triu_indices(weights.size, 1)
    gain = np.nan_to_num(gain)
    given, taken = gain[..., first, second], gain[..., second, first]
    both = (given + taken) / 2
    steady = np.maximum(0.0, both.mean(-1) ** 2 - both.var(-1, ddof=1) / first.size)
    products = given * taken - steady[..., None]
    covariance = 2 * (products @ (weights[first] * weights[second]))
    return np.asarray(np.maximum(0.0, covariance))


def jackknife_variance(values: Values) -> float:
    """Variance of a number that depends on a sample, from the numbers without one fold each.

    Args:
        values: the number that comes without fold f: the AUROC of the cell that is then chosen, or
            of the probe that is then trained [f].

    Example:
        >>> jackknife_variance(np.array([0.75, 0.75])), jackknife_variance(np.array([0.75, 0.25]))
        (0.0, 0.0625)
    """
    return float((values.size - 1) * values.var())


def placements(of: Values, among: Values) -> Values:
    """Share of ``among`` that lies below each of ``of``; ties count half.

    Example:
        >>> placements(np.array([1.0, 2.0]), np.array([0.0, 2.0])).tolist()
        [0.5, 0.75]
    """
    ordered = np.sort(among)
    left = np.searchsorted(ordered, of, side="left")
    right = np.searchsorted(ordered, of, side="right")
    return np.asarray((left + right) / (2 * among.size), dtype=np.float64)
