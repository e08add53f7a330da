"""Cells of a map on the cores of this machine: each cell on one core, several cells at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import current_process
from threading import Thread
from typing import Any, TypeVar

import torch
from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import threadpool_limits

from layergram.errors import LayergramError

WORTH = 300_000_000  # size of work, at least, for each process: some seconds on one core
AHEAD = 2  # calls that wait for each process, so that none is idle
PATIENCE = 20  # seconds after which a process without work ends
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Result = TypeVar("Result")


def on_cores(
    work: Callable[..., Result],
    calls: Iterable[tuple[Any, ...]],
    *,
    size: int,
    device: str = "cpu",
) -> Iterator[Result]:
    """The results of all calls, in the order in which they are done.

    Matrices of a cell are too small for several cores, and cells are many: so a call has one core,
    and much work is shared with other processes, each on a core of its own. This process works too,
    alone until the others have started, and but for the last calls. A result does not depend on
    where it was worked out. There are no more processes than torch uses threads
    (``OMP_NUM_THREADS=1`` keeps all work here), and work of another device stays in this process.
    Until all results are there, or the iterator is closed, torch has one thread here.

    Args:
        work: a function that can be sent to another process, as those of modules can.
        calls: arguments; they are taken as they are needed.
        size: of the work, as the product of examples, features, problems and cells.
        device: where the work is done.

    Raises:
        LayergramError: where another process was ended. An error of ``work`` is passed on.

    Example:
        >>> sorted(on_cores(max, [(1, 2), (4, 3)], size=2))
        [2, 4]
    """
    cores = min(torch.get_num_threads(), cpu_count(), size // WORTH)
    if torch.device(device).type != "cpu" or current_process().daemon:
        cores = 1
    with _one_core():
        if cores < 2:
            for call in calls:
                yield work(*call)
        else:
            yield from _shared(work, calls, cores - 1)


def _shared(
    work: Callable[..., Result], calls: Iterable[tuple[Any, ...]], others: int
) -> Iterator[Result]:
    """The same with other processes; what they have not room for is done here."""
    pool = get_reusable_executor(
        others, timeout=PATIENCE, env=ALONE, initializer=_end_with, initargs=(os.getpid(),)
    )
    waiting: set[Future[Result]] = set()
    try:
        for call in calls:
            if len(waiting) < AHEAD * others:
                waiting.add(pool.submit(work, *call))
            else:
                yield work(*call)
            done = {future for future in waiting if future.done()}
            waiting -= done
            yield from (future.result() for future in done)
        while waiting:
            future = next(as_completed(waiting))
            waiting.remove(future)
            yield future.result()
    except BrokenProcessPool:
        raise LayergramError(
            "work shared with other processes",
            got="one of them was ended, as a system does that has no memory left",
            do="set OMP_NUM_THREADS=1, with which all is worked out in one process",
            exit_code=1,
        ) from None
    finally:
        for future in waiting:
            future.cancel()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, which may have been killed and tells nothing."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _one_core() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
