"""From what an attention module does to the views of the sequences of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from layergram.engine.views import AttentionView, Collector
from layergram.models.attention_blocks import (
    Attend,
    Attention,
    Sight,
    own_in_blocks,
    softmax_in_blocks,
    whole,
)
from layergram.models.model import Model

WHOLE_CHUNK = 256
"""Most tokens of a chunk where all its attention weights are there at once."""


class Row(Protocol):
    """One sequence of a batch."""

    ids: list[int]
    new: int

    def takers(self, kind: str) -> list[Collector]:
        """Who takes a kind of views."""


def attend_of(model: Model) -> Attend:
    """The quickest way to attend that is proved for a model."""
    if model.proved("softmax"):
        return softmax_in_blocks
    return own_in_blocks if model.proved("blocks") else whole


class AttentionChunk:
    """Hands the attention of one chunk on to the takers of its sequences, block by block.

    Args:
        rows: the sequences of the batch.
        start: position of the chunk's first token.
        width: tokens of the chunk, the longest sequence's.
        device: where the token ids are.
    """

    def __init__(
        self, rows: Sequence[Row], *, start: int, width: int, device: torch.device
    ) -> None:
        self.start, self.width = start, width
        self.rows = [
            (at, row.new, takers, torch.tensor(row.ids[: start + row.new], device=device))
            for at, row in enumerate(rows)
            if row.new and (takers := row.takers("attention"))
        ]

    def take(self, layer: int, seen: Attention) -> None:
        """Make a view of each sequence's part of a block, and hand it on."""
        for at, new, takers, ids in self.rows:
            # what follows a sequence's last token is padding
            queries = min(new - seen.first_query, seen.parts.shape[2])
            last = seen.keys - self.width + new
            keys = min(last - seen.first_key, seen.parts.shape[3])
            if queries <= 0 or keys <= 0:
                continue
            parts = seen.parts[at, :, :queries, :keys].float()
            totals = None if seen.totals is None else seen.totals[at, :, :queries]
            sight = seen.sight or Sight(_causal(queries, keys, parts.device)[None])
            visible, counts = sight.of(at if seen.sight else 0, queries, keys)
            view = AttentionView(
                layer,
                self.start + seen.first_query,
                self.start + self.width - seen.keys + seen.first_key,
                parts,
                totals,
                visible,
                counts,
                ids[: self.start + seen.first_query + queries].to(parts.device),
            )
            for taker in takers:
                taker.take(view)


def _causal(queries: int, keys: int, device: torch.device) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
