"""Lenses: from a residual stream after any layer to a distribution over the next token."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from layergram.models.parts import Readout


class Lens(Protocol):
    """A map from the stream after any layer to that after the last, and the unembedding behind."""

    def transform(self, h: Tensor, layer: int) -> Tensor:
        """Streams [n, d] after a layer (from 1) as if they were those after the last layer."""

    def logits(self, h: Tensor) -> Tensor:
        """Logits [n, V] in float32 of transformed streams [n, d]."""


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

    def logits(self, h: Tensor) -> Tensor:
        """Logits [n, V] in float32 of streams [n, d]."""
        return self.readout.logits(h, norm=self.norm)


def log_probabilities(logits: Tensor) -> Tensor:
    """Natural log-probabilities [n, V] that sum to 1 within float32.

    torch's own sum over a vocabulary of 50,000 can be 1e-5 off on a CPU; one correction with a
    sum in pairs brings that to 2e-7.
    """
    log_p = torch.log_softmax(logits, dim=-1)
    return log_p - log_p.exp().sum(-1, keepdim=True).log()


def return_freed_memory() -> None:
    """Return to the system what the lens has freed, after every few layers.

    glibc keeps freed blocks of up to 32 MiB in its heap and, as torch asks for aligned ones, often
    cannot use them again: a long text would take gigabytes more. Other C libraries need nothing.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], Any] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
