"""Lenses: from a residual stream after any layer to a distribution over the next token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from torch import Tensor

from layergram.models.parts import Readout

TokenLogits = Callable[..., tuple[Tensor, Tensor]]
"""(streams [n, d], out) -> logits [n, S] of some tokens, and how far [n] they may be off."""

READ_AT = {"residual": "", "attention": "attention_output", "mlp": "mlp"}
"""What a lens can read -> the part of every layer whose output that is."""


class Lens(Protocol):
    """A map from the stream after any layer to that after the last, and the unembedding behind."""

    def transform(self, h: Tensor, layer: int) -> Tensor:
        """Streams [n, d] after a layer (from 1) as if they were those after the last layer."""

    def logits(self, h: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Logits [n, V] in float32 of transformed streams [n, d], in ``out`` where it is given."""


@runtime_checkable
class TokenLens(Lens, Protocol):
    """A lens that can also read the logits of some tokens alone."""

    def of_tokens(self, ids: Tensor) -> TokenLogits | None:
        """The logits of tokens [S], out of transformed streams; ``None`` where it cannot."""


@dataclass(frozen=True)
class LogitLens:
    """The logit lens: every layer is read with the norm and unembedding of the last one.

    Attributes:
        readout: the model's way from the last stream to its logits.
        norm: ``"final"`` applies the model's final norm at every layer, ``"none"`` leaves it out.
        at: what it reads, a key of :data:`READ_AT`.
    """

    readout: Readout
    norm: str = "final"
    at: str = "residual"

    def transform(self, h: Tensor, layer: int) -> Tensor:
        """The stream itself."""
        return h

    def logits(self, h: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Logits [n, V] in float32 of streams [n, d], in ``out`` where it is given."""
        return self.readout.logits(h, norm=self.norm, out=out)

    def of_tokens(self, ids: Tensor) -> TokenLogits | None:
        """The logits of tokens [S] alone, where the unembedding is a plain matrix."""
        some = self.readout.of_tokens(ids)
        return None if some is None else partial(some.logits, norm=self.norm)


@dataclass(frozen=True, eq=False)
class TunedLens:
    """The tuned lens: an affine map for every layer, fitted so that its reading is the model's own.

    ``transform(h, l) = h + A_l h + b_l``, and h itself at the last layer; then the model's own norm
    and unembedding.

    Attributes:
        readout: the model's way from the last stream to its logits.
        weights: A [L − 1, d, d] in float32, of the layers 1 to L − 1.
        biases: b [L − 1, d] in float32.
        at: what it reads, a key of :data:`READ_AT`.

    Source:
        Belrose et al. (2023), Eliciting Latent Predictions with the Tuned Lens.
    """

    readout: Readout
    weights: Tensor
    biases: Tensor
    at: str = "residual"

    def transform(self, h: Tensor, layer: int) -> Tensor:
        """Streams [n, d] after a layer (from 1) as if they were those after the last layer."""
        if layer > len(self.weights):
            return h
        weight, bias = (one[layer - 1].to(h.device) for one in (self.weights, self.biases))
        wide = h.float()
        return (wide + wide @ weight.T + bias).to(h.dtype)

    def logits(self, h: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Logits [n, V] in float32 of transformed streams [n, d], in ``out`` where it is given."""
        return self.readout.logits(h, out=out)

    def of_tokens(self, ids: Tensor) -> TokenLogits | None:
        """The logits of tokens [S] alone, where the unembedding is a plain matrix."""
        some = self.readout.of_tokens(ids)
        return None if some is None else some.logits


@dataclass(frozen=True, eq=False)
class JacobianLens:
    """The Jacobian lens: what a change of a layer's stream changes in the final stream on average.

    ``transform(h, l) = J_l h + c_l``, and h itself at the last layer; then the model's own norm and
    unembedding. J_l is the mean, over texts and tokens, of the derivative of the final stream with
    respect to that after layer l, summed over the token itself and those after it. As published
    there is no c_l. With c_l = m_L − J_l m_l it carries the mean stream of the layer to the mean
    final stream: J_l (h − m_l) + m_L.

    Attributes:
        readout: the model's way from the last stream to its logits.
        jacobians: J [L − 1, d, d] in float32, of the layers 1 to L − 1.
        offsets: c [L − 1, d] in float32; ``None`` adds nothing.
        at: what it reads, a key of :data:`READ_AT`.

    Source:
        Gurnee, Sofroniew, Lindsey et al. (2026), Verbalizable Representations Form a Global
        Workspace in Language Models.
    """

    readout: Readout
    jacobians: Tensor
    offsets: Tensor | None = None
    at: str = "residual"

    def transform(self, h: Tensor, layer: int) -> Tensor:
        """Streams [n, d] after a layer (from 1) as if they were those after the last layer."""
        if layer > len(self.jacobians):
            return h
        made = h.float() @ self.jacobians[layer - 1].to(h.device).T
        if self.offsets is not None:
            made += self.offsets[layer - 1].to(h.device)
        return made.to(h.dtype)

    def logits(self, h: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Logits [n, V] in float32 of transformed streams [n, d], in ``out`` where it is given."""
        return self.readout.logits(h, out=out)

    def of_tokens(self, ids: Tensor) -> TokenLogits | None:
        """The logits of tokens [S] alone, where the unembedding is a plain matrix."""
        some = self.readout.of_tokens(ids)
        return None if some is None else some.logits


def part_read(lens: Lens) -> str:
    """The part of every layer whose output a lens reads; empty for the streams, as by default."""
    return READ_AT[getattr(lens, "at", "residual")]
