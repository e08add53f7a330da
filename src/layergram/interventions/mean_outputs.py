"""Mean outputs of attention heads over texts, and how much they write into the residual stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from layergram.datasets.step_sequences import StepSequence
from layergram.engine.run import read
from layergram.engine.views import HeadsView
from layergram.models.model import Model


class HeadSums:
    """Collects sums over positions: of every head's output, and of the length of what it writes."""

    needs = ("heads",)

    def __init__(self, model: Model) -> None:
        self.model = model
        self.sums: list[Tensor | None] = [None] * model.layers
        self.norms: list[Tensor | None] = [None] * model.layers

    def take(self, view: HeadsView) -> None:
        """Add up one layer and chunk."""
        at = view.layer - 1
        sums, norms = view.outputs.sum(0), self._written(at, view.outputs).norm(dim=-1).sum(0)
        for kept, part in ((self.sums, sums), (self.norms, norms)):
            before, new = kept[at], part.cpu().double()
            kept[at] = new if before is None else before + new

    def _written(self, at: int, outputs: Tensor) -> Tensor:
        """What the heads write [tokens, heads, d]: each one's output times its rows of W_O."""
        projection = self.model.parts.projections[at]
        weight: Tensor = projection.weight.float()  # type: ignore[union-attr,operator,assignment]
        matrix = weight if isinstance(projection, Conv1D) else weight.T
        return torch.einsum("thi,hid->thd", outputs, matrix.unflatten(0, (outputs.shape[1], -1)))


def mean_outputs(model: Model, sequences: Sequence[StepSequence]) -> list[Tensor | None]:
    """Mean output of every head over all positions of some sequences.

    Args:
        model: the model, with the edits that are in force.
        sequences: the sequences.

    Returns:
        One entry per layer: [heads, d_head] in float32, in the units of the head's output; ``None``
        where a layer has no separate head outputs.
    """
    return outputs_and_norms(model, sequences)[0]


def outputs_and_norms(
    model: Model, sequences: Sequence[StepSequence]
) -> tuple[list[Tensor | None], list[Tensor | None]]:
    """Mean outputs as :func:`mean_outputs`, and the mean length of what each head writes [heads].

    What a head writes is its output times its part of the output projection, ``‖output · W_O‖``.
    """
    collectors = [HeadSums(model) for _ in sequences]
    for _ in read(model, [one.ids for one in sequences], [[one] for one in collectors]):
        pass
    count = sum(len(one.ids) for one in sequences)

    def means(of_sequences: Sequence[list[Tensor | None]]) -> list[Tensor | None]:
        return [
            None if parts[0] is None else (torch.stack(list(parts)).sum(0) / count).float()  # type: ignore[arg-type]
            for parts in zip(*of_sequences, strict=True)
        ]

    return means([one.sums for one in collectors]), means([one.norms for one in collectors])
