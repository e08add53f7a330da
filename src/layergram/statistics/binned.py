"""How an outcome follows a score over quantile bins of the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 5  # as in Think Deep, Not Just Long (arXiv 2602.13517)


@dataclass(frozen=True)
class BinnedCorrelation:
    """Mean score and mean outcome of each bin, lowest scores first, and Pearson r over the bins.

    ``r`` is NaN where there are fewer distinct scores than bins, or where the bins do not differ.
    """

    score: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.float64]
    r: float


def binned_correlation(
    scores: npt.ArrayLike, outcomes: npt.ArrayLike, *, bins: int = BINS
) -> BinnedCorrelation:
    """Pearson r between the mean score and the mean outcome of bins of equal size.

    Rows with equal scores count with their common mean outcome, so the order of the rows
    does not change the result.

    Args:
        scores: (n,) finite numbers.
        outcomes: (n,) numbers; 0 and 1 for wrong and right.
        bins: how many bins; sizes differ by at most one row.
    """
    values, tied = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    counts = np.bincount(tied)
    means = np.bincount(tied, weights=np.asarray(outcomes, np.float64)) / counts
    nothing = np.full(bins, np.nan)
    if len(values) < bins:
        return BinnedCorrelation(nothing, nothing, float("nan"))
    score = np.array([part.mean() for part in np.array_split(np.repeat(values, counts), bins)])
    outcome = np.array([part.mean() for part in np.array_split(np.repeat(means, counts), bins)])
    differs = np.ptp(score) > 0 and np.ptp(outcome) > 0
    r = float(np.corrcoef(score, outcome)[0, 1]) if differs else float("nan")
    return BinnedCorrelation(score, outcome, r)
