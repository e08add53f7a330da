"""Many logistic regressions on the same rows at once: every fold, every shuffle, one matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vecdot
from torch.nn.functional import pad

from layergram.errors import LayergramError

SCALES = ("standard", "none")
TOLERANCE = 1e-3  # largest distance to the optimum, as a share of the coefficients' length
MEMORY = 4  # pairs of steps that the quasi-Newton update remembers
ROUND = 25  # steps until the Hessian is taken anew for the problems that are left; then twice that
SEARCHES = 12  # points on the way that a line search looks at; mostly it is one
STEPS = 2000  # after which a problem is called unconverged; 10 to 60 are usual
BLOCK = 64  # rows that are measured and scaled at a time
FLATTEST = 0.003  # curvature of a row in the shared Hessian, at least, as a share of the largest
MILD = 1e6  # ratio of the Hessian to the penalty up to which float32 can tell both


@dataclass(frozen=True)
class Fits:
    """Logistic regressions of several problems that share their rows.

    Attributes:
        weights: coefficients for the features as they were given [problem, feature], float64.
        bias: intercepts [problem], float64.
        margins: log odds of the positive class for every row, trained on or not [problem, row],
            float64.
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
    a line search that needs no further product with the features; a problem that has reached its
    optimum is let go. The work is done in float32 where that can hold both the Hessian and the
    penalty, and in float64 elsewhere.

    Args:
        features: finite numbers [row, feature].
        labels: the positive class [problem, row], bool.
        rows: the rows that a problem is trained on [problem, row], bool.
        c: inverse strength of the penalty.
        scale: ``"standard"`` or ``"none"``.

    Returns:
        Coefficients whose distance to the optimum is at most 1e-3 of their length, or as small as
        rounding lets it be. Both lengths are in the norm of the penalty: that of the standardised
        coefficients, where features are standardised. The penalty bounds the distance by the
        length of the slope; the intercept, which has none, is held to a slope as small.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> y = torch.tensor([[False, False, True, True]])
        >>> fits = logistic(x, y, torch.ones_like(y), scale="none")
        >>> round(fits.weights.item(), 2), round(fits.bias.item(), 2), bool(fits.converged)
        (0.96, -1.44, True)
    """
    centre, variance, variances = _moments(features, rows)
    spread = variance.sqrt()
    dead = spread <= 1e-6 * (spread + centre.abs())
    unit = torch.where(dead | (scale == "none"), 1.0, spread)
    penalty = torch.ones_like(variances)
    if scale == "standard":
        penalty = variances / unit.square()
        penalty = torch.where(dead | (penalty < 1e-9), 1.0, penalty)
    unit = torch.where(dead, torch.inf, unit)
    largest = 0.25 * c * len(features) * (variance / unit.square()).sum()
    x = _scaled(features, centre, unit, mild=bool(largest <= MILD * penalty.min()))
    rotated = scale == "none" and x.shape[1] > x.shape[0] + 1
    kept = _rotated(x) if rotated else x
    problems = _problems(kept, labels, rows, c, penalty[:, : kept.shape[1] - 1])
    with torch.inference_mode():
        found = _minimise(problems)
    weights = problems.pull(found.margins) @ x if rotated else found.weights
    weights = weights[:, :-1].double() / unit
    bias = found.weights[:, -1].double() - weights @ centre
    return Fits(weights, bias, found.margins.double(), found.converged)


def _moments(features: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance of each feature, and its variance over the training rows of each problem.

    A few rows at a time, which stay in the processor's cache: here memory is what takes long.
    """
    centre = features.mean(0).double()
    share = torch.cat([torch.ones_like(rows[:1]), rows]).double()
    share /= share.sum(1, keepdim=True)
    mean, square = (share.new_zeros(len(share), len(centre)) for _ in range(2))
    for part, weight in zip(features.split(BLOCK), share.split(BLOCK, 1), strict=True):
        x = part.double() - centre
        mean.addmm_(weight, x)
        square.addmm_(weight, x.square())
    variance = (square - mean.square()).clamp_min(0)
    return centre + mean[0], variance[0], variance[1:]


def _scaled(features: Tensor, centre: Tensor, unit: Tensor, *, mild: bool) -> Tensor:
    """The features centred and in their units, and one more that is 1 for every row."""
    count, width = features.shape
    light = torch.float32 if mild and width < count else torch.float64
    x = torch.ones(count, width + 1, dtype=light, device=features.device)
    for whole, part in zip(x[:, :-1].split(BLOCK), features.split(BLOCK), strict=True):
        whole.copy_((part - centre) / unit)
    return x


def _rotated(x: Tensor) -> Tensor:
    """The same rows in as many features as there are rows; no product of two rows changes.

    An L2 penalty is the same in every direction, so the problems stay what they are.
    """
    return torch.cat([torch.linalg.qr(x[:, :-1].T, mode="r")[1].T, x[:, -1:]], 1)


@dataclass(frozen=True)
class _Problems:
    """min over w of Σ_i cost_i · log(1 + exp(−sign_i x_i·w)) + ½ Σ_j penalty_j w_j², for each."""

    features: Tensor  # [row, feature], shared; the last is 1 for every row
    signs: Tensor  # [problem, row]
    costs: Tensor  # [problem, row]
    penalty: Tensor  # [problem, feature]; the last is 0
    rounding: Tensor  # square of the slope, in the penalty's norm, that rounding makes [problem]

    def __getitem__(self, chosen: Tensor) -> _Problems:
        return _Problems(
            self.features,
            self.signs[chosen],
            self.costs[chosen],
            self.penalty[chosen],
            self.rounding[chosen],
        )

    def pull(self, margins: Tensor) -> Tensor:
        """How hard each row pulls on the weights [problem, row]."""
        return self.costs * self.signs * torch.sigmoid(-self.signs * margins)


def _problems(x: Tensor, labels: Tensor, rows: Tensor, c: float, penalty: Tensor) -> _Problems:
    """The problems with the intercept as the weight of the last feature, without a penalty."""
    kind = x.dtype
    lengths = x[:, :-1].square().sum(1).double()
    squares = c**2 * (rows.double() @ lengths) / penalty.amin(1)
    return _Problems(
        x,
        labels.to(kind) * 2 - 1,
        rows.to(kind) * c,
        pad(penalty.to(kind), (0, 1)),
        ((4 * torch.finfo(kind).eps) ** 2 * squares).to(kind),
    )


@dataclass(frozen=True)
class _Found:
    """Where the problems are."""

    weights: Tensor  # [problem, feature]
    margins: Tensor  # [problem, row]
    converged: Tensor  # [problem]


Pair = tuple[Tensor, Tensor, Tensor]  # a step, the change of slope along it, 1 / their product


def _minimise(every: _Problems) -> _Found:
    """Steps of L-BFGS until each problem has reached its optimum; it takes part no longer."""
    found = _Found(
        torch.zeros_like(every.penalty),
        torch.zeros_like(every.signs),
        torch.zeros(len(every.signs), dtype=torch.bool, device=every.signs.device),
    )
    left = torch.arange(len(every.signs), device=every.signs.device)
    problems, weights, margins = every, found.weights.clone(), found.margins.clone()
    step, before = weights, weights
    pairs: list[Pair] = []
    renewal = 0
    for taken in range(STEPS + 1):
        pull = problems.pull(margins)
        slope = problems.penalty * weights - pull @ problems.features
        done = _reached(problems, weights, slope)
        if done.any() or taken == STEPS:
            found.weights[left], found.margins[left], found.converged[left] = weights, margins, done
            go = ~done
            left, problems, pull = left[go], problems[go], pull[go]
            weights, margins, slope, step, before = (
                part[go] for part in (weights, margins, slope, step, before)
            )
            pairs = [(a[go], b[go], inverse[go]) for a, b, inverse in pairs]
        if taken == STEPS or not len(left):
            break
        if taken == renewal:
            precondition = _preconditioner(problems, pull)
            pairs, renewal = [], 2 * renewal + ROUND
        else:
            bend = slope - before
            pairs = [*pairs[-MEMORY + 1 :], (step, bend, _inverse(vecdot(step, bend)))]
        direction = _quasi_newton(slope, pairs, precondition)
        along = direction @ problems.features.T
        length = _line_search(problems, margins, along, weights, direction)[:, None]
        step, before = length * direction, slope
        weights = weights + step
        margins = torch.addcmul(margins, length, along)
    return found


def _reached(problems: _Problems, weights: Tensor, slope: Tensor) -> Tensor:
    """Whether the optimum is near enough [problem].

    In the norm of the penalty the distance is at most the length of the slope in the norm of its
    inverse. The intercept's slope is measured by a quarter of the largest curvature that it can
    have. A slope that rounding alone could make is not asked to be smaller.
    """
    penalty, total = problems.penalty[:, :-1], problems.costs.sum(1)
    near = TOLERANCE**2 * vecdot(penalty, weights[:, :-1].square())
    steep = vecdot(1 / penalty, slope[:, :-1].square())
    level = 16 * slope[:, -1].square() / total
    eps = torch.finfo(slope.dtype).eps
    return (steep <= torch.maximum(near, problems.rounding)) & (
        level <= torch.maximum(near, (16 * eps) ** 2 * total)
    )


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
    problems: _Problems, margins: Tensor, along: Tensor, weights: Tensor, direction: Tensor
) -> Tensor:
    """How far to go along the direction: near the minimum, by Newton's method in a bracket.

    A full step is what it begins with. It ends when the next Newton step is a short one, which is
    then taken unseen: mostly at once.
    """
    against, start = -problems.signs * along, -problems.signs * margins
    steepness = against.square()
    pushed = problems.penalty * direction
    curve, tilt = vecdot(pushed, direction), vecdot(pushed, weights)
    length = torch.ones_like(tilt)
    low, high = torch.zeros_like(tilt), torch.full_like(tilt, torch.inf)
    for _ in range(SEARCHES):
        missed = torch.sigmoid(torch.addcmul(start, length[:, None], against))
        cost = problems.costs * missed
        first = tilt + length * curve + vecdot(cost, against)
        second = curve + vecdot(torch.addcmul(cost, cost, missed, value=-1), steepness)
        newton = length - first / second.clamp_min(1e-30)
        if ((newton - length).abs() <= length / 2).all():
            return newton
        low, high = torch.where(first < 0, length, low), torch.where(first < 0, high, length)
        newton = newton.clamp(length / 4, length * 4)
        length = torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
    return length


def _preconditioner(problems: _Problems, pull: Tensor) -> Callable[[Tensor], Tensor]:
    """The inverse of the problems' mean Hessian, as a function of slopes.

    With fewer features than rows it is inverted as it is; otherwise by Woodbury's identity, as a
    matrix of rows by rows. The intercept, which has no penalty, is given a small one.
    """
    x, strength = problems.features, pull.abs()
    curvature = (strength * (1 - strength / problems.costs.max())).mean(0)
    curvature = curvature.clamp_min(FLATTEST * curvature.max())
    ridge = problems.penalty.mean(0)
    ridge[-1] = 1e-3 * curvature.sum()
    if x.shape[1] <= x.shape[0] + 1:
        hessian = (x * curvature[:, None]).T @ x
        hessian.diagonal().add_(ridge)
        inverse = _inverted(hessian)
        return lambda slope: slope @ inverse
    scaled = x / ridge
    gram = scaled @ x.T
    gram.diagonal().add_(1 / curvature)
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
