"""What a command is doing, in one line on a terminal; nothing in a pipe or a file."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

ERASE = "\r\x1b[K"  # back to the first column, and empty to the end of the line


class Phases(AbstractContextManager["Phases"]):
    """The phase of a command on standard error, each in the place of the last, gone at the end.

    Plain text: nothing has to be imported before the first phase is shown.
    """

    def __init__(self, silent: bool) -> None:
        self.shown = not silent and sys.stderr.isatty()

    def __exit__(self, *exception: Any) -> None:
        self.clear()

    def show(self, phase: str, done: int = 0, total: int | None = 0, unit: str = "") -> None:
        """Show a phase, and how much of it is done; ``None`` where it is open how much there is."""
        counted = f" {done:,}" + (f" of {total:,}" if total else "") + (f" {unit}" if unit else "")
        self._write(f"{ERASE}{phase}{counted if done else ''} …")

    def clear(self) -> None:
        """Leave the line empty, for what is printed next."""
        self._write(ERASE)

    def _write(self, text: str) -> None:
        if self.shown:
            sys.stderr.write(text)
            sys.stderr.flush()
