"""What is known about a model: its parts, its readout, one module call, one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Readout:
    """From a residual stream to the logits: norm, unembedding, scale and soft cap.

    ``logits = cap * tanh(scale * unembedding(path(h)) / cap)``, without the tanh where there is no
    cap.

    Attributes:
        path: the modules between the last layer and the unembedding, in order (the final norm;
            in some models also a projection or an activation, in some nothing).
        unembedding: the linear map onto the vocabulary, W_U.
        scale: factor on the logits.
        cap: bound of the soft cap, or ``None``.
    """

    path: tuple[nn.Module, ...]
    unembedding: nn.Module
    scale: float
    cap: float | None

    def logits(self, h: Tensor, *, norm: str = "final") -> Tensor:
        """Logits [n, V] in float32 of streams [n, d]; ``norm="none"`` leaves ``path`` out."""
        if norm == "final":
            for module in self.path:
                h = module(h)
        return self.finish(self.unembedding(h))

    def finish(self, raw: Tensor) -> Tensor:
        """What the model makes of the unembedding's output: scaled and capped, in float32."""
        raw = raw.float()
        if self.scale != 1.0:
            raw = raw * self.scale
        return raw if self.cap is None else self.cap * torch.tanh(raw / self.cap)


@dataclass(frozen=True)
class Parts:
    """The parts of one model.

    Attributes:
        layers: the decoder layers, in order.
        attention: for each layer its attention module, or ``None`` where it has none that shows
            weights (linear attention, state space).
        way: how attention is captured, ``interface`` or ``output``
            (:mod:`layergram.models.hooks`).
        heads: for each layer its number of query heads, 0 without attention.
        kv_groups: for each query head the number of the keys and values that it uses, where
            several heads share them; ``None`` where every head has its own, or layers differ.
        projections: for each layer the output projection of its attention, whose input is the
            heads' outputs side by side; ``None`` where there is none of that width.
        readout: from the residual stream to the logits.
        names: module -> its dotted name.
    """

    layers: tuple[nn.Module, ...]
    attention: tuple[nn.Module | None, ...]
    way: str
    heads: tuple[int, ...]
    kv_groups: tuple[int, ...] | None
    projections: tuple[nn.Module | None, ...]
    readout: Readout
    names: dict[nn.Module, str]


class WithParts(Protocol):
    """A model whose parts are known (:class:`layergram.models.model.Model`)."""

    @property
    def parts(self) -> Parts:
        """Where its parts are."""


@dataclass
class Call:
    """One call of a module: its first floating-point input, and its first output."""

    module: nn.Module
    input: Tensor | None
    output: Tensor | None


@dataclass(frozen=True)
class Proof:
    """One statement about a model, with the number that was measured for it.

    Attributes:
        name: short name.
        statement: what is claimed, as a sentence.
        status: ``proved``, ``failed``, or ``absent`` where the model has no such part.
        measured: the largest deviation that was found; NaN where nothing was measured.
        limit: the largest deviation that counts as proved.
        note: module and remedy of a failure, or what else there is to know.
    """

    name: str
    statement: str
    status: str
    measured: float = float("nan")
    limit: float = float("nan")
    note: str = ""
