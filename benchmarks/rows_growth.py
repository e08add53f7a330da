"""Row 10: how time and memory grow with tokens, layers and examples.

Every point is a process of its own. The exponent is the slope of log cost on log size over the
larger half of the sizes, where what does not grow no longer hides what does.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from alone import Alone, alone
from peers import LAYERGRAM, LIBRARIES, PLAIN, Peer, Setting
from timing import Row, WorkFailed

LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
LAYERS = (4, 8, 16, 32)
ANSWERS = (25, 50, 100, 200)
FORWARD = "plain forward pass"
TIME, MEMORY = "time", "memory beyond the loaded model"


@dataclass(frozen=True)
class Curve:
    """What was measured of one work by one library.

    Attributes:
        work: what grows, and with what.
        by: the library.
        over: ``tokens``, ``layers`` or ``answers``.
        sizes: how many.
        points: time and memory at each size that it survived.
        base: memory of the process with the model loaded and a tiny work done, MiB.
        note: why it ended early, or "".
    """

    work: str
    by: str
    over: str
    sizes: tuple[int, ...]
    points: tuple[Alone, ...]
    base: float
    note: str = ""

    def exponent(self, of: str) -> float:
        """Slope of log cost on log size; NaN for fewer than two points above zero."""
        costs = [
            point.seconds if of == TIME else max(point.mib - self.base, 0.0)
            for point in self.points
        ]
        known = [(size, cost) for size, cost in zip(self.sizes, costs, strict=False) if cost > 0]
        known = known[min(len(known) // 2, max(0, len(known) - 3)) :]
        if len(known) < 2:
            return float("nan")
        return float(np.polyfit(*np.log(np.array(known)).T, 1)[0])


def curves(setting: Setting) -> Iterator[Curve]:
    """All curves; attention's time may be quadratic, everything else is to be linear."""
    lengths = LENGTHS
    short = [size for size in lengths if size <= 1024]
    attention, lens = {"measures": ["attention_received"]}, {"measures": ["divergence"]}
    own = [size for size in lengths if size <= 4096]
    base = {"work": "trace", "tokens": 16}
    plain = _curve(FORWARD, LAYERGRAM, setting, lengths, _tokens("forward"), base=base)
    yield replace(plain, by="transformers")
    yield _curve(
        "attention received", LAYERGRAM, setting, lengths, _tokens("trace", **attention), base=base
    )
    yield _curve("divergence", LAYERGRAM, setting, own, _tokens("trace", **lens), base=base)
    for peer in (PLAIN, *LIBRARIES[:2]):
        up_to = [size for size in lengths if size <= 2048]
        yield _curve("attention received", peer, setting, up_to, _tokens("attention"))
    for peer in (PLAIN, *LIBRARIES[:2]):
        yield _curve("divergence", peer, setting, short, _tokens("lens"))
    yield _of_layers(setting)
    yield _curve(
        "hidden states at roles",
        LAYERGRAM,
        setting,
        ANSWERS,
        lambda size: {"work": "roles", "scores": "none", "answers": size},
        over="answers",
        base=base,
    )


def _tokens(work: str, **options: Any) -> Callable[[int], dict[str, Any]]:
    return lambda size: {"work": work, "tokens": size, **options}


def _curve(
    work: str,
    peer: Peer,
    setting: Setting,
    sizes: Sequence[int],
    asked: Callable[[int], dict[str, Any]],
    *,
    over: str = "tokens",
    base: dict[str, Any] | None = None,
) -> Curve:
    points, note, least = [], "", float("nan")
    try:
        least = alone(peer, setting, **(base or asked(16))).mib
        for size in sizes:
            points.append(alone(peer, setting, **asked(size)))
    except WorkFailed as failed:
        note = str(failed)
    return Curve(work, peer.name, over, tuple(sizes), tuple(points), least, note)


def _of_layers(setting: Setting) -> Curve:
    """Divergence and attention against the number of layers, on the model's shape at random."""
    points = []
    asked: dict[str, Any] = {"work": "trace", "tokens": 256}
    with tempfile.TemporaryDirectory() as home:
        for layers in LAYERS:
            folder = Path(home) / str(layers)
            folder.mkdir()
            for name in setting.folder.glob("*.json*"):
                shutil.copy(name, folder)
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config |= {"num_hidden_layers": layers, "layer_types": None}
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
            points.append(alone(LAYERGRAM, replace(setting, folder=folder), **asked))
    base = alone(LAYERGRAM, setting, work="trace", tokens=16).mib
    return Curve("all default measures", LAYERGRAM.name, "layers", LAYERS, tuple(points), base)


def rows(found: Sequence[Curve]) -> Iterator[Row]:
    """The exponents of the curves."""
    for curve in found:
        for of in (TIME, MEMORY):
            if curve.over == "layers" and of == MEMORY:
                continue  # the weights themselves grow
            quadratic = of == TIME and curve.work == "attention received"
            goal = (2.1 if quadratic else 1.15) if curve.by == LAYERGRAM.name else None
            reached = curve.sizes[: len(curve.points)]
            span = f"{reached[0]:,} to {reached[-1]:,} {curve.over}" if reached else "no size"
            exponent = curve.exponent(of)
            note = curve.note or ("" if exponent == exponent else "grows by less than can be seen")
            yield Row(
                10,
                f"{of} of {curve.work}, {span}",
                curve.by,
                value=exponent,
                goal=goal,
                unit="exponent",
                note=note,
            )
