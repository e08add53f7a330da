"""Plain batched Newton for logistic regressions on the dual, to compare the project's solver with.

min over w, b of C Σ log(1 + exp(−s_i (x_i·w + b))) + ½ ‖w‖² has w = Σ a_i x_i, so that only the
products K of rows matter. A Newton step solves (K + D⁻¹) a + b = z with Σ a_i = 0, where D holds
the curvatures C p (1 − p) and z the margins they aim at; with S = √D that is one Cholesky factor of
I + S K S for each problem and step. Rows that a problem is not trained on have S = 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 100
HALVINGS = 20
TOLERANCE = 1e-6  # change of the objective, as a share of it, at which a problem is done
FLATTEST = 1e-8  # curvature of a row, at least


def newton(
    features: Tensor, labels: Tensor, rows: Tensor, *, c: float = 1.0, scale: str = "standard"
) -> Tensor:
    """Log odds [problem, row] in float64 of L2 logistic regressions that share their rows.

    Args:
        features: [row, feature].
        labels: the positive class [problem, row], bool.
        rows: what each problem is trained on [problem, row], bool.
        c: inverse strength of the penalty.
        scale: ``standard`` standardises by each problem's own training rows, which takes a Gram
            matrix for each problem; with ``none`` all problems share one.
    """
    gram = _gram(features.double(), rows.double(), scale)
    y, trained = labels.double(), rows.double()
    a, b = torch.zeros_like(trained), torch.zeros(len(rows), 1, dtype=torch.float64)
    pull = _products(gram, a)
    cost = _objective(pull, a, b, y, trained, c)
    for _ in range(STEPS):
        p = torch.sigmoid(pull + b)
        root = (c * p * (1 - p)).clamp_min(FLATTEST).sqrt() * trained
        # S z, with z = margin + C (y − p) / D
        aim = root * (pull + b) + c * trained * (y - p) / root.clamp_min(FLATTEST**0.5)
        inner = root[:, :, None] * gram * root[:, None, :]
        inner.diagonal(dim1=1, dim2=2).add_(1)
        factor = torch.linalg.cholesky(inner)
        solved = torch.cholesky_solve(torch.stack([aim, root], 2), factor)
        u, v = (root[:, :, None] * solved).unbind(2)
        new_b = u.sum(1, keepdim=True) / v.sum(1, keepdim=True)
        step_a, step_b = u - new_b * v - a, new_b - b
        step_pull, length = _products(gram, step_a), torch.ones_like(b)
        for _ in range(HALVINGS):
            tried = a + length * step_a, b + length * step_b
            now = _objective(pull + length * step_pull, *tried, y, trained, c)
            worse = now > cost
            if not worse.any():
                break
            length = torch.where(worse[:, None], length / 2, length)
        a, b, pull = *tried, pull + length * step_pull
        gained, cost = cost - now, now
        if (gained <= TOLERANCE * now).all():
            break
    return pull + b


def _gram(x: Tensor, trained: Tensor, scale: str) -> Tensor:
    """Products of rows [problem or 1, row, row]; centring changes the intercept only."""
    x = x - x.mean(0)
    if scale == "none":
        return (x @ x.T)[None]
    share = trained / trained.sum(1, keepdim=True)
    variance = share @ x.square() - (share @ x).square()
    return torch.stack([(x / one.clamp_min(1e-18)) @ x.T for one in variance])


def _products(gram: Tensor, a: Tensor) -> Tensor:
    return (gram @ a[:, :, None])[:, :, 0]


def _objective(pull: Tensor, a: Tensor, b: Tensor, y: Tensor, trained: Tensor, c: float) -> Tensor:
    loss = torch.nn.functional.softplus(pull + b) - y * (pull + b)
    return c * (trained * loss).sum(1) + (a * pull).sum(1) / 2
