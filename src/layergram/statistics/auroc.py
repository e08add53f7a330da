"""AUROC over folds and groups, and its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.intervals import quantile

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
        smaller: number of examples of the rarer class.
        fold_covariance: variance on top of that of the groups, because folds train each other's
            probes (:func:`fold_covariance`).
    """

    value: float
    parts: Values
    weights: Values
    influence: Values
    smaller: int
    fold_covariance: float = 0.0

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt((self.influence**2).sum() + self.fold_covariance))

    def interval(self, level: float) -> tuple[float, float]:
        """The interval of this level, symmetric on the logit scale, inside 0..1.

        Where an end of the scale is reached (every positive above every negative) no error can be
        estimated; then it is the exact interval of as many successes as the rarer class has
        examples.
        """
        if np.isnan(self.value):
            return np.nan, np.nan
        if min(self.value, 1 - self.value) < ROUNDING:
            reach = float(((1 - level) / 2) ** (1 / self.smaller))
            return (reach, 1.0) if self.value > 0.5 else (0.0, 1 - reach)
        odds = np.log(self.value / (1 - self.value))
        reach = quantile(level) * self.error / (self.value * (1 - self.value))
        low, high = 1 / (1 + np.exp(-np.array([odds - reach, odds + reach])))
        return float(low), float(high)


def auroc(scores: Values, positive: Labels, folds: Numbers, groups: Numbers) -> Auroc:
    """AUROC within folds: the chance that a positive scores above a negative of the same fold.

    Scores of different folds come from different probes and are never compared. Ties count half.
    The error is DeLong's, with all examples of a group taken as one draw, as Obuchowski does it.

    Args:
        scores: one number per example, a probe's or any other; an example with NaN is left out.
        positive: the class of each example.
        folds: the fold of each example; all of a group lie in one.
        groups: number of the group of each example.

    Example:
        >>> scores = np.array([0.1, 0.4, 0.35, 0.8])
        >>> area = auroc(scores, np.array([False, False, True, True]), np.zeros(4, int),
        ...              np.arange(4))
        >>> area.value, round(area.error, 4), [round(end, 2) for end in area.interval(0.95)]
        (0.75, 0.3536, [0.07, 0.99])
    """
    finite = np.isfinite(scores)
    count = int(folds.max()) + 1
    parts, pairs = np.full(count, np.nan), np.zeros(count)
    influence = np.zeros((count, int(groups.max()) + 1))
    for fold in range(count):
        high, low = (finite & (folds == fold) & side for side in (positive, ~positive))
        if not (high.any() and low.any()):
            continue
        above = placements(scores[high], scores[low])
        below = 1 - placements(scores[low], scores[high])
        parts[fold], pairs[fold] = above.mean(), above.size * below.size
        for terms, members in ((above, groups[high]), (below, groups[low])):
            several = np.unique(members).size
            correction = np.sqrt(several / (several - 1)) if several > 1 else 1.0
            np.add.at(influence[fold], members, correction * (terms - parts[fold]) / terms.size)
    smaller = min(int((finite & positive).sum()), int((finite & ~positive).sum()))
    if not pairs.any():
        return Auroc(np.nan, parts, pairs, np.full(influence.shape[1], np.nan), smaller)
    weights = pairs / pairs.sum()
    value = float(np.nansum(weights * parts))
    return Auroc(value, parts, weights, weights @ influence, smaller)


def fold_covariance(parts: Values, without: Values, weights: Values) -> float:
    """Variance that an AUROC over folds has because the folds train each other's probes.

    An example of fold f and one of fold g meet twice: one trains the probe that scores the other,
    and the other way round, so the errors of both folds agree. DeLong's formula takes them as
    independent; with as many features as examples its intervals then cover the truth in about
    80 to 90 of 100 cases instead of 95. What fold g gives to fold f is seen by leaving g out of
    training: the product of what both give to each other estimates the covariance of their errors,
    once the steady gain that more examples bring to every fold is taken off.

    Args:
        parts: AUROC of each fold, by the probe trained on all others [fold].
        without: AUROC of fold f by the probe trained without f and without g [f, g].
        weights: weight of each fold [fold].

    Returns:
        The sum of the covariances; 0 where it is estimated below 0.
    """
    first, second = np.triu_indices(parts.size, 1)
    gain = np.nan_to_num(parts[:, None] - without)
    given, taken = gain[first, second], gain[second, first]
    both = (given + taken) / 2
    steady = max(0.0, float(both.mean() ** 2 - both.var(ddof=1) / both.size))
    return max(0.0, float(2 * (weights[first] * weights[second]) @ (given * taken - steady)))


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
