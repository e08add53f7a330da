"""From what an attention module does to the views of the sequences of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from layergram.engine.views import AttentionView, Collector, ValuesView
from layergram.models.attention_blocks import (
    Attend,
    Attention,
    Sight,
    own_in_blocks,
    softmax_in_blocks,
    whole,
)
from layergram.models.model import Model
from layergram.models.values import HeadWrites

WHOLE_CHUNK = 256
"""Most tokens of a chunk where all its attention weights are there at once."""


class Row(Protocol):
    """One sequence of a batch; ``value_norms`` [heads, keys so far] are kept for each layer."""

    ids: list[int]
    new: int
    value_norms: dict[int, Tensor]

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
        writes: how heads write values to the residual stream, where a taker needs ``values``.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        start: int,
        width: int,
        device: torch.device,
        writes: HeadWrites | None = None,
    ) -> None:
        self.start, self.width, self.writes = start, width, writes
        self.rows = [
            (at, row, takers, torch.tensor(row.ids[: start + row.new], device=device))
            for at, row in enumerate(rows)
            if row.new and (takers := row.takers("attention") + row.takers("values"))
        ]

    def take(self, layer: int, seen: Attention) -> None:
        """Make a view of each sequence's part of a block, and hand it on."""
        for at, row, takers, ids in self.rows:
            if self.writes is not None and seen.first_query == 0:
                self._keep_norms(at, row, layer, seen)
            # what follows a sequence's last token is padding
            queries = min(row.new - seen.first_query, seen.parts.shape[2])
            last = seen.keys - self.width + row.new
            keys = min(last - seen.first_key, seen.parts.shape[3])
            if queries <= 0 or keys <= 0:
                continue
            parts = seen.parts[at, :, :queries, :keys].float()
            totals = None if seen.totals is None else seen.totals[at, :, :queries]
            sight = seen.sight or Sight(_causal(queries, keys, parts.device)[None])
            visible, counts = sight.of(at if seen.sight else 0, queries, keys)
            first_key = self.start + self.width - seen.keys + seen.first_key
            block = (
                layer,
                self.start + seen.first_query,
                first_key,
                parts,
                totals,
                visible,
                counts,
                ids[: self.start + seen.first_query + queries].to(parts.device),
            )
            if self.writes is None:
                view = AttentionView(*block)
            else:
                norms = row.value_norms[layer][:, first_key : first_key + keys]
                view = ValuesView(*block, norms)
            for taker in takers:
                taker.take(view)

    def _keep_norms(self, at: int, row: Row, layer: int, seen: Attention) -> None:
        """Add the norms of the values of keys that are new since the chunk before."""
        assert self.writes is not None and seen.values is not None
        known = row.value_norms.get(layer)
        begin = 0 if known is None else known.shape[1]
        first = self.start + self.width - seen.keys  # a sliding cache has let go of those before
        values = seen.values[at, :, max(begin - first, 0) : self.start + row.new - first]
        fresh = self.writes.norms(layer, values)
        fresh = torch.nn.functional.pad(fresh, (max(first - begin, 0), 0))
        row.value_norms[layer] = fresh if known is None else torch.cat([known, fresh], dim=1)


def _causal(queries: int, keys: int, device: torch.device) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
