"""Titles of panels in the room that they have: wrapped, shortened, and still distinct."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from itertools import takewhile

from layergram.figures.fonts import text_width

MOST_LINES = 3
NOUN = re.compile(r"\b[A-Z][a-z]* (?=\d)")  # before the number of a token, a head, a layer
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


def shortened(titles: Sequence[str], *, width: float, font_size: float) -> tuple[list[str], str]:
    """Titles of one short line, and a sentence about them; empty where they are whole.

    Nouns before numbers go first, then texts after a colon, then what does not fit; where titles
    that differ no longer would, panels are numbered.

    Args:
        titles: one per panel.
        width: of a panel, in inches.
        font_size: of the titles, in points.

    Example:
        >>> shortened(["Token 8: the", "Token 9: sun"], width=0.4, font_size=5)
        (['8: the', '9: sun'], 'The first panel is Token 8: the, the last Token 9: sun.')
    """
    span = f"{titles[0]}, the last {titles[-1]}."
    bare = [NOUN.sub("", title) for title in titles]
    for names in (list(titles), bare, [name.partition(": ")[0] for name in bare]):
        fits = all(text_width(name, font_size) <= width for name in names)
        if fits and len(set(names)) == len(set(titles)):
            return names, "" if names == list(titles) else f"The first panel is {span}"
    cut = [_cut(name, width, font_size) for name in bare]
    if len(set(cut)) == len(set(titles)):
        return cut, f"The first panel is {span}"
    numbers = [str(at) for at in range(1, len(titles) + 1)]
    return numbers, f"Panels are numbered row by row: the first is {span}"


def _cut(title: str, width: float, font_size: float) -> str:
    kept = len(title)
    while kept and text_width(cut := f"{title[:kept].rstrip()}…", font_size) > width:
        kept -= 1
    return title if text_width(title, font_size) <= width else cut


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
