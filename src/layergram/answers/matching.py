"""Whether and where a reply contains an accepted answer.

An accepted answer is matched anywhere in the reply, ignoring case, as in the published method. Two
kinds of answers would match too often that way and have their own rule: a number matches only a
whole number of the reply with the same value, and one or two letters that stand for something (an
option, a chemical symbol) match only as a separate word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

NUMBER = re.compile(r"(?<![\w.])(?:(?<![)\]])[-−])?\d(?:[\d,]*\d)?(?:\.\d+)?(?!\d)")
SYMBOL_LETTERS = 2  # of an option or a chemical symbol, at most
Span = tuple[int, int]


def find_answer(reply: str, aliases: Sequence[str]) -> Span | None:
    """The characters of the earliest accepted answer in a reply, of the longest that starts there.

    Example:
        >>> find_answer("It is paris, I think.", ["Paris"]), find_answer("There are 19.", ["9"])
        ((6, 11), None)
        >>> find_answer("1,234.0 in all", ["1234"]), find_answer("It is He, not O.", ["O"])
        ((0, 7), (14, 15))
    """
    matches = [span for alias in aliases if (span := _find(reply, alias)) is not None]
    return min(matches, key=lambda span: (span[0], -span[1]), default=None)


def is_number(text: str) -> bool:
    """Whether a text is one number and nothing else."""
    return NUMBER.fullmatch(text.strip()) is not None


def find_numbers(reply: str) -> Iterator[tuple[float, Span]]:
    """The values of the numbers in a reply, with their characters.

    Example:
        >>> list(find_numbers("10-4 = 6, not -6.5"))
        [(10.0, (0, 2)), (4.0, (3, 4)), (6.0, (7, 8)), (-6.5, (14, 18))]
    """
    for match in NUMBER.finditer(reply):
        yield _value(match[0]), match.span()


def _value(number: str) -> float:
    return float(number.strip().replace(",", "").replace("−", "-"))  # digits of any script


def _find(reply: str, alias: str) -> Span | None:
    if is_number(alias):
        return next((span for value, span in find_numbers(reply) if value == _value(alias)), None)
    match = _pattern(alias).search(reply)
    return match.span() if match else None


@lru_cache(maxsize=4096)
def _pattern(alias: str) -> re.Pattern[str]:
    if alias.isascii() and alias.isalpha() and len(alias) <= SYMBOL_LETTERS:
        return re.compile(separate_letters(alias))
    loose = re.escape(alias).replace(r"\ ", r"\s+").replace("'", "['’ʻ]")
    return re.compile(loose, re.IGNORECASE)


def separate_letters(letters: str) -> str:
    """The pattern of letters that are a separate word, but not the words A and I of a sentence.

    Example:
        >>> [bool(re.search(separate_letters("A"), text)) for text in ("A) fig", "A fig")]
        [True, False]
    """
    word = r"(?!\s+(?!is\b)[a-z])(?!['’])" if letters in ("A", "I") else ""
    return rf"(?<![\w'’]){letters}(?!\w){word}"
