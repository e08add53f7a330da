"""The first token as a sink: its share of the attention, layer by layer."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import SINK
from layergram.words.names import Names, share
from layergram.words.view import Values, View, flat

MEASURES = ("attention_received", "attention_from", "attention", "rollout", "value_weighted")


def _applies(array: xr.DataArray) -> bool:
    return array.attrs.get("measure") in MEASURES and {"layer", "token"} <= set(array.dims)


def _shares(grids: Values) -> Values:
    """The first column's share of each row's sum: many × rows."""
    total = np.nansum(grids, axis=2)
    first = np.nan_to_num(grids[:, :, 0])
    return np.asarray(np.where(total > 0, first / np.where(total > 0, total, 1.0), np.nan))


def _find_sink(view: View) -> list[Fact]:
    if not _applies(view.array) or np.nanmin(view.stack) < 0 or view.values.shape[1] < 4:
        return []
    shares = _shares(view.values[None])[0]
    there = np.flatnonzero(np.isfinite(shares))
    if not len(there) or np.isnan(view.values[:, 0]).all():
        return []
    middle = float(shares[there].mean())
    observed = float(np.nanmean(_shares(view.shuffled.start[None])))
    chance = threshold(lambda grids: np.nanmean(_shares(grids), axis=1), view.shuffled.across)
    tokens = view.values.shape[1]
    if observed <= chance or middle < max(SINK, 3 / tokens):
        return []
    top, low = there[shares[there].argmax()], there[shares[there].argmin()]
    where = {
        "token": [view.column_labels[0]],
        "most": [view.row_labels[top]],
        "least": [view.row_labels[low]],
    }
    numbers = {"share": middle, "most": shares[top], "least": shares[low], "even": 1 / tokens}
    return [SINK_KIND.fact(where, numbers, middle)]


def _sink_holds(array: xr.DataArray, fact: Fact) -> bool:
    if not _applies(array):
        return False
    grid = flat(array).astype(np.float64)
    total = grid.sum("token")
    shares = (grid.isel(token=0).fillna(0.0) / total.where(total > 0)).dropna("layer")
    numbers = {
        "share": float(shares.mean()),
        "most": float(shares.sel(layer=fact.coordinates["most"][0])),
        "least": float(shares.sel(layer=fact.coordinates["least"][0])),
        "even": 1 / grid.sizes["token"],
    }
    ends = (numbers["most"], numbers["least"]) == (float(shares.max()), float(shares.min()))
    first = fact.coordinates["token"] == [grid.token.values.tolist()[0]]
    return ends and first and same(array, fact, numbers)


def _say_sink(fact: Fact, names: Names) -> str:
    n, where = fact.numbers, fact.coordinates
    return (
        f"The first token, {names.many('token', where['token'])}, is a sink: it takes "
        f"{share(n['share'])} of a layer's sum on average (an even share would be "
        f"{share(n['even'])}), most at {names.many('layer', where['most'])} ({share(n['most'])}) "
        f"and least at {names.many('layer', where['least'])} ({share(n['least'])})."
    )


SINK_KIND = Kind(
    "sink",
    "The first token's share of each layer's attention, where it is far above an even share.",
    "Larger than in 98 % of maps shuffled within their rows, three times the even share, and 10 %.",
    "key",
    _find_sink,
    _sink_holds,
    _say_sink,
)
