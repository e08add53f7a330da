"""Predictions: distributions over the next token, reduced a few rows at a time in cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

IN_CACHE = 2**17
"""Logits that are worked on at once: half a megabyte, which stays in the processor's cache."""

TINY = 1e-37
"""Stands for a probability of 0 in p + q, so that s ln s is 0 there too."""


class _Few(NamedTuple):
    """A few rows in cache; ``e`` and ``spare`` may be written to, and are used again for the next.

    Attributes:
        rows: which.
        e: exp(logit − peak) [k, V].
        spare: as much room [k, V].
        total: Σe [k, 1], and its logarithm ``log_total`` [k].
        entropy: [k] in nats.
    """

    rows: slice
    e: Tensor
    spare: Tensor
    total: Tensor
    log_total: Tensor
    entropy: Tensor


class Prediction:
    """Distributions over the next token; each figure is computed once, when first asked for.

    The logits may lie in memory that is used again for the next layer: what has not been asked for
    while the view is handed on can no longer be.

    Attributes:
        logits: [n, V], float32, finite.
        peak: [n], the largest logit of each row.
        room: [n, V], where ``p`` is written; new memory by default.
    """

    def __init__(
        self, logits: Tensor, peak: Tensor | None = None, room: Tensor | None = None
    ) -> None:
        self.logits, self.room = logits, room
        self.peak = logits.amax(-1) if peak is None else peak
        self._sums: tuple[Tensor, Tensor] | None = None  # log_total and entropy

    def part(self, rows: slice) -> Prediction:
        """Some of the rows, as a prediction of its own in the same memory."""
        room = None if self.room is None else self.room[rows]
        return Prediction(self.logits[rows], self.peak[rows], room)

    @property
    def log_total(self) -> Tensor:
        """ln Σ exp(logit − peak) [n]: a log-probability is logit − peak − log_total."""
        return self._computed()[0]

    @property
    def entropy(self) -> Tensor:
        """Entropy [n] in nats."""
        return self._computed()[1]

    @cached_property
    def log_p(self) -> Tensor:
        """Natural log-probabilities [n, V], in new memory."""
        return (self.logits - self.peak[:, None]).sub_(self.log_total[:, None])

    @cached_property
    def p(self) -> Tensor:
        """Probabilities [n, V], none below :data:`TINY`."""
        p = torch.empty_like(self.logits) if self.room is None else self.room
        few = list(self._few_rows(p))
        self._keep(few)
        for each in few:
            p[each.rows].div_(each.total).clamp_(min=TINY)
        return p

    def log_p_of(self, ids: Tensor) -> Tensor:
        """Log-probabilities [n] of one token of the vocabulary for each row."""
        return self.logits.gather(1, ids[:, None])[:, 0] - self.peak - self.log_total

    def divergence(self, other: Prediction, rows: Tensor | None = None) -> Tensor:
        """Jensen–Shannon divergence [n] from another prediction, in nats; 0 for equal rows.

        H(m) − ½H(p) − ½H(q), where H(m) = ln 2 − ½ Σ s ln s with s = p + q: one exponential and one
        logarithm for each logit.

        Args:
            other: as many rows as this one, or those that are named:
            rows: [n], for each row which one of the other it is compared with.
        """
        if self is other and rows is None:
            return torch.zeros_like(self.peak)
        at = torch.arange(len(self.peak), device=self.peak.device) if rows is None else rows
        done, of_mean = [], []
        for few in self._few_rows():
            p = other.p[few.rows if rows is None else rows[few.rows]]
            s = torch.addcdiv(p, few.e, few.total, out=few.e)
            torch.log(s, out=few.spare)
            of_mean.append(math.log(2) - 0.5 * few.spare.mul_(s).sum(-1))
            done.append(few)
        self._keep(done)
        nats = torch.cat(of_mean) - 0.5 * (self.entropy + other.entropy[at])
        # sums in float32 leave about 1e-7 of two equal distributions
        alike = (self.entropy == other.entropy[at]) & (self.log_total == other.log_total[at])
        for own in alike.nonzero()[:, 0].tolist():
            if torch.equal(self.logits[own], other.logits[at[own]]):
                nats[own] = 0
        return nats

    def kl_from(self, other: Prediction) -> Tensor:
        """KL(other ‖ this) [n] in nats: what is lost by believing this prediction."""
        if self is other:
            return torch.zeros_like(self.peak)
        cross = [
            (self.logits[rows] - self.peak[rows, None]).mul_(other.p[rows]).sum(-1)
            for rows in self._slices()
        ]
        return self.log_total - torch.cat(cross) - other.entropy

    def rank(self, ids: Tensor) -> Tensor:
        """Rank [n], from 1, of one token for each row; equal logits share the better rank."""
        own = self.logits.gather(1, ids[:, None])
        above = [(self.logits[rows] > own[rows]).sum(-1) for rows in self._slices()]
        return torch.cat(above) + 1

    def _computed(self) -> tuple[Tensor, Tensor]:
        if self._sums is None:
            self._keep(list(self._few_rows()))
        assert self._sums is not None
        return self._sums

    def _keep(self, done: list[_Few]) -> None:
        log_total = torch.cat([few.log_total for few in done])
        self._sums = log_total, torch.cat([few.entropy for few in done])

    def _slices(self) -> list[slice]:
        """Rows that fit the cache together; on other devices than a CPU all at once."""
        n, vocabulary = self.logits.shape
        k = max(1, IN_CACHE // vocabulary) if self.logits.device.type == "cpu" else n
        return [slice(a, min(a + k, n)) for a in range(0, n, k)]

    def _few_rows(self, exponentials: Tensor | None = None) -> Iterator[_Few]:
        """A few rows at a time; ``exponentials`` [n, V] keeps the ``e`` of all of them."""
        slices = self._slices()
        spare, room = (
            self.logits.new_empty(slices[0].stop, self.logits.shape[1]) for _ in range(2)
        )
        for rows in slices:
            x = spare[: rows.stop - rows.start]
            e = room[: len(x)] if exponentials is None else exponentials[rows]
            torch.sub(self.logits[rows], self.peak[rows, None], out=x)
            torch.exp(x, out=e)
            total = e.sum(-1, keepdim=True)
            log_total = total[:, 0].log()
            entropy = log_total - x.mul_(e).sum(-1) / total[:, 0]
            yield _Few(rows, e, x, total, log_total, entropy)
