"""Whether and where a reply names an accepted answer.

A text is found anywhere, whatever its capitals, as the published method does it. What that would
get wrong goes by rules of its own: a number is compared as a whole number with the numbers of the
reply, and letters that stand for something (an option, a chemical symbol) are words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

NUMBER = re.compile(r"(?<![\w.])(?:(?<![)\]])[-−])?\d(?:[\d,]*\d)?(?:\.\d+)?(?!\d)")
MOST_LETTERS = 2
Span = tuple[int, int]


def mention(reply: str, aliases: Sequence[str]) -> Span | None:
    """The characters of the earliest accepted answer in a reply, the longest where two start there.

    Example:
        >>> mention("It is paris, I think.", ["Paris"]), mention("There are 19.", ["9"])
        ((6, 11), None)
        >>> mention("1,234.0 in all", ["1234"]), mention("It is He, not O.", ["O"])
        ((0, 7), (14, 15))
    """
    found = [span for alias in aliases if (span := _find(reply, alias)) is not None]
    return min(found, key=lambda span: (span[0], -span[1]), default=None)


def is_number(text: str) -> bool:
    """Whether a text is one number and nothing else."""
    return NUMBER.fullmatch(text.strip()) is not None


def numbers(reply: str) -> Iterator[tuple[float, Span]]:
    """The whole numbers of a reply with their characters.

    Example:
        >>> list(numbers("10-4 = 6, not -6.5"))
        [(10.0, (0, 2)), (4.0, (3, 4)), (6.0, (7, 8)), (-6.5, (14, 18))]
    """
    for found in NUMBER.finditer(reply):
        yield number(found[0]), found.span()


def number(text: str) -> float:
    """The number that a text is; digits of every script count."""
    return float(text.strip().replace(",", "").replace("−", "-"))


def _find(reply: str, alias: str) -> Span | None:
    if is_number(alias):
        wanted = number(alias)
        return next((span for value, span in numbers(reply) if value == wanted), None)
    found = _pattern(alias).search(reply)
    return found.span() if found else None


@lru_cache(maxsize=4096)
def _pattern(alias: str) -> re.Pattern[str]:
    if alias.isascii() and alias.isalpha() and len(alias) <= MOST_LETTERS:
        return re.compile(lone_letters(alias))
    loose = re.escape(alias).replace(r"\ ", r"\s+").replace("'", "['’ʻ]")
    return re.compile(loose, re.IGNORECASE)


def lone_letters(letters: str) -> str:
    """The pattern of letters that stand alone; A and I only where they are not words.

    Example:
        >>> [bool(re.search(lone_letters("A"), text)) for text in ("A) fig", "A fig")]
        [True, False]
    """
    word = r"(?!\s+(?!is\b)[a-z])(?!['’])" if letters in ("A", "I") else ""
    return rf"(?<![\w'’]){letters}(?!\w){word}"
