"""What every attention head hands on where the answers of labelled steps are predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from layergram.errors import LayergramError
from layergram.features.hidden_states import forward, forward_batches
from layergram.features.step_sequences import Reading, Span
from layergram.models.hooks import capture_heads, capture_residual
from layergram.models.model import Model
from layergram.storage.journal import digest_of
from layergram.storage.store import Layout, fill

ANSWER_TOKENS = {
    "content": "the tokens of the answer that carry its content",
    "first": "its first token",
    "last": "its last token",
    "all": "all of its tokens",
}
"""Which tokens of an answer are looked at; a number k stands for the k least expected content
tokens."""


def check_answer_tokens(tokens: str | int) -> None:
    """Refuse a choice of answer tokens that there is not."""
    if tokens not in ANSWER_TOKENS if isinstance(tokens, str) else tokens < 1:
        raise LayergramError(
            f"heads at the answer tokens {tokens!r}",
            allowed=f"{', '.join(ANSWER_TOKENS)}, or a number from 1 on",
        )


def head_outputs(
    model: Model,
    readings: Sequence[Reading],
    folder: Path,
    *,
    tokens: str | int = "content",
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataArray:
    """Outputs of all heads before the output projection, averaged over the tokens of each answer.

    The output for a token is the one at the position before it, which predicts it.

    Args:
        model: the model.
        readings: the steps, as the model reads them.
        folder: where the numbers are kept as they are made; a killed run goes on.
        tokens: which tokens of an answer, one of :data:`ANSWER_TOKENS` or a number.
        progress: called with how many steps are done, and how many there are.

    Returns:
        ``head_outputs`` [example, layer, head, feature], one example per step, memory-mapped. NaN
        where a layer has no such head; a layer whose heads are narrower than others' is filled up
        with 0.

    Raises:
        LayergramError: if the model shows no outputs of separate heads, or the folder holds the
            outputs of another run.
    """
    check_answer_tokens(tokens)
    parts = model.parts
    heads = [
        count if projection is not None else 0
        for count, projection in zip(parts.heads, parts.projections, strict=True)
    ]
    if not any(heads):
        raise LayergramError(
            f"heads of the model '{model.name}'",
            got="no layer that hands the outputs of separate heads to an output projection",
            do="choose another model; `layergram check` says what is known about one",
        )
    with torch.inference_mode(), capture_heads(parts) as heard:
        forward(model, [readings[0].ids[:2]])
        width = max(outputs.shape[-1] for outputs in heard if outputs is not None)
    count = sum(len(reading.spans) for reading in readings)
    axes = {"layer": range(1, model.layers + 1), "head": range(max(heads)), "feature": width}
    layout = Layout(
        "head_outputs",
        {"head_outputs": {"example": count, **axes}},
        {"head_outputs": "float32"},
        {
            **model.fingerprint(),
            "tokens": tokens,
            "readings": digest_of([[r.ids, list(map(_plain, r.spans))] for r in readings]),
        },
    )
    groups = forward_batches([len(reading.ids) for reading in readings])
    members = {
        tuple(span.step for at in group for span in readings[at].spans): group for group in groups
    }

    shape = (model.layers, max(heads), width)

    def work(batch: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
        read = [readings[at] for at in members[tuple(batch)]]
        return {"head_outputs": _of_batch(model, read, shape, tokens)}

    return fill(layout, folder, [list(steps) for steps in members], work, progress=progress)[
        "head_outputs"
    ]


def _of_batch(
    model: Model, read: Sequence[Reading], shape: tuple[int, int, int], tokens: str | int
) -> npt.NDArray[np.float32]:
    """The outputs [step, layer, head, feature] of all steps of some readings, in one pass."""
    parts = model.parts
    found = []
    with (
        torch.inference_mode(),
        capture_heads(parts) as heard,
        capture_residual(parts.layers) as streams,
    ):
        forward(model, [reading.ids for reading in read])
        for row, reading in enumerate(read):
            for span in reading.spans:
                places = _places(model, streams[-1][row], reading, span, tokens)
                of_step = np.full(shape, np.nan, dtype=np.float32)
                for layer, outputs in enumerate(heard):
                    if outputs is not None:
                        mean = outputs[row, places].float().mean(0).cpu().numpy()
                        of_step[layer, : mean.shape[0]] = 0.0
                        of_step[layer, : mean.shape[0], : mean.shape[1]] = mean
                found.append(of_step)
    return np.stack(found)


def _plain(span: Span) -> list[Any]:
    return [span.step, span.first, span.last, span.content]


def _places(
    model: Model, stream: Tensor, reading: Reading, span: Span, tokens: str | int
) -> list[int]:
    """The positions that predict the chosen tokens of an answer."""
    if isinstance(tokens, int):
        chosen = _least_expected(model, stream, reading, span, tokens)
    else:
        chosen = {
            "content": list(span.content),
            "first": [span.first],
            "last": [span.last],
            "all": list(range(span.first, span.last + 1)),
        }[tokens]
    return [at - 1 for at in chosen]


def _least_expected(
    model: Model, stream: Tensor, reading: Reading, span: Span, most: int
) -> list[int]:
    """The content tokens that the model gives the lowest probability, from the last layer."""
    before = torch.tensor([at - 1 for at in span.content], device=stream.device)
    log_p = torch.log_softmax(model.parts.readout.logits(stream[before]), dim=-1)
    own = torch.tensor([reading.ids[at] for at in span.content], device=log_p.device)
    order = log_p.gather(1, own[:, None])[:, 0].argsort()[:most]
    return sorted(span.content[int(at)] for at in order)


def with_layer_mean(outputs: xr.DataArray) -> xr.DataArray:
    """Each head's output beside the mean over the heads of its layer (the published features).

    Args:
        outputs: [example, layer, head, feature].

    Returns:
        [example, layer, head, 2 · feature]; NaN where a layer has no such head.
    """
    values = outputs.values
    known = ~np.isnan(values).all(axis=(0, 3), keepdims=True)
    count = known.sum(axis=2, keepdims=True)
    mean = np.where(known, values, 0.0).sum(axis=2, keepdims=True) / np.maximum(count, 1)
    both = np.concatenate([values, np.broadcast_to(mean, values.shape)], axis=-1)
    both = np.where(known, both, np.nan).astype(np.float32)
    coords = {name: outputs[name] for name in ("layer", "head")}
    return xr.DataArray(both, dims=outputs.dims, coords=coords)
