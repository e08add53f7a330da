"""Head maps: the heads with the highest values, their layers, and how many two panels share."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.maps import cell_coordinates
from layergram.words.fact import Fact, Kind
from layergram.words.limits import TOP_MASS
from layergram.words.names import Names, listed, share
from layergram.words.view import View

LED = 3
LEAST_HEADS = 40
DIMS = ("layer", "head")


def _applies(array: xr.DataArray) -> bool:
    return {*DIMS} <= set(array.dims) and len(array.dims) <= 3


def _find_leaders(view: View) -> list[Fact]:
    array = view.array
    carried = {"low", "high"} <= set(cell_coordinates(array))
    if not _applies(array) or array.ndim != 2 or not carried or "null_value" in array.attrs:
        return []
    array = array.transpose(*DIMS)
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
    return [LEADERS.fact(where, numbers, 0.9)]


def _say_leaders(fact: Fact, names: Names) -> str:
    n = fact.numbers
    told = []
    places = zip(fact.coordinates["layer"], fact.coordinates["head"], strict=True)
    for at, (layer, head) in enumerate(places, start=1):
        where = names.place({"layer": [layer], "head": [head]}).replace(", ", " ")
        ends = names.span(n[f"low {at}"], n[f"high {at}"])
        told.append(f"{where} with {names.number(n[f'value {at}'])} (interval {ends})")
    return f"The highest of {int(n['heads']):,} heads are {listed(told)}."


LEADERS = Kind(
    "leaders",
    "The heads with the highest values, each with its interval.",
    "key",
    _find_leaders,
    _say_leaders,
    cells=lambda fact, _: [
        {"layer": [layer], "head": [head]}
        for layer, head in zip(fact.coordinates["layer"], fact.coordinates["head"], strict=True)
    ],
    seen="whole",
)


def _top_of(view: View) -> list[npt.NDArray[np.bool_]]:
    """The top twentieth of the heads in every panel, rows × columns."""
    found = []
    for values in view.stack:
        filled = np.where(np.isfinite(values), values, -np.inf)
        many = max(1, round(TOP_MASS * filled.size))
        mask = np.zeros(filled.size, dtype=bool)
        mask[np.argsort(-filled, axis=None, kind="stable")[:many]] = True
        found.append(mask.reshape(filled.shape))
    return found


def _find_top(view: View) -> list[Fact]:
    array = view.array
    if (
        not _applies(array)
        or view.values.size < LEAST_HEADS
        or {view.rows, view.columns} != {*DIMS}
    ):
        return []
    if np.isnan(view.stack).any() or view.stack.min() < 0:
        return []
    top = _top_of(view)
    layers = np.asarray(array["layer"].values, dtype=np.float64)
    axis = 1 if view.rows == "layer" else 0
    counts = sum(mask.sum(axis=axis) for mask in top)
    middle = np.quantile(np.repeat(layers, counts), [0.25, 0.75], method="nearest")
    own = [
        float(v[m].sum() / v.sum()) if v.sum() else 0.0
        for v, m in zip(view.stack, top, strict=True)
    ]
    numbers = {
        "heads": top[0].sum(),
        "of": top[0].size,
        "from": middle[0],
        "to": middle[1],
        "share": np.mean(own),
    }
    if len(top) > 1:
        shared = [(one & other).sum() for one, other in combinations(top, 2)]
        numbers["shared"] = np.mean(shared)
    return [TOP.fact({}, numbers, 1.0)]


def _say_top(fact: Fact, names: Names) -> str:
    n = fact.numbers
    each = f" of each {names.noun(names.panels[0], 1)}" if names.panels else ""
    text = (
        f"The top 5 % of the heads{each} ({int(n['heads'])} of {int(n['of'])}) hold "
        f"{share(n['share'])} of the sum; the middle half of them lies in layers "
        f"{n['from']:g} to {n['to']:g}."
    )
    if "shared" in n:
        two = f"Two {names.noun(names.panels[0])}"
        random = n["heads"] ** 2 / n["of"]
        text += f" {two} share {n['shared']:.1f} of these on average; random choices {random:.1f}."
    return text


TOP = Kind(
    "top_heads",
    "How much the top heads hold, which layers they lie in, and how many two panels share.",
    "key",
    _find_top,
    _say_top,
    seen="whole",
)
