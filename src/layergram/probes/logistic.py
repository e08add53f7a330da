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
RENEWED = 25  # the step at which the shared Hessian is taken anew, where the problems are now
STEPS = 2000  # after which a problem is called unconverged; 10 to 40 are usual
MILD = 1e6  # ratio of the Hessian to the penalty up to which float32 can tell both


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
    an exact line search that needs no further product with the features. Products with the
    features are taken in float32 where that can hold both the Hessian and the penalty, and in
    float64 elsewhere; sums, margins and weights are float64.

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
    x = features.double()
    centre = x.mean(0)
    x = x - centre
    spread = x.square().mean(0).sqrt()
    dead = spread <= 1e-6 * (spread + centre.abs())
    x[:, dead] = 0.0
    penalty = torch.ones(len(rows), x.shape[1], dtype=x.dtype, device=x.device)
    if scale == "standard":
        spread = torch.where(dead, 1.0, spread)
        x /= spread
        penalty = torch.where(dead, 1.0, _variances(x, rows))
    else:
        spread = torch.ones_like(spread)
    kept = _rotated(x) if scale == "none" and x.shape[1] > x.shape[0] else x
    problem = _problem(kept, labels, rows, c, penalty[:, : kept.shape[1]])
    found, margins, pull, converged = _minimise(problem)
    weights = found[:, :-1] if kept is x else pull @ x
    weights = weights / spread
    return Fits(weights, found[:, -1] - weights @ centre, margins, converged)


def _rotated(x: Tensor) -> Tensor:
    """The same rows in as many features as there are rows; no product of two rows changes.

    An L2 penalty is the same in every direction, so the problems stay what they are.
    """
    return torch.linalg.qr(x.T, mode="r")[1].T.contiguous()


def _variances(scaled: Tensor, rows: Tensor) -> Tensor:
    """Variance of each feature over the training rows of each problem; 1 where it is constant."""
    share = rows.to(scaled.dtype) / rows.sum(1, keepdim=True)
    variance = share @ scaled.square() - (share @ scaled).square()
    return torch.where(variance < 1e-9, 1.0, variance)


@dataclass(frozen=True)
class _Problem:
    """min over w of Σ_i cost_i · log(1 + exp(−sign_i x_i·w)) + ½ Σ_j penalty_j w_j²."""

    features: Tensor  # [row, feature]; the last is 1 for every row
    signs: Tensor  # [problem, row]
    costs: Tensor  # [problem, row]
    penalty: Tensor  # [problem, feature]; the last is 0


def _problem(x: Tensor, labels: Tensor, rows: Tensor, c: float, penalty: Tensor) -> _Problem:
    """The problem with the intercept as the weight of one more feature, which has no penalty."""
    return _Problem(
        torch.cat([x, torch.ones_like(x[:, :1])], 1),
        labels.to(x.dtype) * 2 - 1,
        rows.to(x.dtype) * c,
        torch.cat([penalty, torch.zeros_like(penalty[:, :1])], 1),
    )


Pair = tuple[Tensor, Tensor, Tensor]  # a step, the change of slope along it, 1 / their product


def _minimise(problem: _Problem) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights, margins, each row's pull on the weights, and whether the optimum was reached."""
    x, signs, costs, penalty = problem.features, problem.signs, problem.costs, problem.penalty
    total = costs.sum(1)
    bounds = torch.cat([penalty[:, :-1], total[:, None]], 1).reciprocal()
    precondition, light = _preconditioner(problem, costs / 4)
    narrow = x.to(light)
    pairs: list[Pair] = []
    weights, margins = torch.zeros_like(penalty), torch.zeros_like(signs)
    step, before = weights, weights
    for taken in range(STEPS + 1):
        pull = costs * signs * torch.sigmoid(-signs * margins)
        slope = torch.addcmul(-(pull.to(light) @ narrow).to(x.dtype), penalty, weights)
        size = vecdot(penalty, weights.square())
        steep = vecdot(slope.square(), bounds)
        converged = steep <= torch.maximum(TOLERANCE**2 * size, 1e-10 * total)
        if converged.all() or taken == STEPS:
            break
        if taken == RENEWED:
            precondition, light = _preconditioner(
                problem, pull.abs() * (1 - pull.abs() / costs.max())
            )
            pairs = []
        elif taken:
            pair = step.to(light), (slope - before).to(light)
            pairs = [*pairs[-MEMORY + 1 :], (*pair, _inverse(vecdot(*pair)))]
        direction = _quasi_newton(slope.to(light), pairs, precondition).to(x.dtype)
        along = (direction.to(light) @ narrow.T).to(x.dtype)
        length = _line_search(problem, margins, along, weights, direction)[:, None]
        step, before = length * direction, slope
        weights = weights + step
        margins = torch.addcmul(margins, length, along)
    return weights, margins, pull, converged


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


def _preconditioner(
    problem: _Problem, curvatures: Tensor
) -> tuple[Callable[[Tensor], Tensor], torch.dtype]:
    """The inverse of the problems' mean Hessian, as a function of slopes, and its precision.

    With fewer features than rows it is inverted as it is; otherwise by Woodbury's identity, as a
    matrix of rows by rows, whose differences need float64. The intercept, which has no penalty,
    is given a small one.
    """
    curvature = curvatures.mean(0)
    curvature = curvature.clamp_min(0.03 * curvature.max())
    ridge = problem.penalty.mean(0)
    ridge[-1] = 1e-3 * curvature.sum()
    largest = (problem.features[:, :-1].square().sum(1) * curvature).sum()
    few = problem.features.shape[1] <= problem.features.shape[0] + 1
    mild = few and largest <= MILD * ridge[:-1].min()
    light = torch.float32 if mild else problem.features.dtype
    x, curvature, ridge = (part.to(light) for part in (problem.features, curvature, ridge))
    if few:
        hessian = (x * curvature[:, None]).T @ x
        hessian.diagonal().add_(ridge)
        inverse = _inverted(hessian)
        return lambda slope: slope @ inverse, light
    scaled = x / ridge
    gram = scaled @ x.T
    gram.diagonal().add_(1 / curvature)
    inner = _inverted(gram)
    return lambda slope: slope / ridge - (slope @ scaled.T) @ inner @ scaled, light


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
