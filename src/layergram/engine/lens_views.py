"""Lens views: what the lens reads in a chunk, a block of positions at one layer at a time.

The logits of a block are written into memory that is kept for the whole run: fresh pages for each
of them would cost about as much as the product with the unembedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from layergram.engine.batch import not_finite
from layergram.engine.lens import (
    JacobianLens,
    Lens,
    LogitLens,
    TokenLens,
    TunedLens,
    part_read,
)
from layergram.engine.prediction import Prediction
from layergram.engine.settling import Settled, bits, bounds, likely_tokens, settle
from layergram.engine.views import Collector, LensView, SettlingView
from layergram.models.model import Model

LENS_BYTES = 64 * 2**20
"""Largest size of one [positions, vocabulary] tensor of the lens, in float32."""

SMALL = 256
"""Cells of a product that reads its matrix often enough to be worth it."""


@dataclass(frozen=True)
class LensRow:
    """One sequence of a batch whose chunk the lens reads.

    Attributes:
        at: its place in the batch.
        next_ids: [tokens of the chunk], the token that follows each; −1 where none is known.
        takers: who takes its views.
    """

    at: int
    next_ids: Tensor
    takers: Sequence[Collector]


@dataclass(frozen=True)
class _Piece:
    """The positions of one row in a block.

    Attributes:
        row: the row.
        start: place of the first position in the chunk.
        first: its place in the block.
        end: the place after the last one in the block.
    """

    row: LensRow
    start: int
    first: int
    end: int

    @property
    def next_ids(self) -> Tensor:
        return self.row.next_ids[self.start : self.start + self.end - self.first]


@dataclass(frozen=True)
class _Block:
    """Positions that are read together.

    Attributes:
        streams: L tensors [n, d], those after each layer, or other outputs that the lens reads.
        last: [n, d], the stream after the last layer.
        pieces: whose they are.
    """

    streams: list[Tensor]
    last: Tensor
    pieces: list[_Piece]


class LensReader:
    """Hands on lens views of chunk after chunk, in memory that it keeps."""

    def __init__(self, model: Model, lens: Lens | None) -> None:
        self.model = model
        self.own = LogitLens(model.parts.readout)
        self.lens = self.own if lens is None else lens
        self.part = part_read(self.lens)
        fitted = isinstance(self.lens, TunedLens | JacobianLens) and not self.part
        self.ends_as_model = fitted or self.lens == self.own
        self.most = max(1, LENS_BYTES // (4 * model.parts.readout.vocabulary))
        self._rooms: dict[str, Tensor] = {}

    def hand_on(
        self,
        streams: Sequence[Tensor],
        start: int,
        rows: Sequence[LensRow],
        outputs: Sequence[Tensor] = (),
    ) -> None:
        """Lens views, with blocks of positions that run over the rows of the batch.

        Args:
            streams: L + 1 tensors [batch, tokens, d].
            start: position of the chunk's first token.
            rows: at least one.
            outputs: L tensors [batch, tokens, d] that the lens reads in place of the streams.
        """
        for block in self._blocks(streams, rows, outputs):
            for layer, piece, here, final in self._predictions(block):
                view = LensView(layer, start + piece.start, here, final, piece.next_ids)
                for taker in piece.row.takers:
                    taker.take(view)

    def hand_on_settling(
        self, streams: Sequence[Tensor], start: int, rows: Sequence[LensRow]
    ) -> None:
        """Settling views, with the same arguments."""
        for block in self._blocks(streams, rows):
            final = self._final(block)
            found: dict[tuple[float, ...], Settled] = {}
            for piece in block.pieces:
                own = slice(piece.first, piece.end)
                settled = partial(self._settled, block, final, found, own)
                view = SettlingView(start + piece.start, final.part(own), piece.next_ids, settled)
                for taker in piece.row.takers:
                    taker.take(view)

    def _blocks(
        self, streams: Sequence[Tensor], rows: Sequence[LensRow], outputs: Sequence[Tensor] = ()
    ) -> Iterator[_Block]:
        """The positions of all rows, in blocks of about one size."""
        device = streams[-1].device
        places = [(row, t) for row in rows for t in range(len(row.next_ids))]
        where = torch.tensor([(row.at, t) for row, t in places], device=device).T
        size = -(-len(places) // -(-len(places) // self.most))
        for a in range(0, len(places), size):
            inside = places[a : a + size]
            at = where[:, a : a + size]
            cuts = [i for i in range(1, len(inside)) if inside[i][0] is not inside[i - 1][0]]
            yield _Block(
                [h.to(device)[at[0], at[1]] for h in outputs or streams[1:]],
                streams[-1][at[0], at[1]],
                [_Piece(*inside[i], i, j) for i, j in pairwise([0, *cuts, len(inside)])],
            )

    def _final(self, block: _Block) -> Prediction:
        """The model's own predictions for the positions of a block."""
        n, last = len(block.last), len(block.streams)
        logits, peak = self._logits("final", self.own, block.last, last)
        return Prediction(logits, peak, self._room("p", n, logits.device))

    def _predictions(self, block: _Block) -> Iterator[tuple[int, _Piece, Prediction, Prediction]]:
        """For each layer and piece of a block: what both the lens and the model predict.

        The second is the model's own prediction, whatever the lens is. Layers share one pass over
        the unembedding where a block is small.
        """
        streams, pieces = block.streams, block.pieces
        n, last = len(streams[-1]), len(streams)
        whole = self._final(block)
        finals = [whole.part(slice(piece.first, piece.end)) for piece in pieces]
        if self.ends_as_model:  # the last layer is the model's own prediction
            last -= 1
        together = max(1, self.most // n)
        for first in range(1, last + 1, together):
            layers = range(first, min(first + together, last + 1))
            h = [self.lens.transform(streams[layer - 1], layer) for layer in layers]
            logits, peak = self._logits("lens", self.lens, torch.cat(h), first)
            for at, layer in enumerate(layers):
                for piece, final in zip(pieces, finals, strict=True):
                    own = slice(at * n + piece.first, at * n + piece.end)
                    yield layer, piece, Prediction(logits[own], peak[own]), final
        if last < len(streams):
            for piece, final in zip(pieces, finals, strict=True):
                yield len(streams), piece, final, final

    def _settled(
        self,
        block: _Block,
        final: Prediction,
        found: dict[tuple[float, ...], Settled],
        own: slice,
        thresholds: tuple[float, ...],
    ) -> Settled:
        """When some positions of a block settle; ``found`` keeps what is known of the block."""
        if thresholds not in found:
            before = enumerate(block.streams[:-1], start=1)
            parts = [self.lens.transform(stream, layer) for layer, stream in before]
            h = torch.stack(parts) if parts else block.streams[-1][None][:0]
            least, guess = self._bounds(h, final)

            def divergence(layers: Tensor, positions: Tensor) -> Tensor:
                parts = []
                for at in range(0, len(layers), self.most):
                    cells = slice(at, at + self.most)
                    own = h[layers[cells], positions[cells]]
                    here = Prediction(*self._logits("lens", self.lens, own, 1))
                    parts.append(bits(here.divergence(final, positions[cells])))
                return torch.cat(parts)

            found[thresholds] = settle(least, guess, thresholds, divergence)
        return Settled(*(values[..., own] for values in found[thresholds]))

    def _bounds(self, h: Tensor, final: Prediction) -> tuple[Tensor, Tensor]:
        """Lower bounds of the divergences of transformed streams [layer, n, d], and guesses.

        −∞ and ∞ [layer, n] for a lens that cannot read some tokens alone: all cells are computed.
        """
        layers, n, _ = h.shape
        tokens = likely_tokens(final.p)
        read = self.lens.of_tokens(tokens) if isinstance(self.lens, TokenLens) else None
        if read is None or not layers:
            nothing = final.p.new_full((layers, n), torch.inf)
            return -nothing, nothing
        p = final.p[:, tokens]
        together = max(1, SMALL // n)  # layers that share one pass over the tokens' rows
        room = self._room("lens", n, h.device).view(-1)
        found = []
        for first in range(0, layers, together):
            some = h[first : first + together]
            size = len(some) * n * len(tokens)
            out = room[:size] if size <= len(room) else final.p.new_empty(size)
            logits, off = read(some.flatten(0, 1), out=out.view(-1, len(tokens)))
            if not logits.amax(-1).isfinite().all():
                raise not_finite(self.model, f"the lens after layer {first + 1} or a later one")
            shape = (len(some), n)
            found.append(bounds(p, logits.unflatten(0, shape), off.unflatten(0, shape)))
        least, guess = (torch.cat(parts) for parts in zip(*found, strict=True))
        return least, guess

    def _logits(self, name: str, lens: Lens, h: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Logits [n, V] of transformed streams, in the room of this name, and their peaks [n]."""
        logits = lens.logits(h, out=self._room(name, len(h), h.device))
        peak = logits.amax(-1)
        if not peak.isfinite().all():
            raise not_finite(self.model, f"the lens after layer {first} or a later one")
        return logits, peak

    def _room(self, name: str, n: int, device: torch.device) -> Tensor:
        """Room for [n, V] in float32; what was in it before is lost."""
        kept = self._rooms.get(name)
        if kept is None or len(kept) < n or kept.device != device:
            vocabulary = self.model.parts.readout.vocabulary
            self._rooms.pop(name, None)
            kept = self._rooms[name] = torch.empty(
                n, vocabulary, dtype=torch.float32, device=device
            )
        return kept[:n]
