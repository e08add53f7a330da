"""What the reader of a certain measure wants to know first: one fact for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from layergram.words.checking import along
from layergram.words.fact import Fact, Kind
from layergram.words.kinds.settling import generated
from layergram.words.names import Names, count
from layergram.words.view import View, flat, labels_of

ATTENTION = (
    *("attention_received", "attention_from", "attention_rollout", "attention_value_share"),
    *("attention", "rollout", "value_weighted"),
)
NORMS = ("residual_norm", "residual_update")


def _ranks_of(array: xr.DataArray) -> tuple[list[int], int, list[int]]:
    """Tokens that are the likeliest in the end, how many are known, and from which layer on."""
    grid = flat(array).transpose("layer", "token")
    answer = generated(array)
    grid = grid.sel(token=answer) if answer else grid
    ranks = grid.values.astype(np.float64)
    known = np.isfinite(ranks[-1])
    first = (ranks[::-1] == 1).cumprod(axis=0).sum(axis=0)  # layers at rank 1 without a break
    at = np.flatnonzero(known & (first > 0))
    layers = grid["layer"].values
    tokens = [int(grid["token"].values[i]) for i in at]
    return tokens, int(known.sum()), [int(layers[len(layers) - first[i]]) for i in at]


def _find_likeliest(view: View) -> list[Fact]:
    array = view.array
    if array.attrs["measure"] != "lens_rank" or not {"layer", "token"} <= set(array.dims):
        return []
    tokens, known, layers = _ranks_of(array)
    numbers: dict[str, Any] = {"tokens": known, "likeliest": len(tokens)}
    numbers["generated"] = bool(generated(array))
    where: dict[str, Any] = {}
    if tokens:
        numbers |= {"median": np.quantile(layers, 0.5, method="higher"), "earliest": min(layers)}
        where["earliest"] = [t for t, x in zip(tokens, layers, strict=True) if x == min(layers)]
    return [LIKELIEST.fact(where, numbers, 1.0)]


def _say_likeliest(fact: Fact, names: Names) -> str:
    n = fact.numbers
    of = f"{count(n['tokens'], 'token')}{' of the answer' if n['generated'] else ''}"
    if not n["likeliest"]:
        return f"None of {of} is the likeliest one at the final layer."
    first = names.many("token", fact.coordinates["earliest"])
    return (
        f"{int(n['likeliest'])} of {of} are the likeliest one in the end, half of these from layer "
        f"{n['median']:g} on; earliest {first}, from layer {n['earliest']:g} on."
    )


LIKELIEST = Kind(
    "likeliest",
    "From which layer on the lens ranks the token that follows first.",
    "key",
    _find_likeliest,
    _say_likeliest,
    cells=lambda fact, _: [{"token": tokens} for tokens in fact.coordinates.values()],
    seen="whole",
)


def _find_receiver(view: View) -> list[Fact]:
    array = view.array
    if array.attrs["measure"] not in ATTENTION or set(array.dims) != {"layer", "token"}:
        return []
    grid = array.transpose("layer", "token").astype(np.float64)
    means = along(grid, "token")
    if not np.isfinite(means).any():
        return []
    token = int(np.nanargmax(means))
    column = grid.isel(token=token)
    layer = int(np.nanargmax(column.values))
    where = {
        "token": [labels_of(array, "token")[token]],
        "layer": [labels_of(array, "layer")[layer]],
    }
    numbers = {"mean": means[token], "most": column[layer], "left out": len(view.without)}
    return [RECEIVER.fact(where, numbers, 1.0)]


def _say_receiver(fact: Fact, names: Names) -> str:
    n = fact.numbers
    apart = "Apart from what dominates the map, the" if n["left out"] else "The"
    return (
        f"{apart} highest attention is that of {names.many('token', fact.coordinates['token'])}: "
        f"{names.number(n['mean'])} on average, most at "
        f"{names.many('layer', fact.coordinates['layer'])} ({names.number(n['most'])})."
    )


RECEIVER = Kind(
    "receiver",
    "The token with the highest attention that is no sink.",
    "key",
    _find_receiver,
    _say_receiver,
    seen="raw part",
)


def _find_growth(view: View) -> list[Fact]:
    array = view.array
    if array.attrs["measure"] not in NORMS or set(array.dims) != {"layer", "token"}:
        return []
    grid = array.transpose("layer", "token").values.astype(np.float64)
    ends = [float(np.nanmedian(row)) for row in (grid[0], grid[-1])]
    if min(ends) <= 0:
        return []
    numbers = {"first": ends[0], "last": ends[1], "factor": ends[1] / ends[0]}
    return [GROWTH.fact({}, numbers, 1.0)]


def _say_growth(fact: Fact, names: Names) -> str:
    n = fact.numbers
    first, last = (names.one("layer", names.labels("layer")[at]) for at in (0, -1))
    verb = "grows" if n["factor"] >= 1 else "shrinks"
    return (
        f"The median token {verb} from {names.number(n['first'])} at {first} to "
        f"{names.number(n['last'])} at {last}, a factor of {n['factor']:.2g}."
    )


GROWTH = Kind(
    "growth",
    "By which factor the norm of the median token grows from the first layer to the last.",
    "key",
    _find_growth,
    _say_growth,
    seen="raw part",
)
