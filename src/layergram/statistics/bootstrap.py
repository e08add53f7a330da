"""Means with intervals, by drawing groups of values again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from layergram.statistics.arrays import Values


class Bootstrap:
    """The same groups, drawn again and again with replacement.

    All values of a group are drawn together, because they are alike.

    Args:
        groups: the group of each value.
        resamples: how often to draw.
        level: of the intervals.
        seed: of the draws.

    Example:
        >>> bootstrap = Bootstrap(["a", "a", "b", "c"])
        >>> mean, low, high = bootstrap.interval(np.array([1.0, 1.0, 2.0, 4.0]))
        >>> mean, low, high
        (2.0, 1.0, 4.0)
    """

    def __init__(
        self,
        groups: Sequence[Hashable],
        *,
        resamples: int = 2000,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.level, self.resamples = level, resamples
        self.random = np.random.default_rng(seed)
        number = {group: at for at, group in enumerate(dict.fromkeys(groups))}
        self.member = np.array([number[group] for group in groups], dtype=np.intp)
        even = np.full(len(number), 1 / max(1, len(number)))
        self.times = self.random.multinomial(len(number), even, size=resamples).astype(np.float64)

    def means(self, values: Values) -> tuple[float, Values]:
        """The mean over values, NaN left out, and the same for every draw [resample]."""
        finite = np.isfinite(values)
        size = self.times.shape[1]
        sums = np.bincount(self.member[finite], values[finite], minlength=size)
        counts = np.bincount(self.member[finite], minlength=size).astype(np.float64)
        if not finite.any():
            return np.nan, np.full(self.resamples, np.nan)
        drawn = self.times @ counts
        # a draw without any of these values says nothing
        means = np.divide(
            self.times @ sums, drawn, out=np.full(self.resamples, np.nan), where=drawn > 0
        )
        return float(sums.sum() / counts.sum()), means

    def ends(self, means: Values) -> tuple[float, float]:
        """The ends of the interval, from the means of all draws."""
        finite = means[np.isfinite(means)]
        if not finite.size:
            return np.nan, np.nan
        low, high = np.quantile(finite, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)

    def interval(self, values: Values) -> tuple[float, float, float]:
        """The mean over values, and the ends of its interval."""
        mean, means = self.means(values)
        return mean, *self.ends(means)

    def counterparts(self, values: Values) -> tuple[float, Values]:
        """The mean over several random counterparts, and the same for every draw [resample].

        The counterparts are drawn again too, one less than there are of them: the mean of so many
        varies from draw to draw as much as the mean of all does from one choice of counterparts
        to another. So the spread covers both other groups and other counterparts.

        Args:
            values: [counterpart, value], at least two counterparts.
        """
        resampled = [self.means(row) for row in values]
        count = len(resampled)
        share = self.random.multinomial(count - 1, np.full(count, 1 / count), size=self.resamples)
        drawn = np.stack([means for _, means in resampled], axis=1)
        return float(np.mean([mean for mean, _ in resampled])), (share * drawn).sum(1) / (count - 1)
