"""The history of runs: a folder for each, which is there whole or not at all."""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xarray as xr

from layergram import maps
from layergram.app.refusal import Refusal
from layergram.app.requests import RunRequest
from layergram.app.results import FOLDER, inside

RECORD = "run.json"
ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
NAME = re.compile(r"[a-z_]+")

Record = dict[str, Any]
"""A run as plain data: request, model, ids, text, status, and the names of its maps."""


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

    def begin(self, record: Record) -> Record:
        """A run begins: it gets its id and is listed."""
        now = datetime.now(UTC)
        one = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        made = {"id": one, "created": now.isoformat(timespec="seconds"), **record}
        with self._lock:
            self._running[one] = made
        return made

    def finish(self, record: Record, arrays: Mapping[str, xr.DataArray]) -> None:
        """A run has ended: its folder is written, and renamed when it is whole."""
        record = {**record, "maps": list(arrays)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with maps.replacing(self.folder / record["id"]) as folder:
                folder.mkdir()
                for name, array in arrays.items():
                    maps.write(array, folder / f"{name}.nc")
                maps.write_json(record, folder / RECORD)
        finally:
            with self._lock:
                self._running.pop(record["id"], None)

    def list(self, most: int) -> list[Record]:
        """The newest runs, without their ids."""
        with self._lock:
            found = dict(self._running)
        kept = [path for path in self.folder.glob("*") if ID.fullmatch(path.name)]
        names = sorted({*found, *(path.name for path in kept)}, reverse=True)[:most]
        records = [found.get(name) or self._read(name) for name in names]
        hidden = {"ids", "texts"}
        return [
            {key: value for key, value in record.items() if key not in hidden}
            for record in records
            if record is not None
        ]

    def get(self, one: str) -> Record:
        """One run.

        Raises:
            Refusal: where there is none of this id.
        """
        with self._lock:
            found = self._running.get(one)
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
            record = json.loads(path.read_text(encoding="utf-8"))
            RunRequest(**record["request"])
            whole = set(record) >= {"status", "model", "revision", "created", "text", "maps"}
            ids = [int(at) for at in record["ids"]]
        except (Refusal, OSError, ValueError, TypeError, KeyError):
            return None
        return {**record, "id": one, "ids": ids} if whole else None
