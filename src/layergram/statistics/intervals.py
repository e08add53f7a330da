"""Intervals of means: of shares, and of values that come in independent units."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from scipy.stats import t as student

from layergram.statistics.arrays import Values

LEVEL = 0.95


def quantile(level: float) -> float:
    """How many standard errors an interval of this level reaches to either side.

    Example:
        >>> round(quantile(0.95), 2)
        1.96
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def student_reach(level: float, units: int) -> float:
    """The same where the standard error is estimated from few independent units (Student's t).

    Example:
        >>> round(student_reach(0.95, 10), 2)
        2.26
    """
    return float(student.ppf((1 + level) / 2, units - 1))


def wilson(shares: Values, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of the mean of numbers between 0 and 1.

    For n numbers of mean p that are all 0 or 1 it is the interval of a binomial share. Numbers in
    between have a smaller variance s² than p (1 − p), so n is replaced by n p (1 − p) / s².

    Example:
        >>> [round(end, 3) for end in wilson(np.array([1.0] * 8 + [0.0] * 2))]
        [0.49, 0.943]
        >>> [round(end, 3) for end in wilson(np.ones(10))]
        [0.722, 1.0]
    """
    p, count, z = float(shares.mean()), float(shares.size), quantile(level)
    spread = float(shares.var())
    if spread > 0:
        count = count * max(1.0, p * (1 - p) / spread)
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * np.sqrt(p * (1 - p) / count + z * z / (4 * count**2))
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))


def mean_interval(sums: Values, counts: Values, *, level: float = LEVEL) -> tuple[Values, ...]:
    """Means over all values, with their intervals, from sums and counts of independent units.

    The mean is a ratio of two sums, Σ sums / Σ counts; its error is that of the units' deviations
    from it, with Student's t for n − 1 of them, which holds for few units too, where a bootstrap
    over them gives intervals that are too narrow.

    Args:
        sums: [unit, …], the sum of a unit's values.
        counts: [unit, …], how many there are.
        level: of the intervals.

    Returns:
        ``(mean, low, high)``; NaN without any value, and no ends from fewer than two units.

    Example:
        >>> mean, low, high = mean_interval(np.array([1.0, 2.0, 3.0]), np.ones(3))
        >>> round(float(mean), 3), round(float(low), 3), round(float(high), 3)
        (2.0, -0.484, 4.484)
    """
    units = (counts > 0).sum(0)
    total = np.where(units > 0, counts.sum(0), np.nan)
    mean = sums.sum(0) / total
    spread = ((sums - mean * counts) ** 2).sum(0)
    several = np.where(units > 1, units, np.nan)
    error = np.sqrt(several / (several - 1) * spread) / total
    reach = student.ppf((1 + level) / 2, several - 1) * error
    return mean, mean - reach, mean + reach
