"""The start of a tuned lens: the affine map that comes nearest to the final residual stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from layergram.engine.run import read
from layergram.engine.views import ResidualView
from layergram.models.model import Model

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties that are tried, as shares of each dimension's own variance."""


class Moments:
    """Sums over tokens that a least-squares fit of every layer needs; a collector of the engine.

    x is the stream after a layer, y = h_L − x what is missing to the final one. A token counts with
    1 / mean(h_L²), because the final norm divides by the length of the stream.

    Args:
        layers: L.
        width: d.
    """

    needs = ("residual",)

    def __init__(self, layers: int, width: int) -> None:
        below, wide = layers - 1, torch.float64
        self.weight = torch.zeros((), dtype=wide)
        self.x, self.y = (torch.zeros(below, width, dtype=wide) for _ in range(2))
        self.xx, self.xy = (torch.zeros(below, width, width, dtype=wide) for _ in range(2))
        self.yy = torch.zeros(below, dtype=wide)

    def take(self, view: ResidualView) -> None:
        """Add the tokens of one chunk."""
        streams = view.streams[1:].cpu().double()
        last = streams[-1]
        weight = 1 / last.square().mean(-1).clamp(min=1e-12)
        self.weight += weight.sum()
        for at, x in enumerate(streams[:-1]):
            y = last - x
            weighted = x * weight[:, None]
            self.x[at] += weighted.sum(0)
            self.y[at] += weight @ y
            self.xx[at] += weighted.T @ x
            self.xy[at] += weighted.T @ y
            self.yy[at] += weight @ y.square().sum(-1)

    def scale(self) -> Tensor:
        """Weighted root mean square [L − 1, d] of each dimension of the streams, above 0."""
        squares = self.xx.diagonal(dim1=1, dim2=2) / self.weight
        return squares.sqrt().clamp(min=1e-12)

    def fit(self, layer: int, ridge: float) -> tuple[Tensor, Tensor]:
        """The affine map (A [d, d], b [d]) of a layer, A pulled towards 0 by a ridge penalty."""
        at = layer - 1
        mean, missing = self.x[at] / self.weight, self.y[at] / self.weight
        square = self.xx[at] - self.weight * torch.outer(mean, mean)
        cross = self.xy[at] - self.weight * torch.outer(mean, missing)
        own = square.diagonal().clamp(min=1e-12 * float(square.diagonal().max()) + 1e-30)
        made = torch.linalg.solve(square + ridge * torch.diag(own), cross).T
        return made, missing - made @ mean

    def error(self, layer: int, weight: Tensor, bias: Tensor) -> float:
        """Weighted squared distance of an affine map's stream from the final one, summed."""
        at = layer - 1
        through = weight @ self.xx[at]
        fitted = (through * weight).sum() + 2 * bias @ (weight @ self.x[at])
        fitted += self.weight * bias @ bias
        crossed = (weight * self.xy[at].T).sum() + bias @ self.y[at]
        return float(self.yy[at] - 2 * crossed + fitted)


def moments_of(model: Model, pieces: Sequence[Sequence[int]]) -> Moments:
    """The moments of all tokens of some pieces, in one pass of the engine."""
    found = Moments(model.layers, model.parts.width)
    for _ in read(model, pieces, [[found] for _ in pieces]):
        pass
    return found


def regression(fitted: Moments, choosing: Moments, layers: int) -> tuple[Tensor, Tensor]:
    """Weights [L − 1, d, d] and biases [L − 1, d]; each layer's ridge is chosen on other texts.

    A layer for which no penalty comes nearer on them than the stream itself keeps the identity.
    """
    weights, biases = torch.zeros_like(fitted.xx), torch.zeros_like(fitted.x)
    for layer in range(1, layers):
        best = float(choosing.yy[layer - 1])
        for ridge in RIDGES:
            weight, bias = fitted.fit(layer, ridge)
            error = choosing.error(layer, weight, bias)
            if error < best:
                best, weights[layer - 1], biases[layer - 1] = error, weight, bias
    return weights.float(), biases.float()
