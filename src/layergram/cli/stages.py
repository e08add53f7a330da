"""How far a long run is."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class Stages(AbstractContextManager["Stages"]):
    """How far each stage of a long run is, on a terminal; silent in a pipe."""

    def __init__(self, silent: bool) -> None:
        self.bar: Any = nullcontext()
        self.tasks: dict[str, Any] = {}
        self.shown = not silent and sys.stderr.isatty()
        if self.shown:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Stages:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.__exit__(*exception)

    def told(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if self.shown:
            if stage not in self.tasks:
                self.tasks[stage] = self.bar.add_task(stage, total=total)
            self.bar.update(self.tasks[stage], completed=done)
