"""How far a long piece of work tells those who wait that it is."""

from __future__ import annotations

from collections.abc import Callable

Told = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is."""


def silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


def stage_of(told: Told, stage: str) -> Callable[[int, int], None]:
    """Tells how far one stage is."""
    return lambda done, total: told(stage, done, total)
