"""Which heads of a function are its top heads: where the sorted curve of importance bends."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.models.edits import Head

STABLE = 0.2
"""Rank correlation of importance between folds below which its order says nothing."""

BEATEN = {
    "majority": "the most frequent function",
    "shuffled": "the probe on shuffled labels",
    "words": "the words of the step",
    "all_words": "the words of the passage and the step",
}
"""Ways to name a step's function that the probe has to be clear of for its heads to count."""


def elbow(values: npt.ArrayLike) -> int:
    """How many values come before the bend of their sorted curve.

    The bend is the point farthest below the straight line from the first to the last value.

    Args:
        values: any numbers; NaN counts for nothing.

    Returns:
        At least 1.

    Example:
        >>> elbow([9.0, 8.0, 7.0, 1.0, 0.8, 0.6, 0.4])
        3
    """
    known = np.asarray(values, dtype=np.float64).ravel()
    curve = np.sort(known[np.isfinite(known)])[::-1]
    line = np.linspace(curve[0], curve[-1], curve.size)
    return max(1, int(np.argmax(line - curve)))


def top_heads(importance: xr.DataArray, *, top: int | None = None) -> list[Head]:
    """The most important heads of one function, the most important first.

    Args:
        importance: [layer, head]; NaN where there is no such head.
        top: how many; the elbow of the sorted curve where no number is given, but never more than
            a third of the heads, so that there are others to compare with.
    """
    values = importance.values
    order = np.argsort(np.where(np.isfinite(values), -values, np.inf), axis=None, kind="stable")
    count = int(np.isfinite(values).sum())
    take = min(elbow(values), max(1, count // 3)) if top is None else top
    places = [np.unravel_index(at, values.shape) for at in order[: min(take, count)]]
    layers, heads = importance["layer"].values, importance["head"].values
    return [(int(layers[row]), int(heads[column])) for row, column in places]


def why_no_top_heads(
    importance: xr.DataArray, stability: Mapping[str, float], accuracies: xr.Dataset
) -> dict[str, str]:
    """The functions whose heads cannot be told apart by importance, each with the reason.

    Args:
        importance: [function, layer, head] with ``p_value``.
        stability: rank correlation of importance between folds, by function.
        accuracies: of the probe of all heads, and what it has to beat.
    """
    gain = accuracies["gain_low"]
    level = [words for way, words in BEATEN.items() if not float(gain.sel(way=way)) > 0]
    if level:
        why = f"the probe is not clear of {' and '.join(level)}"
        return {str(name): why for name in importance["function"].values}
    found = {}
    for name, value in stability.items():
        if not value >= STABLE:
            found[name] = f"stability {value:.2f}, below {STABLE}"
        elif not (importance["p_value"].sel(function=name) <= 0.05).any():
            found[name] = "no head above the largest of shuffled labels"
    return found
