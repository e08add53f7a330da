"""Lens views: what the lens reads in a chunk, a block of positions at one layer at a time.

The logits of a block are written into memory that is kept for the whole run: fresh pages for each
of them would cost about as much as the product with the unembedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from layergram.engine.batch import not_finite
from layergram.engine.lens import Lens, LogitLens
from layergram.engine.prediction import Prediction
from layergram.engine.views import Collector, LensView
from layergram.models.model import Model

LENS_BYTES = 64 * 2**20
"""Largest size of one [positions, vocabulary] tensor of the lens, in float32."""


@dataclass(frozen=True)
class LensRow:
    """One sequence of a batch whose chunk the lens reads.

    Attributes:
        at: its place in the batch.
        next_ids: [tokens of the chunk], the token that follows each; −1 where none is known.
        takers: who takes its lens views.
    """

    at: int
    next_ids: Tensor
    takers: Sequence[Collector]


class LensReader:
    """Hands on lens views of chunk after chunk, in memory that it keeps."""

    def __init__(self, model: Model, lens: Lens | None) -> None:
        self.model = model
        self.own = LogitLens(model.parts.readout)
        self.lens = self.own if lens is None else lens
        self._rooms: dict[str, Tensor] = {}

    def hand_on(self, streams: Sequence[Tensor], start: int, rows: Sequence[LensRow]) -> None:
        """Lens views, with blocks of positions that run over the rows of the batch.

        Args:
            streams: L + 1 tensors [batch, tokens, d].
            start: position of the chunk's first token.
            rows: at least one.
        """
        device = streams[-1].device
        places = [(row, t) for row in rows for t in range(len(row.next_ids))]
        where = torch.tensor([(row.at, t) for row, t in places], device=device).T
        next_ids = torch.cat([row.next_ids for row in rows])
        most = max(1, LENS_BYTES // (4 * self.model.parts.readout.vocabulary))
        block = -(-len(places) // -(-len(places) // most))  # blocks of about one size
        for a in range(0, len(places), block):
            b = min(a + block, len(places))
            inside = [h.to(device)[where[0, a:b], where[1, a:b]] for h in streams[1:]]
            pieces = _pieces([row.at for row, _ in places[a:b]])
            for layer, end, here, final in self._predictions(inside, pieces, most):
                i = end - len(here.logits)
                row, t = places[a + i]
                view = LensView(layer, start + t, here, final, next_ids[a + i : a + end])
                for taker in row.takers:
                    taker.take(view)

    def _predictions(
        self, streams: Sequence[Tensor], pieces: Sequence[tuple[int, int]], most: int
    ) -> Iterator[tuple[int, int, Prediction, Prediction]]:
        """For each layer and piece of a block: layer, end of the piece, what both predict.

        The second is the model's own prediction, whatever the lens is. Layers share one pass over
        the unembedding where a block is small.
        """
        n, last = len(streams[-1]), len(streams)
        finals = self._split("final", self.own, [streams[-1]], pieces, first=last)[0]
        if self.lens == self.own:  # the last layer is the model's own prediction
            last -= 1
        together = max(1, most // n)
        for first in range(1, last + 1, together):
            layers = range(first, min(first + together, last + 1))
            h = [self.lens.transform(streams[layer - 1], layer) for layer in layers]
            split = self._split("lens", self.lens, h, pieces, first=first)
            for layer, of_layer in zip(layers, split, strict=True):
                for (_, end), here, final in zip(pieces, of_layer, finals, strict=True):
                    yield layer, end, here, final
        if last < len(streams):
            for (_, end), final in zip(pieces, finals, strict=True):
                yield len(streams), end, final, final

    def _split(
        self,
        name: str,
        lens: Lens,
        h: Sequence[Tensor],
        pieces: Sequence[tuple[int, int]],
        *,
        first: int,
    ) -> list[list[Prediction]]:
        """The predictions of each layer and piece; their logits lie in the room of this name."""
        n = len(h[0])
        logits = lens.logits(torch.cat(list(h)), out=self._room(name, n * len(h), h[0].device))
        peak = logits.amax(-1)
        if not peak.isfinite().all():
            raise not_finite(self.model, f"the lens after layer {first} or a later one")
        room = self._room("p", n, h[0].device) if name == "final" else None
        return [
            [
                Prediction(
                    logits[at + i : at + j],
                    peak[at + i : at + j],
                    room=None if room is None else room[i:j],
                )
                for i, j in pieces
            ]
            for at in range(0, len(logits), n)
        ]

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


def _pieces(rows: Sequence[int]) -> list[tuple[int, int]]:
    """The runs of one row in a block, as (first place, one past the last)."""
    cuts = [0, *(at for at in range(1, len(rows)) if rows[at] != rows[at - 1]), len(rows)]
    return list(pairwise(cuts))
