"""Steering: push heads towards what they hand on where the model is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.datasets.step_sequences import StepSequence
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError
from layergram.interventions.masking import Masking
from layergram.interventions.scoring import scores
from layergram.models.edits import Head, HeadEdit, edited, named
from layergram.models.model import Model
from layergram.statistics.bootstrap import Bootstrap

ALPHA = 5.0
"""How many standard deviations the published work pushes."""


def steering_edit(
    model: Model,
    outputs: xr.DataArray,
    right: npt.ArrayLike,
    heads: Sequence[Head],
    *,
    alpha: float = ALPHA,
    positions: str = "every",
) -> HeadEdit:
    """The edit that pushes heads from what they hand on at wrong answers to that at right ones.

    x + α·σ·dir for a head's output x, with dir the unit vector along the mean over right answers
    less the mean over wrong ones, and σ the standard deviation of all outputs along it.

    Args:
        model: the model that will be steered.
        outputs: its heads' outputs [example, layer, head, feature], as
            :func:`head_outputs` gives them; of examples that the steering
            will not be judged by.
        right: whether the model is right at each example.
        heads: the heads to push, (layer, head).
        alpha: how far, in standard deviations; below 0 pushes the other way.
        positions: ``"every"`` or ``"last"`` of each forward pass.

    Returns:
        An edit for :func:`layergram.models.edits.edited`.

    Raises:
        LayergramError: without right or without wrong examples, or where the two do not differ.
    """
    truth = np.asarray(right, dtype=bool)
    if truth.shape != (outputs.sizes["example"],) or not 0 < truth.sum() < truth.size:
        raise LayergramError(
            f"steering of {named(heads)}",
            got=f"{int(truth.sum())} right and {int((~truth).sum())} wrong answers for "
            f"{outputs.sizes['example']} outputs",
            allowed="one for each output, and some of either kind",
        )
    vectors = []
    for layer, head in heads:
        values = outputs.sel(layer=layer, head=head).values[:, : model.parts.head_widths[layer - 1]]
        apart = values[truth].mean(0, dtype=np.float64) - values[~truth].mean(0, dtype=np.float64)
        length = float(np.linalg.norm(apart))
        if not length > 0:
            raise LayergramError(
                f"steering of {named([(layer, head)])}",
                got="the same mean output at right and at wrong answers",
                do="choose another head",
            )
        direction = apart / length
        spread = float((values.astype(np.float64) @ direction).std())
        vectors.append(alpha * spread * direction)
    return HeadEdit(tuple(heads), how="add", vectors=vectors, positions=positions)


def random_steering(edit: HeadEdit, *, seed: int) -> HeadEdit:
    """The same heads pushed as far, each in a random direction: what any push would do."""
    random = np.random.default_rng(seed)
    vectors = []
    for vector in edit.vectors:
        drawn = random.normal(size=len(vector))
        vectors.append(drawn / np.linalg.norm(drawn) * float(np.linalg.norm(vector)))
    return replace(edit, vectors=vectors)


def compare_edits(
    model: Model,
    sequences: Sequence[StepSequence],
    steps: StepSet,
    edits: Mapping[str, HeadEdit],
    *,
    masking: Masking | None = None,
) -> xr.Dataset:
    """What several edits do to the scores of steps, each against the model as it is.

    Args:
        model: the model.
        sequences: the steps, as the model reads them; none that an edit was made from.
        steps: the set that they are of.
        edits: the edits by name.
        masking: its scoring, and how its intervals are made.

    Returns:
        ``unedited`` [score], and ``change`` [edit, score] with the ends of its interval over main
        questions, ``change_low`` and ``change_high``.
    """
    masking = masking or Masking()

    def scored() -> xr.DataArray:
        return scores(model, sequences, steps, scoring=masking.scoring)

    before = scored()
    bootstrap = Bootstrap(
        [steps.steps[int(at)].group for at in before["step"]],
        resamples=masking.resamples,
        level=masking.level,
        seed=masking.seed,
    )
    rows = []
    for edit in edits.values():
        with edited(model, edit):
            change = (scored() - before).values
        rows.append([bootstrap.interval(column) for column in change.T])
    grid = np.array(rows)
    variables: dict[str, Any] = {
        f"change{end}": (("edit", "score"), grid[..., at])
        for at, end in enumerate(("", "_low", "_high"))
    }
    variables["unedited"] = ("score", before.values.mean(0))
    coords = {"edit": list(edits), "score": before["score"].values}
    return xr.Dataset(variables, coords=coords)
