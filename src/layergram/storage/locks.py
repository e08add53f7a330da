"""Who is at work in a run's folder: one process alone, or several that each make a share."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from layergram.errors import LayergramError
from layergram.storage.executor import Share
from layergram.storage.files import json_bytes, write_whole

ALONE, SHARES = ".run", ".run-*-of-*"
GATE = ".gate.lock"
PATIENCE = 60.0  # seconds; what is done behind the gate takes milliseconds


class Locks:
    """The lock of one process on a folder.

    A process that makes a share keeps out the same share, the shares of another division (1/3 while
    1/2 is made), and a run of the whole; a run of the whole keeps out everyone. Locks belong to the
    operating system: they end with their process.

    Args:
        path: the folder.
        share: what this process makes; ``None`` for everything.
    """

    def __init__(self, path: Path, share: Share | None) -> None:
        self.path = path
        self.name = ALONE if share is None else f".run-{share.number}-of-{share.of}"
        self.alone = share is None
        self._beside = "" if share is None else f"-of-{share.of}"
        self._own = FileLock(path / f"{self.name}.lock", timeout=0, thread_local=False)
        self._gate = FileLock(path / GATE, timeout=PATIENCE, thread_local=False)

    @property
    def held(self) -> bool:
        """Whether this process has the lock."""
        return self._own.is_locked

    def acquire(self) -> None:
        """Take the lock, and say who has it.

        Raises:
            LayergramError: if another process is at work that keeps this one out.
            OSError: if the folder cannot be written.
        """
        with self.gate():
            try:
                self._own.acquire()
            except Timeout:
                raise _at_work(self.path, self.name) from None
            try:
                for lock in self._others():
                    self._refuse_beside(lock)
                holder = self.path / f"{self.name}.json"
                write_whole(holder, json_bytes(_this_process()))
            except BaseException:
                self._own.release()
                raise

    def _others(self) -> list[Path]:
        """The locks of all who may not work at the same time, but for the same share."""
        shares = sorted(self.path.glob(f"{SHARES}.lock"))
        if self.alone:
            return shares
        others = [lock for lock in shares if not lock.stem.endswith(self._beside)]
        return [*self.path.glob(f"{ALONE}.lock"), *others]

    def _refuse_beside(self, lock: Path) -> None:
        """Refuse to work beside the holder of a lock; remove what a share has left behind."""
        try:
            with FileLock(lock, timeout=0):
                if self.alone:
                    lock.unlink()
                    lock.with_suffix(".json").unlink(missing_ok=True)
        except Timeout:
            raise _at_work(self.path, lock.stem) from None

    def release(self) -> None:
        """Give the lock back."""
        (self.path / f"{self.name}.json").unlink(missing_ok=True)
        self._own.release()

    @contextmanager
    def gate(self) -> Iterator[None]:
        """A context that one process at a time is in, for what takes a moment."""
        try:
            with self._gate:
                yield
        except Timeout:
            raise _at_work(self.path, "") from None


def _this_process() -> dict[str, Any]:
    command = shlex.join([Path(sys.argv[0] or "python").name, *sys.argv[1:]])
    since = datetime.now().astimezone().isoformat(" ", timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}


def _at_work(folder: Path, name: str) -> LayergramError:
    try:
        who = "process {pid} on {host}, since {since}: {command}".format_map(
            json.loads((folder / f"{name}.json").read_bytes())
        )
    except (OSError, ValueError, KeyError):
        who = "a process that has just begun"
    return LayergramError(
        f"to work in the folder '{folder}'",
        got=f"another run at work there ({who})",
        do="wait for its end, stop it, or choose another folder with --out",
    )
