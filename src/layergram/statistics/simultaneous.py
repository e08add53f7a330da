"""Levels at which many intervals hold together, by the largest of their errors (max statistic)."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from layergram.statistics.arrays import Values

DRAWS = 2000


def drawn_errors(influence: Values, *, seed: int = 0, draws: int = DRAWS) -> Values:
    """Errors that estimates could have had, with the correlations that their influences have.

    Every group's influence is multiplied by a number drawn from a normal distribution (the
    multiplier bootstrap).

    Args:
        influence: of each group on each estimate [estimate, group].
        seed: of the draws.
        draws: how many.

    Returns:
        [draw, estimate].
    """
    multipliers = np.random.default_rng(seed).normal(size=(draws, influence.shape[1]))
    return np.asarray(multipliers @ influence.T)


def simultaneous_level(errors: Values, deviation: Values, level: float) -> float:
    """The level of each interval for which all of them hold at once with chance ``level``.

    Args:
        errors: drawn errors [draw, estimate].
        deviation: standard deviation of each estimate [estimate]; 0 leaves it out.
        level: of all intervals together.

    Example:
        >>> errors = drawn_errors(np.eye(10))
        >>> 0.99 < simultaneous_level(errors, np.ones(10), 0.95) < 1
        True
    """
    varies = deviation > 0
    if not varies.any():
        return level
    largest = np.abs(errors[:, varies] / deviation[varies]).max(1)
    return float(2 * norm.cdf(np.quantile(largest, level)) - 1)
