"""The exact answer inside a reply: the few words that answer the question.

A right reply has it where an accepted answer stands first. In a wrong one it is looked for by a
chain of rules, each fit for one type of answer; what no rule finds can be asked of the model
(:mod:`layergram.answers.ask`). A rule that finds nothing leaves the reply to the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from layergram.answers.matching import Span, is_number, lone_letters, mention, numbers
from layergram.datasets.questions import LETTERS, Question

SHORT = 4  # words of a reply that is nothing but its answer
TELLS = r"is(?:\s+known\s+as)?|are|was|were|be|called|named|equals|get|gives(?:\s+you)?"
VERB = rf"(?:(?<!\w)(?:{TELLS})(?=\s)|[:=])"
SMALL = r"(?:de|da|do|del|la|le|el|al|of|the|and|on|upon|sur|du|des|von|van|di|y|d’|d')"
CAPITALISED = r"(?:St|Mt|Ft)\.(?=\s[^\W\d_a-z])|[^\W\d_a-z][\w'’ʻ.-]*[\w'’ʻ]|[^\W\d_a-z]"
NAME = re.compile(
    rf"{VERB}\s*(?:the\s+(?:city|town|village|island)\s+of\s+|located\s+in\s+|the\s+)?"
    rf"[*_\"“'‘`(]*(?P<name>(?:{CAPITALISED})(?:[ -](?:{SMALL}[ -])*(?:{CAPITALISED}))*)"
)
AFTER = re.compile(rf"{VERB}\s*(?:about\s+|only\s+|a\s+total\s+of\s+)?[$€£*_\"(]*(?=[-−]?\d)")
SUM = re.compile(r"\s*(?:[+×/÷=]|[-−](?=[\s\d]|$)|\*(?!\*))")  # more is to come
PLAIN = re.compile(
    r"(?:(?<!\w)(?:is|are|was|were|refers\s+to|called|named)(?=\s)|:)\s*(?:the\s+|an?\s+)?"
    r"[*_\"“'‘`]*(?P<name>[^\W\d_][\w'’-]*)"
)
BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
EDGE = " \t\n\r.,;:!?\"'“”‘’*_`()[]。，！？؟«»"


@dataclass(frozen=True)
class Extractor:
    """One rule for the exact answer in a wrong reply.

    Attributes:
        name: that the rows show.
        about: what it takes, in one line.
        find: the characters of the exact answer, or ``None``.
    """

    name: str
    about: str
    find: Callable[[Question, str], Span | None]


def _trimmed(reply: str, start: int, end: int) -> Span | None:
    """The span without white space, quotes and punctuation at its ends."""
    piece = reply[start:end]
    start += len(piece) - len(piece.lstrip(EDGE))
    end -= len(piece) - len(piece.rstrip(EDGE))
    return (start, end) if start < end else None


def _boxed(question: Question, reply: str) -> Span | None:
    found = list(BOXED.finditer(reply))
    return _trimmed(reply, *found[-1].span(1)) if found else None


def _option(question: Question, reply: str) -> Span | None:
    """The first letter of an option, or else the first text of one."""
    if not question.options:
        return None
    letters = "".join(LETTERS[: len(question.options)])
    patterns = "|".join(lone_letters(letter) for letter in letters)
    found = re.search(patterns, reply)
    return found.span() if found else mention(reply, question.options)


def _number(question: Question, reply: str) -> Span | None:
    """The last number told by a verb, ``=`` or ``:``, or else the last that was not asked about."""
    if question.options or not is_numeric(question):
        return None
    known = {value for value, _ in numbers(question.question)}
    found = [(value, span) for value, span in numbers(reply) if not SUM.match(reply, span[1])]
    after = {match.end() for match in AFTER.finditer(reply)}
    told = [span for _, span in found if span[0] in after]
    new = [span for value, span in found if value not in known]
    last = told or new
    return last[-1] if last else None


def _name(question: Question, reply: str) -> Span | None:
    """The first name (words with capitals) after is, are, was, called, located in, a colon."""
    if is_numeric(question) or not any(alias[:1].isupper() for alias in question.aliases):
        return None
    found = NAME.search(reply)
    return _trimmed(reply, *found.span("name")) if found else None


def _word(question: Question, reply: str) -> Span | None:
    """For answers in small letters: the first word after is, are, was, refers to, a colon."""
    if is_numeric(question) or any(alias != alias.lower() for alias in question.aliases):
        return None
    found = PLAIN.search(reply)
    return _trimmed(reply, *found.span("name")) if found else None


def _whole(question: Question, reply: str) -> Span | None:
    """All of a reply of a few words."""
    if is_numeric(question) or question.options or len(reply.split()) > SHORT:
        return None
    return _trimmed(reply, 0, len(reply))


def is_numeric(question: Question) -> bool:
    """Whether every accepted answer is a number."""
    return all(is_number(alias) for alias in question.aliases)


RULES = (
    Extractor("boxed", "what stands in the last \\boxed{…}", _boxed),
    Extractor("option", "the first letter of an option, or the first option named", _option),
    Extractor("number", "the last number told by a verb or =, or else the last new one", _number),
    Extractor("name", "the first name after is, are, was, called, a colon", _name),
    Extractor("word", "the first word after is, are, was, refers to, a colon", _word),
    Extractor("whole", f"the whole reply, if it has at most {SHORT} words", _whole),
)
"""The rules in the order in which they are tried."""


@dataclass(frozen=True)
class Exact:
    """Where the exact answer of a reply stands, and what found it.

    Attributes:
        start: first character, in the reply.
        end: one past the last.
        by: ``alias`` for a right reply, the name of a rule, or ``model``.
    """

    start: int
    end: int
    by: str


def exact_answer(question: Question, reply: str) -> Exact | None:
    """The exact answer of a reply, or ``None`` where no rule finds one.

    Example:
        >>> q = Question("1", "What is the capital of Chad?", ("N'Djamena",))
        >>> reply = "The capital of Chad is Porto Novo, a city."
        >>> found = exact_answer(q, reply)
        >>> reply[found.start : found.end], found.by
        ('Porto Novo', 'name')
    """
    span = mention(reply, question.aliases)
    return by_rules(question, reply) if span is None else Exact(*span, "alias")


def by_rules(question: Question, reply: str) -> Exact | None:
    """The exact answer by the first rule that finds one, whatever the accepted answers say.

    The accepted answers only show which kind of answer is looked for.
    """
    for rule in RULES:
        span = rule.find(question, reply)
        if span is not None:
            return Exact(*span, rule.name)
    return None
