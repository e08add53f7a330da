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
    """

    readout: Readout
    norm: str = "final"

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
