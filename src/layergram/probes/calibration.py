"""Probabilities from out-of-fold scores, and how far they hold on examples that had no part."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from layergram.probes.comparison import OutOfFold
from layergram.probes.logistic import logistic
from layergram.statistics.arrays import Labels, Values
from layergram.statistics.intervals import wilson

BINS = 5


def platt(scores: Values, positive: Labels) -> tuple[float, float]:
    """Slope and offset that make calibrated log odds of log odds; a slope of 0 where they mislead.

    Args:
        scores: log odds, by probes that did not see the example [example].
        positive: whether an example is of the positive class [example].

    Source:
        Platt, *Probabilistic outputs for support vector machines* (1999).
    """
    fits = logistic(
        torch.as_tensor(scores[:, None]).float(),
        torch.as_tensor(positive[None]),
        torch.ones(1, positive.size, dtype=torch.bool),
    )
    slope, offset = float(fits.weights), float(fits.bias)
    if slope <= 0:
        return 0.0, float(np.log(positive.mean() / (1 - positive.mean())))
    return slope, offset


def probability(scores: Values, slope: float, offset: float) -> Values:
    """Probability of the positive class by slope and offset of :func:`platt`."""
    return np.asarray(1 / (1 + np.exp(-np.clip(slope * scores + offset, -500, 500))))


def calibration(scored: OutOfFold, *, bins: int = BINS) -> xr.Dataset:
    """Probabilities of examples that took no part in training or calibration, and if they hold.

    The scores of a fold are turned into probabilities by slope and offset from those of the other
    folds (:func:`platt`), in the first partition into folds.

    Args:
        scored: out-of-fold scores (:func:`cross_fit`, :func:`out_of_fold`). Those of the nested
            choice show what a probe of a cell that is chosen on these examples gives.
        bins: number of classes of the reliability table, of as many examples each.

    Returns:
        A dataset: ``probability`` (example), NaN without a score; as numbers ``brier``, the mean
        squared error of the probabilities, and ``brier_base_rate``, that of the share of positives
        in the other folds. On ``bin``, from low to high: ``predicted``, the mean probability,
        ``observed``, the share of positives, with ``low`` and ``high``, and ``examples``.

    Example:
        >>> from layergram.probes import cross_fit
        >>> generator = np.random.default_rng(0)
        >>> wrong = np.arange(200) % 2 == 0
        >>> features = generator.normal(size=(200, 3)) + wrong[:, None]
        >>> found = calibration(cross_fit(features, wrong, groups=np.arange(200)))
        >>> bool(found.brier < 0.2), found.brier_base_rate.round(2).item()
        (True, 0.25)
        >>> bool(found.observed[-1] > 0.9), found.examples.values.tolist()
        (True, [40, 40, 40, 40, 40])
    """
    scores, folds, positive = scored.scores[0], scored.folds[0], scored.positive
    known = np.isfinite(scores)
    told, base = np.full(scores.size, np.nan), np.full(scores.size, np.nan)
    for fold in np.unique(folds):
        others, held_out = known & (folds != fold), known & (folds == fold)
        told[held_out] = probability(scores[held_out], *platt(scores[others], positive[others]))
        base[held_out] = positive[others].mean()
    rows = []
    order = np.flatnonzero(known)[np.argsort(told[known], kind="stable")]
    for members in np.array_split(order, min(bins, order.size)):
        observed = positive[members].astype(np.float64)
        rows.append((told[members].mean(), observed.mean(), *wilson(observed), members.size))
    names = ("predicted", "observed", "low", "high", "examples")
    table = {name: ("bin", column) for name, column in zip(names, np.array(rows).T, strict=True)}
    result = xr.Dataset({**table, "probability": ("example", told)})
    result["examples"] = result["examples"].astype(int)
    for name, predicted in (("brier", told), ("brier_base_rate", base)):
        result[name] = float(((predicted[known] - positive[known]) ** 2).mean())
    return result


def calibration_record(found: xr.Dataset) -> dict[str, object]:
    """What :func:`calibration` found as plain values, to be kept with a probe.

    Example:
        >>> bins = {name: ("bin", [0.25]) for name in ("predicted", "observed", "examples")}
        >>> found = xr.Dataset({**bins, "brier": 0.2, "brier_base_rate": 0.25})
        >>> calibration_record(found)["reliability"]
        [{'predicted': 0.25, 'observed': 0.25, 'examples': 0.25}]
    """
    columns = {name: found[name].values.tolist() for name in ("predicted", "observed", "examples")}
    return {
        "brier": float(found["brier"]),
        "brier_base_rate": float(found["brier_base_rate"]),
        "reliability": [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ],
    }
