"""What is known about a model: its parts, its readout, one module call, one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeGuard

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
        vocabulary: V, how many logits the unembedding makes.
        dtype: floating-point type of what the unembedding reads; the stream may have another.
    """

    path: tuple[nn.Module, ...]
    unembedding: nn.Module
    scale: float
    cap: float | None
    vocabulary: int
    dtype: torch.dtype

    def logits(self, h: Tensor, *, norm: str = "final", out: Tensor | None = None) -> Tensor:
        """Logits [n, V] in float32 of streams [n, d]; ``norm="none"`` leaves ``path`` out.

        They are written into ``out``, float32 of the same shape, where one is given.
        """
        if norm == "final":
            for module in self.path:
                h = module(h)
        h = h.to(self.dtype)
        if out is None:
            return self.finish(self.unembedding(h))
        if _is_plain_product(self.unembedding):
            torch.mm(h, self.unembedding.weight.T, out=out)
            if self.unembedding.bias is not None:
                out.add_(self.unembedding.bias)
        else:
            out.copy_(self.unembedding(h))
        if self.scale != 1.0:
            out.mul_(self.scale)
        return out if self.cap is None else out.div_(self.cap).tanh_().mul_(self.cap)

    def finish(self, raw: Tensor) -> Tensor:
        """What the model makes of the unembedding's output: scaled and capped, in float32."""
        raw = raw.float()
        if self.scale != 1.0:
            raw = raw * self.scale
        return raw if self.cap is None else self.cap * torch.tanh(raw / self.cap)


def _is_plain_product(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether the module is a float32 linear map that nobody has hooked: a product of matrices."""
    return (
        type(module) is nn.Linear
        and module.weight.dtype == torch.float32
        and "forward" not in vars(module)
        and not (module._forward_hooks or module._forward_pre_hooks)
    )


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
        head_widths: for each layer d_head, how many numbers one of its heads hands on to the
            output projection; 0 without one.
        projections: for each layer the output projection of its attention, whose input is the
            heads' outputs side by side; ``None`` where there is none of that width.
        readout: from the residual stream to the logits.
        width: d, how many numbers the residual stream has.
        names: module -> its dotted name.
        positions: largest number of tokens that a table of positions has rows for; ``None`` for a
            model without such a table.
    """

    layers: tuple[nn.Module, ...]
    attention: tuple[nn.Module | None, ...]
    way: str
    heads: tuple[int, ...]
    kv_groups: tuple[int, ...] | None
    head_widths: tuple[int, ...]
    projections: tuple[nn.Module | None, ...]
    readout: Readout
    width: int
    names: dict[nn.Module, str]
    positions: int | None


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
