"""Jobs of the model's thread as a web server waits for them: as a stream of events, or for one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from layergram.app.refusal import Refusal
from layergram.app.worker import Event, Job, ModelState, Worker

LAST = ("done", "error", "result")
"""Events after which nothing comes."""

SILENCE = 10.0
"""Seconds without an event after which a comment is sent: it shows whether a reader is there."""


class Reader:
    """Takes the events of a job to the event loop that it is made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def tell(self, event: Event) -> None:
        """Take one event, in any thread."""
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def next(self, timeout: float | None = None) -> Event | None:
        """The next event; ``None`` where none comes in so many seconds."""
        try:
            return await asyncio.wait_for(self._events.get(), timeout)
        except TimeoutError:
            return None


def start(
    worker: Worker,
    work: Callable[[Job], Iterator[Event]],
    *,
    under: ModelState,
    short: bool = False,
) -> tuple[Job, Reader]:
    """Put work into the line.

    Raises:
        Refusal: where the line is full.
    """
    reader = Reader()
    job = Job(work, reader.tell, under, short)
    worker.submit(job)
    return job, reader


async def as_stream(worker: Worker, job: Job, reader: Reader) -> AsyncIterator[bytes]:
    """The events of a job as server-sent events; a reader who goes away stops the job."""
    try:
        while True:
            event = await reader.next(SILENCE)
            if event is None:
                yield b": waiting\n\n"
                continue
            text = json.dumps(event, allow_nan=False, separators=(",", ":"))
            yield f"event: {event['event']}\ndata: {text}\n\n".encode("ascii")
            if event["event"] in LAST:
                return
    finally:
        worker.cancel(job)


async def for_result(worker: Worker, work: Callable[[], Any], *, under: ModelState) -> Any:
    """The result of short work with a model.

    Raises:
        Refusal: with the four parts of what went wrong.
    """
    refused: list[Refusal] = []

    def events(job: Job) -> Iterator[Event]:
        try:
            yield {"event": "result", "result": work()}
        except Refusal as error:
            refused.append(error)
            raise

    job, reader = start(worker, events, under=under, short=True)
    try:
        while True:
            event = await reader.next()
            assert event is not None
            if event["event"] == "result":
                return event["result"]
            if event["event"] == "error":
                raise (
                    refused[0]
                    if refused
                    else Refusal(
                        409,
                        event["asked"],
                        got=event["got"],
                        allowed=event["allowed"],
                        do=event["do"],
                    )
                )
            if event["event"] == "done":
                raise Refusal(503, "the model", got="a server that is being stopped")
    finally:
        worker.cancel(job)
