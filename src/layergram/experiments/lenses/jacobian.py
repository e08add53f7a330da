"""Fit a Jacobian lens: random directions of the final stream, pulled back and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layergram.engine.batch import padded_right
from layergram.engine.gradients import pull_back
from layergram.engine.run import read
from layergram.engine.views import ResidualView
from layergram.experiments.lenses.options import LensOptions
from layergram.experiments.lenses.pieces import Ids, Pieces
from layergram.models.model import Model
from layergram.progress import Progress

SKIP = 16
"""First tokens of a piece that do not count, as published: streams are unlike others there."""

BATCH_TOKENS = 512
"""Tokens of one forward pass whose graph is kept."""

USES = 4
"""Directions that are pulled back through one forward pass."""


@dataclass(frozen=True)
class Jacobians:
    """Mean Jacobians with their errors.

    Attributes:
        mean: J [L − 1, d, d], rows of the final stream by columns of the layer's.
        error: [L − 1], standard error of the whole matrix over pieces, as a share of its
            Frobenius norm.
    """

    mean: Tensor
    error: Tensor


def counted(length: int) -> range:
    """The tokens of a piece that count: not the first ones, nor the last, which predicts nothing.

    Of a piece of fewer than 64 tokens only a quarter is left out at the beginning.

    Example:
        >>> counted(64), counted(12)
        (range(16, 63), range(3, 11))
    """
    return range(min(SKIP, length // 4), length - 1)


def jacobian(model: Model, pieces: Pieces, options: LensOptions, progress: Progress) -> Jacobians:
    """Mean Jacobians of the final stream, from an orthonormal basis of random directions.

    Each of the d directions v is followed in ``rounds`` pieces, drawn without replacement as long
    as there are any: vᵀJ is the mean of what is pulled back there. As the directions span the whole
    stream, the only error is that of the mean over pieces, which is estimated from their spread.

    Args:
        model: the model.
        pieces: what to average over.
        options: rounds and seed.
        progress: called with stage, done and total.
    """
    width, below = model.parts.width, model.layers - 1
    random = torch.Generator().manual_seed(options.seed)
    basis = torch.linalg.qr(torch.randn(width, width, generator=random)).Q.T
    sums = torch.zeros(below, width, width)
    squares = torch.zeros(below, width)
    slots = torch.cat([torch.randperm(width, generator=random) for _ in range(options.rounds)])
    done = 0
    while done < len(slots):
        for batch in _batches(model, pieces.fitted, random):
            if done >= len(slots):
                break
            uses = max(1, min(USES, width // len(batch)))  # a direction once in a batch
            places = slots[done : done + uses * len(batch)].split(len(batch))
            for own, made in zip(places, _pulled(model, batch, basis, places), strict=True):
                rows = made[:, : len(own)].cpu()
                sums.index_add_(1, own, rows)
                squares.index_add_(1, own, rows.square().sum(-1))
                done += len(own)
            progress("directions", done, len(slots))
    n = options.rounds
    spread = (squares - sums.square().sum(-1) / n).clamp(min=0) / (n - 1)
    mean = basis.T @ (sums / n)
    norm = mean.square().sum((1, 2)).sqrt().clamp(min=1e-30)
    return Jacobians(mean, (spread / n).sum(-1).sqrt() / norm)


class MeanStreams:
    """The sum of every layer's stream over the tokens of a piece that count; for the engine.

    Args:
        sums: [L, d] in float64, added to.
        length: tokens of the piece.
    """

    needs = ("residual",)

    def __init__(self, sums: Tensor, length: int) -> None:
        self.sums, self.own = sums, counted(length)

    def take(self, view: ResidualView) -> None:
        """Add the tokens of one chunk."""
        first, end = (max(0, place - view.start) for place in (self.own.start, self.own.stop))
        self.sums += view.streams[1:, first:end].sum(1).cpu().double()


def offsets(model: Model, pieces: Pieces, jacobians: Tensor) -> Tensor:
    """What is added to J h to carry the mean stream of a layer to the mean final one: m_L − J m_l.

    Args:
        model: the model.
        pieces: the means m are over the tokens that count in those that are fitted on, each token
            as much as any other.
        jacobians: J [L − 1, d, d].

    Returns:
        [L − 1, d] in float32.
    """
    sums = torch.zeros(model.layers, model.parts.width, dtype=torch.float64)
    collectors = [[MeanStreams(sums, len(piece))] for piece in pieces.fitted]
    for _ in read(model, pieces.fitted, collectors):
        pass
    *below, last = sums / sum(len(counted(len(piece))) for piece in pieces.fitted)
    moved = [j.double() @ mean for j, mean in zip(jacobians, below, strict=True)]
    return (last - torch.stack(moved)).float()


def _batches(model: Model, fitted: Sequence[Ids], random: torch.Generator) -> list[list[Ids]]:
    """All pieces once, in random order, in batches that the model can read together."""
    longest = max(map(len, fitted))
    size = max(1, min(BATCH_TOKENS // longest, model.parts.width)) if model.batches else 1
    order = torch.randperm(len(fitted), generator=random).tolist()
    return [[fitted[at] for at in order[a : a + size]] for a in range(0, len(order), size)]


def _pulled(
    model: Model, batch: list[Ids], basis: Tensor, places: tuple[Tensor, ...]
) -> list[Tensor]:
    """For some directions of each piece what is pulled back [L − 1, n, d]; 0 for no direction."""
    where = torch.zeros(len(batch), max(map(len, batch)), dtype=torch.bool)
    for row, piece in zip(where, batch, strict=True):
        row[list(counted(len(piece)))] = True
    directions = []
    for own in places:
        of_batch = torch.zeros(len(batch), basis.shape[1])
        of_batch[: len(own)] = basis[own]
        directions.append(of_batch)
    return pull_back(model, padded_right(batch, model.device), directions, where)
