"""Options that depend on the text: how they become positions of its tokens."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from layergram.errors import LayergramError
from layergram.tokens import Tokens, display, find

LONGEST_NAME = 40  # letters of a query in the name of a map


class Resolver(Protocol):
    """How the value of an option becomes what the measure's function is given."""

    default: str

    def resolve(self, asked: Any, tokens: Tokens, *, prompted: bool) -> Any:
        """The value for these tokens; ``prompted`` if an answer will follow them.

        Raises:
            LayergramError: where the text has no such place.
        """

    def named(self, value: Any, tokens: Tokens) -> str:
        """What the resolved value is in this text, for names such as 'attention from …'."""


@dataclass(frozen=True)
class Query:
    """Positions of queries: a position, several, a piece of the text, ``"last"`` or ``"answer"``.

    Of a text without an answer, ``"answer"`` is a piece of the text.
    """

    default: str = "last"

    def resolve(self, asked: Any, tokens: Tokens, *, prompted: bool) -> Any:
        """The positions; ``"last"`` for the last token there is; a range for an answer's tokens."""
        if asked == "last":
            return asked
        if asked == "answer" and (prompted or "answer" in tokens.parts):
            begin = len(tokens) if prompted else tokens.parts.index("answer")
            return range(begin, sys.maxsize)  # an answer goes on to the end
        if isinstance(asked, str) and not asked.removeprefix("-").isdecimal():
            return tuple(find(tokens, asked))
        several = asked if isinstance(asked, list | tuple) else [asked]
        whole = [at for at in several if isinstance(at, int | str)]
        try:
            places = [int(at) for at in whole]
        except ValueError:
            places = []
        positions = tuple(at + (len(tokens) if at < 0 else 0) for at in places)
        known = len(positions) == len(several) > 0
        if not known or not all(0 <= position < len(tokens) for position in positions):
            raise LayergramError(
                f"attention from position {asked}",
                got=f"a text of {len(tokens)} tokens",
                allowed=f"0 to {len(tokens) - 1}, or −1 and down from the end",
            )
        return positions

    def named(self, value: Any, tokens: Tokens) -> str:
        """The text of the queries and their positions, as far as they have been read.

        Example:
            >>> texts = ("In", " New", " York")
            >>> tokens = Tokens((1, 2, 3), texts, (0, 2, 6), (2, 6, 11), (), "In New York")
            >>> Query().named((1, 2), tokens)
            '"New York" (positions 1–2)'
        """
        read = len(tokens)
        if isinstance(value, range):
            begun = value.start < read
            return f"the answer (positions {value.start}–{read - 1})" if begun else "the answer"
        places = [read - 1] if value == "last" else [at for at in value if at < read]
        if not places:
            return "the query"
        first, last = places[0], places[-1]
        if len(places) == last - first + 1:
            start, end = tokens.char_start[first], tokens.char_end[last]
            text = tokens.text[start:end] or tokens.texts[first]  # one that is not in the text
            where = f"position {first}" if first == last else f"positions {first}–{last}"
        else:
            text = " … ".join(tokens.texts[at].strip() for at in places)
            where = f"{len(places)} positions from {first} to {last}"
        shown = display(text)
        if len(shown) > LONGEST_NAME:
            shown = f"{shown[: LONGEST_NAME - 1]}…"
        return f'{"the last token, " if value == "last" else ""}"{shown}" ({where})'


@dataclass(frozen=True)
class Context:
    """A context before newer tokens: a number of tokens, a piece of the text, or ``"prompt"``."""

    default: str = "prompt"

    def resolve(self, asked: Any, tokens: Tokens, *, prompted: bool) -> tuple[int, int]:
        """First position of the context and the one after its last."""
        answered = "answer" in tokens.parts
        if asked == "prompt" and not (prompted or answered):
            raise LayergramError(
                "the lookback ratio",
                got="a text without an answer, of which nothing says where its context ends",
                allowed="the number of tokens of the context, or a piece of the text",
                do="say what the context is, such as --option context=20, or give a prompt",
            )
        last = len(tokens) if prompted else len(tokens) - 1
        first = end = 0
        match asked:
            case "prompt":
                end = tokens.parts.index("answer") if answered else len(tokens)
            case str() if not asked.isdecimal():
                piece = find(tokens, asked)
                first, end = piece.start, piece.stop
            case int() | str():
                end = int(asked)
            case [int(), int()]:
                first, end = asked
        if not 0 <= first < end <= last:
            raise LayergramError(
                f"attention that looks back at the context {asked!r}",
                got=f"a text of {len(tokens)} tokens",
                allowed=f"a context of 1 to {last} tokens, with tokens after it",
            )
        return first, end

    def named(self, value: Any, tokens: Tokens) -> str:
        """The context by its name: it is many tokens."""
        return "the context"


def resolved(
    options: Mapping[str, Any], resolvers: Mapping[str, Resolver], tokens: Tokens, *, prompted: bool
) -> dict[str, Any]:
    """The options, those that depend on the text turned into what functions are given.

    Args:
        options: by name, as they were asked for.
        resolvers: of the options that depend on the text.
        tokens: the text, or the prompt.
        prompted: whether an answer will follow.
    """
    found = {
        name: one.resolve(options.get(name, one.default), tokens, prompted=prompted)
        for name, one in resolvers.items()
    }
    return {**options, **found}
