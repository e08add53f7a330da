"""What heads hand on in the mean over texts, to put in the place of their outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from layergram.features.hidden_states import forward, forward_batches
from layergram.features.step_sequences import Reading
from layergram.models.hooks import capture_heads
from layergram.models.model import Model


def mean_outputs(model: Model, readings: Sequence[Reading]) -> list[Tensor | None]:
    """Mean output of every head over all positions of some readings.

    Args:
        model: the model, with the edits that are in force.
        readings: the sequences.

    Returns:
        One entry per layer: [heads, d_head] in float32, in the units of the head's output; ``None``
        where a layer has no separate head outputs.
    """
    sums: list[Tensor | None] = [None] * model.layers
    count = sum(len(reading.ids) for reading in readings)
    for batch in forward_batches([len(reading.ids) for reading in readings]):
        ids = [readings[at].ids for at in batch]
        with torch.inference_mode(), capture_heads(model.parts) as heard:
            forward(model, ids)
            for layer, heads in enumerate(heard):
                if heads is None:
                    continue
                own = [
                    row[: len(one)].float().sum(0).cpu().double()
                    for row, one in zip(heads, ids, strict=True)
                ]
                before = sums[layer]
                total = torch.stack(own).sum(0)
                sums[layer] = total if before is None else before + total
    return [None if total is None else (total / count).float() for total in sums]
