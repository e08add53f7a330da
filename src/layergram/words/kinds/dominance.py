"""Columns that dominate a map, such as attention sinks, and what the map is without them."""

from __future__ import annotations

import numpy as np

from layergram.words.fact import Fact, Kind
from layergram.words.names import Names
from layergram.words.part import dominating
from layergram.words.view import View, flat


def _find(view: View) -> list[Fact]:
    found = dominating(view.array)
    if not found:
        return []
    ((dim, labels),) = found.items()
    grid = flat(view.array).astype(np.float64)
    own, others = grid.sel({dim: labels}), grid.drop_sel({dim: labels})
    rows = own.mean(dim, skipna=True)
    mean, rest = float(own.mean()), float(others.mean())
    where = {
        dim: labels,
        "most": [rows[view.rows].values[int(rows.values.argmax())].item()],
        "least": [rows[view.rows].values[int(rows.values.argmin())].item()],
    }
    numbers = {
        "mean": mean,
        "others": rest,
        "most": rows.max(),
        "least": rows.min(),
        "highest of the others": others.max(),
    }
    return [DOMINANCE.fact(where, numbers, 1 - rest / mean)]


def _say(fact: Fact, names: Names) -> str:
    n, where = fact.numbers, fact.coordinates
    dim = next(iter(where))
    row = names.other(dim)
    several = len(where[dim]) > 1
    times = f"{n['mean'] / n['others']:,.0f} times" if n["others"] else "more than"
    ends = [f"{names.bare(n[end])} at {names.many(row, where[end])}" for end in ("most", "least")]
    return (
        f"{names.many(dim, where[dim])} {'dominate' if several else 'dominates'} the map: "
        f"{names.number(n['mean'])} on average, {times} the mean of the other "
        f"{names.noun(dim)} ({names.bare(n['others'])}); most {ends[0]}, least {ends[1]}. Without "
        f"{'them' if several else 'it'} the highest value is "
        f"{names.number(n['highest of the others'])}, and what follows leaves "
        f"{'them' if several else 'it'} out."
    )


DOMINANCE = Kind(
    "dominance",
    "Columns whose mean is five times that of the others, such as attention sinks.",
    "overview",
    _find,
    _say,
    seen="whole",
)
