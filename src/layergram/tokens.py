"""Tokens as pieces of a text: the characters each one covers, and how it is displayed.

Positions come from the tokenizer's offsets into the text, or from decoding; the spelling of the
vocabulary (``Ġand``, ``▁and``, ``Ċ``) is never shown. A tokenizer is any object with the interface
of a transformers tokenizer; nothing is imported here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal

from layergram.errors import LayergramError

BROKEN = "\ufffd"  # what decoders write for bytes that are not (yet) a character
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
VISIBLE_SPACES = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"}
LONGEST_RUN = 3


@lru_cache(maxsize=16384)  # the same few tokens are named again and again
def display(text: str) -> str:
    r"""One token as a label, with visible white space and control characters.

    A single space before a word marks the word's beginning and is not shown. All other white
    space at an end of the token is: ``␣`` for a space, ``↵`` for a newline, ``⇥`` for a tab, with
    ``×n`` for more than three of them. Control characters become their pictures (``␀``), other
    characters without a shape of their own become ``U+200D``, a mark without its letter stands on
    ``◌``, and nothing at all is ``∅``. Letters of every script, emoji and LaTeX stay as they are.

    Example:
        >>> [display(t) for t in [" and", " ", "\n\n", "\n        ", "\\boxed{", "你", ""]]
        ['and', '␣', '↵↵', '↵␣×8', '\\boxed{', '你', '∅']
    """
    if not text:
        return "∅"
    if text[0] == " " and len(text) > 1 and not text[1].isspace():
        text = text[1:]
    inside = range(len(text) - len(text.lstrip()), len(text.rstrip()))
    shown, named = "", False
    at = 0
    for char, run in groupby(text):
        count = len(list(run))
        based = bool(shown) and not named and not shown[-1].isspace()
        piece = _run(char, count, inside=at in inside, based=based)
        apart = shown and (named or piece.startswith("U+")) and not piece.startswith(" ")
        shown += f" {piece}" if apart else piece
        named = piece.startswith("U+")
        at += count
    return shown


def _run(char: str, count: int, *, inside: bool, based: bool) -> str:
    """``count`` times the same character, made visible; ``based``: a letter stands before it."""
    kind = unicodedata.category(char)
    if char == " " and inside and count == 1:
        return char
    if char in VISIBLE_SPACES:
        shown = VISIBLE_SPACES[char]
        return shown * count if count <= LONGEST_RUN else f"{shown}×{count}"
    if char < " ":
        return chr(0x2400 + ord(char)) * count
    if char == "\x7f":
        return "␡" * count
    name = " ".join([f"U+{ord(char):04X}"] * count)
    if kind in ("Cc", "Cs", "Co", "Zl", "Zp") or char in BIDI_CONTROLS:
        return name
    if kind == "Zs":
        return char * count if inside else name
    if kind == "Cf" or unicodedata.name(char, "").startswith("VARIATION SELECTOR"):
        return char * count if based else name
    if kind.startswith("M") and not based:
        return "◌" + char * count
    return char * count


@dataclass(frozen=True)
class Tokens:
    """A tokenised text: the id, text and characters of each token.

    Args:
        ids: vocabulary ids.
        texts: each token's piece of the text, its leading space included. A token of only some
            bytes of a character is numbered: ``'🙂 2/3'``. A special token that is not in the text
            has its spelling in the vocabulary.
        char_start: first character of each token in ``text``.
        char_end: one past the last; equal to ``char_start`` for tokens that are not in the text.
        parts: ``'prompt'`` or ``'answer'`` for each token.
        text: the text.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    char_start: tuple[int, ...]
    char_end: tuple[int, ...]
    parts: tuple[str, ...]
    text: str

    def __len__(self) -> int:
        return len(self.ids)


def encode(
    tokenizer: Any, text: str, *, special: Literal["model default", "none"] = "model default"
) -> Tokens:
    """Tokenise a text, with the characters that each token covers.

    Args:
        tokenizer: one of transformers. Its offsets are used if it has them; otherwise the ids are
            decoded one by one, and ``Tokens.text`` is the decoded text, which can differ from
            ``text``.
        text: the text.
        special: ``"model default"`` adds the tokens that the model expects around a text,
            ``"none"`` adds none.

    Returns:
        Tokens, all with the part ``'prompt'``. With offsets the tokens cover the text from left to
        right; characters that the offsets leave out belong to the token after them, and the last
        ones to the last token.

    Raises:
        LayergramError: for a text with half of a character in it (a lone surrogate).
    """
    check_characters(text)
    add = special == "model default"
    if not getattr(tokenizer, "is_fast", False):
        return _encode_by_decoding(tokenizer, text, add=add)
    encoding = tokenizer(text, add_special_tokens=add, return_offsets_mapping=True, verbose=False)
    ids = tuple(map(int, encoding["input_ids"]))
    spans = _tiled(tokenizer, text, ids, encoding["offset_mapping"])
    texts = _pieces(text, spans)
    added = set(tokenizer.all_special_ids)
    for at, (start, end) in enumerate(spans):
        if start == end and ids[at] in added:
            texts[at] = str(tokenizer.convert_ids_to_tokens(ids[at]))
    starts, ends = tuple(s for s, _ in spans), tuple(e for _, e in spans)
    return Tokens(ids, tuple(texts), starts, ends, ("prompt",) * len(ids), text)


def check_characters(text: str) -> None:
    """Refuse a text that cannot be written as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LayergramError(
            f"to read a text of {len(text)} characters",
            got=f"half of a character (a lone surrogate, U+{ord(text[error.start]):04X}) at "
            f"character {error.start}",
            allowed="text that can be written as UTF-8",
            do="remove it, or decode the text again from its bytes",
        ) from None


def _tiled(
    tokenizer: Any, text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The offsets, extended to the characters that they leave out, special tokens in place."""
    special = set(tokenizer.all_special_ids)
    spans: list[tuple[int, int]] = []
    done = 0
    for at, (start, end) in enumerate(offsets):
        if start == end and ids[at] in special:
            spans.append((done, done))
            continue
        if start > done:
            start = done
        follows = at + 1 < len(offsets) and offsets[at + 1][0] < end
        if follows and text[start:end].strip() and not decode(tokenizer, [ids[at]]).strip():
            end = start  # a word-boundary mark that the text has no character for
        spans.append((start, end))
        done = max(done, end)
    last = max((at for at, (start, end) in enumerate(spans) if end > start), default=None)
    if last is not None and done < len(text):
        spans[last] = (spans[last][0], len(text))
    return spans


def _pieces(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """The text of each span; characters that several spans share are numbered '🙂 1/3'."""
    owners: dict[int, list[int]] = {}
    for token, (start, end) in enumerate(spans):
        for at in range(start, end):
            owners.setdefault(at, []).append(token)

    def owners_of(at: int) -> list[int]:
        return owners[at]

    pieces = []
    for token, (start, end) in enumerate(spans):
        piece = ""
        for shared, run in groupby(range(start, end), key=owners_of):
            chars = "".join(text[at] for at in run)
            piece += _numbered(chars, shared.index(token), len(shared))
        pieces.append(piece)
    return pieces


def _numbered(chars: str, index: int, count: int) -> str:
    return chars if count == 1 else f"{chars} {index + 1}/{count}"


def _encode_by_decoding(tokenizer: Any, text: str, *, add: bool) -> Tokens:
    """Without offsets: the tokens of the text by decoding, and the special tokens around it."""
    plain = [int(i) for i in tokenizer(text, add_special_tokens=False)["input_ids"]]
    full = plain
    if add:
        full = [int(i) for i in tokenizer(text, add_special_tokens=True)["input_ids"]]
    size = len(plain)
    at = next((k for k in range(len(full) - size + 1) if full[k : k + size] == plain), None)
    if at is None:
        at, plain = 0, full
    texts, starts, ends, decoded = texts_of(tokenizer, plain)
    before, after = full[:at], full[at + len(plain) :]
    length = len(decoded)
    return Tokens(
        tuple(full),
        (*_spelled(tokenizer, before), *texts, *_spelled(tokenizer, after)),
        (*(0,) * len(before), *starts, *(length,) * len(after)),
        (*(0,) * len(before), *ends, *(length,) * len(after)),
        ("prompt",) * len(full),
        decoded,
    )


def _spelled(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    return [str(tokenizer.convert_ids_to_tokens(i)) for i in ids]


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of ids, special tokens and spaces as they are."""
    text = tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return str(text)


def texts_of(
    tokenizer: Any, ids: Sequence[int], *, before: Sequence[int] = ()
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...], str]:
    """The pieces of text that generated ids stand for, without tokenising the text again.

    Args:
        tokenizer: one of transformers.
        ids: the ids.
        before: the ids before them, so that the first piece keeps its leading space.

    Returns:
        ``(texts, char_start, char_end, text)``: each token's piece, its characters in ``text``,
        and the whole text. Tokens that together make one character share its position and are
        numbered; bytes that never become a character are ``'\N{REPLACEMENT CHARACTER}'``.
    """
    spans: list[list[int]] = [[0, 0] for _ in ids]
    text = ""
    # One complete token (so that a leading space is kept) and the ids since the last complete
    # character are decoded; bytes of earlier characters would corrupt those that follow.
    context = _last_complete(tokenizer, before)
    decoded = decode(tokenizer, context)
    group: list[int] = []
    pending: list[int] = []  # positions with bytes of an incomplete character
    for at, token_id in enumerate(ids):
        group.append(token_id)
        fresh = decode(tokenizer, [*context, *group])[len(decoded) :]
        whole = fresh.rstrip(BROKEN)
        single = decode(tokenizer, [token_id])
        byte = not single and _is_byte(tokenizer, token_id)
        spans[at] = [len(text), len(text) + len(whole)]
        if pending and whole:
            shared = len(text) + max(1, len(whole) - len(whole.lstrip(BROKEN)))
            for token in pending:
                spans[token][1] = shared
            if not (single.startswith(BROKEN) or byte):
                spans[at][0] = shared
            pending = []
        text += whole
        decoded += whole
        if fresh != whole or (byte and not whole):
            pending.append(at)
            continue
        context = context if BROKEN in single or byte else [token_id]
        group, decoded = [], decode(tokenizer, context)
    if pending:
        text += BROKEN
        for token in pending:
            spans[token][1] = len(text)
    pieces = _pieces(text, [(start, end) for start, end in spans])
    return tuple(pieces), tuple(s for s, _ in spans), tuple(e for _, e in spans), text


def _last_complete(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """The last id, within a character's length of the end, that decodes to whole characters."""
    for token_id in reversed(ids[-5:]):
        single = decode(tokenizer, [token_id])
        if BROKEN not in single and not (not single and _is_byte(tokenizer, token_id)):
            return [token_id]
    return []


def _is_byte(tokenizer: Any, token_id: int) -> bool:
    """Whether a token that decodes to nothing is a byte of a longer character (as in ByT5)."""
    spelled = tokenizer.convert_ids_to_tokens(token_id)
    return isinstance(spelled, str) and len(spelled) == 1 and 0x80 <= ord(spelled) <= 0xFF


def from_ids(tokenizer: Any, ids: Sequence[int]) -> Tokens:
    """Token ids as they are, with the text that they decode to; all have the part ``'prompt'``."""
    nothing = Tokens((), (), (), (), (), "")
    found = append(tokenizer, nothing, ids)
    return replace(found, parts=("prompt",) * len(found))


def append(tokenizer: Any, tokens: Tokens, ids: Sequence[int]) -> Tokens:
    """The tokens followed by generated ids, whose part is ``'answer'``."""
    texts, starts, ends, text = texts_of(tokenizer, ids, before=tokens.ids)
    shift = len(tokens.text)
    return replace(
        tokens,
        ids=(*tokens.ids, *map(int, ids)),
        texts=tokens.texts + texts,
        char_start=(*tokens.char_start, *(s + shift for s in starts)),
        char_end=(*tokens.char_end, *(e + shift for e in ends)),
        parts=tokens.parts + ("answer",) * len(texts),
        text=tokens.text + text,
    )


def cut(tokens: Tokens, start: int, end: int) -> Tokens:
    """The tokens from ``start`` on before ``end``; their places are still those in the whole text.

    Example:
        >>> cut(Tokens((1, 2), ("a", "b"), (0, 1), (1, 2), ("prompt",) * 2, "ab"), 1, 2).texts
        ('b',)
    """
    fields = ("ids", "texts", "char_start", "char_end", "parts")
    return replace(tokens, **{name: getattr(tokens, name)[start:end] for name in fields})


def positions(tokens: Tokens, start: int, end: int) -> range:
    """The positions of the tokens that cover the characters ``start`` to ``end`` (excluded).

    Raises:
        LayergramError: if the span is empty or outside the text, or no token covers it.
    """
    asked = f"the tokens of the characters {start} to {end}"
    if not 0 <= start < end <= len(tokens.text):
        raise LayergramError(
            asked,
            got=f"a text of {len(tokens.text)} characters",
            allowed="a start before the end, both inside the text",
        )
    touched = [
        at
        for at, (s, e) in enumerate(zip(tokens.char_start, tokens.char_end, strict=True))
        if s < end and start < e
    ]
    if not touched:
        raise LayergramError(
            asked, got=f"no token for {tokens.text[start:end]!r}", do="choose a span with letters"
        )
    return range(touched[0], touched[-1] + 1)


def find(tokens: Tokens, needle: str, *, occurrence: int = 0) -> range:
    """The positions of a piece of the text: its first occurrence (0), second (1), … or last (-1).

    Raises:
        LayergramError: if it is not in the text, or not that often.
    """
    text = tokens.text
    starts = [at for at in range(len(text)) if needle and text.startswith(needle, at)]
    if not -len(starts) <= occurrence < len(starts):
        times = {0: "it is not in the text", 1: "it is there once"}
        raise LayergramError(
            f"occurrence {occurrence} of {needle!r}",
            got=times.get(len(starts), f"it is there {len(starts)} times"),
            allowed=f"0 to {len(starts) - 1}, or -1 for the last" if starts else "",
            do="copy the piece from the text, with its spaces and capitals",
        )
    start = starts[occurrence]
    return positions(tokens, start, start + len(needle))
