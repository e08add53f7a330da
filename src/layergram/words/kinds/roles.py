"""Role maps: the cell of the nested choice, the exact answer against the question, and roles that
are the same token.
"""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import xarray as xr

from layergram.words.fact import Fact, Kind
from layergram.words.limits import SAME_TOKEN
from layergram.words.names import Names, share
from layergram.words.view import View

CHOSEN = ("chosen_auroc", "chosen_low", "chosen_high")
EXACT, QUESTION = "exact_answer_last", "last_q"


def same_token(array: xr.DataArray) -> dict[frozenset[str], float]:
    """In which share of the answers two roles are the same token, as the map carries it."""
    table = json.loads(array.attrs.get("same_token", "{}"))
    return {
        frozenset((one, other)): float(part)
        for one, others in table.items()
        for other, part in others.items()
        if one != other
    }


def _find_chosen(view: View) -> list[Fact]:
    attrs = view.array.attrs
    if any(key not in attrs for key in CHOSEN):
        return []
    return [CHOSEN_CELL.fact({}, {key: attrs[key] for key in CHOSEN}, 1.0)]


def _say_chosen(fact: Fact, names: Names) -> str:
    value, low, high = (fact.numbers[key] for key in CHOSEN)
    return (
        f"The cell that is chosen inside the training folds has {names.number(value)} on the "
        f"examples that had no part in the choice (interval {names.span(low, high)})."
    )


CHOSEN_CELL = Kind(
    "chosen",
    "The value of the cell that is chosen inside the training folds, as the map carries it.",
    "key",
    _find_chosen,
    _say_chosen,
    seen="whole",
)


def _find_contrast(view: View) -> list[Fact]:
    array = view.array
    if set(array.dims) != {"layer", "role"} or not {EXACT, QUESTION} <= set(array["role"].values):
        return []
    both = array.sel(role=[EXACT, QUESTION]).dropna("layer").astype(np.float64)
    if not both.sizes["layer"]:
        return []
    exact, question = (float(both.sel(role=role).mean()) for role in (EXACT, QUESTION))
    numbers = {"exact": exact, "question": question, "layers": both.sizes["layer"]}
    return [CONTRAST.fact({"role": [EXACT, QUESTION]}, numbers, 0.9)]


def _say_contrast(fact: Fact, names: Names) -> str:
    n = fact.numbers
    roles = [names.one("role", role) for role in fact.coordinates["role"]]
    return (
        f"On average over {names.count(int(n['layers']), 'layer')}, {roles[0]} has "
        f"{names.number(n['exact'])} and {roles[1]} {names.number(n['question'])} "
        f"({names.signed(n['exact'] - n['question'])})."
    )


CONTRAST = Kind(
    "contrast",
    "The last token of the exact answer against the last token of the question.",
    "key",
    _find_contrast,
    _say_contrast,
    seen="whole",
)


def _find_same(view: View) -> list[Fact]:
    if "role" not in view.array.dims:
        return []
    known = same_token(view.array)
    roles = [str(x) for x in view.array["role"].values]
    pairs = [pair for pair in combinations(roles, 2) if known.get(frozenset(pair), 0) >= SAME_TOKEN]
    pairs.sort(key=lambda pair: -known[frozenset(pair)])
    if not pairs:
        return []
    numbers = {f"share {at}": known[frozenset(pair)] for at, pair in enumerate(pairs, 1)}
    return [SAME.fact({"pairs": [list(pair) for pair in pairs]}, numbers, numbers["share 1"])]


def _say_same(fact: Fact, names: Names) -> str:
    pairs = fact.coordinates["pairs"]
    parts = [
        f"{names.many('role', pair)} ({share(fact.numbers[f'share {at}'])})"
        for at, pair in enumerate(pairs[:MOST_PAIRS], 1)
    ]
    rest = len(pairs) - len(parts)
    more = f" and {rest} more pairs" if rest else ""
    return f"Roles that are the same token in a share of the answers: {', '.join(parts)}{more}."


MOST_PAIRS = 6
"""Pairs of roles that are named; the rest is counted."""

SAME = Kind(
    "same_token",
    "Roles that are the same token in a share of the answers, as the map carries it.",
    "counted",
    _find_same,
    _say_same,
    cells=lambda fact, _: [{"role": fact.coordinates["pairs"][:MOST_PAIRS]}],
    seen="whole",
)
