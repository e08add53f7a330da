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

    def of_tokens(self, ids: Tensor) -> TokenReadout | None:
        """The readout of some tokens [S] alone.

        ``None`` where the unembedding is no plain matrix (a quantised or a hooked one), or its
        products are rounded more than float32 says: nothing is proved of its single logits then.
        """
        module = self.unembedding
        if not _is_linear(module) or torch.get_float32_matmul_precision() != "highest":
            return None
        bias = None if module.bias is None else module.bias[ids].float()
        return TokenReadout(self, module.weight[ids].float(), bias, module.weight.dtype)


@dataclass(frozen=True)
class TokenReadout:
    """From a residual stream to the logits of some tokens, and how far these may be off.

    Attributes:
        readout: that of the whole vocabulary.
        weight: [S, d], the rows of the unembedding, float32.
        bias: [S], or ``None``.
        dtype: type in which the whole readout makes its logits.
    """

    readout: Readout
    weight: Tensor
    bias: Tensor | None
    dtype: torch.dtype

    def logits(
        self, h: Tensor, *, norm: str = "final", out: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits [n, S] in float32 of streams [n, d], and their largest distance [n] from the same.

        The same logits made by :meth:`Readout.logits` differ by rounding. Whatever the order of a
        sum of d products, float32 rounds it by less than d · 2⁻²⁴ · ‖h‖ · ‖w‖ (Higham 2002,
        Accuracy and Stability of Numerical Algorithms, 3.5), for either of the two. A readout in a
        shorter type rounds the sum once more, and on other devices than a CPU perhaps the sums of
        parts of the products. Scale and soft cap do not add to that: the cap's slope is at most 1.
        """
        readout = self.readout
        if norm == "final":
            for module in readout.path:
                h = module(h)
        h = h.to(readout.dtype).float()
        raw = torch.mm(h, self.weight.T, out=out)
        size = h.norm(dim=-1) * self.weight.norm(dim=-1).max()
        if self.bias is not None:
            raw += self.bias
            size = size + self.bias.abs().max()
        off = size * (2 * (h.shape[1] + 16) * 2.0**-24)
        if self.dtype.itemsize < 4:
            rounding = torch.finfo(self.dtype).eps
            on_cpu = h.device.type == "cpu"
            off = off + (raw.abs().amax(-1) * rounding if on_cpu else 2 * rounding * size)
        if readout.scale != 1.0:
            raw *= readout.scale
            off = off * abs(readout.scale)
        if readout.cap is not None:
            raw.div_(readout.cap).tanh_().mul_(readout.cap)
        return raw, off


def _is_linear(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether the module is a linear map that nobody has hooked."""
    return (
        type(module) is nn.Linear
        and module.weight.is_floating_point()
        and "forward" not in vars(module)
        and not (module._forward_hooks or module._forward_pre_hooks)
    )


def _is_plain_product(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether the module is a linear map in float32 that nobody has hooked."""
    return _is_linear(module) and module.weight.dtype == torch.float32


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
