"""Whether a whole map could be chance: many shuffles of the labels, by ridge in closed form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from layergram.probes.arrays import Labels, Numbers, Values

LEAST_VARIANCE = 1e-9  # of predictions of 0 and 1, above what rounding makes of a constant
RIDGE = 0.1  # penalty as a share of the mean squared length of an example


def ridge_statistics(features: Tensor, labels: Labels, folds: Numbers) -> Values:
    """How far a ridge probe tells the classes apart on held-out folds, for many labellings.

    The probe regresses the label on the features (standardised over all rows, which needs no label)
    with an intercept, and predicts a fold that it was not trained on. All labellings share the
    inverse of one matrix, of rows by rows or of features by features, whichever is smaller.

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
    scaled, penalty = _standardised(features)
    targets = torch.as_tensor(labels, device=features.device).T.to(scaled.dtype)  # row, labelling
    between = torch.zeros(targets.shape[1], dtype=torch.float64, device=features.device)
    balance, within, freedom = (torch.zeros_like(between) for _ in range(3))
    held_out = _by_features if scaled.shape[1] < scaled.shape[0] else _by_rows
    for rows, predicted in held_out(scaled, penalty, targets, folds):
        guess, truth = predicted.double(), targets[rows].double()
        positives = truth.sum(0)
        negatives = len(rows) - positives
        of_positives = (guess * truth).sum(0)
        of_negatives = guess.sum(0) - of_positives
        means = of_positives / positives.clamp_min(1), of_negatives / negatives.clamp_min(1)
        explained = means[0] * of_positives + means[1] * of_negatives
        share = positives * negatives / len(rows)
        between += share * (means[0] - means[1])
        balance += share
        within += (guess.square().sum(0) - explained).clamp_min(0)
        freedom += (positives - 1).clamp_min(0) + (negatives - 1).clamp_min(0)
    noise = within / freedom.clamp_min(1) * balance
    varies = within + between.square() / balance.clamp_min(1e-30) > len(targets) * LEAST_VARIANCE
    t = torch.where(varies & (noise > 0), between / noise.clamp_min(1e-30).sqrt(), 0.0)
    return np.asarray(t.cpu().numpy())


def _standardised(features: Tensor) -> tuple[Tensor, Tensor]:
    """Features of mean 0 and deviation 1 over all rows, and the penalty on their weights."""
    centred = (features - features.double().mean(0).to(features.dtype)).float()
    spread = centred.square().mean(0).sqrt()
    dead = spread <= 1e-6 * features.abs().amax(0).clamp_min(1e-30)
    scaled = torch.where(dead, 0.0, centred / torch.where(dead, 1.0, spread))
    return scaled, RIDGE * scaled.square().sum(1).mean() + 1e-3


HeldOut = Iterator[tuple[Tensor, Tensor]]  # rows of a fold, predictions [row, labelling]


def _by_rows(scaled: Tensor, penalty: Tensor, targets: Tensor, folds: Numbers) -> HeldOut:
    """Predictions by one inverse of rows by rows, for more features than rows.

    With G the inverse of the regularised Gram matrix, without the constant direction (the
    intercept), a fold's predictions by the probe of all others are y_f − G_ff⁻¹ (G y)_f.
    """
    gram = scaled @ scaled.T
    gram.diagonal().add_(penalty)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    sums = inverse.sum(0)
    inverse = inverse - torch.outer(sums, sums) / sums.sum()
    weighted = inverse @ targets
    for rows in _rows_of(folds, scaled.device):
        residual = torch.linalg.solve(inverse[rows][:, rows], weighted[rows])
        yield rows, targets[rows] - residual


def _by_features(scaled: Tensor, penalty: Tensor, targets: Tensor, folds: Numbers) -> HeldOut:
    """The same predictions by a matrix of features by features for each fold."""
    products, answers = scaled.T @ scaled, scaled.T @ targets
    sums, totals = scaled.sum(0), targets.sum(0)
    for rows in _rows_of(folds, scaled.device):
        x, y = scaled[rows], targets[rows]
        count = len(scaled) - len(rows)
        mean, level = (sums - x.sum(0)) / count, (totals - y.sum(0)) / count
        kept = products - x.T @ x - count * torch.outer(mean, mean)
        kept.diagonal().add_(penalty)
        pull = answers - x.T @ y - count * torch.outer(mean, level)
        weights = torch.cholesky_solve(pull, torch.linalg.cholesky(kept))
        yield rows, (x - mean) @ weights + level


def _rows_of(folds: Numbers, device: torch.device) -> Iterator[Tensor]:
    for fold in np.unique(folds):
        yield torch.as_tensor(np.flatnonzero(folds == fold), device=device)


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
