"""A worker: a process with one model that does pieces of work when it is asked to, and times them.

Questions come as lines of JSON, such as ``{"work": "forward", "tokens": 512}``, and so do the
answers: seconds by the clock and of the processor, and the work's value, one number that says
whether two libraries did the same. ``{"peak": true}`` asks for the largest resident memory so far,
in MiB (the GPU's own, where the model is on one). What a library prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

Work = Callable[[], Any]
Prepare = Callable[..., Work]


def serve(prepare: Mapping[str, Prepare]) -> None:
    """Answer until the input ends.

    Args:
        prepare: for each kind of work what gets it ready, given the other keys of the question;
            it returns what is timed, a function that returns one number, or none.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    ready: dict[str, Work] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = _peak() if asked.pop("peak", False) else _timed(prepare, ready, asked, line)
        except Exception as error:  # said in the table; the next question may fare better
            found = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
        print(json.dumps(found), file=answers, flush=True)


def _peak() -> dict[str, Any]:
    if torch.cuda.is_initialized():
        return {"mib": torch.cuda.max_memory_allocated() / 2**20}
    return {"mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _timed(
    prepare: Mapping[str, Prepare], ready: dict[str, Work], asked: dict[str, Any], line: str
) -> dict[str, Any]:
    if line not in ready:
        kind = asked.pop("work")
        if kind not in prepare:
            raise KeyError(f"no work called {kind!r}")
        ready[line] = prepare[kind](**asked)
    clock, processor = time.perf_counter(), time.process_time()
    value = ready[line]()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    taken = {"wall": time.perf_counter() - clock, "cpu": time.process_time() - processor}
    return taken | {"value": None if value is None else float(value)}
