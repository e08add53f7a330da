"""Titles of panels in the room that they have: wrapped, shortened, and still distinct."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from itertools import takewhile

MOST_LINES = 3
CHARACTER = 0.6  # of the font size: width of a character that few texts exceed


def fitted(titles: Sequence[str], *, width: float, font_size: float) -> list[str]:
    """The titles in lines that fit above a panel; what is left out of a long one is ``…``.

    Args:
        titles: one per panel.
        width: of a panel, in inches.
        font_size: of the titles, in points.

    Returns:
        At most three lines each. Titles that differ still do: a common beginning goes first, and
        where that is not enough, the number of the panel stands before them.

    Example:
        >>> fitted(["Retrieval", "Recall"], width=2, font_size=8)
        ['Retrieval', 'Recall']
        >>> fitted(["accuracy on the first of them", "b"], width=1, font_size=8)
        ['accuracy on the\\nfirst of them', 'b']
    """
    wide = any(unicodedata.east_asian_width(c) in "WF" for title in titles for c in title)
    characters = max(6, int(width * 72 / (font_size * CHARACTER * (2 if wide else 1))))
    kinds = len(set(titles))
    for names in _shorter(titles):
        lines = [_wrapped(name, characters) for name in names]
        if len(set(lines)) == kinds:
            return lines
    return [_wrapped(f"{at}: {title}", characters) for at, title in enumerate(titles, start=1)]


def _shorter(titles: Sequence[str]) -> list[list[str]]:
    """The titles, and the same without the beginning that the long ones share."""
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*titles, strict=False))
    common = "".join(letters[0] for letters in same).rpartition(" ")[0]
    return [list(titles), [f"…{title[len(common) :].lstrip()}" for title in titles]]


def _wrapped(title: str, characters: int) -> str:
    """The title in lines, with its middle left out if there would be too many."""
    lines = textwrap.wrap(title, characters)
    kept = len(title)
    while len(lines) > MOST_LINES:
        kept -= 1
        head = kept // 2
        lines = textwrap.wrap(f"{title[:head]}…{title[len(title) - (kept - head) :]}", characters)
    return "\n".join(lines) if len(lines) > 1 else title
