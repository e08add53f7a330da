"""The attention heads with the highest values, each with its interval."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.maps import cell_coordinates
from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, listed
from layergram.words.view import View

LED = 3
DIMS = ("layer", "head")


def _applies(array: xr.DataArray) -> bool:
    carried = {"low", "high"} <= set(cell_coordinates(array))
    return carried and set(array.dims) == set(DIMS) and "null_value" not in array.attrs


def _find(view: View) -> list[Fact]:
    if not _applies(view.array):
        return []
    array = view.array.transpose(*DIMS)
    values = np.where(np.isfinite(array["low"]), array.values, -np.inf)
    order = np.argsort(-values, axis=None, kind="stable")[:LED]
    if len(order) < LED or not np.isfinite(values.ravel()[order]).all():
        return []
    numbers: dict[str, float] = {"heads": float(np.isfinite(array.values).sum())}
    layers, heads = np.unravel_index(order, values.shape)
    where = {
        "layer": array["layer"].values[layers].tolist(),
        "head": array["head"].values[heads].tolist(),
    }
    for at, place in enumerate(zip(layers, heads, strict=True), start=1):
        numbers[f"value {at}"] = array.values[place]
        numbers[f"low {at}"] = array["low"].values[place]
        numbers[f"high {at}"] = array["high"].values[place]
    return [LEADERS.fact(where, numbers, 0.7)]


def _holds(array: xr.DataArray, fact: Fact) -> bool:
    if not _applies(array):
        return False
    numbers: dict[str, float] = {"heads": int(array.count())}
    rest = array.where(array["low"].notnull()).copy()
    for at in range(1, LED + 1):
        highest = float(rest.max())
        place = {dim: fact.coordinates[dim][at - 1] for dim in DIMS}
        if not np.isclose(float(rest.sel(place)), highest):
            return False
        cell = array.sel(place)
        numbers |= {
            f"value {at}": float(cell),
            f"low {at}": float(cell["low"]),
            f"high {at}": float(cell["high"]),
        }
        rest.loc[place] = np.nan
    return same(array, fact, numbers)


def _say(fact: Fact, names: Names) -> str:
    n = fact.numbers
    told = []
    places = zip(fact.coordinates["layer"], fact.coordinates["head"], strict=True)
    for at, (layer, head) in enumerate(places, start=1):
        where = names.place({"layer": [layer], "head": [head]}).replace(", ", " ")
        ends = f"{names.bare(n[f'low {at}'])} to {names.bare(n[f'high {at}'])}"
        told.append(f"{where} with {names.number(n[f'value {at}'])} (interval {ends})")
    return f"The highest of {int(n['heads']):,} heads are {listed(told)}."


LEADERS = Kind(
    "leaders",
    "The heads with the highest values, each with its interval.",
    "The map's own intervals are told with the values, which are read off.",
    "key",
    _find,
    _holds,
    _say,
)
