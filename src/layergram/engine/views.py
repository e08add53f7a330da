"""Views: what a collector is handed of one sequence, chunk by chunk.

A view covers the tokens of one chunk of one sequence, whatever else is in the batch. Its tensors
are reduced at once and never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from layergram.engine.prediction import Prediction
from layergram.engine.settling import Settled


@dataclass(frozen=True)
class AttentionView:
    """The attention weights of a block of one chunk's queries at one layer.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the first query.
        first_key: position of the first key; above 0 where a sliding window has left the rest.
        parts: [heads, queries, keys], float32, in proportion to the weights.
        totals: [heads, queries], what the parts of a query are divided by to get its weights;
            ``None`` where parts are weights.
        visible: [queries, keys], whether the query can see the key.
        counts: [keys], how many of the queries can see the key.
        ids: the tokens of the sequence up to the last query, from position 0.
    """

    layer: int
    start: int
    first_key: int
    parts: Tensor
    totals: Tensor | None
    visible: Tensor
    counts: Tensor
    ids: Tensor

    @cached_property
    def weights(self) -> Tensor:
        """[heads, queries, keys], float32; a row sums to 1, or less with sinks."""
        return self.parts if self.totals is None else self.parts / self.totals[..., None]

    @cached_property
    def received(self) -> Tensor:
        """[heads, keys], the weights summed over the queries, without making the weights."""
        if self.totals is None:
            return self.parts.sum(1)
        return torch.bmm(1 / self.totals[:, None], self.parts)[:, 0]


@dataclass(frozen=True)
class ValuesView(AttentionView):
    """The attention of a block of queries, with the size of what heads take from each key.

    Attributes:
        value_norms: [heads, keys], float32, the norm of the key's value times the head's rows of
            the output projection.
    """

    value_norms: Tensor


@dataclass(frozen=True)
class RouterView:
    """How one layer's tokens are sent to its experts, for one chunk.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the chunk's first token.
        shares: [tokens, experts], float32, the router's distribution before any are chosen.
        weights: [tokens, chosen experts], float32, what the chosen experts' outputs are multiplied
            with.
    """

    layer: int
    start: int
    shares: Tensor
    weights: Tensor


@dataclass(frozen=True)
class ResidualView:
    """The residual streams of one chunk.

    Attributes:
        start: position of the chunk's first token.
        layers: L + 1 tensors [tokens, d] in the model's own type; the first is the embedding, the
            l-th the stream after layer l.
    """

    start: int
    layers: tuple[Tensor, ...]

    @cached_property
    def streams(self) -> Tensor:
        """All layers together, [L + 1, tokens, d] in float32."""
        device = self.layers[-1].device
        return torch.stack([h.to(device) for h in self.layers]).float()


@dataclass(frozen=True)
class PartView:
    """What one kind of part (the MLPs, the attentions) adds to the residual stream in one chunk.

    Attributes:
        start: position of the chunk's first token.
        layers: L tensors [tokens, d] in the model's own type.
    """

    start: int
    layers: tuple[Tensor, ...]


@dataclass(frozen=True)
class LensView:
    """The lens's distributions over the next token, at one layer, for a block of positions.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the block's first token.
        prediction: what this layer predicts.
        final: what the last layer predicts: the model's own.
        next_ids: [tokens], the token that follows each position; −1 where none does.
    """

    layer: int
    start: int
    prediction: Prediction
    final: Prediction
    next_ids: Tensor

    @property
    def log_p(self) -> Tensor:
        """Natural log-probabilities [tokens, V] at this layer, float32."""
        return self.prediction.log_p

    @property
    def log_p_final(self) -> Tensor:
        """The same [tokens, V] at the last layer."""
        return self.final.log_p


@dataclass(frozen=True)
class SettlingView:
    """When the lens comes near the final prediction, for a block of positions.

    Attributes:
        start: position of the block's first token.
        final: what the last layer predicts: the model's own.
        next_ids: [tokens], the token that follows each position; −1 where none does.
        settle: thresholds in bits -> the first layers at which the divergence from the final
            prediction is at most so much; computed where it is asked for.
    """

    start: int
    final: Prediction
    next_ids: Tensor
    settle: Callable[[tuple[float, ...]], Settled]


@dataclass(frozen=True)
class OutputView:
    """The model's own predictions after each token of one chunk, computed where they are asked for.

    Attributes:
        start: position of the chunk's first token.
        tokens: how many there are.
        predict: positions of the sequence -> log-probabilities [positions, V] of what follows.
        last: positions of the sequence -> last residual stream [positions, d], which may be kept.
    """

    start: int
    tokens: int
    predict: Callable[[Tensor], Tensor]
    last: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class HeadsView:
    """The outputs of the heads of one layer for one chunk, before the output projection.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the chunk's first token.
        outputs: [tokens, heads, d_head], float32.
        gradient: computes ``towards``, for those who ask.
    """

    layer: int
    start: int
    outputs: Tensor
    gradient: Callable[[], Tensor]

    @cached_property
    def towards(self) -> Tensor:
        """Gradient of the next token's centred logit with respect to each head output.

        [tokens, heads, d_head], norm divisors held constant; NaN where no token follows.
        """
        return self.gradient()


class Collector(Protocol):
    """Takes the views of one sequence as they come and keeps what it needs of them."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The kinds of views it takes.

        Any of ``attention``, ``values``, ``router``, ``residual``, ``mlp``, ``attention_output``,
        ``lens``, ``settling``, ``output`` and ``heads``.
        """

    def take(self, view: Any) -> None:
        """Reduce one view; its tensors must not be kept."""
