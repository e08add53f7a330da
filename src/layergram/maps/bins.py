"""Bins of answers at their mean scores, and the scores of the single answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from layergram.maps.build import options_of


@dataclass(frozen=True)
class AnswerScores:
    """The scores of the answers that bins were made of, lowest first.

    Args:
        right: of the answers that are right.
        wrong: of those that are wrong.
        answers: how many answers the bins were made of; a map of many holds the scores of some.
    """

    right: tuple[float, ...] = ()
    wrong: tuple[float, ...] = ()
    answers: int = 0


def mean_scores(array: xr.DataArray) -> tuple[float, ...]:
    """The mean score of each bin of a map of bins alone; empty where the map does not say.

    Example:
        >>> from layergram.maps import make
        >>> m = make([0.2, 0.6], ("bin",), measure="m", coords={"bin_score": ("bin", [0.1, 0.4])})
        >>> mean_scores(m)
        (0.1, 0.4)
    """
    scores = array.coords.get("bin_score")
    if array.dims != ("bin",) or scores is None or scores.dims != array.dims:
        return ()
    if scores.dtype.kind not in "fiu":
        return ()
    known = np.isfinite(scores.values) & np.isfinite(array.values)
    return tuple(scores.values.tolist()) if known.all() else ()


def answer_scores(array: xr.DataArray) -> AnswerScores:
    """The scores of single answers that a map carries; none where it carries none."""
    told = options_of(array, "answer_scores")
    return AnswerScores(
        tuple(told.get("right", ())), tuple(told.get("wrong", ())), int(told.get("answers", 0))
    )
