"""Columns of tokens joined to words or sentences, and the columns of one part of a text."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps.build import check, options_of
from layergram.maps.vocabulary import By, TextPart

MASSES = frozenset(("attention_from", "attention_rollout"))
"""Measures whose values over all tokens come to 1."""

WORD = re.compile(r"\\a+\*?\{?|[a0]+(?:['’]a+|(?<=0)[.,]0+)*|字|([^a0字\s])\1*")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]}*]*(?=\s|$)|[。！？｡؟۔।॥።]+[\"'”’»)\]）」』】]*|\n+")
OWN_WORDS = ("CJK UNIFIED", "CJK COMPAT", "HIRAGANA", "KATAKANA")
TEXTS = ("token_text", "char_start", "char_end", "part")
HOW = {
    "first": "the value of its first piece, which is where the {} is predicted",
    "sum": "the sum over its tokens",
    "mean": "the mean over its tokens",
}


@dataclass(frozen=True)
class Pieces:
    """The tokens of a map: their characters in the text, their texts and their parts."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    texts: Sequence[str]
    parts: Sequence[str]

    @classmethod
    def of(cls, array: xr.DataArray) -> Pieces:
        """The pieces that the coordinates name; without offsets the texts stand side by side."""
        texts = [str(text) for text in array["token_text"].values]
        parts = _on_tokens(array, "part", [""] * len(texts))
        text = str(array.attrs.get("text", ""))
        starts = _on_tokens(array, "char_start", [])
        ends = _on_tokens(array, "char_end", [])
        if not starts or not ends or max(ends) > len(text):
            text = "".join(texts)
            ends = np.cumsum([len(piece) for piece in texts]).tolist()
            starts = [0, *ends[:-1]]
        return cls(text, starts, ends, texts, parts)

    def joined(self, first: int, last: int) -> str:
        """The text of a run of tokens, both ends included."""
        if self.starts[first] < self.ends[last]:
            return self.text[self.starts[first] : self.ends[last]]
        return "".join(self.texts[first : last + 1])


def join_tokens(array: xr.DataArray, *, by: By = "word") -> xr.DataArray:
    r"""A map whose columns are words or sentences instead of tokens.

    A word is a run of letters and digits of any script, with an apostrophe or a decimal mark
    inside; a Chinese or Japanese character; a run of one other sign; or a LaTeX command with its
    brace, such as ``\boxed{``. White space belongs to the word after it, a line break is a column
    of its own. A sentence ends with ``. ! ? …`` before white space, with ``。！？`` and their kin
    in other scripts, and with a line break; abbreviations are not known. A token is never cut, and
    no column has tokens of the prompt and of the answer.

    Args:
        array: a map with the axis ``token`` and the coordinate ``token_text``.
        by: ``"word"`` or ``"sentence"``.

    Returns:
        The map with fewer columns, each labelled with the position of its first token. A word of
        a map of predictions (``alignment`` is ``"predicts"``) has the value of its first piece
        that is not white space; attention from a query has the sum; everything else has the mean
        of the tokens that have a value. ``token_text``, ``char_start``, ``char_end`` and ``part``
        are those of the whole column; the attribute ``joined`` says how values were joined.

    Raises:
        LayergramError: for a map without tokens or their texts, or another ``by``.

    Example:
        >>> from layergram.maps import make
        >>> texts = {"token_text": ("token", ["un", "able", " to"])}
        >>> m = make([[0.25, 0.75, 0.5]], ("layer", "token"), measure="level", coords=texts)
        >>> words = join_tokens(m)
        >>> words.values.tolist(), words.token_text.values.tolist(), words.token.values.tolist()
        ([[0.5, 0.5]], ['unable', ' to'], [0, 2])
    """
    if by not in get_args(By):
        raise unknown_name("way to join tokens", by, get_args(By))
    check(array)
    if "token" not in array.dims or array.coords.get("token_text", array).dims != ("token",):
        raise LayergramError(
            f"columns of {by}s",
            got=f"a map of {', '.join(map(str, array.dims))} without the texts of its tokens",
            allowed="a map with the axis token and the coordinate token_text",
        )
    pieces = Pieces.of(array)
    first = columns_of(pieces, by)
    ends = [*first[1:], len(pieces.texts)]
    measure = str(array.attrs.get("of", array.attrs["measure"]))
    how = "mean"
    if measure in MASSES:
        how = "sum"
    elif by == "word" and array.attrs.get("alignment") == "predicts":
        how = "first"
    shown = [
        next((at for at in range(a, b) if pieces.texts[at].strip()), a)
        for a, b in zip(first, ends, strict=True)
    ]
    result = array.isel(token=shown)
    if how != "first":
        axis = array.dims.index("token")
        result = result.copy(data=_reduced(array.values, first, axis, how))
    return _named(result, array, pieces, first, how=how, by=by)


def _named(
    result: xr.DataArray,
    array: xr.DataArray,
    pieces: Pieces,
    first: Sequence[int],
    *,
    how: str,
    by: By,
) -> xr.DataArray:
    """The joined values with the coordinates of whole columns, and how they were joined."""
    last = [*(at - 1 for at in first[1:]), len(pieces.texts) - 1]
    spans = list(zip(first, last, strict=True))
    joined = [pieces.joined(a, b) for a, b in spans]
    gone = [
        name
        for name, coord in result.coords.items()
        if "token" in coord.dims and name != "token" and (how != "first" or name == "token_id")
    ]
    coords: dict[Hashable, Any] = {
        "token": array["token"].values[list(first)],
        "token_text": (
            "token",
            np.array([text.strip() if by == "sentence" else text for text in joined], dtype=object),
        ),
    }
    if "char_start" in array.coords:
        coords["char_start"] = ("token", array["char_start"].values[list(first)])
        coords["char_end"] = ("token", array["char_end"].values[last])
    if "part" in array.coords:
        coords["part"] = ("token", array["part"].values[list(first)])
    if "rounding" in array.coords and how != "first":
        floor = array["rounding"].transpose(*array.dims).values
        axis = array.dims.index("token")
        coords["rounding"] = (array.dims, _reduced(floor, first, axis, how))
    said = f"A column is a {by}: it shows {HOW[how].format(by)}."
    result = result.drop_vars(gone).assign_coords(coords)
    attrs = {k: v for k, v in result.attrs.items() if not k.startswith("deep_thinking_")}
    if "deep_thinking_layer" in result.attrs:
        attrs["deep_thinking_layer"] = result.attrs["deep_thinking_layer"]
    result.attrs = {**attrs, "joined_by": by, "joined": said}
    return result


def _reduced(
    values: npt.NDArray[Any], first: Sequence[int], axis: int, how: str
) -> npt.NDArray[Any]:
    """Sum or mean of each run along an axis; NaN only where a run has no value."""
    known = np.isfinite(values)
    total = np.add.reduceat(np.where(known, values, 0).astype(np.float64), first, axis)
    count = np.add.reduceat(known.astype(int), first, axis)
    reduced = total / np.maximum(count, 1) if how == "mean" else total
    return np.where(count, reduced, np.nan).astype(values.dtype)


def columns_of(pieces: Pieces, by: By) -> list[int]:
    """The first token of every column."""
    unit_start = word_starts(pieces.text) if by == "word" else sentence_starts(pieces.text)
    first: list[int] = []
    done, follows, previous = 0, False, ""
    for at, (start, end) in enumerate(zip(pieces.starts, pieces.ends, strict=True)):
        piece = pieces.text[start:end]
        blank = bool(piece) and not piece.strip()
        line = by == "word" and "\n" in piece and blank
        if not piece or line:  # a token that is not in the text, or a line break
            new, follows_next = start >= done or not piece, False
        elif blank:
            new, follows_next = by == "word" and not follows, by == "word"
        else:
            begin = next(i for i in range(start, end) if not pieces.text[i].isspace())
            new, follows_next = unit_start[begin] >= done and not follows, False
            if begin > start and piece[: begin - start].strip(" ") and by == "word":
                new = True  # a line break at the head of a token ends the word before it
        if not first or new or pieces.parts[at] != previous:
            first.append(at)
        previous, follows = pieces.parts[at], follows_next
        done = max(done, end)
    return first


def word_starts(text: str) -> list[int]:
    """For each character where its word begins; for white space, its own place."""
    starts = list(range(len(text)))
    for found in WORD.finditer(_classes(text)):
        starts[found.start() : found.end()] = [found.start()] * (found.end() - found.start())
    return starts


def _classes(text: str) -> str:
    """Letters as a, digits as 0, characters that are words as 字, other signs as they are."""
    classes = ""
    for char in text:
        kind = unicodedata.category(char)
        if kind[0] == "M" or kind == "Cf":
            classes += classes[-1:].strip() or "a"
        elif kind == "Nd":
            classes += "0"
        elif unicodedata.name(char, "").startswith(OWN_WORDS):
            classes += "字"
        else:
            classes += "a" if kind[0] in "LN" or char == "_" else char
    return classes


def sentence_starts(text: str) -> list[int]:
    """For each character where its sentence begins."""
    ends = [found.end() for found in SENTENCE_END.finditer(text)]
    begins = [0]
    for end in ends:
        begin = next((i for i in range(end, len(text)) if not text[i].isspace()), len(text))
        if begin > begins[-1]:
            begins.append(begin)
    return [begins[bisect_right(begins, at) - 1] for at in range(len(text))]


def part_of(array: xr.DataArray, part: TextPart) -> xr.DataArray:
    """The columns of one part of a text.

    Args:
        array: a map with the axis ``token``.
        part: ``"prompt"``, ``"answer"``, ``"without_template"`` for what the user and the model
            wrote, without the tokens that the chat template puts around the prompt; or ``"all"``.

    Raises:
        LayergramError: for a map that does not have the part.
    """
    if part not in get_args(TextPart):
        raise unknown_name("part of a text", part, get_args(TextPart))
    if part == "all":
        return array
    known = _on_tokens(array, "part", [])
    keep = np.array([one == part for one in known], dtype=bool)
    if part == "without_template":
        keep = ~in_template(array)
    if not known or not keep.any():
        parts = ", ".join(dict.fromkeys(known))
        raise LayergramError(
            f"the part '{part}' of the tokens",
            got=f"a map of {parts}" if parts else "a map that does not say the parts of its tokens",
            allowed="a map of a prompt and its answer",
            do="draw all parts, or make the map with a prompt",
        )
    return array.isel(token=np.flatnonzero(keep))


def in_template(array: xr.DataArray) -> npt.NDArray[np.bool_]:
    """The tokens of the prompt that are not the user's own words; none where nothing says."""
    parts = _on_tokens(array, "part", [])
    prompt = str(options_of(array, "run").get("prompt", "")).strip()
    text = str(array.attrs.get("text", ""))
    starts, ends = (_on_tokens(array, name, []) for name in ("char_start", "char_end"))
    answered = [end for end, part in zip(ends, parts, strict=False) if part == "prompt"]
    at = text.rfind(prompt, 0, max(answered, default=0)) if prompt else -1
    if at < 0 or not starts or not parts:
        return np.zeros(array.sizes.get("token", 0), dtype=bool)
    mine = [s < at + len(prompt) and at < e for s, e in zip(starts, ends, strict=True)]
    return np.array([p == "prompt" and not own for p, own in zip(parts, mine, strict=True)])


def _on_tokens(array: xr.DataArray, name: str, otherwise: list[Any]) -> list[Any]:
    """The values of a coordinate of the tokens."""
    if name not in array.coords or array[name].dims != ("token",):
        return otherwise
    return list(array[name].values.tolist())
