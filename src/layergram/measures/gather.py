"""From the values of chunks to the values of a whole text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layergram.measures.registry import Measure


class Columns:
    """Keeps the columns that a measure gives for each chunk's own tokens.

    Values are stored as [layer, head, token] in float32, growing along ``token``; measures without
    heads have one.
    """

    def __init__(self, record: Measure, options: dict[str, Any], layers: int, heads: str) -> None:
        self.record, self.options, self.heads = record, options, heads
        self.needs = record.family
        self.parts: list[list[Tensor]] = [[] for _ in range(layers)]

    def take(self, view: Any) -> None:
        """Reduce one view and append its columns."""
        values = self.record.function(view, **self.options)
        if self.needs == "residual":  # all layers at once
            for layer, row in enumerate(values):
                self.parts[layer].append(row[None])
        else:
            rows = values if values.ndim == 2 else values[None]
            self.parts[view.layer - 1].append(pooled(rows, self.heads, self.record.pool))

    def values(self, tokens: int) -> np.ndarray:
        """[layer, head, token] with NaN at layers that gave nothing."""
        return _stacked([torch.cat(p, dim=-1) if p else None for p in self.parts], tokens)


class Keys:
    """Adds up what each chunk's queries give to the keys, and divides by how many could.

    The measure gives :class:`layergram.measures.attention.KeySums` for the keys of a view; the
    value of a key is the sum divided by the count (or by the measure's own divisor), NaN where the
    count is 0.
    """

    def __init__(self, record: Measure, options: dict[str, Any], layers: int, heads: str) -> None:
        self.record, self.options, self.heads = record, options, heads
        self.needs = record.family
        self.sums: list[Tensor | None] = [None] * layers
        self.counts: list[Tensor | None] = [None] * layers
        self.divisor: int | None = None

    def take(self, view: Any) -> None:
        """Reduce one view and add it up."""
        part = self.record.function(view, **self.options)
        at, end = view.layer - 1, view.first_key + view.weights.shape[-1]
        self.divisor = part.divisor
        if part.replaces:
            self.sums[at] = self.counts[at] = None
        self.sums[at] = _added(
            self.sums[at], pooled(part.sums, self.heads, self.record.pool), view.first_key, end
        )
        self.counts[at] = _added(self.counts[at], part.counts[None], view.first_key, end)

    def values(self, tokens: int) -> np.ndarray:
        """[layer, head, token] with NaN where no query could see the key."""
        means = [
            None
            if s is None or c is None
            else torch.where(c > 0, s / (self.divisor or c), torch.nan)
            for s, c in zip(self.sums, self.counts, strict=True)
        ]
        return _stacked(means, tokens)


def pooled(values: Tensor, heads: str, pool: str) -> Tensor:
    """[head, …] as it is for ``heads="each"``; for ``"mean"`` what the heads come to together."""
    if heads == "each":
        return values
    return values.sum(0, keepdim=True) if pool == "sum" else values.mean(0, keepdim=True)


def _added(total: Tensor | None, part: Tensor, start: int, end: int) -> Tensor:
    """``total`` with ``part`` added onto the columns ``start``..``end``, grown to hold them."""
    part = part.float() if part.device.type == "mps" else part.double()  # MPS has no doubles
    if total is None:
        total = part.new_zeros(part.shape[0], 0)
    if end > total.shape[1]:
        total = torch.nn.functional.pad(total, (0, end - total.shape[1]))
    total[:, start:end] += part
    return total


def _stacked(layers: Sequence[Tensor | None], tokens: int) -> np.ndarray:
    heads = max(part.shape[0] for part in layers if part is not None)
    values = np.full((len(layers), heads, tokens), np.nan, dtype=np.float32)
    for row, part in zip(values, layers, strict=True):
        if part is not None:
            row[: part.shape[0], : part.shape[1]] = part.float().cpu().numpy()
    return values
