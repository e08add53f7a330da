"""The history of runs: a folder for each, which is there whole or not at all."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from layergram import maps
from layergram.app.refusal import Refusal
from layergram.app.requests import RUN_ID, RunRequest
from layergram.app.results import FOLDER, inside

RECORD = "run.json"
ID = re.compile(RUN_ID)
NAME = re.compile(r"[a-z_]+")
TICK = 2_000_000_000
"""Nanoseconds within which a folder can change twice and bear the same time: not all disks count
finer than two seconds."""

Record = dict[str, Any]
"""A run as plain data: request, model, ids, text, status, and the names of its maps."""


class KeptRecord(BaseModel):
    """What a run's file has to hold; other programs, and torn disks, can have written it."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, strict=True)
    created: str
    status: Literal["done", "stopped", "failed"]
    request: RunRequest
    model: str
    revision: str | None
    dtype: str
    layers: int
    ids: list[Annotated[int, Field(ge=0, lt=2**31)]]
    texts: list[str]
    prompt_tokens: int
    text: str
    answer: str
    seconds: float
    maps: list[Annotated[str, Field(pattern=f"^({NAME.pattern})$")]]
    error: dict[str, str] = {}


class History:
    """Runs in a folder, the newest first, and those that are at work.

    Args:
        out: the output folder; runs are kept in its folder ``live``.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.resolve()
        self.folder = self.out / FOLDER
        self._lock = threading.Lock()
        self._running: dict[str, Record] = {}
        self._seen: tuple[int, int, Sequence[Record]] = (0, 0, ())

    def begin(self, record: Record) -> Record:
        """A run begins: it gets its id and is listed."""
        now = datetime.now(UTC)
        one = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        made = {"id": one, "created": now.isoformat(timespec="seconds"), **record}
        with self._lock:
            self._running[one] = made
        return made

    def finish(self, record: Record, arrays: Mapping[str, xr.DataArray]) -> None:
        """A run has ended: its folder is written, and renamed when it is whole.

        Raises:
            LayergramError: where it cannot be written.
        """
        record = {**record, "maps": list(arrays)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with maps.replacing(self.folder / record["id"]) as folder:
                folder.mkdir()
                for name, array in arrays.items():
                    maps.write(array, folder / f"{name}.nc")
                maps.write_json(record, folder / RECORD)
        except OSError as error:
            raise maps.not_written(self.folder / record["id"], error) from None
        finally:
            with self._lock:
                self._running.pop(record["id"], None)

    def list(self, most: int) -> list[Record]:
        """The newest runs, without their ids.

        The folder is read again when it has changed: what is in a run's own folder stays as it is.
        """
        with self._lock:
            running = {one: _listed(_at_work(record)) for one, record in self._running.items()}
        found = {record["id"]: record for record in self._kept(most)} | running
        return [found[one] for one in sorted(found, reverse=True)[:most]]

    def _kept(self, most: int) -> Sequence[Record]:
        """The newest runs in the folder, read again if it has changed."""
        try:
            now, changed = time.time_ns(), self.folder.stat().st_mtime_ns
        except OSError:
            return ()
        if self._seen[:2] == (most, changed):
            return self._seen[2]
        names = [path.name for path in self.folder.glob("*") if ID.fullmatch(path.name)]
        records = [self._read(name) for name in sorted(names, reverse=True)[:most]]
        found = tuple(_listed(record) for record in records if record is not None)
        if now - changed > TICK:
            self._seen = (most, changed, found)
        return found

    def get(self, one: str) -> Record:
        """One run.

        Raises:
            Refusal: where there is none of this id.
        """
        with self._lock:
            running = self._running.get(one)
        found = running and _at_work(running)
        found = found or (self._read(one) if ID.fullmatch(one) else None)
        if found is None:
            raise Refusal(404, "a run", got="no run of this id", do="choose one of the history")
        return found

    def map(self, one: str, name: str) -> xr.DataArray:
        """The map of a measure of a run that has ended.

        Raises:
            Refusal: where there is none.
        """
        record = self.get(one)
        if name not in record.get("maps", []) or not NAME.fullmatch(name):
            raise Refusal(
                404,
                "a map of this run",
                got="no map of this measure" if record["status"] != "running" else "a run at work",
                allowed=", ".join(record.get("maps", [])),
            )
        return maps.read(inside(self.out, f"{FOLDER}/{one}/{name}.nc"))

    def _read(self, one: str) -> Record | None:
        """A run from its folder; ``None`` for a folder that is none of a run."""
        try:
            path = inside(self.out, f"{FOLDER}/{one}/{RECORD}")
            record = KeptRecord(**json.loads(path.read_text(encoding="utf-8")))
        except (Refusal, OSError, ValueError, TypeError, RecursionError):
            return None
        return {**record.model_dump(mode="json"), "id": one}


def _at_work(record: Record) -> Record:
    """A run that is not written yet: at work until its maps can be read."""
    return {**record, "status": "running", "maps": []}


def _listed(record: Record) -> Record:
    """A run as a list shows it."""
    return {key: value for key, value in record.items() if key not in ("ids", "texts")}
