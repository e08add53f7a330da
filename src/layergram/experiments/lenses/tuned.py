"""Fit a tuned lens: a least-squares start, then descent on KL(final ‖ lens), all layers at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from layergram.engine.run import read
from layergram.engine.views import ResidualView
from layergram.experiments.lenses.moments import moments_of, regression
from layergram.experiments.lenses.options import LensOptions
from layergram.experiments.lenses.pieces import Ids, Pieces
from layergram.models.model import Model
from layergram.progress import Progress

PIECES = 8
"""Pieces whose tokens a step draws from."""

CHOSEN = 256
"""Tokens on which it is decided whether a layer keeps what the descent changed."""


class ChosenTokens:
    """Keeps the streams of chosen tokens of one piece; a collector of the engine.

    Args:
        positions: of the tokens.
    """

    needs = ("residual",)

    def __init__(self, positions: Sequence[int]) -> None:
        self.positions = torch.tensor(sorted(positions), dtype=torch.long)
        self.streams: list[Tensor] = []

    def take(self, view: ResidualView) -> None:
        """Keep [L, tokens, d] of the chosen tokens of one chunk."""
        own = self.positions - view.start
        own = own[(own >= 0) & (own < len(view.layers[-1]))]
        device = view.layers[-1].device
        kept = [h[own.to(h.device)].to(device).float() for h in view.layers[1:]]
        self.streams.append(torch.stack(kept))


def tuned(
    model: Model, pieces: Pieces, options: LensOptions, progress: Progress
) -> dict[str, Tensor]:
    """The weights [L − 1, d, d] and biases [L − 1, d] of a tuned lens.

    Args:
        model: the model.
        pieces: what to fit on and choose on.
        options: steps, tokens of a step, rate, seed.
        progress: called with stage, done and total.
    """
    progress("least squares", 0, 2)
    start = moments_of(model, pieces.fitted)
    progress("least squares", 1, 2)
    first = regression(start, moments_of(model, pieces.choosing), model.layers)
    progress("least squares", 2, 2)
    device = model.device
    weights, biases = (one.to(device) for one in first)
    if options.steps:
        scale = start.scale().float().to(device)
        moved = _descent(model, pieces.fitted, options, (weights, biases, scale), progress)
        weights, biases = _better(model, pieces, options, (weights, biases), moved)
    return {"weights": weights.cpu(), "biases": biases.cpu()}


def _descent(
    model: Model,
    fitted: Sequence[Ids],
    options: LensOptions,
    start: tuple[Tensor, Tensor, Tensor],
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """Steps of Adam on the mean of KL(final ‖ lens) over tokens, with a rate that falls to 0.

    What is moved is A in units of each dimension of the stream, whose sizes differ a thousandfold.
    """
    weights, biases, scale = start
    moved = [
        (torch.zeros_like(one).requires_grad_(), torch.zeros_like(other).requires_grad_())
        for one, other in zip(weights, biases, strict=True)
    ]
    parameters = [one for pair in moved for one in pair]
    optimiser = torch.optim.Adam(parameters, lr=options.rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / options.steps)
    random = torch.Generator().manual_seed(options.seed)
    for step in range(options.steps):
        streams = _drawn(model, fitted, options.rows, random)
        final = _log_p(model, streams[-1])
        for at, (change, shift) in enumerate(moved):
            weight, bias = weights[at] + change / scale[at], biases[at] + shift
            loss = _loss(model, streams[at], weight, bias, final).mean()
            change.grad, shift.grad = torch.autograd.grad(loss, [change, shift])
        optimiser.step()
        schedule.step()
        progress("descent", step + 1, options.steps)
    changed = torch.stack([change.detach() for change, _ in moved])
    shifted = torch.stack([shift.detach() for _, shift in moved])
    return weights + changed / scale[:, None, :], biases + shifted


def _better(
    model: Model,
    pieces: Pieces,
    options: LensOptions,
    start: tuple[Tensor, Tensor],
    moved: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """For each layer the affine map with the lower loss on pieces that it was not fitted on.

    That of the start, that of the descent, or none at all.
    """
    random = torch.Generator().manual_seed(options.seed + 1)
    weights, biases = (torch.zeros_like(one) for one in start)
    with torch.no_grad():
        streams = _drawn(model, pieces.choosing, CHOSEN, random)
        final = _log_p(model, streams[-1])
        for at in range(len(weights)):
            known = [(one[0][at], one[1][at]) for one in ((weights, biases), start, moved)]
            losses = [float(_loss(model, streams[at], *pair, final).mean()) for pair in known]
            weights[at], biases[at] = known[losses.index(min(losses))]
    return weights, biases


def _drawn(model: Model, pieces: Sequence[Ids], rows: int, random: torch.Generator) -> Tensor:
    """Streams [L, tokens, d] of random tokens of random pieces, all of them where there are few."""
    chosen = torch.randperm(len(pieces), generator=random)[:PIECES].tolist()
    places = [(at, position) for at in chosen for position in range(len(pieces[at]))]
    kept = torch.randperm(len(places), generator=random)[:rows].tolist()
    drawn = [places[at] for at in kept]
    collectors = [ChosenTokens([position for own, position in drawn if own == at]) for at in chosen]
    for _ in read(model, [pieces[at] for at in chosen], [[one] for one in collectors]):
        pass
    return torch.cat([one for each in collectors for one in each.streams], dim=1)


def _log_p(model: Model, h: Tensor) -> Tensor:
    """Natural log-probabilities [n, V] of streams [n, d] at the readout."""
    return model.parts.readout.logits(h.to(model.dtype)).log_softmax(-1).detach()


def _loss(model: Model, h: Tensor, weight: Tensor, bias: Tensor, final: Tensor) -> Tensor:
    """KL(final ‖ lens) [n] in nats of streams [n, d] through an affine map."""
    through = h + h @ weight.T + bias
    log_p = model.parts.readout.logits(through.to(model.dtype)).log_softmax(-1)
    return (final.exp() * (final - log_p)).sum(-1)
