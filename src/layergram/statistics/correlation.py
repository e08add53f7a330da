"""Rank correlation of two maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr


def rank_correlation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Spearman's rank correlation over the cells that both maps have; NaN where one is constant.

    Example:
        >>> round(rank_correlation([[1.0, 2.0], [3.0, np.nan]], [[10.0, 30.0], [20.0, 5.0]]), 2)
        0.5
    """
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (one, other))
    both = np.isfinite(a) & np.isfinite(b)
    if not both.any() or min(np.ptp(a[both]), np.ptp(b[both])) == 0:
        return float("nan")  # scipy warns of these
    return float(spearmanr(a[both], b[both]).statistic)
