"""Attention rollout: what a query at the last layer mixes together, followed down to the input.

The product over layers is taken from the top down, a vector times one layer's matrix at a time.
But layers are read from the bottom up, so the mean attention of every layer is kept until the end:
about 2 · L · T² bytes, which is why texts are limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from layergram.engine.reducers import Reducer, Reduction, Values

BYTES_PER_CELL = 4
HALF = 2  # of a layer's queries and keys: a causal layer's later keys are not kept


@dataclass(frozen=True)
class Mixing:
    """How a block of queries mixes the tokens at one layer.

    Attributes:
        weights: [query, key], mean attention weights of the layer's heads.
        queries: where the rollout starts: positions, or ``"last"`` for the last token there is.
    """

    weights: Tensor
    queries: str | tuple[int, ...] | range


class Rollout(Reducer):
    """Keeps every layer's attention, and multiplies a query's row through it from the top down.

    The function gives :class:`Mixing`. A layer hands on (A + I), rows divided by their sums.
    """

    per_head = False
    revises = True

    def __init__(self, reduction: Reduction) -> None:
        super().__init__(reduction)
        self.blocks: list[list[tuple[int, int, Values]]] = [[] for _ in range(reduction.layers)]
        self.queries: str | tuple[int, ...] | range = "last"

    @staticmethod
    def kept_bytes(layers: int, tokens: int) -> int:
        """Bytes that are kept of a text."""
        return layers * tokens**2 * BYTES_PER_CELL // HALF

    def take(self, view: Any) -> None:
        """Keep the mean attention of one view."""
        mixing: Mixing = self.reduction.function(view)
        self.queries = mixing.queries
        kept = mixing.weights.float().cpu().numpy()
        self.blocks[view.layer - 1].append((view.start, view.first_key, kept))

    def values(self, tokens: int) -> Values:
        """[layer, 1, token] with NaN after the last of the queries."""
        found = np.full((len(self.blocks), 1, tokens), np.nan, dtype=np.float32)
        places = [tokens - 1] if self.queries == "last" else _read(self.queries, tokens)
        if not places:
            return found
        share = np.bincount(places, minlength=tokens) / len(places)
        end = max(places) + 1
        for row, blocks in zip(reversed(found), reversed(self.blocks), strict=True):
            below = np.zeros(tokens)
            for start, first, weights in blocks:
                queries = slice(start, start + len(weights))
                part = share[queries] / (1 + weights.sum(1, dtype=np.float64))
                below[queries] += part
                below[first : first + weights.shape[1]] += part @ weights
            share = below
            row[0, :end] = share[:end]
        return found


def _read(queries: Any, tokens: int) -> list[int]:
    """The chosen queries that have been read."""
    known = queries if isinstance(queries, tuple) else range(queries.start, tokens)
    return [at for at in known if at < tokens]
