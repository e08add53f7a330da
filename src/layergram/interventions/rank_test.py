"""The rank test of masking: are a function's heads worse to lose than random sets of heads?

Only the ranks of sets count: how much sets differ among themselves, and how easily a function is
hurt by any masking, cannot make a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergram.statistics.arrays import Numbers, Values

TIE = 1e-12  # differences of rounding; a draw that ties counts as at least as bad


@dataclass(frozen=True)
class RankTest:
    """What a rank test found, one entry per masked function.

    Attributes:
        statistic: effect on the own function beyond that on the others, in units of the unmasked
            standard deviation; below 0 where the own function is hurt more.
        draws: the same of every random set [masked, draw].
        as_bad: random sets that are at least as bad.
        p: (1 + as_bad) / (1 + draws), between 1 / (1 + draws) and 1.
        p_family: the same against the worst function of every draw: the chance that any function
            without effect gets p_family ≤ α is at most α.
    """

    statistic: Values
    draws: Values
    as_bad: Numbers
    p: Values
    p_family: Values


def rank_test(changes: Values, own: Sequence[int]) -> RankTest:
    """Rank each function's own heads among random sets of heads.

    For every masked function the table of sets and scored functions is centred on both sides: an
    effect less the set's mean over functions, less the function's mean over sets, plus the mean of
    all. So neither a set that hurts everything nor a function that everything hurts counts. Own
    heads are one set among the others throughout, so that under no effect every rank is as likely.
    For the maximum over functions each function's statistic is divided by its spread over sets.

    Args:
        changes: change of the score, in units of the unmasked standard deviation of each scored
            function [masked, set, function]; set 0 are the own heads, the others random ones.
        own: for each masked function its place among the scored ones.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> changes = generator.normal(size=(2, 40, 3))
        >>> changes[0, 0, 0] -= 9
        >>> found = rank_test(changes, [0, 1])
        >>> float(found.p[0]), float(found.p_family[0]), float(found.p[1]) > 0.05
        (0.025, 0.025, True)
    """
    centred = (
        changes
        - changes.mean(2, keepdims=True)
        - changes.mean(1, keepdims=True)
        + changes.mean((1, 2), keepdims=True)
    )
    table = np.stack([rows[:, at] for rows, at in zip(centred, own, strict=True)])
    spread = table.std(1, keepdims=True)
    scaled = np.divide(table, spread, out=np.zeros_like(table), where=spread > TIE)
    worst = scaled[:, 1:].min(0)
    count = table.shape[1] - 1
    as_bad = (scaled[:, 1:] <= scaled[:, :1] + TIE).sum(1)
    as_bad_anywhere = (worst <= scaled[:, :1] + TIE).sum(1)
    return RankTest(
        table[:, 0],
        table[:, 1:],
        as_bad,
        (1 + as_bad) / (1 + count),
        (1 + as_bad_anywhere) / (1 + count),
    )
