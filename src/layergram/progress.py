"""Progress callbacks for long-running work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Progress callback that does nothing."""


def stage_progress(progress: Progress, stage: str) -> Callable[[int, int], None]:
    """The callback of one stage: called with how much is done, and how much there is."""
    return lambda done, total: progress(stage, done, total)
