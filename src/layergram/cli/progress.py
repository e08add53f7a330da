"""Progress bars on a terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


class ProgressBars(AbstractContextManager["ProgressBars"]):
    """One bar for each stage of a long run, on a terminal; nothing in a pipe."""

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

    def __enter__(self) -> ProgressBars:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.__exit__(*exception)

    def update(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar of a stage; ``None`` where it is open how much there is."""
        if self.shown:
            if stage not in self.tasks:
                self.tasks[stage] = self.bar.add_task(stage, total=total)
            self.bar.update(self.tasks[stage], completed=done)
