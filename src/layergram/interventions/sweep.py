"""The sweep: every head is taken out by itself, and something is measured again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.answers.ask import fingerprint_of_model
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError, unknown_name
from layergram.features.step_sequences import Reading
from layergram.interventions.masking import Masking
from layergram.interventions.scoring import FORCED, LABELS, UNITS, Progress, scores
from layergram.measures import chosen
from layergram.models.edits import HOW, Head, editable_heads, edited, record_of_edits
from layergram.models.model import Model
from layergram.recipe import Run
from layergram.statistics.arrays import Values
from layergram.statistics.bootstrap import Bootstrap
from layergram.storage.journal import batched, claim, digest_of
from layergram.tracing import trace

CAVEAT = (
    "One head at a time: heads that can stand in for each other all look as if nothing hung on "
    "them, and a head that others build on takes their work with it."
)


@dataclass(frozen=True)
class Gauge:
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


def score_gauge(
    readings: Sequence[Reading], steps: StepSet, *, score: str = "log_likelihood"
) -> Gauge:
    """A score of the given answers of labelled steps, one number per step.

    Args:
        readings: the steps, as the model reads them.
        steps: the set that they are of.
        score: one of :data:`layergram.interventions.scoring.FORCED`.

    Raises:
        LayergramError: for an unknown score.
    """
    if score not in FORCED:
        raise unknown_name("score of given answers", score, FORCED)
    places = sorted(span.step for reading in readings for span in reading.spans)
    return Gauge(
        score,
        LABELS[score],
        FORCED[score],
        UNITS.get(score, "1"),
        tuple(steps.steps[at].group for at in places),
        lambda model: scores(model, readings, steps).sel(score=score).values,
        {
            "steps": steps.name,
            "steps_digest": steps.digest,
            "readings": digest_of(
                [[r.ids, [[s.step, s.first, s.last] for s in r.spans]] for r in readings]
            ),
        },
    )


def measure_gauge(
    texts: Sequence[str],
    measure: str,
    *,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> Gauge:
    """A measure of the registry, averaged over the layers and tokens of each text.

    Args:
        texts: the texts, at least two, or no interval can be given.
        measure: one of :data:`layergram.measures.MEASURES`.
        options: of the measure.
        run: how the texts are read.

    Raises:
        LayergramError: for an unknown measure or option, or fewer than two texts.
    """
    record = chosen([measure], dict(options or {}))[-1]
    if len(texts) < 2:
        raise LayergramError(f"{measure} of texts", got=f"{len(texts)} texts", allowed="2 or more")

    def read(model: Model) -> Values:
        found = [trace(model, t, measures=[measure], options=options, run=run) for t in texts]
        return np.array([float(one[measure].mean()) for one in found])

    return Gauge(
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
    gauge: Gauge,
    *,
    heads: Sequence[Head] | None = None,
    masking: Masking | None = None,
    means: Sequence[Any] = (),
    folder: Path | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Change of a score or a measure when one head is masked, for every head by itself.

    Args:
        model: the model.
        gauge: what to measure (:func:`score_gauge`, :func:`measure_gauge`).
        heads: the heads to take out, (layer, head); ``None`` for all of them.
        masking: how a head is masked, and how intervals are made; zeroed where nothing is said.
        means: of ``how="mean"``: what :func:`mean_outputs` gives.
        folder: where the numbers of every head are kept; a killed sweep goes on.
        progress: called with how many passes are done, and how many there are.

    Returns:
        A map [layer, head] of the mean change over items, masked less unmasked, 0 where the head
        does nothing; ``low`` and ``high`` are the ends of its interval over groups. NaN where there
        is no such head, or it was not asked for.

    Raises:
        LayergramError: for heads that do not exist, or a folder with another sweep in it.
    """
    masking = masking or Masking(how="zero")
    asked = list(editable_heads(model.anatomy) if heads is None else heads)
    if masking.how == "mean" and not means:
        raise LayergramError("a sweep with heads at their means", got="no means", do="give them")
    for head in asked:
        with edited(model, masking.edit([head], means)):  # refuses heads that there are not
            pass
    journal = None if folder is None else folder / f"sweep_{gauge.name}.jsonl"
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        claim(journal.with_suffix(".json"), _fingerprint(model, gauge, asked, masking, means))

    def work(batch: Sequence[int]) -> list[dict[str, Any]]:
        (at,) = batch
        if at == 0:
            return [{"head": None, "values": gauge.read(model).tolist()}]
        with edited(model, masking.edit([asked[at - 1]], means)):
            return [{"head": asked[at - 1], "values": gauge.read(model).tolist()}]

    found: list[Values] = []
    passes = [[at] for at in range(len(asked) + 1)]
    for (record,) in batched(journal, passes, work):
        found.append(np.array(record["values"], dtype=np.float64))
        if progress is not None:
            progress(len(found), len(passes))
    return _map(model, gauge, asked, found, masking)


def _fingerprint(
    model: Model, gauge: Gauge, asked: Sequence[Head], masking: Masking, means: Sequence[Any]
) -> dict[str, Any]:
    edit = masking.edit(asked, means).words
    return {
        "gauge": gauge.name,
        **gauge.made_from,
        "each": digest_of([edit, [list(head) for head in asked]]),
        **fingerprint_of_model(model),
    }


def _map(
    model: Model, gauge: Gauge, asked: Sequence[Head], found: Sequence[Values], masking: Masking
) -> xr.DataArray:
    bootstrap = Bootstrap(
        gauge.groups, resamples=masking.resamples, level=masking.level, seed=masking.seed
    )
    grid = np.full((3, model.layers, max(model.anatomy.heads)), np.nan)
    for (layer, head), values in zip(asked, found[1:], strict=True):
        grid[:, layer - 1, head] = bootstrap.interval(values - found[0])
    reasons = ["no such head"] * bool(len(editable_heads(model.anatomy)) < grid[0].size)
    reasons += ["not taken out"] * bool(len(asked) < len(editable_heads(model.anatomy)))
    dims = ("layer", "head")
    coords: dict[Hashable, Any] = {"low": (dims, grid[1]), "high": (dims, grid[2])}
    return maps.make(
        grid[0],
        dims,
        measure=f"without_head_{gauge.name}",
        coords=coords,
        long_name=f"change in {gauge.long_name} without the head",
        units=gauge.units,
        null_value=0.0,
        missing="; ".join(reasons) if np.isnan(grid[0]).any() else None,
        definition=f"Change of the {gauge.definition}, when one head is masked ("
        f"{HOW[masking.how]}): masked less unmasked, mean over {len(gauge.groups)} items.",
        caveat=CAVEAT,
        model=model.name,
        revision=model.revision,
        model_type=model.model_type,
        layers=model.layers,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        seed=masking.seed,
        options={"how": masking.how, "factor": masking.factor, **gauge.made_from},
        **record_of_edits(model),
    )
