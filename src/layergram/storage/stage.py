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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError
from layergram.storage.arrays import ArraySpec
from layergram.storage.executor import Executor, in_process
from layergram.storage.folder import RunFolder
from layergram.storage.shards import LAYOUT, Shards

__all__ = ["ArraySpec", "Progress", "Stage", "run_stage"]

Work = Callable[[Sequence[str]], Any]
Progress = Callable[[int, int], None]
NAME = re.compile(r"\w[\w.=-]*(/\w[\w.=-]*)*")
OURS = {"shards", "arrays.zarr"}
FEW = 8  # shares that are named one by one


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
        files_by_item: item -> files that the work itself writes for it, such as maps that are
            kept; a shard is whole only with these files as they were written.

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
    files_by_item: Mapping[str, Sequence[Path]] = field(default_factory=dict)

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
) -> Any:
    """The results of a stage: those in the folder, and the rest made now.

    Args:
        stage: what to make.
        work: called with the ids of the items of one shard. Makes records (a mapping of id ->
            dict, or a list of dicts in the order of the ids), or a mapping of array name -> array
            with these items along its first axis.
        folder: where results are kept, and which shards are made by whom; ``None`` keeps nothing,
            all else is the same.
        progress: called with how many items are done, and how many there are to be made here.

    Returns:
        A dict of id -> record in the order of ``stage.items``, as read from JSON; or an
        ``xarray.Dataset`` with the ids along ``stage.dim`` in that order, read from the disk when
        it is used.

    Raises:
        LayergramError: if the folder has the results of another run, the disk has no room, or
            shards are left that other processes make.
    """
    if folder is None:
        shards = Shards(Path(), stage.plain)
        executor: Executor = in_process
        own, one_shard = shards.names, partial(_results, shards, work)
        pending = own
    else:
        shards = folder.claim(stage.plain)
        own = shards.names if folder.share is None else folder.share.part(shards.names)
        one_shard = partial(_commit, shards, work, stage.files_by_item, folder.threads)
        executor = folder.executor
        whole = partial(_whole, shards, stage.files_by_item)
        pending = _prepare(shards, own, folder, whole)
    done, total = _count(shards, own) - _count(shards, pending), _count(shards, own)
    if progress is not None:
        progress(done, total)
    made: dict[str, Any] = {}
    for shard, results in executor(one_shard, pending):
        made[shard] = results
        done += _count(shards, [shard])
        if progress is not None:
            progress(done, total)
    if folder is None:
        return shards.format.join([made[shard] for shard in shards.names], stage.items)
    _refuse_unfinished(shards, own, folder, whole)
    if pending:
        shards.sweep()  # a worker or a share that was killed may have left something
    return shards.read(stage.items)


def _results(shards: Shards, work: Work, shard: str) -> tuple[str, Any]:
    """Do the work of one shard."""
    ids = shards.items(shard)
    return shard, shards.format.check(ids, work(ids))


def _commit(
    shards: Shards,
    work: Work,
    files_by_item: Mapping[str, Sequence[Path]],
    threads: int | None,
    shard: str,
) -> tuple[str, None]:
    """Do the work of one shard, and write it."""
    files = shards.format.encode(*_results(shards, work, shard))
    shards.commit(shard, files, beside=_beside(shards, files_by_item, shard), threads=threads)
    return shard, None


def _beside(shards: Shards, files_by_item: Mapping[str, Sequence[Path]], shard: str) -> list[Path]:
    """The files that the work itself writes for the items of a shard."""
    return [path for item in shards.items(shard) for path in files_by_item.get(item, ())]


def _whole(shards: Shards, files_by_item: Mapping[str, Sequence[Path]], shard: str) -> bool:
    """Whether a shard is whole, and its marker lists every file that the work itself writes."""
    return shards.state(shard, beside=_beside(shards, files_by_item, shard)) == "whole"


def _prepare(
    shards: Shards, own: Sequence[str], folder: RunFolder, whole: Callable[[str], bool]
) -> list[str]:
    """Those of the own shards that are not whole, with the disk ready for them."""
    if folder.alone:
        shards.sweep()
    pending = [part for part in own if not whole(part)]
    for part in pending:
        shards.marker(part).unlink(missing_ok=True)
    needed = shards.format.size(_count(shards, pending))
    free = shutil.disk_usage(shards.path).free
    if needed > free:
        raise LayergramError(
            f"{needed / 1e9:.1f} GB for the stage '{shards.path}'",
            got=f"{free / 1e9:.1f} GB of free disk",
            do="choose another folder with --out, fewer items, or float16",
        )
    if LAYOUT in shards.parts:
        with folder.locks.gate():
            if shards.state(LAYOUT) != "whole":
                shards.commit(LAYOUT, shards.format.layout())
    return pending


def _refuse_unfinished(
    shards: Shards, own: Sequence[str], folder: RunFolder, whole: Callable[[str], bool]
) -> None:
    """Refuse to go on before all shards are whole, naming who makes the others."""
    checked = set(own)  # before, or written now
    left = [
        shard
        for shard in shards.names
        if not (shards.marker(shard).exists() if shard in checked else whole(shard))
    ]
    if not left:
        return
    got = f"{len(left)} of {len(shards.names)} shards that are not made yet"
    do = "run the same command again: it makes what is missing"
    if folder.share is not None:
        owners = [str(share) for share in folder.share.owners(shards.names, left)]
        more = f" and {len(owners) - FEW} more" if len(owners) > FEW else ""
        got += f", of the shares {', '.join(owners[:FEW])}{more}; share {folder.share} is done"
        do = (
            "run the same command again when the other shares are made, or make them all "
            "without --shard; nothing is lost"
        )
    raise LayergramError(
        f"all results of the stage '{shards.definition['name']}' in '{folder.path}'",
        got=got,
        do=do,
        exit_code=1,
    )


def _count(shards: Shards, names: Sequence[str]) -> int:
    return sum(len(shards.items(name)) for name in names)
