"""Right or wrong by the kind of answer: choice, yes or no, number, date, name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from layergram.answers.choices import (
    POLAR,
    find_choices,
    polarity,
    told_choices,
    told_polarity,
)
from layergram.answers.clues import denied, just_before
from layergram.answers.dates import accepted_date, find_dates, same_date
from layergram.answers.names import GIVEN, find_name, pattern
from layergram.answers.normal import Normal, normal
from layergram.answers.quantities import accepted_number, accepts, candidate_numbers, told_numbers
from layergram.datasets.questions import LETTERS, Question

Span = tuple[int, int]


@dataclass(frozen=True)
class Told:
    """What a reply tells, by one kind of answer.

    Attributes:
        right: whether it is accepted.
        span: its characters in the reply, or ``None`` where it tells nothing.
        kind: of answer: ``option``, ``yes-no``, ``number``, ``date``, ``name``.
        first: characters of what is told first, whatever is accepted.
        candidates: how many different answers of this kind the reply mentions.
    """

    right: bool
    span: Span | None
    kind: str
    first: Span | None = None
    candidates: int = 0


def kind_of(alias: str) -> str:
    """The kind of an accepted answer to a question without options.

    Example:
        >>> [kind_of(a) for a in ("yes", "1,234", "5 km", "9 November 1989", "Paris", "He")]
        ['yes-no', 'number', 'number', 'date', 'name', 'name']
    """
    text = normal(alias).text
    if polarity(text) is not None:
        return "yes-no"
    if accepted_date(text) is not None:
        return "date"
    return "name" if accepted_number(text) is None else "number"


def tell(question: Question, reply: str) -> list[Told]:
    """What a reply tells by every kind of its accepted answers, the right ones first."""
    text = normal(reply)
    asked = normal(question.question)
    if question.options:
        return [_option(question, text, asked)]
    kinds: dict[str, list[str]] = {}
    for alias in question.aliases:
        kinds.setdefault(kind_of(alias), []).append(normal(alias).text)
    found = [FINDERS[kind](aliases, text, asked) for kind, aliases in kinds.items()]
    return sorted(found, key=lambda told: (not told.right, told.span is None))


def _option(question: Question, text: Normal, asked: Normal) -> Told:
    options = [normal(option).text for option in question.options]
    accepted = _accepted_options(question, options)
    chosen = told_choices(options, text.text)
    if not chosen and all(polarity(option) is not None for option in options):
        meant = [options[at] for at in accepted]
        return _yes_no(meant, text, asked)
    spans = [text.span(choice.start, choice.end) for choice in chosen]
    right = [choice.option in accepted for choice in chosen]
    several = len({choice.option for choice in find_choices(options, text.text)})
    return _told("option", spans, right, several)


def _accepted_options(question: Question, options: Sequence[str]) -> set[int]:
    """The numbers of the accepted options, named by text or label."""
    known = {re.sub(r"\s+", " ", option).casefold(): at for at, option in enumerate(options)}
    accepted = set()
    for alias in question.aliases:
        plain = normal(alias).text.strip()
        if plain.casefold() in known:
            accepted.add(known[plain.casefold()])
        elif len(bare := plain.strip("().: ")) == 1 and bare.upper() in LETTERS[: len(options)]:
            accepted.add(LETTERS.index(bare.upper()))
    return accepted


def _yes_no(aliases: Sequence[str], text: Normal, asked: Normal) -> Told:
    told = told_polarity(text.text, asked.text)
    several = len({match.lastgroup for match in POLAR.finditer(text.text)})
    if told is None:
        return _told("yes-no", [], [], several)
    right = told[0] in map(polarity, aliases)
    return _told("yes-no", [text.span(*told[1:])], [right], several)


def _number(aliases: Sequence[str], text: Normal, asked: Normal) -> Told:
    accepted = [number for alias in aliases if (number := accepted_number(alias)) is not None]
    told = told_numbers(accepted, text.text, asked.text)
    right = [any(accepts(a, n, text.text, asked.text) for a in accepted) for n in told]
    several = len({n.value for n in candidate_numbers(accepted, text.text)})
    units = any(each.number.dimension for each in accepted)
    spans = [
        text.span(n.start, n.end if units or n.dimension == "percent" else n.bare_end) for n in told
    ]
    return _told("number", spans, right, several)


def _date(aliases: Sequence[str], text: Normal, asked: Normal) -> Told:
    accepted = [date for alias in aliases if (date := accepted_date(alias)) is not None]
    found = [date for date in find_dates(text.text) if not denied(text.text, *date.span)]
    found = [date for date in found if not _in_doubt(date.span, text.text)]
    found.sort(key=lambda date: -date.parts)
    right = [any(same_date(a, date) for a in accepted) for date in found]
    several = len({(date.year, date.months, date.days) for date in found})
    return _told("date", [text.span(*date.span) for date in found], right, several)


def _in_doubt(span: Span, text: str) -> bool:
    """Whether it is one of two dates: "1989 or 1990", "between 1989 and 1991"."""
    close, after = just_before(text, span[0]), text[span[1] :]
    return bool(
        re.match(r",? or (?:on |in |maybe |perhaps )*(?:the )?\w+ ?\d", after)
        or re.search(r"\d,? or (?:on |in |maybe |perhaps )*(?:the )?$", close)
        or re.search(r"\bbetween (?:\w+ )?$|\bbetween [^.]{1,20} and $", close)
    )


def _name(aliases: Sequence[str], text: Normal, asked: Normal) -> Told:
    given, mentioned = find_name(aliases, text.text, asked.text)
    others = {match["name"] for match in GIVEN.finditer(text.text)}
    others -= {name for name in others if any(pattern(alias).search(name) for alias in aliases)}
    several = len(others) + (mentioned is not None)
    return _told("name", [text.span(*span) for span in given], [True] * len(given), several)


def _told(kind: str, spans: Sequence[Span], right: Sequence[bool], candidates: int) -> Told:
    """Of what is told, the accepted one, otherwise the first."""
    if not spans:
        return Told(False, None, kind, None, candidates)
    at = right.index(True) if True in right else 0
    return Told(right[at], spans[at], kind, spans[0], candidates)


FINDERS: dict[str, Callable[[Sequence[str], Normal, Normal], Told]] = {
    "yes-no": _yes_no,
    "number": _number,
    "date": _date,
    "name": _name,
}
"""How each kind of answer is found in a reply."""
