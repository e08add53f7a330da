"""What a run over a data set will take, from a short probe: a few items, kept nowhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from layergram.models.model import Model
from layergram.storage.folder import RunFolder, refuse_another_run
from layergram.storage.shards import Shards

Item = TypeVar("Item")
OF_NO_ITEMS = ("revision", "lens")
"""Digests that a stage depends on whatever its items are."""


@dataclass(frozen=True)
class PlannedStage:
    """What one stage of a run will take; everything but ``done`` is for the whole stage.

    Attributes:
        name: of the stage.
        items: how many.
        shards: how many they make.
        tokens: that go through the model, padding included, about.
        seconds: on this machine, about.
        bytes: on the disk, about.
        done: items that the folder has already.
    """

    name: str
    items: int
    shards: int
    tokens: int
    seconds: float
    bytes: int
    done: int


@dataclass(frozen=True)
class Plan:
    """What a run will take before it is started.

    Attributes:
        title: of the run.
        folder: of the run.
        stages: in their order.
        memory: bytes, the largest that this process, or its GPU, has used with the model and the
            probe; ``None`` where the system does not say (Windows).
        processes: that the work is spread over.
    """

    title: str
    folder: Path | None
    stages: tuple[PlannedStage, ...]
    memory: int | None
    processes: int

    @property
    def seconds(self) -> float:
        """About how long the rest takes, with every process as fast as this one."""
        left = sum(one.seconds * (1 - one.done / max(one.items, 1)) for one in self.stages)
        return left / self.processes

    @property
    def bytes(self) -> int:
        """About how much disk the whole run takes."""
        return sum(one.bytes for one in self.stages)

    @property
    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "plan": self.title,
            "folder": None if self.folder is None else str(self.folder),
            "stages": [asdict(one) for one in self.stages],
            "seconds": round(self.seconds, 1),
            "memory_bytes": self.memory,
            "disk_bytes": self.bytes,
            "processes": self.processes,
        }

    def __str__(self) -> str:
        """One line per stage, and what all of them come to."""
        rows = [("stage", "items", "done", "shards", "tokens", "time", "disk")]
        for one in self.stages:
            counts = (f"{one.items:,}", f"{one.done:,}", f"{one.shards:,}", f"{one.tokens:,}")
            rows.append((one.name, *counts, _duration(one.seconds), _size(one.bytes)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"plan of {self.title}; nothing has been made"]
        for first, *rest in rows:
            cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
            lines.append("  ".join([f"  {first.ljust(widths[0])}", *cells]))
        memory = "" if self.memory is None else f"{_size(self.memory)} of memory per process, "
        among = f" in {self.processes} processes" if self.processes > 1 else ""
        lines.append(
            f"about {_duration(self.seconds)} of model time left{among}, "
            f"{memory}{_size(self.bytes)} of disk. Tokens, "
            "times and sizes are estimated from a probe of a few items; statistics and pictures "
            "come on top."
        )
        return "\n".join(lines)


@dataclass
class Probe:
    """A run of a few items in a folder that is gone afterwards, with everything that it took.

    Attributes:
        model: the model.
        out: the folder of the run that is planned.
        stages: what is planned so far.
    """

    model: Model
    out: Path | None
    stages: list[PlannedStage] = field(default_factory=list)
    taken: dict[str, list[float]] = field(default_factory=dict)
    seen: int = 0

    def run(
        self, work: Callable[[RunFolder], Any], *, times: float, tokens: float | None = None
    ) -> Any:
        """Do some of the work of one stage or more, and plan them from it.

        Args:
            work: does it, in a folder.
            times: how many times as many items the run has.
            tokens: how many times as many tokens it has; as ``times`` if nothing is said.

        Returns:
            What the work returns.
        """
        before = len(self.taken)
        hook = self.model.network.register_forward_pre_hook(self._count, with_kwargs=True)
        try:
            with TemporaryDirectory() as home:
                with RunFolder(home, executor=self._timed) as folder:
                    made = work(folder)
                for name in list(self.taken)[before:]:
                    self._plan(name, Path(home) / name, times, tokens or times)
        finally:
            hook.remove()
        return made

    def _count(self, network: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.seen += kwargs["input_ids"].numel()

    def _timed(self, make: Callable[[str], Any], shards: Sequence[str]) -> Iterator[Any]:
        name = make.args[0].definition["name"]  # type: ignore[attr-defined]
        seen, began = self.seen, time.perf_counter()
        made = list(map(make, shards))
        self.taken[name] = [time.perf_counter() - began, self.seen - seen]
        yield from made

    def _plan(self, name: str, folder: Path, times: float, tokens: float) -> None:
        shards = Shards.open(folder)
        if self.out is not None:
            _refuse_another_run(self.out, shards.definition)
        items = round(len(shards.definition["items"]) * times)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        seconds, seen = self.taken[name]
        self.stages.append(
            PlannedStage(
                name,
                items,
                -(-items // shards.definition["shard_size"]),
                round(seen * tokens),
                round(seconds * tokens, 2),
                round(size * times),
                0 if self.out is None else min(items, _done(self.out / name)),
            )
        )

    def plan(self, title: str, processes: int) -> Plan:
        """Everything that was planned, as a plan."""
        return Plan(title, self.out, tuple(self.stages), _memory(self.model), processes)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """A few items, evenly spread over a sequence.

    Example:
        >>> spread("abcdefgh", 3)
        ['a', 'c', 'f']
    """
    count = min(count, len(items))
    return [items[at * len(items) // count] for at in range(count)]


def _refuse_another_run(out: Path, probed: Mapping[str, Any]) -> None:
    """Refuse a folder whose stage does not go on with that of the probe, as the run would.

    Digests of data are not compared: those of the probe are of its few items.
    """
    try:
        known = Shards.open(out / probed["name"]).definition
    except (OSError, ValueError):
        return

    def comparable(definition: Mapping[str, Any]) -> dict[str, Any]:
        made_from = {
            key: value
            for key, value in definition["made_from"].items()
            if key in OF_NO_ITEMS or not str(value).startswith("sha256:")
        }
        return {**definition, "made_from": made_from, "items": []}

    refuse_another_run(out, comparable(known), comparable(probed))


def _done(folder: Path) -> int:
    """Items of a stage in a folder whose shards are marked as made."""
    try:
        shards = Shards.open(folder)
    except (OSError, ValueError):
        return 0
    return sum(len(shards.items(name)) for name in shards.names if shards.marker(name).exists())


def _memory(model: Model) -> int | None:
    """Bytes that the process, or its GPU, has used at most; ``None`` where nobody says."""
    if model.device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated(model.device))
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
