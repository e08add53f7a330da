"""Many logistic regressions on the same rows at once: every fold, every shuffle, one matrix.

A plain batched Newton on the dual (`benchmarks/newton.py`, 80 lines) finds the same probes. It
takes 49 times the processor time at 1,000 rows of 576 features, and 8.4 times at 4,096: five folds
of a cell, one thread (`benchmarks/rows_probes.py`, 2026-11-29). That is why this file is longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.linalg import vecdot
from torch.nn.functional import pad

from layergram.probes.products import factor, inverted, symmetric_product

SCALES = ("standard", "none")
TOLERANCE = 1e-3  # largest distance to the optimum, as a share of the coefficients' length
ROUND = 12  # steps until a new Hessian is thought of; then twice that
SETTLED = 2  # steps after a Hessian from which on the pace is measured
PATIENCE = 15  # steps that take as long as a Hessian
HARD = 3  # Hessians that only hard problems take, as those with rare huge numbers
MEMORY = 8  # pairs of steps that the quasi-Newton update remembers then
SEARCHES = 12  # points on the way that a line search looks at; mostly it is one
STEPS = 2000  # after which a problem is called unconverged; 10 to 60 are usual
BLOCK = 64  # rows that are measured at a time
FURTHEST = 100.0  # times a direction is made longer, or shorter, as steps were
FLATTEST = 0.003  # curvature of a row in the shared Hessian, at least, as a share of the largest
MILD = 1e7  # ratio of the Hessian to the penalty up to which float32 can tell both


@dataclass(frozen=True)
class Fits:
    """Logistic regressions of several problems that share their rows.

    Attributes:
        weights: coefficients for the features as they were given [problem, feature], float64.
        bias: intercepts [problem], float64.
        log_odds: of the positive class for every row, trained on or not [problem, row], float64.
        converged: whether the optimum was reached [problem].
    """

    weights: Tensor
    bias: Tensor
    log_odds: Tensor
    converged: Tensor


def logistic(
    features: Tensor, labels: Tensor, rows: Tensor, *, c: float = 1.0, scale: str = "standard"
) -> Fits:
    """L2 logistic regressions, each trained on its own rows and labels of one matrix.

    The objective is scikit-learn's: C · Σ log-loss + ½‖w‖², with an intercept that is not
    penalised. With ``scale="standard"`` every problem standardises the features by mean and
    deviation of its own training rows, exactly: for features standardised once over all rows, that
    is the same as penalising w_j² by the variance of feature j in the problem's training rows.

    All problems advance together, by L-BFGS from one Hessian that they share, for each scaled as
    its last steps were long, and a line search that needs no further product with the features; a
    problem that has reached its optimum is let go. The work is done in float32 where that can hold
    both the Hessian and the penalty, and in float64 elsewhere.

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
        length of the gradient; the intercept, which has none, is held to a gradient as small.

    Raises:
        LayergramError: where the products of features are not finite.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> y = torch.tensor([[False, False, True, True]])
        >>> fits = logistic(x, y, torch.ones_like(y), scale="none")
        >>> round(fits.weights.item(), 2), round(fits.bias.item(), 2), bool(fits.converged)
        (0.96, -1.44, True)
    """
    with torch.inference_mode():
        centre, mean, square = _moments(features, rows)
        variance = (square - mean.square()).clamp_min(0)
        spread = variance[0].sqrt()
        dead = spread <= 1e-6 * (spread + (centre + mean[0]).abs())
        unit = torch.where(dead | (scale == "none"), 1.0, spread)
        penalty = torch.ones_like(variance[1:])
        if scale == "standard":
            penalty = variance[1:] / unit.square()
            penalty = torch.where(dead | (penalty < 1e-9), 1.0, penalty)
        unit = torch.where(dead, torch.inf, unit)
        largest = 0.25 * c * len(features) * (square[0] / unit.square()).sum()
        mild = bool(largest <= MILD * penalty.min())
        x = _scaled(features, centre, unit, mild=mild)
        problems = _problems(x, labels, rows, c, penalty)
        found = _minimise(problems, None if problems.gram is None else _by_rows(problems))
    weights = found.weights[:, :-1].double() / unit
    bias = found.weights[:, -1].double() - weights @ centre
    return Fits(weights, bias, (problems.signs * found.margin).double(), found.converged)


def _moments(features: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A centre of each feature [feature]; mean and mean square about it [1 + problem, feature].

    First those of all rows, then those of the training rows of each problem. A few rows at a time,
    which stay in the processor's cache: here memory is what takes long.
    """
    centre = features.mean(0)
    share = torch.cat([torch.ones_like(rows[:1]), rows]).double()
    share /= share.sum(1, keepdim=True)
    mean, square = (share.new_zeros(len(share), len(centre)) for _ in range(2))
    for part, weight in zip(features.split(BLOCK), share.split(BLOCK, 1), strict=True):
        x = (part - centre).double()
        mean.addmm_(weight, x)
        square.addmm_(weight, x.square_())
    return centre.double(), mean, square


def _scaled(features: Tensor, centre: Tensor, unit: Tensor, *, mild: bool) -> Tensor:
    """The features centred and in their units, and one more that is 1 for every row."""
    count, width = features.shape
    light = torch.float32 if mild else torch.float64
    x = torch.ones(count, width + 1, dtype=light, device=features.device)
    kept = x[:, :-1]
    kept.copy_(features)
    kept.sub_(centre.to(light)).div_(unit.to(light))
    return x


@dataclass(frozen=True)
class _Problems:
    """min over w of Σ_i cost_i · log(1 + exp(−sign_i x_i·w)) + ½ Σ_j penalty_j w_j², for each."""

    features: Tensor  # [row, feature], shared; the last is 1 for every row
    ridge: Tensor  # the mean penalty of all problems, without the intercept's [feature], shared
    gram: Tensor | None  # with more features than rows: their products over ridge [row, row]
    signs: Tensor  # 1 for the positive class, else −1 [problem, row]
    costs: Tensor  # [problem, row]
    signed: Tensor  # −signs · costs [problem, row]
    penalty: Tensor  # [problem, feature]; the last, the intercept's, is 0
    inverse_penalty: Tensor  # the last is 0
    rounding: Tensor  # squared gradient that rounding makes of a residual of 1 [problem, row]
    share: Tensor  # weight of the intercept's squared gradient [problem]
    intercept_rounding: Tensor  # squared gradient of the intercept that rounding makes [problem]

    def __getitem__(self, chosen: Tensor) -> _Problems:
        x, ridge, gram, *parts = (getattr(self, field.name) for field in fields(self))
        return _Problems(x, ridge, gram, *(part[chosen] for part in parts))

    def residual(self, margin: Tensor) -> Tensor:
        """Derivative of each row's cost by its log odds, at this margin [problem, row]."""
        return torch.sigmoid(-margin).mul_(self.signed)


def _problems(x: Tensor, labels: Tensor, rows: Tensor, c: float, penalty: Tensor) -> _Problems:
    """The problems with the intercept as the weight of the last feature, without a penalty."""
    kind, least = x.dtype, (4 * torch.finfo(x.dtype).eps) ** 2
    total = c * rows.sum(1, dtype=torch.float64)
    lengths = torch.linalg.vector_norm(x[:, :-1], dim=1).square()
    rounding = least * lengths / penalty.amin(1)[:, None]
    ridge = penalty.mean(0).to(kind)
    gram = None
    if len(ridge) > len(x):
        gram = symmetric_product((x[:, :-1] / ridge.sqrt()).T)
    signs, costs = 2 * labels.to(kind) - 1, rows.to(kind) * c
    return _Problems(
        x,
        ridge,
        gram,
        signs,
        costs,
        -signs * costs,
        pad(penalty, (0, 1)).to(kind),
        pad(1 / penalty, (0, 1)).to(kind),
        rounding.to(kind),
        (total / 16).to(kind),
        (least * total.square()).to(kind).clamp_min(torch.finfo(kind).tiny),
    )


@dataclass(frozen=True)
class _Found:
    """Where the problems are."""

    weights: Tensor  # [problem, feature]
    margin: Tensor  # log odds of each row's own class [problem, row]
    converged: Tensor  # [problem]


Pair = tuple[Tensor, Tensor, Tensor]  # a step, the change of gradient along it, 1 / their product


def _by_rows(problems: _Problems) -> Tensor:
    """Where to begin with more features than rows: at the mean penalty [problem, feature].

    With one penalty for all problems, as many features as there are rows are enough: those of a
    factor of the products of the rows. Each problem's own penalty is close to the mean.
    """
    assert problems.gram is not None
    lower = factor(problems.gram)
    ones = pad(torch.ones_like(problems.signs), (0, 1))
    few = replace(
        problems,
        features=pad(lower, (0, 1), value=1),
        ridge=ones[0, :-1],
        gram=None,
        penalty=ones,
        inverse_penalty=ones,
    )
    found = _minimise(few).weights
    dual = torch.linalg.solve_triangular(lower.T, found[:, :-1].T, upper=True).T
    return torch.cat([dual @ problems.features[:, :-1] / problems.ridge, found[:, -1:]], 1)


def _minimise(every: _Problems, start: Tensor | None = None) -> _Found:
    """Steps of L-BFGS until each problem has reached its optimum; it takes part no longer."""
    found = _Found(
        torch.zeros_like(every.penalty),
        torch.zeros_like(every.signs),
        torch.zeros(len(every.signs), dtype=torch.bool, device=every.signs.device),
    )
    left = torch.arange(len(every.signs), device=every.signs.device)
    problems, weights, margin = every, found.weights.clone(), found.margin.clone()
    if start is not None:
        weights, margin = start, (start @ every.features.T) * every.signs
    step, before, scale = weights, weights, weights.new_ones(len(weights), 1)
    pairs: list[Pair] = []
    pace = _Pace()
    for taken in range(STEPS + 1):
        residual = problems.residual(margin)
        shrink = problems.penalty * weights
        gradient = torch.addmm(shrink, residual, problems.features)
        near = TOLERANCE**2 * vecdot(shrink, weights)
        gap = _optimality_gap(problems, gradient, residual, near)
        done = gap <= 1
        if done.any() or taken == STEPS:
            found.weights[left], found.margin[left], found.converged[left] = weights, margin, done
            go = ~done
            left, problems, gap, residual = (part[go] for part in (left, problems, gap, residual))
            weights, margin, shrink, gradient, step, before, scale = (
                part[go] for part in (weights, margin, shrink, gradient, step, before, scale)
            )
            pairs = [(a[go], b[go], inverse[go]) for a, b, inverse in pairs]
        if taken == STEPS or not len(left):
            break
        if pace.wants_hessian(taken, gap):
            precondition = _preconditioner(problems, residual)
            pairs, scale = [], torch.ones_like(scale)
        else:
            bend = gradient - before
            pairs.append((step, bend, _reciprocal(vecdot(step, bend))))
            del pairs[: -pace.memory]
        direction = _quasi_newton(gradient, pairs, scale, precondition)
        gain = (direction @ problems.features.T).mul_(problems.signs)
        length = _line_search(problems, margin, gain, shrink, direction)[:, None]
        step, before = length * direction, gradient
        scale = (length * scale).clamp(1 / FURTHEST, FURTHEST)
        weights = weights + step
        margin = torch.addcmul(margin, length, gain)
    return found


class _Pace:
    """When to take the Hessian anew: not where the end is nearer than the time that it takes."""

    def __init__(self) -> None:
        self.due, self.since, self.begun, self.hessians = 0, 0, 0.0, 0

    @property
    def memory(self) -> int:
        """Pairs of steps to remember: one does for most problems, hard ones are worth more."""
        return 1 if self.hessians < HARD else MEMORY

    def wants_hessian(self, taken: int, gap: Tensor) -> bool:
        """At the first step; then after a round, and rounds twice as long, if the end is far.

        How far is judged by the pace since the last Hessian, without its first steps, which are
        faster.
        """
        if taken not in (self.due, self.since + SETTLED):
            return False
        far = float(gap.max().log())
        if taken != self.due:
            self.begun = far
            return False
        self.due = 2 * self.due + ROUND
        gone, steps = self.begun - far, taken - self.since - SETTLED
        if taken and gone * PATIENCE >= far * steps:
            return False
        self.since, self.hessians = taken, self.hessians + 1
        return True


def _optimality_gap(
    problems: _Problems, gradient: Tensor, residual: Tensor, near: Tensor
) -> Tensor:
    """Square of the distance to the optimum, at most, as a multiple of what is near [problem].

    In the norm of the penalty the distance is at most the length of the gradient in the norm of its
    inverse. The intercept's gradient is measured by a quarter of the largest curvature that it can
    have. A gradient that rounding alone could make is not asked to be smaller.
    """
    squares, tiny = gradient.square(), torch.finfo(gradient.dtype).tiny
    rounding = vecdot(problems.rounding, residual.square()).clamp_min(tiny)
    weights = vecdot(problems.inverse_penalty, squares) / torch.maximum(near, rounding)
    floor = torch.maximum(near * problems.share, problems.intercept_rounding)
    return torch.maximum(weights, squares[:, -1] / floor)


def _quasi_newton(
    gradient: Tensor, pairs: list[Pair], scale: Tensor, precondition: Callable[[Tensor], Tensor]
) -> Tensor:
    """The direction of L-BFGS: minus its estimate of the inverse Hessian, times the gradient."""
    result, factors = -gradient, []
    for step, bend, inverse in reversed(pairs):
        factors.append(inverse * vecdot(step, result))
        result = torch.addcmul(result, factors[-1][:, None], bend, value=-1)
    result = scale * precondition(result)
    for (step, bend, inverse), kept in zip(pairs, reversed(factors), strict=True):
        result = torch.addcmul(result, (kept - inverse * vecdot(bend, result))[:, None], step)
    return result


def _reciprocal(curvature: Tensor) -> Tensor:
    """1 / curvature; 0 where rounding left none, which drops the pair."""
    return torch.where(curvature > 0, curvature, torch.inf).reciprocal()


def _line_search(
    problems: _Problems, margin: Tensor, gain: Tensor, shrink: Tensor, direction: Tensor
) -> Tensor:
    """How far to go along the direction: near the minimum, by Newton's method in a bracket.

    A full step is what it begins with. It ends when the next Newton step is a short one, which is
    then taken unseen: mostly at once.
    """
    curve, tilt = vecdot(problems.penalty * direction, direction), vecdot(shrink, direction)
    there, length = margin + gain, torch.ones_like(tilt)
    low, high = 0.0, torch.inf
    for _ in range(SEARCHES):
        missed = torch.sigmoid(-there)
        change = problems.costs * missed * gain
        first = torch.addcmul(tilt, length, curve) - change.sum(1)
        second = curve + vecdot(torch.addcmul(change, change, missed, value=-1), gain)
        back = first / second.clamp_min(1e-30)
        newton = length - back
        if (back.abs() <= length / 2).all():
            return newton
        low, high = torch.where(first < 0, length, low), torch.where(first < 0, high, length)
        newton = newton.clamp(length / 4, length * 4)
        length = torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        there = torch.addcmul(margin, length[:, None], gain)
    return length


def _preconditioner(problems: _Problems, residual: Tensor) -> Callable[[Tensor], Tensor]:
    """The inverse of the problems' mean Hessian, as a function of gradients.

    With more features than rows it is inverted by Woodbury's identity, as a matrix of rows by rows;
    otherwise as it is. The intercept, which has no penalty, is given a small one.
    """
    x, strength = problems.features, residual.abs()
    curvature = (strength * (1 - strength / problems.costs.max())).mean(0)
    curvature = curvature.clamp_min(FLATTEST * curvature.max())
    least = 1e-3 * curvature.sum()
    ridge = torch.cat([problems.ridge, least[None]])
    if problems.gram is None:
        hessian = symmetric_product(x * curvature.sqrt()[:, None])
        hessian.diagonal().add_(ridge)
        inverse = inverted(hessian)
        return lambda gradient: gradient @ inverse
    gram = problems.gram + 1 / least
    gram.diagonal().add_(1 / curvature)
    inner = inverted(gram)
    return lambda gradient: (gradient - (gradient / ridge @ x.T) @ inner @ x) / ridge
