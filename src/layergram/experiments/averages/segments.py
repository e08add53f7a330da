"""Segments of a text that are comparable from one text to the next."""

from __future__ import annotations

import re

import numpy as np

from layergram.errors import LayergramError, unknown_name
from layergram.statistics.arrays import Numbers
from layergram.tokens import Tokens

SEGMENTS = {
    "tenths": "tenths of the text, by the position of a token among all tokens",
    "sentence": "sentences, by their number in the text",
    "edge": "the first token, the last one, and those between them",
    "whole": "the whole text",
    "part": "prompt and answer",
}
"""What the tokens of a text can be cut into, in words."""

GIVEN = {
    "role": "token role: what a token is to a question and its answer",
    "function": "the function of the step that an answer belongs to, at its content tokens",
}
"""What data can say of tokens: stored answers have roles, labelled steps have functions."""

BY = {**SEGMENTS, **GIVEN}
"""All that averages can be taken by."""

NEEDED = {"part": "answer", "role": "answer", "function": "main question"}
"""What data has to consist of for some of them."""

TENTHS = 10
NAMES = {
    "edge": ("first token", "between", "last token"),
    "whole": ("whole text",),
    "part": ("prompt", "answer"),
}
END = re.compile(
    r"""[.!?…]+["'”’)\]]*(?=\s)|[。！？]+["”’」）]*|(?<![.!?…"'”’)\]。！？」）\n])(?=\n)"""
)


def check_by(by: str, noun: str = "") -> None:
    """Refuse what averages cannot be taken by.

    Args:
        by: a key of :data:`BY`.
        noun: what is read: text, answer or main question; nothing where that is open.

    Raises:
        LayergramError: for a name that there is not, or that such data does not have.
    """
    if by not in BY:
        raise unknown_name("segment", by, BY)
    if noun and NEEDED.get(by, noun) != noun:
        raise LayergramError(
            f"averages by {by}",
            got=f"{noun}s",
            allowed="labelled steps" if by == "function" else "stored answers of a run of roles",
            do="give such data, or average by tenths, sentence, edge or whole",
        )


def segments_of(tokens: Tokens, by: str) -> Numbers:
    """The number of the segment that each token of a text belongs to, from 0.

    A token belongs to the sentence in which its first character stands; white space before a
    sentence is part of it. A text of one token has only a first token.

    Args:
        tokens: of the text.
        by: one of :data:`SEGMENTS`.

    Raises:
        LayergramError: for a segment that there is not.
    """
    at = np.arange(len(tokens))
    if by == "tenths":
        return np.asarray(TENTHS * at // len(tokens), dtype=np.intp)
    if by == "edge":
        return np.where(at == 0, 0, np.where(at == len(tokens) - 1, 2, 1)).astype(np.intp)
    if by == "part":
        return np.array([part == "answer" for part in tokens.parts], dtype=np.intp)
    if by == "whole":
        return np.zeros(len(tokens), dtype=np.intp)
    if by != "sentence":
        raise unknown_name("segment", by, SEGMENTS)
    ends = sorted({end.end() for end in END.finditer(tokens.text) if end.end()})
    starts = np.maximum.accumulate(np.maximum(np.array(tokens.char_start), 0))
    found = np.searchsorted(ends, starts, side="right")
    return np.unique(found, return_inverse=True)[1].astype(np.intp)


def segment_names(by: str, count: int) -> tuple[str, ...]:
    """What segments are called in pictures and words."""
    if by == "tenths":
        step = 100 // TENTHS
        return tuple(f"{at * step}–{(at + 1) * step} %" for at in range(count))
    if by == "sentence":
        return tuple(f"sentence {at}" for at in range(1, count + 1))
    return NAMES[by][:count]
