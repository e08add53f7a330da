"""The engine: sequences go through the model in chunks, and everything is reduced at once.

A chunk of many tokens is reading, a chunk of one is generating; both are the same lines. After each
chunk every collector is handed the view of its own sequence: the attention weights of the chunk's
queries (layer by layer, inside the forward pass), the residual streams, the heads' outputs, what
routers say of experts, and the lens's predictions (a block of positions at one layer at a time).
Each is computed once, and only if some collector needs it; nothing of size T×T or L×T×V ever
exists, but for what the rollout of a short text keeps (:mod:`layergram.engine.rollout`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache as remembered
from functools import partial
from typing import Any

import torch
from torch import Tensor

from layergram.engine.attention import WHOLE_CHUNK, AttentionChunk, attend_of
from layergram.engine.batch import forward, not_finite, padded_right, read_batches
from layergram.engine.lens import Lens
from layergram.engine.lens_views import LensReader, LensRow
from layergram.engine.sampling import Draws, Stream
from layergram.engine.views import (
    Collector,
    HeadsView,
    OutputView,
    PartView,
    ResidualView,
    RouterView,
)
from layergram.errors import LayergramError
from layergram.models.attention_blocks import Attention, whole
from layergram.models.hooks import capture_attention, capture_heads, capture_residual
from layergram.models.layer_parts import capture_parts
from layergram.models.model import Model
from layergram.models.routers import Place, capture_routers

CHUNK = 1024
"""Tokens per chunk unless another number is asked for; changes speed and memory only."""

BATCH = 16
"""Sequences per batch unless another number is asked for; changes speed and memory only."""

PARTS = ("mlp", "attention_output")
ATTENTION = {"attention", "values"}
STREAMS = {"residual", "lens", "settling", "heads", "output"}


@dataclass(frozen=True)
class Step:
    """One chunk that has been read.

    Attributes:
        sequence: place of the sequence.
        start: position of the chunk's first token.
        ids: the chunk's tokens.
        length: tokens of the sequence as far as they are known.
    """

    sequence: int
    start: int
    ids: tuple[int, ...]
    length: int


def read(
    model: Model,
    sequences: Sequence[Sequence[int]],
    collectors: Sequence[Sequence[Collector]],
    *,
    chunk: int = CHUNK,
    batch: int = BATCH,
    lens: Lens | None = None,
    streams: Sequence[Stream] = (),
    shared: int = 0,
) -> Iterator[Step]:
    """Feed token sequences through the model chunk by chunk, and hand each chunk to its collectors.

    Args:
        model: the model, with the edits that are in force.
        sequences: the tokens of each sequence, at least one.
        collectors: for each sequence what to make of it.
        chunk: tokens per chunk while reading.
        batch: sequences that are read together; fewer where they are long, and only those of one
            length where padding is not proved exact for the model.
        lens: for collectors of lens views; the logit lens by default.
        streams: for each sequence how it goes on after its tokens, one token at a time; without
            streams it ends there. Only prompts of one length share a batch then.
        shared: so many first tokens are the same in all sequences, and no collector looks at them;
            they are read once for all batches, where the model's cache allows it.

    Yields:
        A step per sequence and chunk, when all collectors have taken it; the model is as before
        once the iterator is done, closed, or has failed. A model that cannot read in chunks takes
        one step per sequence, after generating.
    """
    reader = LensReader(model, lens)
    if attend_of(model) is whole and any(_needed(collectors, kind) for kind in ATTENTION):
        chunk = min(chunk, WHOLE_CHUNK)
    for ids in sequences:
        model.check_ids(ids)
    _find_parts(model, collectors)
    if streams and not model.chunks:
        sequences = [
            _generated(model, ids, stream) for ids, stream in zip(sequences, streams, strict=True)
        ]
        streams = ()
    lengths = list(map(len, sequences))
    mixed = model.batches and not streams
    start, cache = 0, None
    if shared and model.chunks and model.drops_rows and not streams:
        start, cache = shared, _cache_of(model, sequences[0][:shared])
    for places in read_batches(model, lengths, size=batch, chunk=chunk, mixed=mixed):
        rows = [
            _Row(
                at,
                list(sequences[at]),
                list(collectors[at]),
                Draws(model, sequences[at], streams[at]) if streams else None,
            )
            for at in places
        ]
        yield from _read_batch(model, rows, reader, chunk, start=start, cache=cache)


def _find_parts(model: Model, collectors: Sequence[Sequence[Collector]]) -> None:
    """Find what views are made of: it takes a forward pass, which none can be in the middle of."""
    if _needed(collectors, "values"):
        _ = model.head_writes
    if _needed(collectors, "router"):
        _ = model.routers
    if _needed(collectors, "heads"):
        with suppress(LayergramError):  # a model without: outputs of heads do not need it
            _ = model.attribution


def _needed(collectors: Sequence[Sequence[Collector]], kind: str) -> bool:
    return any(kind in collector.needs for own in collectors for collector in own)


def _cache_of(model: Model, ids: Sequence[int]) -> Any:
    with torch.inference_mode():
        given = torch.tensor([list(ids)], device=model.device)
        return forward(model, given, cache=None, keep=True, extra={})[1]


@dataclass(eq=False)
class _Row:
    """One sequence of a batch: its tokens so far, and who takes its views."""

    place: int
    ids: list[int]
    collectors: list[Collector]
    draws: Draws | None = None
    new: int = 0  # tokens of the present chunk
    value_norms: dict[int, Tensor] = field(default_factory=dict)

    def takers(self, kind: str) -> list[Collector]:
        return [collector for collector in self.collectors if kind in collector.needs]

    @property
    def ended(self) -> bool:
        """Whether no token will follow those that are known."""
        return self.draws is None or self.draws.done

    def draw(self, logits: Tensor) -> None:
        """Draw the next token from logits [V]."""
        assert self.draws is not None
        self.ids.append(self.draws.next(logits))


def _generated(model: Model, ids: Sequence[int], stream: Stream) -> list[int]:
    """A sequence with its answer, each token by a pass over everything before it."""
    draws = Draws(model, ids, stream)
    with torch.inference_mode():
        while not draws.done:
            given = torch.tensor([draws.ids], device=model.device)
            logits, _ = forward(model, given, cache=None, keep=False, extra={})
            draws.next(logits[0])
    return draws.ids


def _read_batch(
    model: Model, rows: list[_Row], lens: LensReader, chunk: int, *, start: int, cache: Any
) -> Iterator[Step]:
    longest = max(len(row.ids) for row in rows)
    size = chunk if model.chunks else longest
    keep = model.chunks and (start + size < longest or not all(row.ended for row in rows))
    with _Pass(model, rows, lens) as one_pass:
        if cache is not None:
            one_pass.cache = deepcopy(cache)
            first = torch.zeros(len(rows), dtype=torch.long, device=model.device)
            one_pass.cache.batch_select_indices(first)
        while one_pass.rows:
            with torch.inference_mode():
                logits = one_pass.forward(start, start + size, keep=keep)
                for at, row in enumerate(one_pass.rows):
                    if start + row.new == len(row.ids) and not row.ended:
                        row.draw(logits[at])
                one_pass.hand_on(start)
            for row in one_pass.rows:
                if row.new:
                    ids = tuple(row.ids[start : start + row.new])
                    yield Step(row.place, start, ids, len(row.ids))
            start += one_pass.width
            one_pass.keep([row for row in one_pass.rows if len(row.ids) > start])


class _Pass:
    """Forward passes of a batch against its cache, with hooks for what its collectors need."""

    def __init__(self, model: Model, rows: list[_Row], lens: LensReader) -> None:
        self.model, self.rows, self.lens = model, rows, lens
        self.needs = {kind for row in rows for own in row.collectors for kind in own.needs}
        self.cache: Any = None
        self.start = self.width = 0
        self.streams: list[Tensor] = []
        self.outputs: list[Tensor | None] = []
        self.parts: dict[str, list[Tensor]] = {}
        self.routed: dict[Place, Tensor] = {}
        self.extra: dict[str, Any] = {}

    def __enter__(self) -> _Pass:
        parts = self.model.parts
        self.stack = ExitStack()
        try:
            if self.needs & ATTENTION:
                hooks = {
                    module: partial(self._take_attention, layer)
                    for layer, module in enumerate(parts.attention, start=1)
                    if module is not None
                }
                capture = capture_attention(
                    self.model.network, hooks, way=parts.way, attend=attend_of(self.model)
                )
                self.extra = self.stack.enter_context(capture)
            if "router" in self.needs:
                self.routed = self.stack.enter_context(capture_routers(self.model.routers))
            if "heads" in self.needs:
                self.outputs = self.stack.enter_context(capture_heads(parts))
            for kind in PARTS:
                if kind in self.needs or ("lens" in self.needs and kind == self.lens.part):
                    self.parts[kind] = self.stack.enter_context(capture_parts(self.model, kind))
            if self.needs & STREAMS:
                only_last = not self.needs & {"residual", "lens", "settling"}
                layers = parts.layers[-1:] if only_last else parts.layers
                self.streams = self.stack.enter_context(capture_residual(layers))
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    def forward(self, start: int, end: int, *, keep: bool) -> Tensor:
        """The logits [rows, V] after the last column of the positions ``start`` to ``end``."""
        self.start = start
        for row in self.rows:
            row.new = max(0, min(end, len(row.ids)) - start)
        given = padded_right([row.ids[start:end] for row in self.rows], self.model.device)
        self.width = given.shape[1]
        self.attention = AttentionChunk(
            self.rows,
            start=start,
            width=self.width,
            device=self.model.device,
            writes=self.model.head_writes if "values" in self.needs else None,
        )
        logits, self.cache = forward(
            self.model, given, cache=self.cache, keep=keep, extra=self.extra
        )
        if logits.isnan().any():  # what is NaN at a token is NaN at all that see it
            raise not_finite(self.model, "the logits after some token of this text")
        return logits

    def keep(self, left: list[_Row]) -> None:
        """Let go of finished rows; where the cache does not allow it they go on as padding."""
        if left and len(left) < len(self.rows):
            if not self.model.drops_rows:
                return
            places = [at for at, row in enumerate(self.rows) if row in left]
            if self.cache is not None:
                self.cache.batch_select_indices(torch.tensor(places, device=self.model.device))
        self.rows = left

    def _take_attention(self, layer: int, seen: Attention) -> None:
        self.attention.take(layer, seen)

    def hand_on(self, start: int) -> None:
        """Hand on to collectors what is known when a chunk has gone through all layers."""
        for at, row in enumerate(self.rows):
            if row.new:
                self._hand_on_row(at, row, start)
        if rows := self._lens_rows("lens", start):
            self.lens.hand_on(self.streams, start, rows, self.parts.get(self.lens.part, ()))
        if rows := self._lens_rows("settling", start):
            self.lens.hand_on_settling(self.streams, start, rows)

    def _hand_on_row(self, at: int, row: _Row, start: int) -> None:
        for taker in row.takers("residual"):
            layers = tuple(h[at, : row.new] for h in self.streams)
            taker.take(ResidualView(start, layers))
        for kind, outputs in self.parts.items():
            for taker in row.takers(kind):
                taker.take(PartView(start, tuple(made[at, : row.new] for made in outputs)))
        if takers := row.takers("router"):
            self._hand_on_routes(at, row, start, takers)
        if not (row.takers("output") or row.takers("heads")):
            return
        last = self.streams[-1][at, : row.new]

        def last_stream(positions: Tensor) -> Tensor:
            return last[positions.to(last.device) - start]

        def predict(positions: Tensor) -> Tensor:
            return torch.log_softmax(self.model.parts.readout.logits(last_stream(positions)), -1)

        for taker in row.takers("output"):
            taker.take(OutputView(start, row.new, predict, last_stream))
        if takers := row.takers("heads"):
            next_ids = _next_ids(row, start, last.device)

            @remembered
            def towards() -> Tensor:
                return self.model.attribution.towards(last, next_ids)

            for layer, made in enumerate(self.outputs, start=1):
                if made is None:
                    continue
                own = made[at, : row.new].float()

                def gradient(layer: int = layer, own: Tensor = own) -> Tensor:
                    return self.model.attribution.of_heads(layer, own, towards())

                view = HeadsView(layer, start, own, gradient)
                for taker in takers:
                    taker.take(view)

    def _hand_on_routes(self, at: int, row: _Row, start: int, takers: list[Collector]) -> None:
        own = slice(at * self.width, at * self.width + row.new)
        for layer, router in enumerate(self.model.routers, start=1):
            if router is not None:
                shares = router.shares(self.routed[router.numbers][own])
                weights = self.routed[router.weights][own].float()
                for taker in takers:
                    taker.take(RouterView(layer, start, shares, weights))

    def _lens_rows(self, kind: str, start: int) -> list[LensRow]:
        return [
            LensRow(at, _next_ids(row, start, self.streams[-1].device), takers)
            for at, row in enumerate(self.rows)
            if row.new and (takers := row.takers(kind))
        ]


def _next_ids(row: _Row, start: int, device: torch.device) -> Tensor:
    """The token that follows each of the chunk's tokens, −1 where none is known."""
    follows = row.ids[start + 1 : start + row.new + 1]
    return torch.tensor(follows + [-1] * (row.new - len(follows)), device=device)
