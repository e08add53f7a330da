"""The exact answer inside a reply: the few words that answer the question.

In a right reply it is the accepted answer that the judge found. In a wrong one it is what the reply
tells by its kind of answer (:mod:`layergram.answers.kinds`); for names, and under the published
judge, it is found by a sequence of rules, each for one type of answer; where none applies the model
can be asked to copy it (:mod:`layergram.answers.judge`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from layergram.answers.clues import NOT, denied, no_more
from layergram.answers.kinds import Told, kind_of, tell
from layergram.answers.matching import (
    Span,
    find_answer,
    find_numbers,
    is_number,
    separate_letters,
)
from layergram.answers.normal import normal
from layergram.datasets.questions import LETTERS, Question

JudgeName = Literal["strict", "published"]
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)
"""How replies are judged: by the kind of answer, or by the published rule."""

SHORT = 4  # words of a reply that consists of its answer only
VERBS = r"is(?:\s+known\s+as)?|are|was|were|be|called|named|equals|get|gives(?:\s+you)?"
VERB_OR_SIGN = rf"(?:(?<!\w)(?:{VERBS})(?=\s)|[:=])"
PARTICLES = r"(?:de|da|do|del|la|le|el|al|of|the|and|on|upon|sur|du|des|von|van|di|y|d’|d')"
CAPITALISED = r"(?:St|Mt|Ft)\.(?=\s[^\W\d_a-z])|[^\W\d_a-z][\w'’ʻ.-]*[\w'’ʻ]|[^\W\d_a-z]"
NAME = re.compile(
    rf"{VERB_OR_SIGN}\s*(?:the\s+(?:city|town|village|island)\s+of\s+|located\s+in\s+|the\s+)?"
    rf"[*_\"“'‘`(]*(?P<name>(?:{CAPITALISED})(?:[ -](?:{PARTICLES}[ -])*(?:{CAPITALISED}))*)"
)
NAMES = rf"(?:{CAPITALISED})(?:[ -](?:{PARTICLES}[ -])*(?:{CAPITALISED}))*"
SUBJECT = re.compile(
    rf"(?:^|[.!?;,\n]\s+)(?!(?:The|A|An|It|He|She|They|This|That|There|I|You|We|Its|In|No|Yes|Although|While|Though|Unlike|Many|Some|Most|People|However|But|If)\b)"
    rf"(?P<name>{NAMES})(?:, {NAMES})?,?\s+(?:is|was|are|were)\s+(?:the|its|their|called)\b"
)
MADE = (
    r"(?:written|painted|composed|discovered|invented|directed|founded|created|designed|built|sung"
    r"|developed|proposed|formulated|published|made|played|won)"
)
BY = re.compile(rf"(?<!\w)(?:{MADE} by|lies in|lie in|found in)\s+(?:the\s+)?(?P<name>{NAMES})")
BEFORE_NUMBER = re.compile(
    rf"{VERB_OR_SIGN}\s*(?:about\s+|only\s+|a\s+total\s+of\s+)?[$€£*_\"(]*(?=[-−]?\d)"
)
OPERATOR = re.compile(r"\s*(?:[+×/÷=]|[-−](?=[\s\d]|$)|\*(?!\*))")  # the sum goes on
WORD = re.compile(
    r"(?:(?<!\w)(?:is|are|was|were|refers\s+to|called|named)(?=\s)|:)\s*(?:the\s+|an?\s+)?"
    r"[*_\"“'‘`]*(?P<word>[^\W\d_][\w'’-]*)"
)
BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
EDGE = " \t\n\r.,;:!?\"'“”‘’*_`()[]。，！？؟«»"


@dataclass(frozen=True)
class Extractor:
    """One rule for the exact answer in a wrong reply.

    Attributes:
        name: of the rule, as in the rows of results.
        about: what it extracts, in one line.
        find: returns the characters of the exact answer, or ``None``.
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
    matches = list(BOXED.finditer(reply))
    return _trimmed(reply, *matches[-1].span(1)) if matches else None


def _option(question: Question, reply: str) -> Span | None:
    """The first letter of an option, otherwise the first text of one."""
    if not question.options:
        return None
    letters = "".join(LETTERS[: len(question.options)])
    match = re.search("|".join(map(separate_letters, letters)), reply)
    return match.span() if match else find_answer(reply, question.options)


def _number(question: Question, reply: str) -> Span | None:
    """The last number after a verb, ``=`` or ``:``, otherwise the last not in the question."""
    if question.options or not is_numeric(question):
        return None
    given = {value for value, _ in find_numbers(question.question)}
    starts = {match.end() for match in BEFORE_NUMBER.finditer(reply)}
    final = [n for n in find_numbers(reply) if not OPERATOR.match(reply, n[1][1])]
    stated = [span for _, span in final if span[0] in starts]
    new = [span for value, span in final if value not in given]
    return next(reversed(stated or new), None)


def _name(question: Question, reply: str) -> Span | None:
    """The first capitalised name after is, are, was, called, located in or a colon."""
    if is_numeric(question) or not any(alias[:1].isupper() for alias in question.aliases):
        return None
    match = NAME.search(reply)
    return _trimmed(reply, *match.span("name")) if match else None


def _word(question: Question, reply: str) -> Span | None:
    """For lower-case answers: the first word after is, are, was, refers to or a colon."""
    if is_numeric(question) or any(alias != alias.lower() for alias in question.aliases):
        return None
    match = WORD.search(reply)
    return _trimmed(reply, *match.span("word")) if match else None


def _whole(question: Question, reply: str) -> Span | None:
    """The whole of a short reply."""
    if is_numeric(question) or question.options or len(reply.split()) > SHORT:
        return None
    return _trimmed(reply, 0, len(reply))


def _subject(question: Question, reply: str) -> Span | None:
    """The name that begins a sentence: "Sydney is the capital"."""
    if is_numeric(question) or not any(alias[:1].isupper() for alias in question.aliases):
        return None
    new = (m for m in SUBJECT.finditer(reply) if m["name"] not in question.question)
    match = next(new, None)
    return _trimmed(reply, *match.span("name")) if match else None


def _by(question: Question, reply: str) -> Span | None:
    """The first name after by or lies in: "It was written by Schiller"."""
    match = BY.search(reply)
    return _trimmed(reply, *match.span("name")) if match and not is_numeric(question) else None


def is_numeric(question: Question) -> bool:
    """Whether every accepted answer is a number."""
    return all(is_number(alias) for alias in question.aliases)


RULES = (
    Extractor("boxed", "the content of the last \\boxed{…}", _boxed),
    Extractor("option", "the first letter of an option, otherwise the first text of one", _option),
    Extractor("number", "the last number after a verb or =, otherwise the last new one", _number),
    Extractor("name", "the first name after is, are, was, called or a colon", _name),
    Extractor("word", "the first word after is, are, was, refers to or a colon", _word),
    Extractor("whole", f"the whole reply, if it has at most {SHORT} words", _whole),
)
"""The rules of the published judge in the order in which they are tried."""

NAME_RULES = (
    RULES[0],
    RULES[3],
    Extractor("subject", "the name that a sentence begins with", _subject),
    Extractor("by", "the first name after written by, made by, … or lies in", _by),
    *RULES[4:],
)
"""The rules of the strict judge for names that are not accepted."""

ABOUT = {
    **{rule.name: rule.about for rule in (*NAME_RULES, *RULES)},
    "option": "the option that the reply takes",
    "number": "the number that the reply tells: boxed, called the answer, after =, last",
    "date": "the date with the most parts",
    "yes-no": "the word that says yes or no",
    "alias": "an accepted answer, in a right reply",
    "model": "the model, asked to copy it out of its reply",
}
"""What each rule takes for the exact answer, in words."""


@dataclass(frozen=True)
class Exact:
    """The characters of the exact answer in a reply, and the rule that found it.

    Attributes:
        start: first character, in the reply.
        end: one past the last.
        by: ``alias`` in a right reply; in a wrong one the name of a rule, or ``model``.
    """

    start: int
    end: int
    by: str


def exact_answer(question: Question, reply: str, judge: JudgeName = "strict") -> Exact | None:
    """The exact answer of a reply, or ``None`` where no rule finds one.

    Example:
        >>> q = Question("1", "What is the capital of Chad?", ("N'Djamena",))
        >>> reply = "The capital of Chad is Porto Novo, a city."
        >>> exact = exact_answer(q, reply)
        >>> reply[exact.start : exact.end], exact.by
        ('Porto Novo', 'name')
    """
    if judge == "published":
        span = find_answer(reply, question.aliases)
        return by_rules(question, reply, judge) if span is None else Exact(*span, "alias")
    told = tell(question, reply)
    if told and told[0].right and told[0].span is not None:
        return Exact(*told[0].span, "alias")
    return _not_accepted(question, reply, told)


def by_rules(question: Question, reply: str, judge: JudgeName = "strict") -> Exact | None:
    """The exact answer by the first rule that finds one, right or wrong.

    The accepted answers only show which type of answer is expected.
    """
    if judge == "strict":
        return _not_accepted(question, reply, tell(question, reply))
    for rule in RULES:
        span = rule.find(question, reply)
        if span is not None:
            return Exact(*span, rule.name)
    return None


def _not_accepted(question: Question, reply: str, told: list[Told]) -> Exact | None:
    """What a reply tells, whatever is accepted."""
    kinds = [each for each in told if each.first is not None and each.kind != "name"]
    named = not question.options and "name" in map(kind_of, question.aliases)
    if named and (found := _by_name_rules(question, reply)) is not None:
        return found
    return Exact(*kinds[0].first, kinds[0].kind) if kinds and kinds[0].first else None


def _by_name_rules(question: Question, reply: str) -> Exact | None:
    """The first name that is not denied."""
    text = normal(reply)
    for rule in NAME_RULES:
        open_reply = reply
        while (span := rule.find(question, open_reply)) is not None:
            inside = [
                at for at, (start, end) in enumerate(text.places)
                if span[0] <= start and end <= span[1]
            ]  # fmt: skip
            own = (inside[0], inside[-1] + 1) if inside else (0, 0)
            plain = reply[slice(*span)].lower() == "not" or (
                rule.name == "whole" and re.search(NOT, reply, re.IGNORECASE)
            )
            if not (plain or denied(text.text, *own) or no_more(text.text, *own)):
                return Exact(*span, rule.name)
            open_reply = open_reply[: span[0]] + " " * (span[1] - span[0]) + open_reply[span[1] :]
    return None
