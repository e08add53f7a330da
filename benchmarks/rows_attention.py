"""Row 1: attention received beside the plain forward pass of the same tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from alone import alone
from peers import LAYERGRAM, LIBRARIES, PLAIN, Setting, Worker, started
from timing import Budget, Do, Row, WorkFailed, interleaved

LENGTHS = {512: 1.25, 2048: 1.5, 4096: 1.5, 8192: None}
GPU_LENGTHS = {512: 1.25, 4096: 1.5, 32_768: None, 131_072: None}
ALL_LAYERS = 2048
"""Tokens up to which all layers' weights at once fit the memory (30 · 9 · T² floats)."""

WORK = {"work": "trace", "measures": ["attention_received"]}
FLOOR = "plain forward pass"
NOT_TRIED = "not tried: one layer's weights at a time is the same computation"


def rows(setting: Setting) -> Iterator[Row]:
    """Time, and memory."""
    lengths: Mapping[int, float | None] = LENGTHS if setting.device == "cpu" else GPU_LENGTHS
    peers = [LAYERGRAM, PLAIN, *LIBRARIES[:2]]
    with started(peers, setting) as workers:
        for tokens, goal in lengths.items():
            if setting.quick and tokens > 512:
                break
            yield from _times(tokens, goal, workers)
    if not setting.quick:
        yield from _memory(setting)


def _times(tokens: int, goal: float | None, workers: Mapping[str, Worker | str]) -> Iterator[Row]:
    own = workers[LAYERGRAM.name]
    assert isinstance(own, Worker)
    works: dict[str, Do] = {
        "floor": partial(own.do, "forward", tokens=tokens),
        "layergram": partial(own.do, **WORK, tokens=tokens),
    }
    others = {"transformers, reducing hooks": (PLAIN.name, "reducing_hooks")}
    if tokens <= ALL_LAYERS:
        others["transformers, output_attentions"] = (PLAIN.name, "attention")
        others |= {peer.name: (peer.name, "attention") for peer in LIBRARIES[:2]}
    absent = {}
    for name, (peer, work) in others.items():
        worker = workers[peer]
        if tokens > 2 * ALL_LAYERS:
            continue
        if isinstance(worker, str):
            absent[name] = worker
        else:
            works[name] = partial(worker.do, work, tokens=tokens)
    long = tokens > 2 * ALL_LAYERS
    seldom = dict.fromkeys(list(works) if long else list(works)[2:], 5 if tokens <= 512 else 1)
    budget = Budget(2 if long else 7, 30 if tokens <= 512 else 90, seldom)
    taken = interleaved(works, budget)
    text = f"attention received, {tokens:,} tokens"
    for name in [*list(works)[1:], *absent]:
        aim = goal if name == "layergram" else None
        if name in absent:
            yield Row(1, text, name, FLOOR, note=absent[name])
            continue
        yield Row(1, text, name, FLOOR, goal=aim, **taken.ratio(name, {"floor": 1}))


def _memory(setting: Setting) -> Iterator[Row]:
    for tokens, goal in ((4096, 400.0), (8192, None)):
        try:
            plain = alone(LAYERGRAM, setting, "forward", tokens=tokens)
            own = alone(LAYERGRAM, setting, tokens=tokens, **WORK)
        except WorkFailed as failed:
            yield Row(1, f"memory, {tokens:,} tokens", "layergram", unit="MB", note=str(failed))
            continue
        extra = f"memory beyond the plain forward pass, {tokens:,} tokens"
        more = 1.048576 * (own.mib - plain.mib)  # MB, as the goal is
        yield Row(1, extra, "layergram", value=more, goal=goal, unit="MB")
        if tokens == 8192:
            text = "largest memory in all, 8,192 tokens"
            yield Row(1, text, "layergram", value=1.048576 * own.mib, goal=2500.0, unit="MB")
