"""Looking closer at a run: the lens's top tokens of a cell, and what a token attended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import xarray as xr

from layergram.app.history import Record
from layergram.app.refusal import Refusal
from layergram.app.requests import CellRequest
from layergram.engine.lens import LogitLens
from layergram.engine.run import read
from layergram.engine.views import ResidualView
from layergram.models.model import Model
from layergram.recipe import Run
from layergram.tokens import decode
from layergram.tracing import trace

TOP = 5


class _StreamAt:
    """Keeps the residual stream after one layer at one position."""

    needs = ("residual",)

    def __init__(self, layer: int, position: int) -> None:
        self.layer, self.position = layer, position
        self.stream: torch.Tensor | None = None

    def take(self, view: ResidualView) -> None:
        """Keep the stream where the view has it."""
        layer = view.layers[self.layer]
        if 0 <= self.position - view.start < len(layer):
            self.stream = layer[self.position - view.start].clone()


def top_tokens(model: Model, record: Record, cell: CellRequest) -> dict[str, Any]:
    """The tokens that a layer's logit lens holds likeliest at a cell, with their probabilities.

    Args:
        model: the model of the run, with the edits of the run in force.
        record: the run.
        cell: where.

    Returns:
        ``position`` of the token that was read, and ``tokens``: text, id and probability of the
        five likeliest, in order.

    Raises:
        Refusal: for a cell that the run does not have.
    """
    at = cell.position - (cell.alignment == "predicts")
    ids = record["ids"]
    if not (0 <= at < len(ids) and cell.layer <= model.layers):
        nothing = cell.position == 0 and cell.alignment == "predicts"
        raise Refusal(
            404,
            f"the lens at layer {cell.layer}, token {cell.position}",
            got="the first token, which nothing predicts" if nothing else "no such cell",
            allowed=f"layers 1 to {model.layers}, tokens 0 to {len(ids) - 1}",
        )
    stream = _StreamAt(cell.layer, at)
    lens = LogitLens(model.parts.readout)
    for _ in read(model, [ids[: at + 1]], [[stream]]):
        pass
    assert stream.stream is not None
    with torch.inference_mode():
        logits = lens.logits(lens.transform(stream.stream[None], cell.layer))[0]
        found = logits.float().softmax(-1).topk(TOP)
    return {
        "layer": cell.layer,
        "position": at,
        "tokens": [
            {"text": decode(model.tokenizer, [int(one)]), "id": int(one), "probability": float(p)}
            for one, p in zip(found.indices, found.values, strict=True)
        ],
    }


def attention_of(model: Model, record: Record, position: int) -> xr.DataArray:
    """What a token attended to in each head of each layer: a map [layer, head, token].

    The edits of the run are in force on the model.

    Raises:
        Refusal: for a token that the run does not have.
    """
    ids: Sequence[int] = record["ids"]
    if not 0 <= position < len(ids) or len(ids) < 2:
        raise Refusal(
            404,
            f"the attention of token {position}",
            got=f"a run of {len(ids)} tokens",
            allowed=f"0 to {len(ids) - 1}",
        )
    read_ids = ids[: max(2, position + 1)]  # a later token changes nothing; a text has two
    found = trace(
        model,
        ids=read_ids,
        measures=["attention_from"],
        options={"query": position},
        run=Run(heads="each"),
    )
    return found["attention_from"]
