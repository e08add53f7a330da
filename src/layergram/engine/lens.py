"""Lenses: from a residual stream after any layer to a distribution over the next token."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from layergram.models.parts import Readout

CACHED = 2**17
"""Numbers of a block of logits that are worked on at once: half a megabyte, in cache."""

TINY = 1e-37
"""Stands for a sum of probabilities that is 0, so that s ln s is 0 there too."""


class Lens(Protocol):
    """A map from the stream after any layer to that after the last, and the unembedding behind."""

    def transform(self, h: Tensor, layer: int) -> Tensor:
        """Streams [n, d] after a layer (from 1) as if they were those after the last layer."""

    def logits(self, h: Tensor, *, out: Tensor | None = None) -> Tensor:
        """Logits [n, V] in float32 of transformed streams [n, d], in ``out`` where it is given."""


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


def log_probabilities(logits: Tensor) -> Tensor:
    """Natural log-probabilities [n, V] that sum to 1 within float32.

    torch's own sum over a vocabulary of 50,000 can be 1e-5 off on a CPU; one correction with a
    sum in pairs brings that to 2e-7.
    """
    log_p = torch.log_softmax(logits, dim=-1)
    return log_p - log_p.exp().sum(-1, keepdim=True).log()


@dataclass(frozen=True)
class Prediction:
    """Distributions over the next token, of which only what is asked for is computed, and once.

    Attributes:
        logits: [n, V], float32; they may lie in a buffer that is used again, so nothing computed
            from them later than the view they came with is valid.
        peak: [n], the largest logit of each row.
    """

    logits: Tensor
    peak: Tensor

    @cached_property
    def log_p(self) -> Tensor:
        """Natural log-probabilities [n, V]."""
        return log_probabilities(self.logits)

    @cached_property
    def p(self) -> Tensor:
        """Probabilities [n, V]."""
        p = (self.logits - self.peak[:, None]).exp_()
        return p.div_(p.sum(-1, keepdim=True))

    @cached_property
    def entropy(self) -> Tensor:
        """Entropy [n] in nats."""
        return torch.cat([entropy for *_, entropy in self._cached_rows()])

    def _cached_rows(self) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
        """A few rows at a time: which, probabilities [k, V], as much room, entropy [k].

        The rows are so few that further passes over them stay in the processor's cache. Both
        tensors may be written to, and are overwritten by the next rows. The entropy is in nats.
        """
        n, vocabulary = self.logits.shape
        k = n if self.logits.is_cuda else max(1, CACHED // vocabulary)
        shifted, p = (self.logits.new_empty(min(k, n), vocabulary) for _ in range(2))
        for a in range(0, n, k):
            rows = slice(a, min(a + k, n))
            x, e = shifted[: rows.stop - a], p[: rows.stop - a]
            torch.sub(self.logits[rows], self.peak[rows, None], out=x)
            torch.exp(x, out=e)
            total = e.sum(-1, keepdim=True)
            entropy = total[:, 0].log() - x.mul_(e).sum(-1) / total[:, 0]
            yield rows, e.div_(total), x, entropy

    def divergence(self, other: Prediction) -> Tensor:
        """Jensen–Shannon divergence [n] from another prediction, in nats.

        H(m) − ½H(p) − ½H(q), where H(m) = ln 2 − ½ Σ s ln s with s = p + q.
        """
        found = []
        for rows, s, log_s, entropy in self._cached_rows():
            s.add_(other.p[rows]).clamp_(min=TINY)
            torch.log(s, out=log_s)
            mean = math.log(2) - 0.5 * log_s.mul_(s).sum(-1)
            found.append(mean - 0.5 * (entropy + other.entropy[rows]))
        return torch.cat(found)


class Buffer:
    """Memory for logits that is kept: fresh pages cost about as much as the product itself."""

    def __init__(self) -> None:
        self.kept: Tensor | None = None

    def rows(self, n: int, readout: Readout, device: torch.device) -> Tensor:
        """Room for logits [n, V] in float32; what was in it before is lost."""
        if self.kept is None or len(self.kept) < n:
            self.kept = torch.empty(n, readout.vocabulary, dtype=torch.float32, device=device)
        return self.kept[:n]


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
