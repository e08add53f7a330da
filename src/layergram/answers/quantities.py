"""Numbers and quantities: which number of a reply is its answer, and whether it is an accepted one.

The told answer decides: the boxed one, the one that a reply calls its answer, what follows the last
equals sign; only then one that is merely mentioned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from layergram.answers.clues import denied, just_before, no_more, sentence_before, withdrawn
from layergram.answers.dates import find_dates
from layergram.answers.numerals import UNITS, Number, find_numbers

BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}|\\fbox\{([^{}]*)\}|<answer>(.*?)</answer>")
SOFT = (
    r"(?:\s*(?:about|approximately|approx\.|only|exactly|a total of|just|now|also|therefore|around"
    r"|roughly|nearly|almost|simply|thus|then|the number|equal to)\b)*[\s\"'(\[:$]*$"
)
ANSWER = re.compile(
    rf"(?:\b(?:answer|result|solution)\b[^.\d]{{0,40}}?(?:\b(?:is|are|be|equals|comes to)\b|[=:])"
    rf"|####|\bfinal answer\b|\bnow (?:it |there )?(?:is|are)\b){SOFT}",
    re.IGNORECASE,
)
IS_ANSWER = re.compile(
    r"[\w\s%$]{0,20}?\bis (?:the|my) (?:correct |right |final )?(?:answer|result)\b"
)
TOLD = re.compile(
    r"(?:=|≈|⇒|=>|→|:|\b(?:equals?|is|are|was|be|mak(?:es|ing)|gives?(?: us| you)?|get|got"
    r"|getting|leav(?:es|ing)|left with|total(?:s|ling|ing)?(?: of)?|becomes|yields|have|has|remain"
    rf"|sum to|come to|comes to|adds? up to)(?:\s(?:us|her|him|them|you|with))*){SOFT}",
    re.IGNORECASE,
)
SO = re.compile(
    r"\b(?:so|thus|therefore|hence|consequently|finally)\b[^.=\d]{0,40}$", re.IGNORECASE
)
VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|there(?:'s| are| is)|contains?|needs?|takes?|lasts?|costs?"
    r"|weighs?|equals?|requires?|uses?|makes?|earns?|pays?|owns?|gets?|measures?|consists? of"
    rf"|lives?|became|becomes|spans?|features?|possess(?:es)?|counts?){SOFT}",
    re.IGNORECASE,
)
WORKED = re.compile(
    r"=|[+×÷]|\d\s*[*/-]\s*\d|\b(?:so|therefore|thus|hence|left|remain\w*|add\w*|subtract\w*|minus"
    r"|plus|multipl\w+|divid\w+|times|altogether|total|first,|then|step)\b",
    re.IGNORECASE,
)
ARITHMETIC = re.compile(r"=|[+×÷]|\d\s*[*/]\s*\d")
OPERATOR = re.compile(
    r"\s*(?:[+×÷=·]|\*|[x/](?=\s*\d)|-(?=[\s\d]|$)|(?:plus|minus|times|divided by|multiplied by)\b)"
)
OPERAND = re.compile(
    r"(?:\b(?:log|ln|sin|cos|tan|sqrt|exp)\s?\("
    r"|[+×÷/*]|\d\s*-|\b(?:plus|minus|times|(?:divided|multiplied) by))\s*$"
)
BOUND = re.compile(
    r"\b(?:more|less|fewer|greater|larger|smaller|higher|lower) than\s*$|\bat (?:least|most)\s*$"
    r"|\bup to\s*$|(?<![=-])[<>≤≥]\s*$",
    re.IGNORECASE,
)
AROUND_YEAR = re.compile(r"\b(?:before|after|prior to)\s*$", re.IGNORECASE)
BETWEEN = re.compile(r"\bbetween\s*$", re.IGNORECASE)
RANGE = re.compile(r"\s?(?:-|to|through|up to)\s?$")
PERCENTAGE = re.compile(
    r"\b(?:what|which|how many|as a|the) (?:percent\b|percentage)", re.IGNORECASE
)
OF_YEAR = re.compile(r"\bthe (?!year|month|\d)\w+ of\s*$", re.IGNORECASE)
BC = re.compile(r"\s?B\.?C\b")
ASIDE = re.compile(r",?\s+of (?:which|them|these|those|whom)\b")
REASON = re.compile(
    r"[^\s.][ ,]+(?:since(?! \d{4}\b)|because)\b[^.;\n]*$|\([^()]*$|, as\b[^.;\n]*$"
)
ASIDE_BEFORE = re.compile(r"\bout of\s*$|\bof (?:which|them|these|those|whom),?\s*$")
IN_YEAR = re.compile(
    r"\b(?:in|since|until|from|by|year|during|as of|circa|around)\s*$", re.IGNORECASE
)
NUMBERING = re.compile(r"(?:^|\n)\s*(?:step |question |q)?$", re.IGNORECASE)
JOINED = re.compile(r"\s?,\s?(?:and\s)?|\s(?:and|&)\s|,?\s?(?:or|and|,)\s+[a-z]\d?\s*=\s*")
SEVERAL = re.compile(r"\b(?:are|roots|solutions|values|numbers|answers)\b|[({\[]", re.IGNORECASE)
OR = re.compile(r",?\s(?:or|/)\s(?:maybe |perhaps |possibly |even )?")
YEARS = range(1000, 2101)


@dataclass(frozen=True)
class Accepted:
    """An accepted number.

    Attributes:
        number: the number.
        noun: of what ("apples"), where that is no known unit.
    """

    number: Number
    noun: str = ""

    @property
    def is_year(self) -> bool:
        """Whether it could be a year."""
        number = self.number
        bare = number.end - number.start == 4
        return bare and not number.dimension and number.value in YEARS


def accepted_number(alias: str) -> Accepted | None:
    """An accepted answer that is a number, with a unit or a noun, or ``None``."""
    text = re.sub(r"^(?:[a-z]\s*=|about|approximately|around)\s*", "", alias.strip().rstrip("."))
    found = list(find_numbers(text))
    if len(found) != 1 or found[0].start != 0:
        return None
    noun = text[found[0].end :].strip()
    if noun and not re.fullmatch(r"[a-z]+(?: [a-z]+){0,2}", noun):
        return None
    return Accepted(found[0], noun)


def accepts(accepted: Accepted, number: Number, text: str, question: str = "") -> bool:
    """Whether a number of a reply is the accepted one, its unit regarded."""
    own, other = accepted.number, number
    if accepted.is_year and text[: other.start].endswith("'") and other.value < 100:
        return own.value % 100 == other.value  # '69
    if own.ordinal and not other.ordinal and other.value != own.value:
        return False
    if own.dimension and other.dimension:
        sides = {own.dimension, other.dimension}
        if sides <= {"degrees", "celsius", "fahrenheit"} and "degrees" in sides:
            return own.value == other.value
        if sides == {"mass", "pound"}:  # of weight, or of money
            mass = own if own.dimension == "mass" else other
            in_pounds = mass.scaled == mass.value * UNITS["lb"][1]
            return own.value == other.value and in_pounds
        return own.dimension == other.dimension and own.scaled == other.scaled
    if other.dimension == "percent" and not PERCENTAGE.search(question):
        return own.scaled == other.scaled
    if own.dimension == "percent":
        return other.value in (own.value, own.scaled)
    if accepted.noun:
        after = text[number.end : number.end + 40].lstrip()
        named = accepted.noun.split()[-1].removesuffix("s") in after
        return own.value == other.value and (named or not re.match(r"[a-z]", after))
    return own.value == other.value


def told_numbers(accepted: Sequence[Accepted], text: str, question: str) -> list[Number]:
    """The numbers that a reply tells as its answer, the likeliest first; often one."""
    found = candidate_numbers(accepted, text)
    boxed = list(BOXED.finditer(text))
    if boxed:
        inside = [n for n in find_numbers(text) if _within(n, boxed[-1].span())]
        return inside[:1] if len(inside) != 2 else inside
    if not found:
        return []
    told = [n for n in found if ANSWER.search(sentence_before(text, n.start))]
    told += [n for n in found if IS_ANSWER.match(text, n.end)]
    if told:
        return _with_joined(told[-1], found, text)
    worked = WORKED.search(text)
    if not ARITHMETIC.search(text) and all(each.is_year for each in accepted):
        dated = _unless_all(found, lambda n: OF_YEAR.search(just_before(text, n.start)) is not None)
        return dated[::-1]
    if worked:
        told = [
            n
            for n in found
            if TOLD.search(said := sentence_before(text, n.start)) or SO.search(said)
        ]
        given = {n.value for n in find_numbers(question)}
        fresh = told or [n for n in found if n.value not in given]
        return _with_joined(fresh[-1], found, text) if fresh else []
    given = {n.value for n in find_numbers(question)}
    fresh = [n for n in found if n.value not in given] or [
        n for n in found if TOLD.search(sentence_before(text, n.start)) or len(text.split()) <= 4
    ]
    if not fresh:
        return []
    named = [n for n in fresh if _is_asked_for(n, text, question)]
    if named:
        return named
    stated = [n for n in fresh if VERB.search(sentence_before(text, n.start))]
    if not stated:
        return _with_joined(fresh[-1], found, text)
    sentences = {text.count(".", 0, n.start) for n in stated}
    if len(sentences) == 1:
        return [*_with_joined(stated[0], found, text), *stated[1:]]
    return _with_joined(stated[-1 if len(sentences) > 2 else 0], found, text)


def _is_asked_for(number: Number, text: str, question: str) -> bool:
    """Whether it counts what the question asks for: "How many legs …?", "8 legs"."""
    noun = re.match(r"\s([a-z]{3,}?)s?\b", text[number.end :])
    return noun is not None and re.search(rf"\b{noun[1]}s?\b", question.lower()) is not None


def candidate_numbers(accepted: Sequence[Accepted], text: str) -> list[Number]:
    """The numbers of a reply that could be its answer."""
    years = any(each.is_year for each in accepted)
    ordinals = any(each.number.ordinal for each in accepted)
    everything = sorted(find_numbers(text), key=lambda n: n.start)
    dates = [] if years else [date.span for date in find_dates(text) if date.parts > 1]
    guessed = _guessed(everything, text, years)
    taken_back = withdrawn(text)
    back = any(n.start >= taken_back for n in everything)
    found = [
        n
        for n in everything
        if n not in guessed
        and not (back and n.end <= taken_back)
        and not denied(text[taken_back:], n.start - taken_back, n.end - taken_back)
        and not no_more(text, n.start, n.end)
        and not OPERATOR.match(text, n.end)
        and not OPERAND.search(near := just_before(text, n.start))
        and not BOUND.search(near)
        and not BC.match(text, n.end)
        and not (years and AROUND_YEAR.search(near))
        and not _is_numbering(n, text)
        and not any(_within(n, span) for span in dates)
    ]
    found = _unless_all(found, lambda n: _is_aside(n, text))
    found = _unless_all(found, lambda n: REASON.search(just_before(text, n.start)) is not None)
    if not years:
        found = _unless_all(found, lambda n: _is_year(n, text))
    if not ordinals:
        found = _unless_all(found, lambda n: n.ordinal)
    return found


def _unless_all(found: list[Number], drop: Callable[[Number], bool]) -> list[Number]:
    """Without some numbers, unless none would be left."""
    return [n for n in found if not drop(n)] or found


def _is_year(number: Number, text: str) -> bool:
    bare = number.end - number.start == 4 and not number.dimension
    return bare and number.value in YEARS and bool(IN_YEAR.search(just_before(text, number.start)))


def _is_aside(number: Number, text: str) -> bool:
    """Whether it counts a part: "3 moons, 2 of which are large"."""
    return bool(
        ASIDE.match(text, number.end) or ASIDE_BEFORE.search(just_before(text, number.start))
    )


def _is_numbering(number: Number, text: str) -> bool:
    """Whether it numbers a line: "1. …", "Step 2:"."""
    return bool(
        NUMBERING.search(just_before(text, number.start))
        and re.match(r"[.):]\s+\S", text[number.end :])
    )


def _guessed(found: Sequence[Number], text: str, years: bool) -> list[Number]:
    """Numbers of which a reply gives several: "18 or 19", "18-19", "between 18 and 19"."""
    guessed: list[Number] = []
    for one, other in pairwise(found):
        if one.scaled == other.scaled:
            continue
        gap = text[one.end : other.start]
        span = RANGE.fullmatch(gap + ("-" if text[other.start] == "-" else ""))
        between = BETWEEN.search(just_before(text, one.start)) and gap.strip() in ("and", "-", "to")
        is_span = span and not _is_calculation(other, text) and not years
        if OR.fullmatch(gap) or between or is_span:
            guessed += [one, other]
    return guessed


def _is_calculation(number: Number, text: str) -> bool:
    return bool(re.match(r"\s*(?:=|is|equals)", text[number.end :]))


def _with_joined(told: Number, found: Sequence[Number], text: str) -> list[Number]:
    """The told number with those it is listed with: "2,3", "2 and 3"."""
    chosen = [told]
    at = found.index(told)
    for step in (-1, 1):
        place = at + step
        while 0 <= place < len(found):
            first, second = sorted((found[place - step], found[place]), key=lambda n: n.start)
            if not JOINED.fullmatch(text[first.end : second.start]):
                break
            chosen.append(found[place])
            place += step
    decimal = _decimal_comma(chosen, text) if len(chosen) == 2 else None
    if decimal is None:
        return chosen
    listed = SEVERAL.search(sentence_before(text, decimal.start))
    return [*chosen, decimal] if listed else [decimal]


def _decimal_comma(pair: Sequence[Number], text: str) -> Number | None:
    """Two numbers with nothing but a comma between them as one: "2,5"."""
    first, second = sorted(pair, key=lambda n: n.start)
    digits = re.search(r"-?\d+,\d+$", text[first.start : second.bare_end])
    if digits is None or text[first.bare_end : second.start] != ",":
        return None
    value = Fraction(digits[0].replace(",", "."))
    scale = second.scaled / second.value if second.value else Fraction(1)
    return replace(second, value=value, scaled=value * scale, start=first.start)


def _within(number: Number, span: tuple[int, int]) -> bool:
    return span[0] <= number.start and number.bare_end <= span[1]
