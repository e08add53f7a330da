"""Work that is written batch by batch, and goes on where it was killed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from layergram import maps
from layergram.errors import LayergramError
from layergram.storage.files import digest_of as digest_of

SCHEMA = 1
Record = dict[str, Any]


def claim(path: Path, fingerprint: Mapping[str, Any]) -> None:
    """Write down what a file of this run is made from, or check that it is what it was.

    Args:
        path: the manifest; made if there is none.
        fingerprint: everything that the results depend on.

    Raises:
        LayergramError: if the manifest is of other work, naming what differs.
    """
    wanted = {"schema": SCHEMA, **fingerprint}
    if not path.exists():
        maps.write_text(json.dumps(wanted, ensure_ascii=False, indent=1) + "\n", path)
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        known = {}
    plain = json.loads(json.dumps(wanted))
    differ = [key for key in {**plain, **known} if plain.get(key) != known.get(key)]
    if differ:
        told = "; ".join(f"{key} {known.get(key)!r}, now {plain.get(key)!r}" for key in differ[:3])
        raise LayergramError(
            f"to go on in the folder '{path.parent}'",
            got=f"the results of another run: {told}",
            do="choose another folder with --out, or remove this one",
        )


def batched(
    path: Path | None,
    batches: Sequence[Sequence[int]],
    work: Callable[[Sequence[int]], Sequence[Record]],
) -> Iterator[list[Record]]:
    """Do the work of each batch once, ever: what the journal has is read, the rest is done.

    Args:
        path: the journal, one JSON object per line; ``None`` keeps nothing.
        batches: the items of each batch, the same at every call.
        work: makes one record per item of a batch.

    Yields:
        The records of each batch. A batch is on the disk before the next one begins, so a killed
        run loses the batch that it was at, and nothing else.
    """
    known = [] if path is None else _whole_batches(path, [len(batch) for batch in batches])
    yield from known
    for batch in batches[len(known) :]:
        records = list(work(batch))
        if path is not None:
            with path.open("ab") as stream:
                stream.write(b"".join(map(_line, records)))
                stream.flush()
                os.fsync(stream.fileno())
        yield records


def _line(record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _whole_batches(path: Path, sizes: Sequence[int]) -> list[list[Record]]:
    """The batches that were written whole; what follows them is cut off the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    lines = path.read_bytes().splitlines(keepends=True)
    found: list[list[Record]] = []
    at = 0
    for size in sizes:
        taken = lines[at : at + size]
        if len(taken) < size or not taken[-1].endswith(b"\n"):
            break
        found.append([json.loads(line) for line in taken])
        at += size
    with path.open("rb+") as stream:
        stream.truncate(sum(map(len, lines[:at])))
    return found
