"""Text that fits a terminal: lines are wrapped at its width, and never in a pipe or a file."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap

NARROWEST = 20  # columns; in a narrower terminal nothing is wrapped
ITEM = re.compile(r"\s*(?:[-*] |\S+ {2,})?")
"""What a line begins with: its indent, and the sign of a list or a word with a gap behind it."""


def terminal_width() -> int | None:
    """Columns of the terminal that standard output goes to; ``None`` in a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def wrapped(text: str, width: int | None) -> str:
    """The text with every line wrapped; what follows in a list item hangs under its first word.

    Words are never broken, and rows of a Markdown table are left as they are.

    Args:
        text: one or more lines.
        width: columns; ``None`` leaves the text as it is.

    Example:
        >>> print(wrapped("  - The highest value is at layer 12.", 24))
          - The highest value is
            at layer 12.
        >>> wrapped("One long line.", None)
        'One long line.'
    """
    if width is None or width < NARROWEST:
        return text
    return "\n".join(_wrapped_line(line, width) for line in text.split("\n"))


def _wrapped_line(line: str, width: int) -> str:
    if len(line) <= width or line.startswith("|"):
        return line
    match = ITEM.match(line)
    indent = " " * (match.end() if match else 0)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
