"""Maps averaged over texts: read in batches, summed by segment and text, and merged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.engine.lens_choice import LensChoice, open_lens
from layergram.engine.run import read
from layergram.errors import LayergramError, unknown_name
from layergram.execution.folder import run_folder
from layergram.execution.options import Execution
from layergram.experiments.averages.items import Items, Places, check_items, items_of, naming
from layergram.experiments.averages.report import Averaged, report
from layergram.experiments.result import Result
from layergram.maps.files import PARTIAL
from layergram.measures import select_measures
from layergram.measures.lens import check_reading
from layergram.measures.support import MOST_KEPT
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES, Run
from layergram.storage.folder import refuse_stages
from layergram.storage.stage import Stage, run_stage
from layergram.tracing import Trace

STAGE, SHARD = "averages", 64
TEXTS = "texts"
KEEP = ("mean", "maps")


@dataclass(frozen=True)
class AveragingWork:
    """What is done with the items of one shard; called with their ids.

    Attributes:
        model: the model.
        items: what is read.
        measures: names of measures.
        options: of the measures.
        run: how to read.
        kept: the folder for the maps of each item, or ``None`` to keep none.
    """

    model: Model
    items: Items
    measures: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    run: Run = field(default_factory=Run)
    kept: Path | None = None

    @cached_property
    def lens(self) -> LensChoice:
        """The lens of the run, opened once."""
        return open_lens(self.model, self.run.lens, norm=self.run.norm, at=self.run.at)

    def __call__(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """For each item the number of its tokens, and sums and counts [label, …] by measure."""
        traces = {}
        for key in ids:
            with naming(self.items.noun, key):
                traces[key] = Trace(
                    self.model,
                    self.items.items[key].source,
                    measures=self.measures,
                    options=self.options,
                    run=self.run,
                    lens=self.lens,
                    cells="bare" if self.kept is None else "named",
                )
        records: dict[str, dict[str, Any]] = {}
        for group in self._together(traces):
            records |= self._read({key: traces.pop(key) for key in group})
        return {key: records[key] for key in ids}

    def _together(self, traces: Mapping[str, Trace]) -> list[list[str]]:
        """Items that are read together: all, but for measures that keep much until a text ends."""
        groups: list[list[str]] = []
        room = 0
        for key, one in traces.items():
            kept = sum(
                reducer.kept_bytes(self.model.layers, len(one.given))
                for reducer in one.reducers.values()
            )
            if not groups or kept > room:
                groups.append([])
                room = MOST_KEPT
            groups[-1].append(key)
            room -= kept
        return groups

    def _read(self, traces: Mapping[str, Trace]) -> dict[str, dict[str, Any]]:
        reading = read(
            self.model,
            [one.given.ids for one in traces.values()],
            [list(one.reducers.values()) for one in traces.values()],
            chunk=self.run.chunk,
            lens=self.lens.lens,
        )
        for _ in reading:
            pass
        records = {}
        for key, one in traces.items():
            one.tokens = one.given
            places = self.items.items[key].places(one.tokens, self.items.by)
            with naming(self.items.noun, key):
                made = one.maps()
            if self.kept is not None:
                self._keep(key, made, self.kept)
            found = {str(name): _sums(array, places) for name, array in made.items()}
            records[key] = {"tokens": len(one.tokens), "measures": found}
        return records

    def _keep(self, key: str, made: xr.Dataset, folder: Path) -> None:
        """Write the maps of one item, before its sums say that it is done."""
        for path in self.kept_files(key, folder):
            maps.write(made[path.stem], path)

    def kept_files(self, key: str, folder: Path) -> list[Path]:
        """Where the maps of one item are kept."""
        home = folder / f"{self.items.numbers[key]}"
        return [home / f"{name}.nc" for name in self.measures]


def averaging_stage(work: AveragingWork) -> Stage:
    """The stage in which items are read and summed, without running it."""
    run = {"chunk": work.run.chunk, "norm": work.run.norm, "heads": work.run.heads}
    made_from = {
        **work.model.fingerprint(),
        "measures": list(work.measures),
        "by": work.items.by,
        "options": dict(work.options),
        "run": {**run, **work.lens.fingerprint()},
        "keep": "mean" if work.kept is None else "maps",
        "texts": work.items.digest,
    }
    kept = work.kept
    files = {} if kept is None else {key: work.kept_files(key, kept) for key in work.items.items}
    return Stage(STAGE, tuple(work.items.items), made_from, shard_size=SHARD, files_by_item=files)


def average_maps(  # noqa: PLR0913
    model: Model,
    texts: Iterable[Any],
    *,
    measures: Iterable[str] = DEFAULT_MEASURES,
    by: str = "tenths",
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
    out: str | Path | None = None,
    keep: str = "mean",
    execution: Execution | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Maps of measures averaged over texts, by segment of the text.

    Args:
        model: the model.
        texts: the texts, each of two tokens or more; or stored answers, lines of ``rows.jsonl`` as
            dicts, of which those that are made of the likeliest tokens are read; or labelled steps
            (:func:`layergram.steps`), read as one text per main question.
        measures: names of measures (:data:`layergram.measures.MEASURES`).
        by: what the texts are cut into: ``tenths``, ``sentence``, ``edge`` (first token, last
            token, between) or ``whole``; of stored answers also ``part`` (prompt, answer) or
            ``role`` (token roles); of labelled steps also ``function``, over the content tokens of
            the answers, with heads kept apart.
        options: options of the measures by name.
        run: how to read; ``heads="each"`` keeps heads apart.
        out: folder for results, and for the sums of each text, which are kept as they are made;
            an interrupted run resumes, and gives the same bits.
        keep: ``mean`` keeps the averages; ``maps`` also the maps of every text, as
            ``texts/NUMBER/NAME.nc`` in the folder, numbered from 1.
        execution: where the work is done: in this process, a share of it, or on Ray; the results
            are the same.
        progress: called with how many texts are read, and how many there are.

    Returns:
        A result with a map [layer, segment] for every measure ([layer, head, segment] for
        measures of heads with ``heads="each"``, [segment] where a measure has no layers), with
        ``role`` in place of ``segment``, or ``function`` as the first axis. Each is
        the mean over all tokens of a segment that have a value, with the coordinates ``low`` and
        ``high``, the ends of a 95 % interval over texts, and ``texts``, how many texts a cell
        has. NaN where no text has a value.

    Raises:
        LayergramError: before anything is read for no text, a text that is too short or longer
            than the model's context (none is cut), a measure, an option or a segment that there is
            not or that a text cannot have, a lens of another model, and a folder with other
            results; later for a text in which a measure turns out to have no value. All but the
            first name the text.
    """
    _check_keep(keep, out)
    names, run = list(measures), run or Run()
    records = select_measures(names, dict(options or {}))
    check_reading(records, run)
    items = items_of(model, texts, by, chat=run.chat)
    check_items(model, items, records, dict(options or {}))
    if by == "function":
        run = replace(run, heads="each")
    measured = [record.name for record in records]
    kept = Path(out) / TEXTS if out is not None and keep == "maps" else None
    work = AveragingWork(model, items, measured, dict(options or {}), run, kept)
    if out is not None:
        check_folder(Path(out))
    with run_folder(execution, out, model) as folder:
        sums = run_stage(averaging_stage(work), work, folder, progress=progress)
        if kept is not None and folder is not None and folder.alone:
            for left in kept.rglob(f".*{PARTIAL}"):  # by a process or a worker that was killed
                shutil.rmtree(left)
        averaged = Averaged(
            items,
            measured,
            list(sums.values()),
            model.provenance(),
            {
                **work.options,
                "by": by,
                "heads": run.heads,
                "texts": len(items.items),
                "texts_digest": items.digest,
                **({} if work.lens.is_usual else {"lens": run.lens, "at": run.at}),
            },
            work.lens,
        )
        result = report(averaged)
        if out is not None:
            result.save(Path(out))
    return result


def _check_keep(keep: str, out: str | Path | None) -> None:
    if keep not in KEEP:
        raise unknown_name("what to keep", keep, KEEP)
    if keep == "maps" and out is None:
        raise LayergramError(
            "to keep the maps of every text", got="a run without a folder", do="name a folder (out)"
        )


def check_folder(out: Path) -> None:
    """Refuse a folder of other results."""
    refuse_stages(out, lambda name: name != STAGE, "averaged maps")


def _sums(array: xr.DataArray, places: Places) -> list[Any]:
    """Sums and counts [label, …] of the values at the tokens of each label."""
    values = np.moveaxis(array.values.astype(np.float64), -1, 0)
    known = ~np.isnan(values)
    there = np.where(known, values, 0.0)
    chosen = [list(one) for one in places]
    sums = [there[one].sum(0).tolist() for one in chosen]
    return [sums, [known[one].sum(0).tolist() for one in chosen]]
