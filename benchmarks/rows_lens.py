"""Rows 2 to 4: measures of the lens beside the bare products with the unembedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from peers import LAYERGRAM, LIBRARIES, PLAIN, Setting, Worker, started
from timing import Budget, Do, Row, interleaved

PRODUCTS = "products of all layers with the unembedding"
SAME = 1e-4
"""Largest difference of two libraries' mean divergences that still counts as the same, in bit."""


def rows(setting: Setting) -> Iterator[Row]:
    """Divergence, settling depth, and all default measures."""
    with started([LAYERGRAM, PLAIN, *LIBRARIES], setting) as workers:
        for tokens in (192,) if setting.quick else (192, 512):
            yield from _rows(tokens, workers, quick=setting.quick)


def _rows(tokens: int, workers: Mapping[str, Worker | str], *, quick: bool) -> Iterator[Row]:
    own = workers[LAYERGRAM.name]
    assert isinstance(own, Worker)
    trace = partial(own.do, "trace", tokens=tokens)
    works: dict[str, Do] = {
        "forward": partial(own.do, "forward", tokens=tokens),
        "products": partial(own.do, "products", tokens=tokens),
        "divergence": partial(trace, measures=["divergence"]),
        "depth": partial(trace, measures=["settling_depth"]),
        "default": trace,
    }
    peers = {name: worker for name, worker in workers.items() if name != LAYERGRAM.name}
    works |= {
        name: partial(worker.do, "lens", tokens=tokens)
        for name, worker in peers.items()
        if isinstance(worker, Worker)
    }
    seldom = dict.fromkeys(peers, 1 if quick or tokens > 192 else 2)
    taken = interleaved(works, Budget(3, 25, seldom) if quick else Budget(7, 150, seldom))
    lens = {"forward": -1.0, "products": 1.0}
    text = f"divergence, {tokens} tokens"
    yield Row(2, text, "layergram", PRODUCTS, goal=1.15, **taken.ratio("divergence", lens))
    for name, worker in peers.items():
        if isinstance(worker, str):
            yield Row(2, text, name, PRODUCTS, note=worker)
            continue
        found = taken.ratio(name, lens)
        if "note" not in found:
            off = abs(taken.values[name] - taken.values["divergence"])
            found["note"] = "" if off < SAME else f"other values: the means differ by {off:.2g} bit"
        yield Row(2, text, name, PRODUCTS, **found)
    text = f"settling depth alone, {tokens} tokens"
    yield Row(3, text, "layergram", PRODUCTS, goal=0.45, **taken.ratio("depth", lens))
    yield Row(
        4,
        f"all default measures, {tokens} tokens",
        "layergram",
        "plain forward pass and those products",
        goal=1.4,
        **taken.ratio("default", {"forward": 1.0, "products": 1.0}),
    )
