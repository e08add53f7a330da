"""Results that are plain dicts, one for each item: JSON lines, one file per shard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layergram.storage.files import json_bytes

Record = dict[str, Any]


class Records:
    """How records are checked, written and read."""

    def check(self, ids: Sequence[str], results: Any) -> dict[str, Record]:
        """The records of one shard by item id, as they would be read from the disk.

        Args:
            ids: the items of the shard.
            results: a mapping of id -> record, or the records in the order of ``ids``.

        Raises:
            ValueError: if the results are not those of the items.
        """
        if not isinstance(results, Mapping):
            results = dict(zip(ids, results, strict=True))
        if results.keys() != set(ids):
            raise ValueError(f"records of {sorted(results)}, asked for {sorted(ids)}")
        return {item: json.loads(json.dumps(results[item])) for item in ids}

    def layout(self) -> dict[str, bytes]:
        """The files that all shards share: none."""
        return {}

    def encode(self, shard: str, results: Mapping[str, Record]) -> dict[str, bytes]:
        """The files of one shard."""
        lines = [json_bytes({"item": item, "record": results[item]}) for item in results]
        return {self._file(shard): b"".join(lines)}

    def read(self, folder: Path, shards: Sequence[str], items: Sequence[str]) -> dict[str, Record]:
        """All records of a stage in the order of ``items``."""
        parts = []
        for shard in shards:
            lines = (folder / self._file(shard)).read_bytes().split(b"\n")[:-1]
            parts.append({line["item"]: line["record"] for line in map(json.loads, lines)})
        return self.join(parts, items)

    def join(
        self, parts: Sequence[Mapping[str, Record]], items: Sequence[str]
    ) -> dict[str, Record]:
        """All records of some shards in the order of ``items``."""
        everything = {item: record for part in parts for item, record in part.items()}
        return {item: everything[item] for item in items}

    def size(self, items: int) -> int:
        """Bytes on the disk that so many items are known to need."""
        return 0

    def _file(self, shard: str) -> str:
        return f"shards/{shard}.jsonl"
