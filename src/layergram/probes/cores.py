"""Cells of a map on the cores of this machine: each cell on one core, several cells at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process
from threading import Thread
from typing import Any, TypeVar

import torch
from joblib import cpu_count
from joblib.externals.loky import get_reusable_executor
from threadpoolctl import ThreadpoolController

from layergram.errors import LayergramError

WORTH = 300_000_000  # size of work, at least, for each process: some seconds on one core
AHEAD = 2  # calls that wait for each process, so that none is idle
PATIENCE = 20  # seconds after which a process without work ends
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

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
    Torch and other libraries have one thread here while a call is worked out, and as many as before
    whenever the iterator gives a result.

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
    libraries = ThreadpoolController()
    if cores > 1:
        yield from _shared(work, calls, cores - 1, libraries)
    else:
        for call in calls:
            yield _on_one_core(work, call, libraries)


def _shared(
    work: Callable[..., Result],
    calls: Iterable[tuple[Any, ...]],
    others: int,
    libraries: ThreadpoolController,
) -> Iterator[Result]:
    """The same with other processes; what they have not room for is done here."""
    # joblib.Parallel would be shorter, but it keeps this process idle while others start and work,
    # takes the calls, which read features, in a thread, and leaves its processes running for
    # minutes when this one is killed
    pool = get_reusable_executor(
        others, timeout=PATIENCE, env=ONE_THREAD, initializer=_end_with, initargs=(os.getpid(),)
    )
    waiting: set[Future[Result]] = set()
    try:
        for call in calls:
            if len(waiting) < AHEAD * others:
                waiting.add(pool.submit(work, *call))
            else:
                yield _on_one_core(work, call, libraries)
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
    """End this process soon after its parent, which may be killed without a word."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _on_one_core(
    work: Callable[..., Result], call: tuple[Any, ...], libraries: ThreadpoolController
) -> Result:
    """A result that is worked out here, on one core."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with libraries.limit(limits=1):
            return work(*call)
    finally:
        torch.set_num_threads(threads)
