"""Whether a whole map could be chance: many shuffles of the labels, by ridge in closed form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from layergram.probes.arrays import Labels, Numbers, Values

LEAST_VARIANCE = 1e-9  # of predictions of 0 and 1, above what rounding makes of a constant
RIDGE = 0.1  # penalty as a share of the mean squared length of an example


def ridge_statistics(features: Tensor, labels: Labels, folds: Numbers) -> Values:
    """How far a ridge probe tells the classes apart on held-out folds, for many labellings.

    The probe regresses the label on the features (standardised over all rows, which needs no label)
    with an intercept. Its predictions for a fold that it was not trained on need no second fit:
    with G the inverse of the regularised Gram matrix, projected for the intercept, they are
    y_f − G_ff⁻¹ (G y)_f. All labellings therefore share one inverse.

    Args:
        features: finite numbers [row, feature].
        labels: positive or not [labelling, row].
        folds: the fold of each row.

    Returns:
        Student's t between the held-out predictions of the two classes, taken within folds
        [labelling]; 0 where a labelling has only one class, or nothing varies.

    Example:
        >>> x = torch.tensor([[0.0], [0.1], [1.0], [1.1], [0.05], [0.95]])
        >>> labels = np.array([[0, 0, 1, 1, 0, 1], [0, 1, 0, 1, 0, 1]], dtype=bool)
        >>> t = ridge_statistics(x, labels, np.array([0, 1, 0, 1, 0, 1]))
        >>> bool(t[0] > 5), bool(t[1] < 2)
        (True, True)
    """
    inverse = _projected_inverse(features)
    targets = torch.as_tensor(labels, device=features.device).T.to(inverse.dtype)  # row, labelling
    weighted = inverse @ targets
    between = torch.zeros(targets.shape[1], dtype=torch.float64, device=features.device)
    balance, within, freedom = (torch.zeros_like(between) for _ in range(3))
    for fold in np.unique(folds):
        rows = torch.as_tensor(np.flatnonzero(folds == fold), device=features.device)
        truth = targets[rows]
        residual = torch.linalg.solve(inverse[rows][:, rows], weighted[rows])
        predicted = truth - residual
        positives = truth.double().sum(0)
        negatives = len(rows) - positives
        sums = (predicted * truth).double().sum(0), (predicted * (1 - truth)).double().sum(0)
        means = (sums[0] / positives.clamp_min(1), sums[1] / negatives.clamp_min(1))
        own_mean = truth * means[0] + (1 - truth) * means[1]
        share = positives * negatives / len(rows)
        between += share * (means[0] - means[1])
        balance += share
        within += (predicted - own_mean).square().sum(0)
        freedom += (positives - 1).clamp_min(0) + (negatives - 1).clamp_min(0)
    noise = within / freedom.clamp_min(1) * balance
    varies = within + between.square() / balance.clamp_min(1e-30) > len(targets) * LEAST_VARIANCE
    t = torch.where(varies & (noise > 0), between / noise.clamp_min(1e-30).sqrt(), 0.0)
    return np.asarray(t.cpu().numpy())


def _projected_inverse(features: Tensor) -> Tensor:
    """(K + λ)⁻¹ for the Gram matrix of standardised features, without the constant direction."""
    centred = (features - features.double().mean(0).to(features.dtype)).float()
    spread = centred.square().mean(0).sqrt()
    dead = spread <= 1e-6 * features.abs().amax(0).clamp_min(1e-30)
    scaled = torch.where(dead, 0.0, centred / torch.where(dead, 1.0, spread))
    gram = scaled @ scaled.T
    gram.diagonal().add_(RIDGE * gram.diagonal().mean() + 1e-3)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    sums = inverse.sum(0)
    return inverse - torch.outer(sums, sums) / sums.sum()


def chance(observed: Values, largest: Values) -> Values:
    """p-values of cells against the largest cell of every shuffle.

    Each is the share of shuffles (the observed labels counted as one of them) whose largest cell
    is as large as this cell, so that the chance that any cell of a map without effect gets p ≤ α is
    at most α.

    Args:
        observed: a statistic per cell; NaN stays NaN.
        largest: the largest statistic of each shuffle.

    Example:
        >>> chance(np.array([2.5, 0.1, np.nan]), np.array([0.5, 1.0, 2.0])).tolist()
        [0.25, 1.0, nan]
    """
    above = largest.size - np.searchsorted(np.sort(largest), observed, side="left")
    return np.where(np.isnan(observed), np.nan, (1 + above) / (1 + largest.size))
