"""Cells without a value, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from layergram.words.fact import Fact, Kind
from layergram.words.names import Names, count, listed, share
from layergram.words.view import View, labels_of


def _find_missing(view: View) -> list[Fact]:
    gaps = np.isnan(view.array.values)
    if not gaps.any():
        return []
    where: dict[str, Any] = {}
    for axis, dim in enumerate(map(str, view.array.dims)):
        others = tuple(at for at in range(gaps.ndim) if at != axis)
        whole = np.flatnonzero(gaps.all(axis=others))
        if len(whole):
            where[dim] = [labels_of(view.array, dim)[at] for at in whole]
    numbers = {"cells": gaps.sum(), "of": gaps.size}
    return [MISSING.fact(where, numbers, gaps.mean())]


def _say_missing(fact: Fact, names: Names) -> str:
    n = fact.numbers
    have = "has" if n["cells"] == 1 else "have"
    part = share(n["cells"] / n["of"])
    text = f"{count(n['cells'], 'cell')} of {int(n['of']):,} ({part}) {have} no value"
    whole = [names.many(dim, labels) for dim, labels in fact.coordinates.items()]
    if whole:
        text += f"; nothing at all is known of {listed(whole)}"
    reason = str(names.array.attrs.get("missing", "")).rstrip(".")
    if reason:
        return f"{text}. The reason: {names.text(reason)}."
    return f"{text}. The file does not say why."


MISSING = Kind(
    "missing",
    "How many cells have no value, which rows or columns are empty, and the reason given.",
    "overview",
    _find_missing,
    _say_missing,
    seen="map",
    cells=lambda fact, _: [{dim: labels} for dim, labels in fact.coordinates.items()],
)
