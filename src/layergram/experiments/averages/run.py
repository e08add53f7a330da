"""Maps averaged over texts: read in batches, summed by segment and text, and merged."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.engine.lens import LogitLens
from layergram.engine.run import read
from layergram.errors import LayergramError, unknown_name
from layergram.experiments.averages.segments import SEGMENTS, segment_names, segments_of
from layergram.experiments.result import Result
from layergram.measures import MEASURES, select_measures
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES, Run
from layergram.statistics.arrays import Values
from layergram.statistics.intervals import mean_interval
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.token_sources import Source
from layergram.tokens import encode
from layergram.tracing import Trace

SHARD = 64
INTERVALS = "95 % intervals over texts, Student's t of a ratio of sums"


@dataclass(frozen=True)
class AveragingWork:
    """What is done with the texts of one shard; called with their ids.

    Attributes:
        model: the model.
        texts: the texts by their ids.
        measures: names of measures.
        by: one of :data:`layergram.experiments.averages.segments.SEGMENTS`.
        options: of the measures.
        run: how to read.
    """

    model: Model
    texts: Mapping[str, str]
    measures: Sequence[str]
    by: str
    options: Mapping[str, Any] = field(default_factory=dict)
    run: Run = field(default_factory=Run)

    def __call__(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """For each text the number of its tokens, and sums and counts [segment, …] by measure."""
        traces = [
            Trace(
                self.model,
                Source(self.texts[key]),
                measures=self.measures,
                options=self.options,
                run=self.run,
            )
            for key in ids
        ]
        reading = read(
            self.model,
            [one.given.ids for one in traces],
            [list(one.reducers.values()) for one in traces],
            chunk=self.run.chunk,
            lens=LogitLens(self.model.parts.readout, self.run.norm),
        )
        for _ in reading:
            pass
        records = {}
        for key, one in zip(ids, traces, strict=True):
            one.tokens = one.given
            segments = segments_of(one.tokens, self.by)
            found = {str(name): _sums(array, segments) for name, array in one.maps().items()}
            records[key] = {"tokens": len(one.tokens), "measures": found}
        return records


def averaging_stage(work: AveragingWork) -> Stage:
    """The stage in which texts are read and summed, without running it."""
    run = {"chunk": work.run.chunk, "norm": work.run.norm, "heads": work.run.heads}
    made_from = {
        **work.model.fingerprint(),
        "measures": list(work.measures),
        "by": work.by,
        "options": dict(work.options),
        "run": run,
        "texts": digest_of(list(work.texts.values())),
    }
    return Stage("averages", tuple(work.texts), made_from, shard_size=SHARD)


def average_maps(
    model: Model,
    texts: Iterable[str],
    *,
    measures: Iterable[str] = DEFAULT_MEASURES,
    by: str = "tenths",
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Maps of measures averaged over texts, by segment of the text.

    Args:
        model: the model.
        texts: the texts, each of two tokens or more.
        measures: names of measures (:data:`layergram.measures.MEASURES`).
        by: what the texts are cut into: ``tenths``, ``sentence``, ``edge`` (first token, last
            token, between) or ``whole``.
        options: options of the measures by name.
        run: how to read; ``heads="each"`` keeps heads apart.
        out: folder for results, and for the sums of each text, which are kept as they are made;
            an interrupted run resumes, and gives the same bits.
        progress: called with how many texts are read, and how many there are.

    Returns:
        A result with a map [layer, segment] for every measure ([layer, head, segment] for
        measures of heads with ``heads="each"``, [segment] where a measure has no layers). Each is
        the mean over all tokens of a segment that have a value, with the coordinates ``low`` and
        ``high``, the ends of a 95 % interval over texts, and ``texts``, how many texts a cell
        has. NaN where no text has a value.

    Raises:
        LayergramError: for no text, a text that is too short or longer than the model's context
            (none is cut), a measure or a segment that there is not, before anything is read.
    """
    names, run = list(measures), run or Run()
    if by not in SEGMENTS:
        raise unknown_name("segment", by, SEGMENTS)
    records = [record.name for record in select_measures(names, dict(options or {}))]
    given = [texts] if isinstance(texts, str) else list(texts)
    _check(model, given)
    keyed = {str(at): text for at, text in enumerate(given)}
    work = AveragingWork(model, keyed, records, by, dict(options or {}), run)
    with nullcontext() if out is None else RunFolder(Path(out)) as folder:
        sums = run_stage(averaging_stage(work), work, folder, progress=progress)
        result = _result(work, list(sums.values()))
        if out is not None:
            result.save(Path(out))
    return result


def _check(model: Model, texts: Sequence[str]) -> None:
    if not texts:
        raise LayergramError("averaged maps", got="no text", do="give at least one text")
    lengths = [len(encode(model.tokenizer, text)) if text.strip() else 0 for text in texts]
    most = model.context
    short = [at for at, length in enumerate(lengths) if length < 2]
    long = [at for at, length in enumerate(lengths) if most is not None and length > most]
    for places, what in ((short, "fewer than 2 tokens"), (long, f"more than {most} tokens")):
        if places:
            raise LayergramError(
                f"maps averaged over {len(texts)} texts",
                got=f"{len(places)} with {what}; the first is text {places[0] + 1}",
                allowed=f"2 tokens or more{'' if most is None else f', at most {most}'}",
                do="leave these texts out, or cut them yourself",
            )


def _sums(array: xr.DataArray, segments: Any) -> list[Any]:
    values = np.moveaxis(array.values.astype(np.float64), -1, 0)
    known = ~np.isnan(values)
    shape = (int(segments.max()) + 1, *values.shape[1:])
    sums, counts = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    np.add.at(sums, segments, np.where(known, values, 0.0))
    np.add.at(counts, segments, known)
    return [sums.tolist(), counts.tolist()]


def _padded(parts: Sequence[Any]) -> Values:
    """The arrays of all texts as one [text, segment, …], with 0 where a text has no segment."""
    arrays = [np.array(part, dtype=np.float64) for part in parts]
    whole = np.zeros((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]))
    for at, array in enumerate(arrays):
        whole[at, : len(array)] = array
    return whole


def _result(work: AveragingWork, records: Sequence[Mapping[str, Any]]) -> Result:
    tokens = sum(one["tokens"] for one in records)
    made = {}
    for name in work.measures:
        sums, counts = (_padded([one["measures"][name][at] for one in records]) for at in (0, 1))
        made[name] = _map(work, name, sums, counts, tokens)
    title = f"Averages over {len(records)} texts"
    said = f"{len(records)} texts of {tokens} tokens in all, cut into {SEGMENTS[work.by]}."
    summary = {
        "texts": len(records),
        "tokens": tokens,
        "by": work.by,
        "intervals": INTERVALS,
        "measures": list(made),
    }
    return Result(title=title, maps=made, tables={}, sentences=[said], summary=summary)


def _map(work: AveragingWork, name: str, sums: Values, counts: Values, tokens: int) -> xr.DataArray:
    record = MEASURES[name]
    mean, low, high = (np.moveaxis(one, 0, -1) for one in mean_interval(sums, counts))
    low = np.maximum(low, -np.inf if record.valid_min is None else record.valid_min)
    high = np.minimum(high, np.inf if record.valid_max is None else record.valid_max)
    dims = (*("layer", "head")[: mean.ndim - 1], "segment")
    texts = np.moveaxis((counts > 0).sum(0), 0, -1)
    names = np.array(segment_names(work.by, mean.shape[-1]), dtype=object)
    coords: dict[Hashable, Any] = {
        "segment_text": ("segment", names),
        "low": (dims, low),
        "high": (dims, high),
        "texts": (dims, texts),
    }
    missing = record.missing or "no text has a value there"
    return maps.make(
        mean,
        dims,
        measure=name,
        coords=coords,
        long_name=record.long_name,
        units=record.units,
        valid_min=record.valid_min,
        valid_max=record.valid_max,
        alignment=record.alignment,
        null_value=record.null_value,
        missing=missing if np.isnan(mean).any() else None,
        definition=f"{record.definition} Mean over the tokens of {len(counts)} texts, by "
        f"{SEGMENTS[work.by]}; {INTERVALS}.",
        caveat=record.caveat,
        references=record.references or None,
        **work.model.provenance(),
        options={
            **work.options,
            "by": work.by,
            "heads": work.run.heads,
            "texts": len(counts),
            "tokens": tokens,
            "texts_digest": digest_of(list(work.texts.values())),
        },
    )
