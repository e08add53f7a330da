"""How well features tell two classes apart, for many labellings at once: ridge in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot

from layergram.probes.products import symmetric_product
from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.auroc import placements

LEAST_VARIANCE = 1e-9  # of predictions of 0 and 1, above what rounding makes of a constant
TALL = 3  # rows for each feature above which matrices of features are the smaller work
TIE = 6  # decimals of a prediction of 0 or 1; what differs by less is rounding
RIDGE = 0.1  # penalty as a share of the mean squared length of an example


def ridge_statistics(features: Tensor, labels: Labels, folds: Numbers) -> Values:
    """How far a ridge probe tells the classes apart on held-out folds, for many labellings.

    The probe regresses the label on the features (standardised over all rows, which needs no label)
    with an intercept, and predicts a fold that it was not trained on. With G the inverse of the
    regularised Gram matrix, without the constant direction (the intercept), the predictions of
    fold f by the probe of the others are −G_ff⁻¹ G_fo y_o; all labellings share this matrix, or,
    with many rows, those of features by features that come to the same.

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
    order = np.argsort(folds, kind="stable")
    ends = np.cumsum(np.unique(folds, return_counts=True)[1]).tolist()
    bounds = list(zip([0, *ends], ends, strict=False))
    truth = torch.as_tensor(labels[:, order], dtype=torch.float32, device=features.device)
    targets = truth - truth.mean(1, keepdim=True)
    scaled, penalty = _standardised(features[torch.as_tensor(order, device=features.device)])
    held_out = _by_features if len(scaled) > TALL * scaled.shape[1] else _by_rows
    between = torch.zeros(len(truth), dtype=torch.float64, device=features.device)
    balance, within, freedom = (torch.zeros_like(between) for _ in range(3))
    for (first, last), predicted in held_out(scaled, penalty, targets, bounds):
        inside = truth[:, first:last]
        positives = inside.sum(1, dtype=torch.float64)
        negatives = last - first - positives
        of_positives = vecdot(predicted, inside).double()
        of_negatives = predicted.sum(1, dtype=torch.float64) - of_positives
        means = of_positives / positives.clamp_min(1), of_negatives / negatives.clamp_min(1)
        explained = means[0] * of_positives + means[1] * of_negatives
        share = positives * negatives / (last - first)
        between += share * (means[0] - means[1])
        balance += share
        within += (vecdot(predicted, predicted).double() - explained).clamp_min(0)
        freedom += (positives - 1).clamp_min(0) + (negatives - 1).clamp_min(0)
    noise = within / freedom.clamp_min(1) * balance
    varies = within + between.square() / balance.clamp_min(1e-30) > len(folds) * LEAST_VARIANCE
    t = torch.where(varies, between / noise.clamp_min(1e-30).sqrt(), 0.0)
    return np.asarray(t.cpu().numpy())


def ridge_without_pairs(features: Tensor, positive: Labels, several: Numbers) -> Values:
    """How well a ridge probe tells the classes of a fold apart that was trained without one more.

    It is what a nested choice among cells needs, in closed form, so that the choice can be made
    anew for other partitions into folds. The predictions of two folds S by the probe of the others
    are y_S − G_SS⁻¹ (G y)_S, with G as in :func:`ridge_statistics`. The label of a row cancels in
    them only as far as the numbers reach: in float32 rows with the same features would be told
    apart by what is left of their own labels. So they are float64, and rounded.

    Args:
        features: finite numbers [row, feature].
        positive: the class of each row.
        several: the fold of each row in each partition [partition, row].

    Returns:
        For each partition and fold f: mean, over the other folds g, of the AUROC in g of the probe
        that was trained without f and g [partition, f].

    Example:
        >>> x = torch.arange(24.0)[:, None]
        >>> ridge_without_pairs(x, np.arange(24) >= 12, np.arange(24)[None] % 3).tolist()
        [[1.0, 1.0, 1.0]]
    """
    count = int(several.max()) + 1
    if features.device.type == "mps":  # has no float64
        features = features.cpu()
    scaled, penalty = (each.double() for each in _standardised(features))
    y = torch.as_tensor(positive, dtype=torch.float64, device=features.device)
    predict = _without_by_features if len(scaled) > TALL * scaled.shape[1] else _without_by_rows
    predicted = predict(scaled, penalty, y)
    areas = np.full((len(several), count, count), np.nan)
    for at, folds in enumerate(several):
        for f, g in combinations(range(count), 2):
            scores = np.full(len(positive), np.nan)
            out = np.flatnonzero((folds == f) | (folds == g))
            scores[out] = predicted(out).round(decimals=TIE).cpu().numpy()
            for tested, other in ((f, g), (g, f)):
                high, low = (scores[(folds == tested) & side] for side in (positive, ~positive))
                if high.size and low.size:
                    areas[at, other, tested] = placements(high, low).mean()
    known = np.isfinite(areas).sum(-1)
    return np.asarray(np.nansum(areas, axis=-1) / np.maximum(known, 1))


def _without_by_rows(scaled: Tensor, penalty: Tensor, y: Tensor) -> Callable[[Numbers], Tensor]:
    """Predictions of some rows by the probe of all others, through matrices of rows by rows."""
    inverse = _inverse_of_rows(scaled, penalty)
    pulled = inverse @ y

    def predicted(out: Numbers) -> Tensor:
        rows = torch.as_tensor(out, device=y.device)
        lower = torch.linalg.cholesky(inverse[rows][:, rows])
        return y[rows] - torch.cholesky_solve(pulled[rows, None], lower)[:, 0]

    return predicted


def _without_by_features(scaled: Tensor, penalty: Tensor, y: Tensor) -> Callable[[Numbers], Tensor]:
    """The same through matrices of features by features, for many rows."""
    products, answers = symmetric_product(scaled), y @ scaled
    sums, total = scaled.sum(0), y.sum()

    def predicted(out: Numbers) -> Tensor:
        rows = torch.as_tensor(out, device=y.device)
        x, count = scaled[rows], len(scaled) - out.size
        mean, level = (sums - x.sum(0)) / count, (total - y[rows].sum()) / count
        kept = products - symmetric_product(x) - count * torch.outer(mean, mean)
        kept.diagonal().add_(penalty)
        product = answers - y[rows] @ x - count * level * mean
        weights = torch.cholesky_solve(product[:, None], torch.linalg.cholesky(kept))
        return ((x - mean) @ weights)[:, 0]

    return predicted


def _standardised(features: Tensor) -> tuple[Tensor, Tensor]:
    """Features of mean 0 and deviation 1 over all rows, and the penalty on their weights."""
    centre = features.mean(0, dtype=torch.float64).to(features.dtype)
    scaled = (features - centre).float()
    spread = scaled.square().mean(0).sqrt()
    dead = spread <= 1e-6 * features.abs().amax(0).clamp_min(1e-30)
    scaled /= torch.where(dead, torch.inf, spread)
    return scaled, RIDGE * scaled.square().sum(1).mean() + 1e-3


Bounds = tuple[int, int]  # the rows of a fold, which lie together
HeldOut = Iterator[tuple[Bounds, Tensor]]  # predictions less a constant [labelling, row]


def _by_rows(scaled: Tensor, penalty: Tensor, targets: Tensor, bounds: Sequence[Bounds]) -> HeldOut:
    """Predictions of each fold by the probe of all others, through matrices of rows by rows.

    G = (Z Zᵀ + λ I)⁻¹ is, with fewer features than rows, (I − Z (Zᵀ Z + λ I)⁻¹ Zᵀ) / λ.
    """
    inverse = _inverse_of_rows(scaled, penalty)
    for first, last in bounds:
        rows = inverse[first:last]
        others = torch.cat([rows[:, :first], rows[:, last:]], 1)
        weights = _inverted(rows[:, first:last]).neg_() @ others
        predicted = targets[:, :first] @ weights[:, :first].T
        yield (first, last), predicted.addmm_(targets[:, last:], weights[:, first:].T)


def _inverse_of_rows(scaled: Tensor, penalty: Tensor) -> Tensor:
    """Inverse of the regularised Gram matrix, without the constant direction [row, row]."""
    if scaled.shape[1] < scaled.shape[0]:
        lower = torch.linalg.cholesky(_penalised(scaled, penalty))
        half = torch.linalg.solve_triangular(lower, scaled.T, upper=False)
        inverse = symmetric_product(half).neg_()
        inverse.diagonal().add_(1)
        inverse /= penalty
    else:
        inverse = _inverted(_penalised(scaled.T, penalty))
    sums = inverse.sum(0)
    inverse -= torch.outer(sums, sums) / sums.sum()
    return inverse


def _by_features(
    scaled: Tensor, penalty: Tensor, targets: Tensor, bounds: Sequence[Bounds]
) -> HeldOut:
    """The same through a matrix of features by features for each fold, for many rows."""
    products, answers, sums = symmetric_product(scaled), targets @ scaled, scaled.sum(0)
    for first, last in bounds:
        x, y = scaled[first:last], targets[:, first:last]
        count = len(scaled) - len(x)
        mean, level = (sums - x.sum(0)) / count, -y.sum(1) / count
        kept = products - symmetric_product(x) - count * torch.outer(mean, mean)
        kept.diagonal().add_(penalty)
        product = answers - y @ x - count * torch.outer(level, mean)
        yield (first, last), product @ _inverted(kept) @ (x - mean).T


def _inverted(matrix: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky(matrix))


def _penalised(x: Tensor, penalty: Tensor) -> Tensor:
    products = symmetric_product(x)
    products.diagonal().add_(penalty)
    return products
