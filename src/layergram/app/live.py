"""A live run: a prompt and its answer, told token by token with the columns of its maps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import xarray as xr

from layergram.app.history import History, Record
from layergram.app.refusal import plain_error
from layergram.app.requests import RunRequest
from layergram.app.worker import Event
from layergram.errors import LayergramError
from layergram.export import page_columns, page_data
from layergram.models.model import Model
from layergram.token_sources import Source
from layergram.tracing import Trace, TraceStep


def run_events(
    model: Model, request: RunRequest, history: History, stopped: Callable[[], bool]
) -> Iterator[Event]:
    """The events of one run: ``started``, ``columns`` with each token, and ``done``.

    A run that is stopped, or whose reader has gone, ends before its next token; what it has until
    then is kept in the history, as is that of one that failed.

    Args:
        model: the model, with the edits of the request in force.
        request: what was asked.
        history: where the run is kept.
        stopped: whether to stop.

    Yields:
        ``started``: the id, the model, its layers. ``columns``, with the prompt and with each
        token: the tokens from the position ``start`` on, ``views`` of maps that are new to the
        reader, and ``pieces``, the new and changed columns of the others. ``done``: how it ended.
    """
    one = _Run(model, request, history)
    with ExitStack() as stack:
        stack.callback(one.keep)
        yield {"event": "started", **{key: one.record[key] for key in ("id", "model", "layers")}}
        try:
            yield from one.events(stopped)
        except LayergramError as error:
            one.record |= {"status": "failed", "error": plain_error(error)}
            raise
        except GeneratorExit:
            raise
        except Exception:
            one.record["status"] = "failed"
            raise
        one.keep()
        numbers = {key: one.record[key] for key in ("id", "status", "seconds", "answer", "maps")}
        yield {"event": "done", **numbers}


class _Run:
    """One run and what is known of it so far."""

    def __init__(self, model: Model, request: RunRequest, history: History) -> None:
        self.model, self.request, self.history = model, request, history
        self.arrays: dict[str, xr.DataArray] = {}
        self.kept = False
        self.shown: set[str] = set()
        self.texts: tuple[str, ...] = ()
        self.record: Record = history.begin(
            {
                "status": "running",
                "request": request.model_dump(mode="json"),
                **{key: model.provenance()[key] for key in ("model", "revision", "dtype")},
                "layers": model.layers,
                "ids": [],
                "texts": [],
                "prompt_tokens": 0,
                "text": "",
                "answer": "",
                "seconds": 0.0,
                "maps": [],
            }
        )

    def events(self, stopped: Callable[[], bool]) -> Iterator[Event]:
        one = Trace(
            self.model,
            Source(prompt=self.request.prompt),
            measures=self.request.measures,
            run=self.request.run,
        )
        begun, step = time.monotonic(), None
        self.record["prompt_tokens"] = len(one.given)
        with closing(one.steps()) as steps:  # type: ignore[type-var]
            for step in steps:
                self._take(one, begun)
                yield self._told(step)
                if stopped():
                    break
            if step is not None:
                self.arrays = {str(name): array for name, array in step.maps.items()}
        early = one.tokens.ids[-1] not in self.model.stop_ids and stopped()
        self.record |= {"status": "stopped" if early else "done", "maps": list(self.arrays)}

    def _take(self, one: Trace, begun: float) -> None:
        read, given = one.tokens, len(one.given)
        whole = len(read) >= given
        starts = read.char_start[given] if len(read) > given else len(read.text)
        self.record |= {
            "ids": list(read.ids),
            "texts": list(read.texts),
            "text": read.text,
            "answer": read.text[starts:] if whole else "",
            "seconds": round(time.monotonic() - begun, 3),
        }

    def _told(self, step: TraceStep) -> Event:
        """The new tokens, new columns of the maps that the reader has, and maps that are new."""
        columns, read = step.columns, step.trace.tokens
        named = [name for name in columns if name not in self.shown]
        new = {name: array for name, array in (step.maps if named else {}).items() if name in named}
        grown = {name: columns[name] for name in columns if name in self.shown}
        self.shown |= set(new)
        # a later token can complete a character, which changes the texts of those before it
        pairs = zip(self.texts, read.texts, strict=False)
        same = next((at for at, (a, b) in enumerate(pairs) if a != b), len(self.texts))
        self.texts = read.texts
        return {
            "event": "columns",
            "start": same,
            "tokens": [
                {"text": read.texts[at], "id": read.ids[at], "part": read.parts[at]}
                for at in range(same, len(read))
            ],
            "seconds": self.record["seconds"],
            "views": page_data(new, worded=False)["maps"],
            "pieces": page_columns(grown),
        }

    def keep(self) -> None:
        """Write the run into the history, once."""
        if self.kept:
            return
        self.kept = True
        if self.record["status"] == "running":  # its reader has gone
            self.record["status"] = "stopped"
        self.history.finish(self.record, self.arrays)
