"""Text as it is compared: one form of every character and sign, with the places it came from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

SIGNS = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼʻ`´′", "'"),
        **dict.fromkeys("“”„‟«»″「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        **dict.fromkeys("⋅∙・", "·"),
        "⁄": "/", "∕": "/", "٫": ".", "٬": ",", "。": ".", "、": ",", "，": ",", "؟": "?",
        "！": "!",
        "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "ð": "d",
        "æ": "ae", "œ": "oe", "Æ": "Ae", "Œ": "Oe",
    }
)  # fmt: skip
ACCENTS = re.compile("[\u0300-\u036f\u064b-\u0652\u0670\u0640]")
"""Accents of Latin, Greek and Cyrillic letters, and vowel marks of Arabic."""

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
)
"""Characters of scripts that write words without spaces, or join particles to them."""

RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]")
VULGAR = re.compile("[¼-¾⅐-⅞]")
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")

Piece = int | str
REWRITES: tuple[tuple[re.Pattern[str], tuple[Piece, ...]], ...] = tuple(
    (re.compile(pattern), pieces)
    for pattern, pieces in (
        (r"\{,\}", (",",)),
        (r"\\(?:left|right|displaystyle|[bB]ig+[lr]?)(?![a-zA-Z])|\\[()\[\]!]", ()),
        (r"\\[,;: ]|~|\\q?quad(?![a-zA-Z])", (" ",)),
        (r"(?<![\\\w])\$\$?(?=\S)([^$\n]{1,80}?)(?<![\\\s])\$\$?(?!\d)", (1,)),
        (r"\\([$%#&_])", (1,)),
        (r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", (1, "/", 2)),
        (r"\\[dtc]?frac\s*(\d)\s*(\d)", (1, "/", 2)),
        (r"\\sqrt\s*\{([^{}]*)\}", ("√", 1)),
        (r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|emph)\s*\{([^{}]*)\}", (1,)),
        (r"\\(?:times|cdot)(?![a-zA-Z])", ("×",)),
        (r"\\pi(?![a-zA-Z])", ("π",)),
        (r"\\(?:implies|Rightarrow|rightarrow|to)(?![a-zA-Z])", ("⇒",)),
        (r"\^\s*\{?\\circ\}?|\\degree", ("°",)),
        (r"\^\s*\{\s*([^{}]*)\}", ("^", 1)),
        (r"(?<=[A-Za-z])_\{?(\d+)\}?", (1,)),
        (r"(?<!\d)\*{2,3}|\*{2,3}(?!\d)", ()),
        (r"(?<!\d)\*(?=\S)|(?<=\S)\*(?!\s*\d)", ()),  # emphasis; 2*3 stays
        (r"(?<![^\W_])_+(?=\S)|(?<=\S)_+(?![^\W_])", ()),
        (r"[ \t]{2,}", (" ",)),
        (r"\n{3,}", ("\n\n",)),
        (rf"(?<=[{UNSPACED}])(?=[^\W_{UNSPACED}])|(?<=[^\W_{UNSPACED}])(?=[{UNSPACED}])", (" ",)),
    )
)
"""Patterns of LaTeX and Markdown, and what stands for them: numbers are groups that stay."""


@dataclass(frozen=True)
class Normal:
    """A text in the form in which texts are compared.

    Attributes:
        text: without accents, LaTeX commands and signs of Markdown; quotes, dashes, digits and
            widths in one form. Capitals stay.
        places: for every character of it, where it begins and ends in the original.
        original: what it was made from.
    """

    text: str
    places: tuple[tuple[int, int], ...]
    original: str

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that a piece of ``text`` stands for."""
        pieces = self.places[start:end]
        first, last = min(at for at, _ in pieces), max(at for _, at in pieces)
        piece = self.original[first:last]
        if piece.count("{") > piece.count("}") and self.original[last : last + 1] == "}":
            last += 1  # of \text{…}
        return first, last


@lru_cache(maxsize=4096)
def normal(text: str) -> Normal:
    """A text in the form in which it is compared.

    Example:
        >>> normal("N’Djaména: **１{,}234** \\\\frac{1}{2}").text
        "N'Djamena: 1,234 1/2"
        >>> found = normal("It is \\\\frac{1}{2}.")
        >>> found.text[6:9], found.original[slice(*found.span(6, 9))]
        ('1/2', '\\\\frac{1}{2}')
    """
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    raised = False
    for start, end in _clusters(text):
        cluster = text[start:end]
        power = RAISED.fullmatch(cluster) is not None
        plain = "" if INVISIBLE.fullmatch(cluster) else _plain(cluster)
        if VULGAR.fullmatch(cluster):
            plain = f" {plain}"
        if power and not raised:
            plain = f"^{plain}"
        raised = power
        letters += plain
        places += [(start, end)] * len(plain)
    found = "".join(letters)
    for pattern, pieces in REWRITES:
        if pattern.search(found):
            found, places = _rewritten(found, places, pattern, pieces)
    return Normal(found, tuple(places), text)


def _clusters(text: str) -> list[tuple[int, int]]:
    """Each character with the marks that belong to it."""
    starts = [
        at
        for at, letter in enumerate(text)
        if not at or not (unicodedata.combining(letter) or "\u1160" <= letter <= "\u11ff")
    ]
    return list(pairwise([*starts, len(text)]))


def _plain(cluster: str) -> str:
    """A character without its accents, in its common form."""
    whole = unicodedata.normalize("NFKC", cluster.translate(SIGNS))
    if not whole.isascii() and whole[0].isalpha():
        bare = ACCENTS.sub("", unicodedata.normalize("NFD", whole))
        whole = unicodedata.normalize("NFC", bare)
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in whole)
    return "".join(digits).translate(SIGNS)


def _rewritten(
    text: str,
    places: Sequence[tuple[int, int]],
    pattern: re.Pattern[str],
    pieces: Sequence[Piece],
) -> tuple[str, list[tuple[int, int]]]:
    """The text with every match of a pattern replaced; what stands for it has its whole place."""
    out: list[str] = []
    kept: list[tuple[int, int]] = []
    done = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        out.append(text[done:start])
        kept += places[done:start]
        if start < end:
            whole = (places[start][0], places[end - 1][1])
        else:
            whole = (places[start][0], places[start][0])
        for piece in pieces:
            if isinstance(piece, int):
                out.append(match[piece])
                kept += places[slice(*match.span(piece))]
            else:
                out.append(piece)
                kept += [whole] * len(piece)
        done = end
    out.append(text[done:])
    kept += places[done:]
    return "".join(out), kept
