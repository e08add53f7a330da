"""One thread that works with the models, and the line of jobs before it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any

from layergram.app.refusal import Refusal, plain_error
from layergram.errors import LayergramError

Event = dict[str, Any]
"""What a job tells: plain data, of which ``event`` names the kind."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelState:
    """What is in force on a model while a job is at work; equal for equal models and edits.

    Attributes:
        model: its name.
        edits: in words; empty where nothing is edited.
        enter: puts the edits in force, until the block ends.
    """

    model: str
    edits: str = ""
    enter: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, compare=False)


@dataclass(eq=False)
class Job:
    """Work with a model, told in events.

    Attributes:
        work: called in the worker's thread with the job; it looks at ``stopped`` between events.
        tell: takes each event, in the worker's thread or in the one that changes the line.
        under: the model, and the edits that are in force on it from the first event to the last.
        short: whether it may be done between two tokens of another job under the same edits.
        stopped: whether nobody waits for more.
    """

    work: Callable[[Job], Iterator[Event]]
    tell: Callable[[Event], None]
    under: ModelState
    short: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Does one job after the other, in the order in which they came.

    Args:
        waiting: jobs that may wait; more are refused.
    """

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self._line: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._now: Job | None = None
        self._thread = threading.Thread(target=self._work, name="layergram-model", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Put a job at the end of the line; it is told its place.

        Raises:
            Refusal: where the line is full.
        """
        with self._changed:
            if len(self._line) >= self.waiting:
                raise Refusal(
                    503,
                    "the model",
                    got=f"{len(self._line)} requests that wait for it",
                    do="try again in a while",
                )
            self._line.append(job)
            if self._now is not None or len(self._line) > 1:
                job.tell({"event": "queued", "place": len(self._line)})
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Take a job out of the line, or stop it before its next token."""
        job.stopped.set()
        with self._changed:
            if job in self._line:
                self._line.remove(job)
                job.tell({"event": "done", "status": "stopped", "id": None})
                self._tell_places()

    def close(self) -> None:
        """Stop what is at work, and everything that waits."""
        with self._changed:
            self._closed = True
            for job in [*self._line, *([self._now] if self._now else [])]:
                job.stopped.set()
            self._line.clear()
            self._changed.notify()
        self._thread.join(timeout=60)

    def _tell_places(self) -> None:
        for place, job in enumerate(self._line, start=1):
            job.tell({"event": "queued", "place": place})

    def _work(self) -> None:
        while True:
            with self._changed:
                self._now = None
                while not (self._line or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                self._now = job = self._line.popleft()
                self._tell_places()
            self._do(job, enter=job.under.enter)

    def _do(self, job: Job, *, enter: Callable[[], AbstractContextManager[None]]) -> None:
        """One job to its end; what goes wrong in it is told, and the next one begins."""
        try:
            with ExitStack() as stack:
                stack.enter_context(enter())
                events = stack.enter_context(closing(job.work(job)))  # type: ignore[type-var]
                for event in events:
                    job.tell(event)
                    if not job.short:
                        self._serve_short(job.under)
        except LayergramError as error:
            job.tell({"event": "error", **plain_error(error)})
        except Exception as error:
            _log.exception("a job failed")
            job.tell(
                {
                    "event": "error",
                    "asked": "work with the model",
                    "got": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                    "allowed": "",
                    "do": "try again, with a shorter prompt; the log of the server has more",
                }
            )

    def _serve_short(self, under: ModelState) -> None:
        """Do what is soon done and needs the same model with the same edits, which are in force."""
        with self._changed:
            found = [job for job in self._line if job.short and job.under == under]
            for job in found:
                self._line.remove(job)
            if found:
                self._tell_places()
        for job in found:
            self._do(job, enter=nullcontext)
