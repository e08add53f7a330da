"""The sweep: every head is taken out by itself, and something is measured again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.datasets.step_sequences import StepSequence, digest_of_sequences
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError, unknown_name
from layergram.interventions.masking import Masking
from layergram.interventions.scoring import FORCED, LABELS, UNITS, Progress, scores
from layergram.measures import select_measures
from layergram.models.edits import HOW, Head, editable_heads, edited
from layergram.models.model import Model
from layergram.recipe import Run
from layergram.statistics.arrays import Values
from layergram.statistics.bootstrap import Bootstrap
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.tracing import trace

CAVEAT = (
    "One head at a time: heads that can stand in for each other all look as if nothing hung on "
    "them, and a head that others build on takes their work with it."
)


@dataclass(frozen=True)
class Metric:
    """Something to measure on a model: one number for each of some items.

    Attributes:
        name: of what is measured.
        long_name: the same, fit for a colour bar.
        definition: the same, in words that say how.
        units: of the numbers.
        groups: for each item, what it belongs together with.
        read: measures a model, with the edits that are in force: [item], NaN for no value.
        made_from: everything that the numbers depend on beside the model, as plain data.
    """

    name: str
    long_name: str
    definition: str
    units: str
    groups: tuple[str, ...]
    read: Callable[[Model], Values]
    made_from: Mapping[str, Any] = field(default_factory=dict)


def score_metric(
    sequences: Sequence[StepSequence], steps: StepSet, *, score: str = "log_likelihood"
) -> Metric:
    """A score of the given answers of labelled steps, one number per step.

    Args:
        sequences: the steps, as the model reads them.
        steps: the set that they are of.
        score: one of :data:`layergram.interventions.scoring.FORCED`.

    Raises:
        LayergramError: for an unknown score.
    """
    if score not in FORCED:
        raise unknown_name("score of given answers", score, FORCED)
    places = sorted(span.step for one in sequences for span in one.spans)
    return Metric(
        score,
        LABELS[score],
        FORCED[score],
        UNITS.get(score, "1"),
        tuple(steps.steps[at].group for at in places),
        lambda model: scores(model, sequences, steps).sel(score=score).values,
        {
            "steps": steps.name,
            "steps_digest": steps.digest,
            "sequences": digest_of_sequences(sequences),
        },
    )


def measure_metric(
    texts: Sequence[str],
    measure: str,
    *,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> Metric:
    """A measure of the registry, averaged over the layers and tokens of each text.

    Args:
        texts: the texts, at least two, or no interval can be given.
        measure: one of :data:`layergram.measures.MEASURES`.
        options: of the measure.
        run: how the texts are read.

    Raises:
        LayergramError: for an unknown measure or option, or fewer than two texts.
    """
    record = select_measures([measure], dict(options or {}))[-1]
    if len(texts) < 2:
        raise LayergramError(f"{measure} of texts", got=f"{len(texts)} texts", allowed="2 or more")

    def read(model: Model) -> Values:
        found = [trace(model, t, measures=[measure], options=options, run=run) for t in texts]
        return np.array([float(one[measure].mean()) for one in found])

    return Metric(
        measure,
        record.long_name,
        f"{record.long_name}, mean over the layers and tokens of a text",
        record.units,
        tuple(map(str, range(len(texts)))),
        read,
        {"texts": digest_of(list(texts)), "options": dict(options or {}), "run": repr(run)},
    )


def sweep_heads(
    model: Model,
    metric: Metric,
    *,
    heads: Sequence[Head] | None = None,
    masking: Masking | None = None,
    means: Sequence[Any] = (),
    folder: RunFolder | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Change of a score or a measure when one head is masked, for every head by itself.

    Args:
        model: the model.
        metric: what to measure (:func:`score_metric`, :func:`measure_metric`).
        heads: the heads to take out, (layer, head); ``None`` for all of them.
        masking: how a head is masked, and how intervals are made; zeroed where nothing is said.
        means: of ``how="mean"``: what :func:`mean_outputs` gives.
        folder: where the numbers of every head are kept; an interrupted sweep resumes.
        progress: called with how many passes are done, and how many there are.

    Returns:
        A map [layer, head] of the mean change over items, masked less unmasked, 0 where the head
        does nothing; ``low`` and ``high`` are the ends of its interval over groups. NaN where there
        is no such head, or it was not asked for.

    Raises:
        LayergramError: for heads that do not exist, or a folder with another sweep in it.
    """
    masking = masking or Masking(how="zero")
    asked = list(editable_heads(model.parts) if heads is None else heads)
    if masking.how == "mean" and not means:
        raise LayergramError("a sweep with heads at their means", got="no means", do="give them")
    for head in asked:
        with edited(model, masking.edit([head], means)):  # refuses heads that there are not
            pass
    passes: dict[str, Head | None] = {"none": None}
    passes |= {f"layer {layer}, head {head}": (layer, head) for layer, head in asked}
    stage = Stage(
        f"sweep/{metric.name}",
        tuple(passes),
        {
            **model.fingerprint(),
            "metric": metric.name,
            **metric.made_from,
            "edit": masking.edit(asked, means).words,
        },
        shard_size=1,
    )

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        records = {}
        for key in keys:
            head = passes[key]
            edits = [] if head is None else [masking.edit([head], means)]
            with edited(model, *edits):
                records[key] = {"values": metric.read(model).tolist()}
        return records

    records = run_stage(stage, work, folder, progress=progress)
    found = [np.array(records[key]["values"], dtype=np.float64) for key in passes]
    return _map(model, metric, asked, found, masking)


def _map(
    model: Model, metric: Metric, asked: Sequence[Head], found: Sequence[Values], masking: Masking
) -> xr.DataArray:
    bootstrap = Bootstrap(
        metric.groups, resamples=masking.resamples, level=masking.level, seed=masking.seed
    )
    grid = np.full((3, model.layers, max(model.parts.heads)), np.nan)
    for (layer, head), values in zip(asked, found[1:], strict=True):
        grid[:, layer - 1, head] = bootstrap.interval(values - found[0])
    reasons = ["no such head"] * bool(len(editable_heads(model.parts)) < grid[0].size)
    reasons += ["not taken out"] * bool(len(asked) < len(editable_heads(model.parts)))
    dims = ("layer", "head")
    coords: dict[Hashable, Any] = {"low": (dims, grid[1]), "high": (dims, grid[2])}
    return maps.make(
        grid[0],
        dims,
        measure=f"without_head_{metric.name}",
        coords=coords,
        long_name=f"change in {metric.long_name} without the head",
        units=metric.units,
        null_value=0.0,
        missing="; ".join(reasons) if np.isnan(grid[0]).any() else None,
        definition=f"Change of the {metric.definition}, when one head is masked ("
        f"{HOW[masking.how]}): masked less unmasked, mean over {len(metric.groups)} items.",
        caveat=CAVEAT,
        **model.provenance(),
        seed=masking.seed,
        options={"how": masking.how, "factor": masking.factor, **metric.made_from},
    )
