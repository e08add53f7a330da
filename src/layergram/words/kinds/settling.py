"""Settling: the layer from which on a token's divergence from the final layer has been small."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from layergram.maps import options_of
from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import MOST_NAMES
from layergram.words.names import Names, count, share
from layergram.words.view import View, flat

GATE, LATE = 0.5, 0.85


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
    values = view.values if view.columns == "token" else view.values.T
    there = np.isfinite(values).any(axis=0)
    settled = np.where(np.isfinite(values), values, np.inf) <= gate
    depth = np.where(
        settled.any(axis=0), np.asarray(view.array["layer"].values)[settled.argmax(axis=0)], layers
    )
    depth = np.where(there, depth, -1)
    known = depth[there]
    tokens = view.array["token"].values
    numbers = {
        "g": gate,
        "tokens": len(known),
        "median": np.quantile(known, 0.5, method="higher"),
        "earliest": known.min(),
        "latest": known.max(),
        "late from": late,
        "late": (known >= late).sum(),
        "unsettled": (there & ~settled.any(axis=0)).sum(),
    }
    where: dict[str, Any] = {}
    if known.min() < known.max():
        for name, layer in (("earliest", known.min()), ("latest", known.max())):
            where[name] = [int(x) for x in tokens[depth == layer]]
    return [SETTLING.fact(where, numbers, 0.5 + 0.5 * float(np.ptp(known)) / max(layers, 1))]


def _settling_holds(array: xr.DataArray, fact: Fact) -> bool:
    if not _applies(array):
        return False
    gate, layers, late = _rule(array)
    depths: dict[int, float] = {}
    unsettled = 0
    grid = flat(array).transpose("token", "layer").astype(np.float64)
    labels = grid["layer"].values.tolist()
    for token, series in zip(grid["token"].values.tolist(), grid.values.tolist(), strict=True):
        known_layers = [
            (x, value) for x, value in zip(labels, series, strict=True) if value == value
        ]
        if not known_layers:
            continue
        reached = [x for x, value in known_layers if value <= gate]
        unsettled += not reached
        depths[token] = reached[0] if reached else layers
    known = list(depths.values())
    numbers = {
        "g": gate,
        "tokens": len(known),
        "median": sorted(known)[len(known) // 2],
        "earliest": min(known),
        "latest": max(known),
        "late from": late,
        "late": sum(depth >= late for depth in known),
        "unsettled": unsettled,
    }
    ends = {"earliest": min(known), "latest": max(known)} if min(known) < max(known) else {}
    where = {name: [t for t, d in depths.items() if d == end] for name, end in ends.items()}
    return where == fact.coordinates and same(array, fact, numbers)


def _say_settling(fact: Fact, names: Names) -> str:
    n, where = fact.numbers, fact.coordinates
    rule = f"A token settles at the first layer where its value has come down to {n['g']:g}. "
    if where:
        text = (
            f"Half of the {count(n['tokens'], 'token')} settle by layer {n['median']:g}. "
            f"{_end(names, where['earliest'], 'first', n['earliest'])}; "
            f"{_end(names, where['latest'], 'last', n['latest'])}. "
        )
    else:
        text = f"All {count(n['tokens'], 'token')} settle at layer {n['median']:g}. "
    if n["unsettled"]:
        text += f"{count(n['unsettled'], 'token')} do not settle before the final layer. "
        text = text.replace("1 token do not", "1 token does not")
    part = share(n["late"] / n["tokens"])
    return f"{rule}{text}{part} settle late, at layer {n['late from']:g} or above."


def _end(names: Names, tokens: list[Any], word: str, layer: float) -> str:
    if len(tokens) > MOST_NAMES:
        return f"{count(len(tokens), 'token')} settle {word}, at layer {layer:g}"
    verb = "settles" if len(tokens) == 1 else "settle"
    return f"{names.many('token', tokens)} {verb} {word}, at layer {layer:g}"


SETTLING = Kind(
    "settling",
    "Where the tokens of a divergence map settle: middle, first, last, and the share that is late.",
    "Not a claim: the rule is the measure's own; g, the share of layers and L are in the map.",
    "key",
    _find_settling,
    _settling_holds,
    _say_settling,
)
