"""The deep-thinking ratio that a map of settling depths carries."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.words.checking import same
from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, count, share
from layergram.words.view import View

CARRIED = ("deep_thinking_ratio", "deep_thinking_layer", "deep_thinking_tokens")


def _find_ratio(view: View) -> list[Fact]:
    attrs = view.array.attrs
    if any(key not in attrs for key in CARRIED):
        return []
    ratio, layer, tokens = (float(attrs[key]) for key in CARRIED)
    return [RATIO.fact({}, {"ratio": ratio, "layer": layer, "tokens": tokens}, 0.9)]


def _ratio_holds(array: xr.DataArray, fact: Fact) -> bool:
    """Counted over the answer's tokens where there is an answer, otherwise over all."""
    values = array.values.astype(np.float64).ravel()
    groups = [np.isfinite(values)]
    if "part" in array.coords:
        groups.append(groups[0] & (array["part"].values == "answer"))
    layer = float(array.attrs["deep_thinking_layer"])
    return any(
        same(array, fact, {"ratio": (values[g] >= layer).mean(), "layer": layer, "tokens": g.sum()})
        for g in groups
        if g.any()
    )


def _say_ratio(fact: Fact, names: Names) -> str:
    n = fact.numbers
    be = "settles" if n["tokens"] == 1 else "settle"
    return (
        f"The deep-thinking ratio is {n['ratio']:.2f}: {share(n['ratio'])} of "
        f"{count(n['tokens'], 'token')} {be} at layer {n['layer']:g} or above."
    )


RATIO = Kind(
    "deep_thinking",
    "The share of tokens that settle late, as a map of settling depths carries it.",
    "Not a claim: it is counted by the measure's own rule.",
    "key",
    _find_ratio,
    _ratio_holds,
    _say_ratio,
)
