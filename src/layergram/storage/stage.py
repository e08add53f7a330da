"""Stages: long work on many items whose results survive an interruption.

A stage is a name, what its numbers depend on, the ids of its items, and a function that works on a
few of them. Results are kept in shards of items, each on the disk whole or not at all; a run that
was stopped makes the shards that are not whole, and nothing else. ``docs/results.md`` has examples.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from layergram.errors import LayergramError
from layergram.storage.arrays import ArraySpec
from layergram.storage.folder import RunFolder
from layergram.storage.shards import LAYOUT, Shards

__all__ = ["ArraySpec", "Executor", "Progress", "Stage", "in_process", "run_stage"]

Result = TypeVar("Result")
Executor = Callable[[Callable[[str], Any], Sequence[str]], Iterable[Any]]
Work = Callable[[Sequence[str]], Any]
Progress = Callable[[int, int], None]
NAME = re.compile(r"\w[\w.=-]*(/\w[\w.=-]*)*")
OURS = {"shards", "arrays.zarr"}


def in_process(make: Callable[[str], Result], shards: Sequence[str]) -> Iterable[Result]:
    """The executor that makes one shard after the other in this process.

    An executor is called with a function and the names of the shards to make, and yields what the
    function returns for each of them, in any order, as they come. The function can be sent to
    other processes if the work of the stage can; it writes a shard itself, and returns little.
    An executor may leave shards out that other processes make.
    """
    return map(make, shards)


@dataclass(frozen=True)
class Stage:
    """Long work on many items.

    Attributes:
        name: of the stage, and of its folder; ``a/b`` is a folder in a folder.
        items: ids, each once, in the order in which they are worked on.
        made_from: everything that the results depend on beside the ids, as plain data.
        arrays: the arrays that the work makes, by name; ``None`` for records (plain dicts).
        shard_size: items that are made, and lost in an interruption, together. It has nothing to
            do with how many items a model takes at once; the work cuts its items into batches.
        dim: name of the item axis of arrays.

    Raises:
        LayergramError: for ids that are not unique.
        ValueError: for a name that is no folder, axes that contradict each other, or a
            ``made_from`` that is not plain data.
    """

    name: str
    items: Sequence[str]
    made_from: Mapping[str, Any]
    arrays: Mapping[str, ArraySpec] | None = None
    shard_size: int = 64
    dim: str = "example"

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        if not NAME.fullmatch(self.name) or OURS & set(self.name.split("/")):
            raise ValueError(f"a stage named '{self.name}'")
        if self.shard_size < 1:
            raise ValueError(f"shards of {self.shard_size} items")
        if not all(isinstance(item, str) and "\0" not in item for item in self.items):
            raise ValueError(f"ids in the stage '{self.name}' that are no text")
        twice = [item for item, count in Counter(self.items).items() if count > 1]
        if twice:
            raise LayergramError(
                f"results by item in the stage '{self.name}'",
                got=f"{len(twice)} ids that come more than once (such as {twice[0]!r})",
                do="give every item an id of its own",
            )
        axes: dict[str, Any] = {self.dim: None}
        for spec in (self.arrays or {}).values():
            for dim, axis in spec.plain()["axes"].items():
                if axes.setdefault(dim, axis) != axis:
                    raise ValueError(f"two axes '{dim}' in the stage '{self.name}'")
            if not spec.chunks.keys() <= spec.axes.keys():
                raise ValueError(f"chunks {dict(spec.chunks)} of the axes {[*spec.axes]}")

    @property
    def plain(self) -> dict[str, Any]:
        """The definition of the stage as plain data."""
        arrays = None
        if self.arrays is not None:
            arrays = {name: spec.plain() for name, spec in self.arrays.items()}
        plain = {
            "name": self.name,
            "made_from": dict(self.made_from),
            "arrays": arrays,
            "dim": self.dim,
            "shard_size": self.shard_size,
            "items": list(self.items),
        }
        known: dict[str, Any] = json.loads(json.dumps(plain, allow_nan=False))
        return known


def run_stage(
    stage: Stage,
    work: Work,
    folder: RunFolder | None,
    *,
    progress: Progress | None = None,
    executor: Executor = in_process,
) -> Any:
    """The results of a stage: those in the folder, and the rest made now.

    Args:
        stage: what to make.
        work: called with the ids of the items of one shard. Makes records (a mapping of id ->
            dict, or a list of dicts in the order of the ids), or a mapping of array name -> array
            with these items along its first axis.
        folder: where results are kept; ``None`` keeps nothing, all else is the same.
        progress: called with how many items are done, and how many there are.
        executor: makes the shards (:func:`in_process`).

    Returns:
        A dict of id -> record in the order of ``stage.items``, as read from JSON; or an
        ``xarray.Dataset`` with the ids along ``stage.dim`` in that order, read from the disk when
        it is used.

    Raises:
        LayergramError: if the folder has the results of another run, the disk has no room, or
            shards are left that the executor did not make.
    """
    shards = Shards(Path(), stage.plain) if folder is None else folder.claim(stage.plain)
    pending = shards.names if folder is None else _prepare(shards)
    done, total = len(stage.items) - _count(shards, pending), len(stage.items)
    if progress is not None:
        progress(done, total)
    one_shard = partial(_results if folder is None else _commit, shards, work)
    made: dict[str, Any] = {}
    for shard, results in executor(one_shard, pending):
        made[shard] = results
        done += _count(shards, [shard])
        if progress is not None:
            progress(done, total)
    if folder is None:
        return shards.format.join([made[shard] for shard in shards.names], stage.items)
    left = [shard for shard in shards.names if not shards.marker(shard).exists()]
    if left:
        raise LayergramError(
            f"all results of the stage '{stage.name}' in '{folder.path}'",
            got=f"{len(left)} of {len(shards.names)} shards that are not made yet",
            do="wait for the processes that make them, or start the run again without them",
            exit_code=1,
        )
    return shards.read(stage.items)


def _results(shards: Shards, work: Work, shard: str) -> tuple[str, Any]:
    """Do the work of one shard."""
    ids = shards.items(shard)
    return shard, shards.format.check(ids, work(ids))


def _commit(shards: Shards, work: Work, shard: str) -> tuple[str, None]:
    """Do the work of one shard, and write it."""
    shards.commit(shard, shards.format.encode(*_results(shards, work, shard)))
    return shard, None


def _prepare(shards: Shards) -> list[str]:
    """The shards that are not whole, with the disk ready for them."""
    pending = [part for part in shards.parts if shards.state(part) != "whole"]
    for part in pending:
        shards.marker(part).unlink(missing_ok=True)
    if pending:
        shards.sweep()
        needed = shards.format.size(_count(shards, pending))
        free = shutil.disk_usage(shards.path).free
        if needed > free:
            raise LayergramError(
                f"{needed / 1e9:.1f} GB for the stage '{shards.path}'",
                got=f"{free / 1e9:.1f} GB of free disk",
                do="choose another folder with --out, fewer items, or float16",
            )
    if LAYOUT in pending:
        shards.commit(LAYOUT, shards.format.layout())
    return [part for part in pending if part != LAYOUT]


def _count(shards: Shards, names: Sequence[str]) -> int:
    return sum(len(shards.items(name)) for name in names)
