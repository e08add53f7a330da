"""The shards of one stage: a fixed grid of items, and a marker for each shard that is whole.

The folder of a stage::

    stage.json            what the stage is: made_from, items, shard size, arrays
    shards/00003.jsonl    the records of shard 3, or
    arrays.zarr/          the arrays of all shards, one Zarr group
    shards/00003.json     the marker of shard 3: its items, its files, their sizes and checksums
    shards/layout.json    the marker of the files that all shards share (arrays only)

Files of a marker may lie beside the stage (``../texts/3/divergence.nc``), where its work writes
them. No two shards have a file in common, so any number of processes can commit shards of one
stage at the same time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from layergram.maps.files import PARTIAL
from layergram.storage.arrays import GROUP, Arrays, ArraySpec
from layergram.storage.files import checksum, checksum_of_file, json_bytes, write_whole
from layergram.storage.records import Records

SCHEMA = 2
DEFINITION = "stage.json"
LAYOUT = "layout"
FIELDS = frozenset({"name", "made_from", "arrays", "dim", "shard_size", "items"})
State = Literal["whole", "missing", "torn", "altered"]


@dataclass(frozen=True)
class Shards:
    """One stage in its folder.

    Attributes:
        path: the folder of the stage.
        definition: what ``stage.json`` holds.
    """

    path: Path
    definition: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> Shards:
        """A stage that is on the disk.

        Raises:
            OSError: if there is none.
            ValueError: if its ``stage.json`` is torn.
        """
        definition = json.loads((path / DEFINITION).read_bytes())
        if not isinstance(definition, dict) or not definition.keys() >= FIELDS:
            raise ValueError(f"{DEFINITION} without {', '.join(FIELDS)}")
        return cls(path, definition)

    def begin(self) -> None:
        """Write the definition of a new stage; shards left by another one count no longer."""
        for marker in self.path.glob("shards/*.json"):
            marker.unlink()
        write_whole(self.path / DEFINITION, json_bytes(self.definition))

    @cached_property
    def format(self) -> Records | Arrays:
        """How the results are written and read."""
        known = self.definition
        if known["arrays"] is None:
            return Records()
        specs = {name: ArraySpec(**spec) for name, spec in known["arrays"].items()}
        attrs = {"stage": known["name"], "made_from": known["made_from"], "schema": SCHEMA}
        return Arrays(specs, known["dim"], known["items"], known["shard_size"], attrs)

    @property
    def names(self) -> list[str]:
        """The shards with items, in order."""
        count = -(-len(self.definition["items"]) // self.definition["shard_size"])
        return [f"{number:05d}" for number in range(count)]

    @property
    def parts(self) -> list[str]:
        """Everything that has a marker: the layout of arrays, and the shards."""
        return [*([] if self.definition["arrays"] is None else [LAYOUT]), *self.names]

    def items(self, shard: str) -> list[str]:
        """The items of a shard, in the order in which they are worked on."""
        if shard == LAYOUT:
            return []
        size = self.definition["shard_size"]
        items: list[str] = self.definition["items"][int(shard) * size : (int(shard) + 1) * size]
        return items

    def marker(self, shard: str) -> Path:
        """The file that says that a shard is whole."""
        return self.path / "shards" / f"{shard}.json"

    def commit(
        self,
        shard: str,
        files: Mapping[str, bytes],
        *,
        beside: Sequence[Path] = (),
        threads: int | None = None,
    ) -> None:
        """Write the files of a shard, then its marker, with the threads of who made it.

        Args:
            shard: its name.
            files: what is written, by the path in the folder of the stage.
            beside: files that are there already and belong to the shard.
            threads: of who made it.
        """
        for name, data in files.items():
            write_whole(self.path / name, data)
        listed = {name: [len(data), checksum(data)] for name, data in files.items()}
        for path in beside:
            listed[self._listed(path)] = [path.stat().st_size, checksum_of_file(path)]
        marker: dict[str, Any] = {"items": self.items(shard), "files": listed}
        if threads is not None:
            marker["threads"] = threads
        write_whole(self.marker(shard), json_bytes(marker))

    def _listed(self, path: Path) -> str:
        """How a marker names a file beside the stage."""
        return Path(os.path.relpath(path.resolve(), self.path.resolve())).as_posix()

    def state(self, shard: str, *, beside: Sequence[Path] = ()) -> State:
        """What the disk has of a shard.

        Args:
            shard: its name.
            beside: files that its marker has to list; old markers list no kept maps.

        Returns:
            ``missing``: not made yet. ``torn``: marked as made, but a file is gone, too short, or
            not listed. ``altered``: the bytes are not those that were written. ``whole``: none of
            these.
        """
        try:
            marker = json.loads(self.marker(shard).read_bytes())
            items, files = marker["items"], dict(marker["files"])
        except FileNotFoundError:
            return "missing"
        except (ValueError, KeyError, TypeError):
            return "torn"
        if any(self._listed(path) not in files for path in beside):
            return "torn"
        states = {_state_of_file(self.path / name, *known) for name, known in files.items()}
        if "torn" in states:
            return "torn"
        return "altered" if "altered" in states or items != self.items(shard) else "whole"

    def sweep(self) -> None:
        """Remove what a killed process was just writing; only while nobody writes shards."""
        name = f".*{PARTIAL}"
        ours = (self.path / "shards", self.path / GROUP)  # a stage may lie in the folder of another
        for left in [*self.path.glob(name), *(one for own in ours for one in own.rglob(name))]:
            left.unlink(missing_ok=True)

    def read(self, items: Sequence[str]) -> Any:
        """All results in the order of ``items``."""
        return self.format.read(self.path, self.names, items)


def _state_of_file(path: Path, size: int, digest: str) -> State:
    length = path.stat().st_size if path.is_file() else -1
    if length < size:
        return "torn"
    return "whole" if length == size and checksum_of_file(path) == digest else "altered"
