"""Many logistic regressions on the same rows at once: every fold, every shuffle, one matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vecdot

from layergram.errors import LayergramError

SCALES = ("standard", "none")
TOLERANCE = 1e-3  # largest distance to the optimum, as a share of the coefficients' length
MEMORY = 8  # pairs of steps that the quasi-Newton update remembers
STEPS = {torch.float32: 200, torch.float64: 2000}
PATIENCE = {torch.float32: 6, torch.float64: 200}  # steps without progress: rounding has the word


@dataclass(frozen=True)
class Fits:
    """Logistic regressions of several problems that share their rows.

    Attributes:
        weights: coefficients for the features as they were given [problem, feature], float64.
        bias: intercepts [problem], float64.
        margins: log odds of the positive class for every row, trained on or not [problem, row].
        converged: whether the optimum was reached [problem].
    """

    weights: Tensor
    bias: Tensor
    margins: Tensor
    converged: Tensor


def logistic(
    features: Tensor, labels: Tensor, rows: Tensor, *, c: float = 1.0, scale: str = "standard"
) -> Fits:
    """L2 logistic regressions, each trained on its own rows and labels of one matrix.

    The objective is scikit-learn's: C · Σ log-loss + ½‖w‖², with an intercept that is not
    penalised. With ``scale="standard"`` every problem standardises the features by mean and
    deviation of its own training rows, exactly: for features standardised once over all rows, that
    is the same as penalising w_j² by the variance of feature j in the problem's training rows.

    All problems advance together, by L-BFGS preconditioned with one Hessian that they share, and
    an exact line search that needs no further product with the features. They run in float32 and
    go on in float64 where that does not reach the optimum.

    Args:
        features: finite numbers [row, feature].
        labels: the positive class [problem, row], bool.
        rows: the rows that a problem is trained on [problem, row], bool.
        c: inverse strength of the penalty.
        scale: ``"standard"`` or ``"none"``.

    Returns:
        Coefficients whose distance to the optimum is at most 1e-3 of their length. That is
        proved, not guessed: the penalty bounds the distance by the length of the slope.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> y = torch.tensor([[False, False, True, True]])
        >>> fits = logistic(x, y, torch.ones_like(y), scale="none")
        >>> round(fits.weights.item(), 2), round(fits.bias.item(), 2), bool(fits.converged)
        (0.96, -1.44, True)
    """
    centre = features.double().mean(0)
    centred = (features - centre.to(features.dtype)).float()
    spread = centred.square().mean(0).sqrt()
    dead = spread <= 1e-6 * features.abs().amax(0).clamp_min(1e-30)
    spread = torch.where(dead, 1.0, spread) if scale == "standard" else torch.ones_like(spread)
    scaled = torch.where(dead, 0.0, centred / spread)
    penalty = torch.ones(len(rows), features.shape[1], device=features.device)
    if scale == "standard":
        penalty = torch.where(dead, 1.0, _variances(scaled, rows))
    one = torch.ones_like(scaled[:, :1])  # the intercept is the weight of a feature without penalty
    problem = _Problem(
        torch.cat([scaled, one], 1),
        labels.float() * 2 - 1,
        rows.float() * c,
        torch.cat([penalty, torch.zeros_like(penalty[:, :1])], 1),
    )
    found = torch.zeros_like(problem.penalty)
    for dtype, steps in STEPS.items():
        found, margins, converged = _minimise(problem.to(dtype), found.to(dtype), steps)
        if converged.all():
            break
    weights = found[:, :-1].double() / spread.double()
    return Fits(weights, found[:, -1].double() - weights @ centre, margins, converged)


def _variances(scaled: Tensor, rows: Tensor) -> Tensor:
    """Variance of each feature over the training rows of each problem; 1 where it is constant."""
    share = rows.float() / rows.sum(1, keepdim=True)
    variance = share @ scaled.square() - (share @ scaled).square()
    return torch.where(variance < 1e-6, 1.0, variance)


@dataclass(frozen=True)
class _Problem:
    """min over w of Σ_i cost_i · log(1 + exp(−sign_i x_i·w)) + ½ Σ_j penalty_j w_j²."""

    features: Tensor  # [row, feature]; the last is 1 for every row
    signs: Tensor  # [problem, row]
    costs: Tensor  # [problem, row]
    penalty: Tensor  # [problem, feature]; the last is 0

    def to(self, dtype: torch.dtype) -> _Problem:
        parts = (self.features, self.signs, self.costs, self.penalty)
        return _Problem(*(part.to(dtype) for part in parts))


Pair = tuple[Tensor, Tensor, Tensor]  # a step, the change of slope along it, 1 / their product


def _minimise(problem: _Problem, weights: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, margins, and whether the optimum was reached, from given weights on."""
    x, signs, costs, penalty = problem.features, problem.signs, problem.costs, problem.penalty
    total = costs.sum(1)
    bounds = torch.cat([penalty[:, :-1], total[:, None]], 1).reciprocal()
    margins = weights @ x.T
    precondition = _preconditioner(problem)
    pairs: list[Pair] = []
    step, before = torch.zeros_like(weights), torch.zeros_like(weights)
    nearest, stalled = torch.inf, 0
    for taken in range(steps):
        pull = costs * signs * torch.sigmoid(-signs * margins)
        slope = torch.addcmul(-(pull @ x), penalty, weights)
        steep = vecdot(slope.square(), bounds)
        bound = torch.maximum(TOLERANCE**2 * vecdot(penalty, weights.square()), 1e-10 * total)
        converged = steep <= bound
        furthest = float((steep / bound).max())
        nearest, stalled = (furthest, 0) if furthest < nearest else (nearest, stalled + 1)
        if (converged.all() and taken) or stalled == PATIENCE[x.dtype]:
            break
        if taken:
            bend = slope - before
            pairs = [*pairs[-MEMORY + 1 :], (step, bend, _inverse(vecdot(step, bend)))]
        direction = _quasi_newton(slope, pairs, precondition)
        along = direction @ x.T
        length = _line_search(problem, margins, along, weights, direction)[:, None]
        step, before = length * direction, slope
        weights = weights + step
        margins = torch.addcmul(margins, length, along)
    return weights, margins, converged


def _inverse(curvature: Tensor) -> Tensor:
    """1 / curvature; 0 where rounding left none, which drops the pair."""
    return torch.where(curvature > 0, 1 / curvature.clamp_min(1e-30), 0.0)


def _quasi_newton(
    slope: Tensor, pairs: list[Pair], precondition: Callable[[Tensor], Tensor]
) -> Tensor:
    """The direction of L-BFGS: minus its estimate of the inverse Hessian, times the slope."""
    result, factors = -slope, []
    for step, bend, inverse in reversed(pairs):
        factors.append(inverse * vecdot(step, result))
        result = torch.addcmul(result, factors[-1][:, None], bend, value=-1)
    result = precondition(result)
    for (step, bend, inverse), factor in zip(pairs, reversed(factors), strict=True):
        result = torch.addcmul(result, (factor - inverse * vecdot(bend, result))[:, None], step)
    return result


def _line_search(
    problem: _Problem, margins: Tensor, along: Tensor, weights: Tensor, direction: Tensor
) -> Tensor:
    """How far to go along the direction: the minimum, by three guarded Newton steps."""
    against, start, costs = -problem.signs * along, -problem.signs * margins, problem.costs
    steepness = against.square()
    curve = vecdot(problem.penalty, direction.square())
    tilt = vecdot(problem.penalty * weights, direction)
    length = torch.ones_like(tilt)
    for _ in range(3):
        missed = torch.sigmoid(torch.addcmul(start, length[:, None], against))
        cost = costs * missed
        first = tilt + length * curve + vecdot(cost, against)
        second = curve + vecdot(torch.addcmul(cost, cost, missed, value=-1), steepness)
        new = length - first / second.clamp_min(1e-30)
        length = torch.minimum(torch.maximum(new, length / 4), length * 4)
    return length


def _preconditioner(problem: _Problem) -> Callable[[Tensor], Tensor]:
    """The inverse of the mean Hessian of the problems at zero, as a function of slopes.

    With fewer features than rows it is inverted as it is; otherwise by Woodbury's identity, as a
    matrix of rows by rows. The intercept, which has no penalty, is given a small one.
    """
    x = problem.features
    curvature = problem.costs.mean(0) / 4
    ridge = problem.penalty.mean(0)
    ridge[-1] = 1e-3 * curvature.sum()
    if x.shape[1] <= x.shape[0]:
        hessian = (x * curvature[:, None]).T @ x
        hessian.diagonal().add_(ridge)
        inverse = _inverted(hessian)
        return lambda slope: slope @ inverse
    scaled = x / ridge
    gram = scaled @ x.T
    gram.diagonal().add_(1 / curvature.clamp_min(1e-6 * curvature.max()))
    inner = _inverted(gram)
    return lambda slope: slope / ridge - (slope @ scaled.T) @ inner @ scaled


def _inverted(matrix: Tensor) -> Tensor:
    """Inverse of a symmetric matrix that is positive, but for rounding."""
    jitter = 0.0
    for _ in range(8):
        lower, failed = torch.linalg.cholesky_ex(matrix)
        if not failed:
            return torch.cholesky_inverse(lower)
        jitter = max(10 * jitter, 1e-6 * float(matrix.diagonal().mean()))
        matrix = matrix + jitter * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    raise LayergramError(
        "probes",
        got="features whose products are not finite",
        do="check the features, or use scale 'standard'",
    )
