"""A piece of work in a process of its own: how long it takes, and its largest memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from peers import Peer, Setting, Worker

SHORT = 5.0
"""Seconds below which the work is done a second time, and that time counts."""


@dataclass(frozen=True)
class Alone:
    """What a process of its own took.

    Attributes:
        seconds: of the work, by the clock.
        mib: its largest resident memory, with model and libraries.
    """

    seconds: float
    mib: float


_done: dict[str, Alone] = {}


def alone(peer: Peer, setting: Setting, work: str, **sizes: Any) -> Alone:
    """Do the work in a new process; what was done before is not done again.

    Raises:
        WorkFailed: if it fails, or the process runs out of memory.
    """
    key = json.dumps([peer.name, str(setting.folder), setting.device, work, sizes])
    if key not in _done:
        worker = Worker(peer, setting)
        try:
            taken = worker.do(work, **sizes)["wall"]
            if taken < SHORT:
                taken = worker.do(work, **sizes)["wall"]
            _done[key] = Alone(taken, worker.peak())
        finally:
            worker.stop()
    return _done[key]
