"""Rows of the table, and times of works that take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from peers import WorkFailed

Times = Mapping[str, float]
Do = Callable[[], Times]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        number: of the kind of work, as the table counts them.
        work: what was done.
        by: who did it.
        floor: what it is compared with; "" for a number by itself.
        value: cost over the floor's, or a number of ``unit``; NaN where there is none.
        spread: the smallest and largest of single runs.
        goal: what is aimed at, ``None`` for other ways to do the same.
        at_least: whether the value should reach the goal instead of staying below.
        unit: "×" for a ratio.
        note: why there is no value, or what else is to be known.
    """

    number: int
    work: str
    by: str
    floor: str = ""
    value: float = float("nan")
    spread: tuple[float, float] | None = None
    goal: float | None = None
    at_least: bool = False
    unit: str = "×"
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; ``None`` without a goal or a value."""
        if self.goal is None or np.isnan(self.value):
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


@dataclass(frozen=True)
class Budget:
    """How long the runs of one row may take.

    Attributes:
        runs: how often each work is done, at most.
        seconds: no further turn begins after so many; one is always counted.
        seldom: works that are only compared with, by name: done so often, without a run for
            nothing.
    """

    runs: int = 7
    seconds: float = 60.0
    seldom: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Taken:
    """Times of several works.

    Attributes:
        times: of each work, seconds by run.
        values: what each work came to.
        failed: why a work could not be done.
    """

    times: dict[str, list[float]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Median seconds of a work."""
        return statistics.median(self.times[name])

    def ratio(self, work: str, floors: Mapping[str, float]) -> dict[str, Any]:
        """``value`` and ``spread`` of a work's time over that of floors, or the ``note``.

        Args:
            work: its name.
            floors: with 1 a work that is part of the floor; with −1 one whose time is taken off
                the work's own before it is compared.
        """
        if work in self.failed:
            return {"note": self.failed[work]}
        count = len(self.times[work])  # a floor counts in the turns in which the work was done
        off = [self.times[name][:count] for name, sign in floors.items() if sign < 0]
        on = [self.times[name][:count] for name, sign in floors.items() if sign > 0]
        single = (np.array(self.times[work]) - np.sum(off, axis=0)) / np.sum(on, axis=0)
        cost = self.median(work) - sum(map(statistics.median, off))
        value = cost / sum(map(statistics.median, on))
        return {"value": float(value), "spread": (float(single.min()), float(single.max()))}


def interleaved(works: Mapping[str, Do], budget: Budget, *, clock: str = "wall") -> Taken:
    """Times of works that take turns, after one run of each for nothing.

    A work that fails is left out from then on, and named.

    Args:
        works: by name; each says how long it took.
        budget: how many turns.
        clock: ``wall``, or ``cpu`` for the processor's time.
    """
    taken = Taken()
    began = time.monotonic()
    for turn in range(budget.runs + 1):
        if turn > 1 and time.monotonic() - began > budget.seconds:
            break
        for name, do in works.items():
            rest = name in budget.seldom and not 0 < turn <= budget.seldom[name]
            if rest or name in taken.failed:
                continue
            try:
                found = do()
            except WorkFailed as failed:
                taken.failed[name] = str(failed)
                continue
            if turn:
                taken.times.setdefault(name, []).append(found[clock])
            taken.values[name] = found.get("value") or float("nan")
    return taken
