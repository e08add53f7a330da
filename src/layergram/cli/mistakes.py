"""Wrong requests in the four parts of every error, and in the command line's own spelling."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Literal, get_args, get_origin

from cyclopts import CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from layergram.errors import NEAR, LayergramError, unknown_name

SETTING = re.compile(r"^([a-z_]+) (?:= )?(?='?[\w./:-]+'?$)")
"""How errors of the library name an argument and its value: ``max_new_tokens = 0``."""


CHOICE = re.compile(r"(?<![-\w])(?:the )?([A-Za-z][a-z]*(?:_[a-z]+)*) '([\w-]+)'")
"""How errors of the library name a choice: ``match 'common'``."""

COMPOUND = re.compile(r"\b[A-Za-z][a-z]*(?:_[a-z]+)+\b")
"""A name that is no word of a sentence: ``font_size``."""


def of_parser(
    error: CycloptsError, tokens: Sequence[str], commands: Iterable[str]
) -> LayergramError:
    """What the parser refused, as one error of the four parts."""
    if isinstance(error, UnknownCommandError):
        return unknown_name("command", tokens[0], commands)
    command = " ".join(["layergram", *(error.command_chain or ())])
    error.verbose = False
    listed = f"{command} --help lists what it takes"
    if isinstance(error, UnknownOptionError):
        option = (error.token.keyword or error.token.value).split("=", 1)[0]
        known = sorted(chain.from_iterable(one.names for one in error.argument_collection))
        near = difflib.get_close_matches(option, known, n=1, cutoff=NEAR)
        return LayergramError(
            f"the option {option} of {command}",
            got="no option of that name",
            do=f"did you mean {near[0]}?" if near else listed,
        )
    if isinstance(error, UnusedCliTokensError):
        more = " ".join(error.unused_tokens or ())
        return LayergramError(
            " ".join([command, "…", more]),
            got=f"more than it takes: {more}",
            do=f"put what has spaces in quotes; {listed}",
        )
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        count, _ = error.argument.token_count()
        values = f"fewer than {count} values" if count > 1 else "no value"
        lacking = f"{values} for {error.keyword}" if error.keyword else f"no {error.argument.name}"
        return LayergramError(command, got=lacking, do=listed)
    token = error.token if isinstance(error, CoercionError) else None
    if isinstance(error, CoercionError) and token is not None and error.argument is not None:
        kind = error.target_type
        choices = [str(one) for one in get_args(kind)] if get_origin(kind) is Literal else []
        near = difflib.get_close_matches(token.value, choices, n=1, cutoff=NEAR)
        numbers = {int: "a whole number", float: "a number"}
        return LayergramError(
            f"{token.keyword or error.argument.name} {token.value}",
            allowed=", ".join(choices) or (numbers.get(kind, "") if kind else ""),
            do=f"did you mean '{near[0]}'?" if near else "" if choices else listed,
        )
    return LayergramError(
        " ".join(["layergram", *tokens]), got=" ".join(str(error).split()), do=listed
    )


def in_options(text: str, options: Collection[str]) -> str:
    """A sentence of the library with arguments spelled as options of the command line.

    Example:
        >>> in_options("compare them with match 'common', or a smaller font_size", {"--match"})
        'compare them with --match common, or a smaller font_size'
        >>> in_options("Mark_least 2 would do", {"--mark-least"})
        '--mark-least 2 would do'
    """

    def with_value(found: re.Match[str]) -> str:
        option = option_of(found[1])
        return f"{option} {found[2]}" if option in options else found[0]

    return names_in_options(CHOICE.sub(with_value, text), options)


def names_in_options(text: str, options: Collection[str]) -> str:
    """The same for names that are no words alone: "the file 'x'" is not the option --file."""

    def by_name(found: re.Match[str]) -> str:
        return option if (option := option_of(found[0])) in options else found[0]

    return COMPOUND.sub(by_name, text)


def option_of(argument: str) -> str:
    """The option of an argument of Python."""
    return f"--{argument.lower().replace('_', '-')}"


def as_typed(
    error: LayergramError, tokens: Sequence[str], options: Collection[str] = ()
) -> LayergramError:
    """The error with the arguments that it names as options, the one it is about as was typed.

    Example:
        >>> told = as_typed(LayergramError("top_k = -1", allowed="0 or more"), ["--top-k", "-1"])
        >>> print(told)
        Asked for: --top-k -1
        Allowed: 0 or more
    """
    match = SETTING.match(error.asked)
    option = option_of(match[1]) if match else ""
    typed = {token.split("=", 1)[0] for token in tokens}
    asked = error.asked
    if match is not None and option in typed:
        asked = " ".join([option, error.asked[match.end() :].strip("'")])
    return LayergramError(
        names_in_options(asked, options),
        got=error.got,
        allowed=in_options(error.allowed, options),
        do=in_options(error.do, options),
        exit_code=error.exit_code,
    )
