"""Where tokens settle: the layer from which on the divergence from the final layer is small."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from layergram.maps import options_of
from layergram.words.fact import Fact, Kind
from layergram.words.limits import MOST_NAMES
from layergram.words.names import Names
from layergram.words.view import View, flat, labels_of

GATE, LATE = 0.5, 0.85


def generated(array: xr.DataArray) -> list[Any]:
    """The tokens of the answer; none where nothing was generated."""
    if "part" not in array.coords or array["part"].dims != ("token",):
        return []
    parts = array["part"].values.tolist()
    return [x for x, part in zip(labels_of(array, "token"), parts, strict=True) if part == "answer"]


def _late(n: Mapping[str, float], names: Names, part: float, layer: float) -> str:
    """The share that settles late, under the name that it has for generated tokens."""
    name = "deep-thinking ratio" if n["generated"] else "share that settles late"
    of = f"{round(part * n['tokens'])} of {names.count(int(n['tokens']), 'token')}"
    where = " of the answer" if n["generated"] else ""
    return f"The {name} is {part:.2f} ({of}{where}, at layer {layer:g} or above)."


def _applies(array: xr.DataArray) -> bool:
    return array.attrs.get("measure") == "divergence" and {"layer", "token"} <= set(array.dims)


def _rule(array: xr.DataArray) -> tuple[float, int, int]:
    """The limit g, the number of layers L, and the layer from which on settling is late."""
    options = options_of(array)
    layers = int(array.attrs.get("layers", array["layer"].values.max()))
    late = math.ceil(float(options.get("rho", LATE)) * layers - 1e-9)
    return float(options.get("g", GATE)), layers, late


def _find_settling(view: View) -> list[Fact]:
    if not _applies(view.array):
        return []
    gate, layers, late = _rule(view.array)
    answer = generated(view.array)
    counted = view.array.sel(token=answer) if answer else view.array
    values = flat(counted).transpose("layer", "token").values.astype(np.float64)
    there = np.isfinite(values).any(axis=0)
    if not there.any():
        return []
    settled = np.where(np.isfinite(values), values, np.inf) <= gate
    order = np.asarray(view.array["layer"].values)
    depth = np.where(settled.any(axis=0), order[settled.argmax(axis=0)], layers)
    depth = np.where(there, depth, -1)
    known = depth[there]
    tokens = counted["token"].values
    numbers = {
        "g": gate,
        "tokens": len(known),
        "generated": bool(answer),
        "median": np.quantile(known, 0.5, method="higher"),
        "earliest": known.min(),
        "latest": known.max(),
        "late from": late,
        "late": (known >= late).sum(),
    }
    where: dict[str, Any] = {}
    if known.min() < known.max():
        for name, layer in (("earliest", known.min()), ("latest", known.max())):
            where[name] = [int(x) for x in tokens[depth == layer]]
    return [SETTLING.fact(where, numbers, 1.0)]


def _say_settling(fact: Fact, names: Names) -> str:
    n, where = fact.numbers, fact.coordinates
    tokens = names.count(int(n["tokens"]), "token") + (" of the answer" if n["generated"] else "")
    if where:
        last = n["median"] == n["latest"]
        half, when = ("At least half", "no earlier than") if last else ("Half", "by")
        text = (
            f"{half} of the {tokens} settle (come down to {n['g']:g}) {when} layer "
            f"{n['median']:g}; "
            f"{_end(names, where['earliest'], 'first', n['earliest'])}, "
            f"{_end(names, where['latest'], 'last', n['latest'])}. "
        )
    else:
        text = f"All {tokens} settle (come down to {n['g']:g}) at layer {n['median']:g}. "
    return text + _late(n, names, n["late"] / n["tokens"], n["late from"])


def _end(names: Names, tokens: list[Any], word: str, layer: float) -> str:
    if len(tokens) > MOST_NAMES:
        return f"{names.count(len(tokens), 'token')} {word}, at layer {layer:g}"
    return f"{names.many('token', tokens)} {word}, at layer {layer:g}"


SETTLING = Kind(
    "settling",
    "Where the tokens of a divergence map settle, of the answer where there is one.",
    "key",
    _find_settling,
    _say_settling,
    cells=lambda fact, _: [{"token": tokens} for tokens in fact.coordinates.values()],
    seen="map",
)


def _find_ratio(view: View) -> list[Fact]:
    array = view.array
    if "deep_thinking_layer" not in array.attrs or array.dims != ("token",):
        return []
    answer = generated(array)
    depths = (array.sel(token=answer) if answer else array).values.astype(np.float64)
    depths = depths[np.isfinite(depths)]
    if not depths.size:
        return []
    layer = float(array.attrs["deep_thinking_layer"])
    numbers = {
        "ratio": (depths >= layer).mean(),
        "layer": layer,
        "tokens": depths.size,
        "generated": bool(answer),
    }
    return [RATIO.fact({}, numbers, 0.9)]


def _say_ratio(fact: Fact, names: Names) -> str:
    return _late(fact.numbers, names, fact.numbers["ratio"], fact.numbers["layer"])


RATIO = Kind(
    "deep_thinking",
    "The share of tokens that settle late, as a map of settling depths carries it.",
    "key",
    _find_ratio,
    _say_ratio,
    seen="map",
)
