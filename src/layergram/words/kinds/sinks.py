"""The first token as a sink: far more attention than any other."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import SINK_TIMES
from layergram.words.names import Names
from layergram.words.view import Values, View, flat, mean

MEASURES = ("attention_received", "attention_from", "attention", "rollout", "value_weighted")


def _applies(array: xr.DataArray) -> bool:
    return array.attrs.get("measure") in MEASURES and {"layer", "token"} <= set(array.dims)


def _excess(grids: Values) -> Values:
    """How much more the first column has than the mean of the others: many grids -> one each."""
    return np.asarray(mean(grids[:, :, 0], axis=1) - mean(grids[:, :, 1:], axis=(1, 2)))


def _find_sink(view: View) -> list[Fact]:
    if not _applies(view.array) or np.nanmin(view.stack) < 0 or view.values.shape[1] < 4:
        return []
    first = view.values[:, 0]
    there = np.flatnonzero(np.isfinite(first))
    if not len(there):
        return []
    received, others = float(first[there].mean()), float(mean(view.values[:, 1:]))
    observed = float(_excess(view.shuffled.start[None])[0])
    if observed <= threshold(_excess, view.shuffled.across):
        return []
    if not received >= SINK_TIMES * others or received == 0:  # the others may have no value
        return []
    top, low = there[first[there].argmax()], there[first[there].argmin()]
    where = {
        "token": [view.column_labels[0]],
        "most": [view.row_labels[top]],
        "least": [view.row_labels[low]],
    }
    numbers = {"mean": received, "others": others, "most": first[top], "least": first[low]}
    return [SINK.fact(where, numbers, 1 - others / received)]


def _sink_holds(array: xr.DataArray, fact: Fact) -> bool:
    grid = flat(array).astype(np.float64)
    first, others = grid.isel(token=0), grid.isel(token=slice(1, None))
    numbers = {
        "mean": float(first.mean()),
        "others": float(others.mean()),
        "most": float(first.sel(layer=fact.coordinates["most"][0])),
        "least": float(first.sel(layer=fact.coordinates["least"][0])),
    }
    ends = (numbers["most"], numbers["least"]) == (float(first.max()), float(first.min()))
    named = fact.coordinates["token"] == [grid.token.values.tolist()[0]]
    return _applies(array) and ends and named and same(array, fact, numbers)


def _say_sink(fact: Fact, names: Names) -> str:
    n, where = fact.numbers, fact.coordinates
    times = f"{n['mean'] / n['others']:.0f} times" if n["others"] else "more than"
    return (
        f"The first token, {names.many('token', where['token'])}, is a sink: it has "
        f"{names.number(n['mean'])} on average, {times} the mean of the other tokens "
        f"({names.number(n['others'])}); most at {names.many('layer', where['most'])} "
        f"({names.number(n['most'])}), least at {names.many('layer', where['least'])} "
        f"({names.number(n['least'])})."
    )


SINK = Kind(
    "sink",
    "The first token's attention, layer by layer, where it is far above the other tokens'.",
    "Larger than in 98 % of maps shuffled within their rows, and three times the others' mean.",
    "key",
    _find_sink,
    _sink_holds,
    _say_sink,
)
