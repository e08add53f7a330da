"""What every attention head hands on where the answers of labelled steps are predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.datasets.step_sequences import AnswerSpan, StepSequence, digest_of_sequences
from layergram.engine.run import read
from layergram.engine.views import HeadsView, OutputView
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.storage.folder import RunFolder
from layergram.storage.stage import ArraySpec, Stage, run_stage

SHARD = 128  # steps per shard: the steps of one main question are mostly in the same one

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
    sequences: Sequence[StepSequence],
    folder: RunFolder | None = None,
    *,
    tokens: str | int = "content",
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataArray:
    """Outputs of all heads before the output projection, averaged over the tokens of each answer.

    The output for a token is the one at the position before it, which predicts it.

    Args:
        model: the model.
        sequences: the steps, as the model reads them.
        folder: where the numbers are kept as they are made; an interrupted run resumes.
        tokens: which tokens of an answer, one of :data:`ANSWER_TOKENS` or a number.
        progress: called with how many steps are done, and how many there are.

    Returns:
        ``head_outputs`` [example, layer, head, feature], one example per step in the order of the
        set. NaN where a layer has no such head; a layer whose heads are narrower than others' is
        filled up with 0.

    Raises:
        LayergramError: if the model shows no outputs of separate heads, or the folder holds the
            outputs of another run.
    """
    check_answer_tokens(tokens)
    heads = [
        count if projection is not None else 0
        for count, projection in zip(model.parts.heads, model.parts.projections, strict=True)
    ]
    if not any(heads):
        raise LayergramError(
            f"heads of the model '{model.name}'",
            got="no layer that hands the outputs of separate heads to an output projection",
            do="choose another model; `layergram check` says what is known about one",
        )
    width = max(model.parts.head_widths)
    shape = (model.layers, max(heads), width)
    order = sorted(sequences, key=lambda sequence: -len(sequence.ids))
    homes = {str(span.step): (sequence, span) for sequence in order for span in sequence.spans}
    axes: dict[str, Any] = {
        "layer": list(range(1, shape[0] + 1)),
        "head": list(range(shape[1])),
        "feature": width,
    }
    stage = Stage(
        "head_outputs",
        tuple(homes),
        {**model.fingerprint(), "tokens": tokens, "sequences": digest_of_sequences(sequences)},
        {"head_outputs": ArraySpec(axes)},
        shard_size=SHARD,
    )

    def work(steps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        asked: dict[StepSequence, list[AnswerSpan]] = {}
        for step in steps:
            sequence, span = homes[step]
            asked.setdefault(sequence, []).append(span)
        collectors = [AnswerHeads(one, spans, shape, tokens) for one, spans in asked.items()]
        ends = [max(span.last for span in spans) for spans in asked.values()]
        ids = [one.ids[: end + 1] for one, end in zip(asked, ends, strict=True)]
        for _ in read(model, ids, [[collector] for collector in collectors]):
            pass
        values = {key: array for one in collectors for key, array in one.means().items()}
        return {"head_outputs": np.stack([values[int(step)] for step in steps])}

    found: xr.Dataset = run_stage(stage, work, folder, progress=progress)
    return found["head_outputs"].sel(example=sorted(homes, key=int)).drop_vars("example")


class AnswerHeads:
    """Collects the outputs of all heads where the answers of one sequence are predicted.

    Args:
        sequence: the sequence.
        spans: its answers.
        shape: layers, heads, and numbers of a head.
        tokens: which tokens of an answer, one of :data:`ANSWER_TOKENS` or a number.
    """

    def __init__(
        self,
        sequence: StepSequence,
        spans: Sequence[AnswerSpan],
        shape: tuple[int, int, int],
        tokens: str | int,
    ) -> None:
        self.sequence, self.spans, self.most = sequence, spans, tokens
        self.needs = ("heads", "output") if isinstance(tokens, int) else ("heads",)
        self.chosen = {span.step: span.tokens(tokens) for span in spans}
        positions = {at for chosen in self.chosen.values() for at in chosen}
        self.log_p = dict.fromkeys(positions, 0.0)
        self.outputs = {at: np.full(shape, np.nan, dtype=np.float32) for at in positions}

    def take(self, view: HeadsView | OutputView) -> None:
        """Keep the outputs, or the log-probabilities, of the tokens that this chunk predicts."""
        if isinstance(view, OutputView):
            here = self._here(view.start, view.tokens)
            if here:
                log_p = view.predict(torch.tensor([at - 1 for at in here]))
                for at, row in zip(here, log_p, strict=True):
                    self.log_p[at] = float(row[self.sequence.ids[at]])
            return
        here = self._here(view.start, len(view.outputs))
        if here:
            places = torch.tensor([at - 1 - view.start for at in here], device=view.outputs.device)
            for at, of_heads in zip(here, view.outputs[places].cpu().numpy(), strict=True):
                own = self.outputs[at][view.layer - 1]
                own[: of_heads.shape[0]] = 0.0
                own[: of_heads.shape[0], : of_heads.shape[1]] = of_heads

    def _here(self, start: int, tokens: int) -> list[int]:
        return [at for at in sorted(self.outputs) if start < at <= start + tokens]

    def means(self) -> dict[int, npt.NDArray[np.float32]]:
        """Mean outputs [layer, head, feature] of each step, by its place in the set."""
        means = {}
        for step, chosen in self.chosen.items():
            if isinstance(self.most, int):  # the tokens that the model expected least
                chosen = sorted(chosen, key=lambda at: self.log_p[at])[: self.most]
            means[step] = np.stack([self.outputs[at] for at in chosen]).mean(0)
        return means


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
