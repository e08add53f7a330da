"""The loop: a text goes through the model in chunks, and everything is reduced at once.

A chunk of many tokens is reading, a chunk of one is generating; both are the same lines. After
each chunk every reducer is handed that chunk's tensors: the attention weights of the chunk's
queries (layer by layer, inside the forward pass), the residual streams, the heads' outputs, and
the lens's log-probabilities (a block of positions at one layer at a time). Each is computed once,
and only if some reducer needs it; nothing of size T×T or L×T×V ever exists.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from layergram.models.hooks import Attention, capture_attention, capture_heads, capture_residual
from layergram.models.model import Model

M_MMAP_THRESHOLD = -3  # its number in malloc.h

LENS_BYTES = 32 * 2**20
"""Largest size of one [positions, vocabulary] tensor of the lens, in float32."""


@dataclass(frozen=True)
class AttentionView:
    """The attention weights of one chunk's queries at one layer.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the first query.
        first_key: position of the first key; above 0 where a sliding cache has let go of the rest.
        weights: [heads, queries, keys], float32; a row sums to 1, or less with sinks.
        visible: [queries, keys], whether the query can see the key.
        ids: the tokens of the whole text up to the last query, from position 0.
    """

    layer: int
    start: int
    first_key: int
    weights: Tensor
    visible: Tensor
    ids: Tensor


@dataclass(frozen=True)
class ResidualView:
    """The residual streams of one chunk.

    Attributes:
        start: position of the chunk's first token.
        streams: [L + 1, tokens, d]; row 0 is the embedding, row l the stream after layer l.
    """

    start: int
    streams: Tensor


@dataclass(frozen=True)
class LensView:
    """The lens's distributions over the next token, at one layer, for a block of positions.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the block's first token.
        log_p: [tokens, V], natural log-probabilities at this layer, float32.
        log_p_final: [tokens, V], the same at the last layer: the model's own.
        next_ids: [tokens], the token that follows each position; −1 where none does.
    """

    layer: int
    start: int
    log_p: Tensor
    log_p_final: Tensor
    next_ids: Tensor


@dataclass(frozen=True)
class HeadsView:
    """What the heads of one layer hand on for one chunk, and how it counts for the next token.

    Attributes:
        layer: number of the layer, from 1.
        start: position of the chunk's first token.
        outputs: [tokens, heads, d_head], before the output projection, float32.
        towards: [tokens, heads, d_head], what 1 in the place of each number adds by itself to the
            logit of the token that follows; NaN where none does.
    """

    layer: int
    start: int
    outputs: Tensor
    towards: Tensor


class Reducer(Protocol):
    """Takes views as they come and keeps what it needs of them.

    ``needs`` names the one kind of view it takes: ``attention``, ``residual``, ``lens`` or
    ``heads``.
    """

    needs: str

    def take(self, view: Any) -> None:
        """Reduce one view; the view's tensors must not be kept."""


@dataclass(frozen=True)
class Generation:
    """How the model goes on by itself after the given tokens.

    Attributes:
        most: largest number of new tokens.
        temperature: 0 takes the likeliest token, above it the tokens are drawn.
        seed: of the draws.
        stop: ids after which it ends; the stopping token belongs to the answer.
    """

    most: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """What has been read so far: the tokens of the last chunk, from position ``start``."""

    start: int
    ids: tuple[int, ...]


def read(
    model: Model,
    ids: Sequence[int],
    reducers: Sequence[Reducer],
    *,
    chunk: int = 256,
    norm: str = "final",
    generation: Generation | None = None,
) -> Iterator[Step]:
    """Feed tokens through the model chunk by chunk, and hand every chunk to the reducers.

    Args:
        model: the model.
        ids: the tokens to read.
        reducers: what to make of them.
        chunk: tokens per chunk while reading; changes speed and memory and nothing else.
        norm: ``"final"`` puts the model's final norm before the unembedding at every layer of the
            lens, ``"none"`` leaves it out.
        generation: go on by generating, one token at a time; ``None`` ends after ``ids``.

    Yields:
        A step after each chunk, when all reducers have taken it; a model that cannot read in chunks
        takes one step, after generating. The model is as before once the iterator is done, closed,
        or has failed.
    """
    _give_back_freed_memory()
    needs = {reducer.needs for reducer in reducers}
    known = list(ids)
    size = chunk if model.chunks else len(known)
    sampler = None if generation is None else _Sampler(generation)
    if sampler is not None and not model.chunks:
        # without a cache to go on from, each token takes a pass over everything before it
        with _Forward(model, set(), ()) as forward, torch.inference_mode():
            while not sampler.done:
                known.append(sampler.draw(forward(known, 0)))
        size = len(known)
    with ExitStack() as stack:
        forward = stack.enter_context(_Forward(model, needs, reducers))
        start = 0
        while start < len(known):
            taken = known[start : start + size]
            with torch.inference_mode():
                logits = forward(taken, start)
                at_end = start + len(taken) == len(known)
                if at_end and sampler is not None and not sampler.done:
                    known.append(sampler.draw(logits))
                follows = known[start + 1 : start + len(taken) + 1]
                _hand_on(model, reducers, forward, follows, norm)
            yield Step(start, tuple(taken))
            start += len(taken)


@functools.cache
def _give_back_freed_memory() -> None:
    """Tell glibc to return every freed block of a megabyte or more to the system at once.

    Left alone it keeps blocks of up to 32 MiB in its heap, and, as PyTorch asks for aligned ones,
    often cannot use them again: the lens then grows by gigabytes over a long text. Other C
    libraries have no such setting and need none.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 2**20)


class _Sampler:
    """Draws the next token until it has drawn a stopping one, or enough."""

    def __init__(self, generation: Generation) -> None:
        self.how, self.drawn, self.done = generation, 0, generation.most < 1
        self.random = torch.Generator().manual_seed(generation.seed)

    def draw(self, logits: Tensor) -> int:
        if self.how.temperature == 0:
            token = int(logits.argmax())
        else:
            p = torch.softmax(logits.float().cpu() / self.how.temperature, dim=-1)
            token = int(torch.multinomial(p, 1, generator=self.random))
        self.drawn += 1
        self.done = token in self.how.stop or self.drawn >= self.how.most
        return token


class _Forward:
    """The model's forward pass against its cache, tapped for what the reducers need."""

    def __init__(self, model: Model, needs: set[str], reducers: Sequence[Reducer]) -> None:
        self.model, self.needs = model, needs
        self.listening = [r for r in reducers if r.needs == "attention"]
        self.cache: Any = None
        self.start = 0
        self.ids = torch.tensor([], dtype=torch.long, device=model.device)

    def __enter__(self) -> _Forward:
        parts = self.model.parts
        self.stack = ExitStack()
        self.streams: list[Tensor] = []
        self.outputs: list[Tensor | None] = []
        self.extra: dict[str, Any] = {}
        if self.listening:
            listeners = {
                module: self._listener(layer)
                for layer, module in enumerate(parts.attention, start=1)
                if module is not None
            }
            tap = capture_attention(self.model.network, listeners, way=parts.way)
            self.extra = self.stack.enter_context(tap)
        if "heads" in self.needs:
            self.outputs = self.stack.enter_context(capture_heads(parts))
        if self.needs & {"residual", "lens", "heads"}:
            self.streams = self.stack.enter_context(capture_residual(parts.layers))
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    def _listener(self, layer: int) -> Callable[[Attention], None]:
        def listen(seen: Attention) -> None:
            weights = seen.weights[0].float()
            queries, keys = weights.shape[-2:]
            first_key = self.start + queries - keys
            if seen.visible is None:
                visible = torch.ones(queries, keys, dtype=torch.bool, device=weights.device)
                visible = visible.tril(keys - queries)
            else:
                visible = seen.visible[0]
            ids = self.ids.to(weights.device)
            view = AttentionView(layer, self.start, first_key, weights, visible, ids)
            for reducer in self.listening:
                reducer.take(view)

        return listen

    def __call__(self, ids: Sequence[int], start: int) -> Tensor:
        """The logits [V] after the last of ``ids``; ``streams`` and ``outputs`` are the chunk's."""
        self.start = start
        given = torch.tensor([ids], device=self.model.device)
        self.ids = torch.cat([self.ids[:start], given[0]])
        options = {"past_key_values": self.cache} if self.cache is not None else {}
        if self.model.keeps_logits:
            options["logits_to_keep"] = 1
        out = self.model.network(
            input_ids=given, use_cache=self.model.chunks, **options, **self.extra
        )
        self.cache = out.past_key_values if self.model.chunks else None
        return out.logits[0, -1]


def _hand_on(
    model: Model,
    reducers: Sequence[Reducer],
    forward: _Forward,
    follows: Sequence[int],
    norm: str,
) -> None:
    """Hand on to reducers what is known when a chunk has gone through all layers."""
    takers = {
        kind: [r for r in reducers if r.needs == kind] for kind in ("residual", "lens", "heads")
    }
    streams, start = forward.streams, forward.start
    if takers["residual"]:
        view = ResidualView(start, torch.cat([h.to(streams[-1].device) for h in streams]).float())
        for reducer in takers["residual"]:
            reducer.take(view)
    if not takers["lens"] and not takers["heads"]:
        return
    next_ids = torch.full((streams[-1].shape[1],), -1, device=streams[-1].device)
    next_ids[: len(follows)] = torch.tensor(follows, device=next_ids.device)
    if takers["lens"]:
        _hand_on_lens(model, takers["lens"], streams, start, next_ids, norm)
    if takers["heads"]:
        towards = model.attribution.towards(streams[-1][0], next_ids)
        for layer, outputs in enumerate(forward.outputs, start=1):
            if outputs is not None:
                own = outputs[0].float()
                counts = model.attribution.of_heads(layer, own, towards)
                for reducer in takers["heads"]:
                    reducer.take(HeadsView(layer, start, own, counts))


def _hand_on_lens(
    model: Model,
    reducers: Sequence[Reducer],
    streams: list[Tensor],
    start: int,
    next_ids: Tensor,
    norm: str,
) -> None:
    readout = model.parts.readout
    device = streams[-1].device
    tokens, vocabulary = streams[-1].shape[1], readout.unembedding.weight.shape[0]
    rows = max(1, LENS_BYTES // (4 * vocabulary))
    block = min(tokens, rows)
    together = max(1, rows // block)  # layers that share one pass over the unembedding
    for a in range(0, tokens, block):
        b = min(a + block, tokens)
        final = _log_probabilities(readout.logits(streams[-1][0, a:b]))
        for first in range(1, model.layers + 1, together):
            layers = range(first, min(first + together, model.layers + 1))
            h = torch.cat([streams[layer][0, a:b].to(device) for layer in layers])
            log_p = _log_probabilities(readout.logits(h, norm=norm))
            for layer, of_layer in zip(layers, log_p.split(b - a), strict=True):
                # compared with the model's own distribution, whatever the lens leaves out
                view = LensView(layer, start + a, of_layer, final, next_ids[a:b])
                for reducer in reducers:
                    reducer.take(view)


def _log_probabilities(logits: Tensor) -> Tensor:
    """Natural log-probabilities [n, V] that sum to 1 within float32.

    torch's own sum over a vocabulary of 50,000 can be 1e-5 off on a CPU; one correction with a
    sum in pairs brings that to 2e-7.
    """
    log_p = torch.log_softmax(logits, dim=-1)
    return log_p - log_p.exp().sum(-1, keepdim=True).log()
