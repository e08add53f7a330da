"""The maps of averages: from the sums of every text to means with their intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.engine.lens_choice import LensChoice
from layergram.experiments.averages.items import Items
from layergram.experiments.averages.segments import BY, segment_names
from layergram.experiments.result import Result, counted
from layergram.measures import MEASURES
from layergram.measures.lens import through_lens
from layergram.statistics.arrays import Values
from layergram.statistics.intervals import mean_interval


@dataclass(frozen=True)
class Averaged:
    """What has been summed, and how.

    Attributes:
        items: what was read.
        measures: names of measures.
        records: for each item the number of its tokens, and sums and counts [label, …] by measure.
        provenance: attributes that say which model read them.
        options: attributes that say how.
        lens: what measures of the lens were read through.
    """

    items: Items
    measures: Sequence[str]
    records: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    options: Mapping[str, Any]
    lens: LensChoice

    @property
    def tokens(self) -> int:
        """Tokens of all items."""
        return sum(one["tokens"] for one in self.records)

    @property
    def over(self) -> str:
        """What the means are over: '30 texts'."""
        return counted(len(self.records), self.items.noun)


def report(averaged: Averaged) -> Result:
    """Means and intervals of everything that has been summed."""
    made = {name: _map(averaged, name) for name in averaged.measures}
    by = averaged.items.by
    tokens = counted(averaged.tokens, "token")
    return Result(
        title=f"Averages over {averaged.over}",
        maps=made,
        tables={},
        sentences=[f"{averaged.over} of {tokens} in all, averaged by {BY[by]}."],
        summary={
            "over": averaged.items.noun,
            "texts": len(averaged.records),
            "tokens": averaged.tokens,
            "by": by,
            "intervals": f"95 % over {averaged.items.noun}s, Student's t of a ratio of sums",
            "measures": list(made),
        },
    )


def _padded(parts: Sequence[Any]) -> Values:
    """The arrays of all texts as one [text, label, …], with 0 where a text has no such label."""
    arrays = [np.array(part, dtype=np.float64) for part in parts]
    whole = np.zeros((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]))
    for at, array in enumerate(arrays):
        whole[at, : len(array)] = array
    return whole


def _map(averaged: Averaged, name: str) -> xr.DataArray:
    record, items = MEASURES[name], averaged.items
    of_all = [one["measures"][name] for one in averaged.records]
    sums, counts = (_padded([one[at] for one in of_all]) for at in (0, 1))
    place = 0 if items.dim == "function" else -1
    mean, low, high = (np.moveaxis(one, 0, place) for one in mean_interval(sums, counts))
    low = np.maximum(low, -np.inf if record.valid_min is None else record.valid_min)
    high = np.minimum(high, np.inf if record.valid_max is None else record.valid_max)
    texts = np.moveaxis((counts > 0).sum(0), 0, place)
    dims = [*("layer", "head")[: mean.ndim - 1]]
    dims.insert(0 if place == 0 else len(dims), items.dim)
    coords: dict[Hashable, Any] = {"low": (dims, low), "high": (dims, high), "texts": (dims, texts)}
    if items.dim == "segment":
        names = segment_names(items.by, mean.shape[-1])
        coords["segment_text"] = ("segment", np.array(names, dtype=object))
    else:
        coords[items.dim] = list(items.labels)
    fewest = int(texts.min(where=texts > 0, initial=len(of_all)))
    least = f"{fewest:,} to " if fewest < len(of_all) else ""
    return maps.make(
        mean,
        dims,
        measure=name,
        coords=coords,
        units=record.units,
        valid_min=record.valid_min,
        valid_max=record.valid_max,
        alignment=record.alignment,
        null_value=record.null_value,
        final_value=record.final_value,
        missing=_missing(record.missing, items) if np.isnan(mean).any() else None,
        averaged=f"A cell is the mean over {least}{averaged.over}, by {BY[items.by]}; its ends "
        f"low and high are a 95 % interval over {items.noun}s.",
        references=record.references or None,
        **through_lens(record, averaged.lens, record.long_name),
        **averaged.provenance,
        options=averaged.options,
    )


def _missing(reason: str, items: Items) -> str:
    return f"{reason}; " * bool(reason) + f"no {items.noun} has a value there"
