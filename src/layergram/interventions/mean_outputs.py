"""Mean outputs of attention heads over texts, to put in the place of their outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from layergram.datasets.step_sequences import StepSequence
from layergram.engine.run import read
from layergram.engine.views import HeadsView
from layergram.models.model import Model


class HeadSums:
    """Collects the sum over positions of every head's output, layer by layer."""

    needs = ("heads",)

    def __init__(self, layers: int) -> None:
        self.sums: list[Tensor | None] = [None] * layers

    def take(self, view: HeadsView) -> None:
        """Add up the outputs of one layer and chunk."""
        part = view.outputs.sum(0).cpu().double()
        before = self.sums[view.layer - 1]
        self.sums[view.layer - 1] = part if before is None else before + part


def mean_outputs(model: Model, sequences: Sequence[StepSequence]) -> list[Tensor | None]:
    """Mean output of every head over all positions of some sequences.

    Args:
        model: the model, with the edits that are in force.
        sequences: the sequences.

    Returns:
        One entry per layer: [heads, d_head] in float32, in the units of the head's output; ``None``
        where a layer has no separate head outputs.
    """
    collectors = [HeadSums(model.layers) for _ in sequences]
    for _ in read(model, [one.ids for one in sequences], [[one] for one in collectors]):
        pass
    count = sum(len(one.ids) for one in sequences)
    of_layers = zip(*(one.sums for one in collectors), strict=True)
    return [
        None if parts[0] is None else (torch.stack(list(parts)).sum(0) / count).float()  # type: ignore[arg-type]
        for parts in of_layers
    ]
