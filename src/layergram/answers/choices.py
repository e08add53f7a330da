"""Choices: the option that a reply takes, and yes or no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from layergram.answers.clues import NOT_SO, denied, sentence_after, sentence_before, withdrawn
from layergram.answers.names import pattern
from layergram.answers.numerals import ORDINALS, find_numbers
from layergram.answers.quantities import BOXED, accepted_number
from layergram.datasets.questions import LETTERS

YES = ("yes", "true", "correct", "yeah", "yep")
NO = ("no", "false", "incorrect", "nope", "nah")
CHOSEN = re.compile(
    r"(?:\b(?:answer|choice|option|solution|one|letter)\b[^.\n]{0,40}?\b(?:is|are|would be|=)"
    r"|\banswer:|\b(?:choose|chose|choosing|pick|picking|select|go with|go for|opt for|say|answer"
    r"|vote for|probably|I guess|I think|I believe)"
    r"|\b(?:so|therefore|thus|hence),?(?: it(?:'s| is| must be| has to be)| the answer is)?"
    r"|=|⇒|####)"
    r"\s*(?:(?:that|the|clearly|definitely|most likely|probably|likely|it is|it's|option|answer"
    r"|choice|letter) )*[\"'(\[:\s]*$",
    re.IGNORECASE,
)
IS_CHOSEN = re.compile(
    r"[\s\w)\].:,\"'-]{0,40}?\b(?:is|looks|seems)(?: clearly| definitely| the| my)* "
    r"(?:correct|right|true|the (?:one|answer)|answer|best|choice)",
    re.IGNORECASE,
)
NTH = re.compile(
    rf"\b({'|'.join(ORDINALS[:10])}) (?:option|choice|answer|one)\b(?! is\b)", re.IGNORECASE
)


@dataclass(frozen=True)
class Choice:
    """A mention of an option in a reply.

    Attributes:
        option: its number.
        start: first character in the text.
        end: one past the last.
        label: whether it is the label, or the text.
    """

    option: int
    start: int
    end: int
    label: bool


def told_choices(options: Sequence[str], text: str) -> list[Choice]:
    """The options that a reply takes: one, none, or several where it names several at once."""
    found = find_choices(options, text)
    boxed = list(BOXED.finditer(text))
    if boxed:
        inside = [c for c in found if boxed[-1].start() <= c.start and c.end <= boxed[-1].end()]
        if inside:
            return inside[:1]
    found = _without_list(found, options, text)
    back = withdrawn(text)
    if any(choice.start >= back for choice in found):
        found = [choice for choice in found if choice.start >= back]
    found = [c for c in found if not _is_denied(c, text, back)]
    if not found:
        return []
    told = [c for c in found if CHOSEN.search(sentence_before(text, c.start))]
    told = told or [c for c in found if IS_CHOSEN.match(sentence_after(text, c.end))]
    if told:
        return _with_paired(told[-1], found, text)
    first = found[0]
    if not re.search(r"\w", text[: first.start]):  # the reply begins with it
        return _with_paired(first, found, text)
    labels = [choice for choice in found if choice.label]
    return _with_paired((labels or found)[-1], found, text)


def find_choices(options: Sequence[str], text: str) -> list[Choice]:
    """Labels, and texts of options, the longest first; a label with its text counts once."""
    letters = LETTERS[: len(options)]
    label = re.compile(
        rf"(?<![^\W_])(?<!')(?P<big>[{letters}])(?![^\W_])(?!')|\((?P<round>[{letters.lower()}])\)"
        rf"|^\s*(?P<bare>[{letters.lower()}])(?=[).:\s]*$|[).:])"
        r"|(?i:\b(?:option|answer(?: is)?:?|choice|letter)\s+\(?)"
        rf"(?P<named>[{letters.lower()}])\b(?!\s+[a-z])"
    )
    texts: list[Choice] = []
    free = text
    for at in sorted(range(len(options)), key=lambda at: -len(options[at])):
        for start, end in _text_spans(options[at], free):
            texts.append(Choice(at, start, end, label=False))
            free = free[:start] + "\0" * (end - start) + free[end:]
    labels = []
    for match in label.finditer(free):
        group = str(match.lastgroup)
        start, end = match.span(group)
        if group == "big" and _is_word(match[group], text, start, end):
            continue
        labels.append(Choice(letters.index(match[group].upper()), start, end, label=True))
    for match in NTH.finditer(free):
        at = ORDINALS.index(match[1].lower())
        if at < len(options):
            labels.append(Choice(at, *match.span(1), label=True))
    found = sorted([*labels, *texts], key=lambda choice: choice.start)
    return [c for at, c in enumerate(found) if not _belongs(c, found[:at], text)]


def _text_spans(option: str, text: str) -> list[tuple[int, int]]:
    number = accepted_number(option)
    if number is not None:
        spans = [
            (n.start, n.end if number.number.dimension else n.bare_end)
            for n in find_numbers(text)
            if n.value == number.number.value and n.dimension in (number.number.dimension, "")
        ]
        return [] if number.noun else spans
    if len(option) == 1 and option.upper() in LETTERS:
        return []
    return [match.span(1) for match in pattern(option).finditer(text)]


def _is_word(letter: str, text: str, start: int, end: int) -> bool:
    """Whether it is the article A or the pronoun I."""
    if letter not in ("A", "I"):
        return False
    plain = bool(
        re.match(
            r"\s+(?!is\b|because\b|since\b|as\b|and\b|or\b|seems\b|would\b|was\b)[a-z]", text[end:]
        )
    )
    chosen = CHOSEN.search(sentence_before(text, start))
    return plain and not (
        chosen
        and letter == "A"
        and re.match(r"\s+(?:for|due|over|rather|instead|not|with)\b", text[end:])
    )


def _belongs(choice: Choice, earlier: Sequence[Choice], text: str) -> bool:
    """Whether it is the text behind a label, "B) oak": the label speaks for both."""
    if choice.label or not earlier or not earlier[-1].label:
        return False
    between = text[earlier[-1].end : choice.start]
    return (
        re.fullmatch(r"[\s)\].:,\"'(-]{0,4}(?:the |an? |is |= )?[\"'(]*", between, re.IGNORECASE)
        is not None
    )


def _without_list(found: Sequence[Choice], options: Sequence[str], text: str) -> list[Choice]:
    """Without a list of the options that the reply repeats."""
    labels = [
        choice
        for choice in found
        if choice.label
        and (mark := re.match(r"[).:\]]\s*", text[choice.end :]))
        and text[choice.end + mark.end() :].lower().startswith(options[choice.option].lower())
    ]
    listed: set[Choice] = set()
    for one, other in pairwise(labels):
        if other.option == one.option + 1:
            listed |= {one, other}
    if not listed:
        return list(found)
    first, last = min(c.start for c in listed), max(c.end for c in listed)
    return [choice for choice in found if not first <= choice.start <= last]


def _is_denied(choice: Choice, text: str, back: int) -> bool:
    own = text[back:]
    start, end = choice.start - back, choice.end - back
    if start < 0:
        return denied(text, choice.start, choice.end)
    return denied(own, start, end) or NOT_SO.match(own[end:]) is not None


def _with_paired(told: Choice, found: Sequence[Choice], text: str) -> list[Choice]:
    """None where it is named in one breath with another: "A or B", "both A and C"."""
    others = [c for c in found if c.option != told.option]
    for other in others:
        first, second = sorted((told, other), key=lambda c: c.start)
        if re.fullmatch(
            r"[)\].:\"']*\s*,?\s*(?:and|or|&|/|,)\s*(?:option )?[\"'(\[]*",
            text[first.end : second.start],
        ):
            return []
    return [told]


POLAR = re.compile(
    r"(?<![^\W_])(?P<no>no(?! (?:doubt|one|longer|problem|wonder|matter)\b)|false|nope|nah"
    r"|incorrect|untrue|(?:(?<=\bis )wrong|(?<='s )wrong|(?<!.)n)(?=\W*$)"
    r"|not (?:at all|true|correct|really)"
    r"|never|negative|(?<!no )(?<!without )doubt (?:it|that)|hardly|scarcely)(?![^\W_])(?!\.\s?\d)"
    r"|(?<![^\W_])(?P<yes>yes|true|yeah|yep|yup|correct"
    r"|(?:(?<=\bis )right|(?<='s )right|(?<!.)sure|(?<!.)y)(?=\W*$)|indeed|absolutely|certainly"
    r"|definitely|of course|affirmative|no doubt|without a doubt)(?![^\W_])",
    re.IGNORECASE,
)
ASKED = re.compile(r"\W*(?:yes\s?(?:/|or)\s?no|true\s?(?:/|or)\s?false)(?:\W+|$)", re.IGNORECASE)
OPEN = re.compile(
    r"\b(?:yes and no|maybe|perhaps|it depends|depends on|not sure|unsure|don't know|do not know"
    r"|cannot (?:say|answer|tell|determine)|can't (?:say|answer|tell|determine)|unclear|unknown"
    r"|enough (?:information|evidence|context)|not (?:mentioned|stated|specified|given)"
    r"|(?:does|do|did)(?:n't| not) (?:say|state|mention|specify|tell|know)"
    r"|(?:yes or no|true or false)(?!\?))",
    re.IGNORECASE,
)
SAYS = re.compile(
    r"\b(?:answer|statement|claim|that|this|it|conclusion|verdict|result)\b[^.\n]{0,40}?"
    r"(?:\bis|'s|:|\bwould be)(?: a| an| clearly| in fact| definitely)*[\s\"'(:]*$"
    r"|\b(?:say|answer|so|therefore|thus|hence),?[\s\"']*$",
    re.IGNORECASE,
)
SHORT_NO = re.compile(
    r"\s*(?:I'm afraid|\w+) (?P<bare>not)\W*$|"
    r"\s*(?:(?:it|he|she|they|there|this|that|we|you|i|these|those)\b|[^.!?\n]{0,60}?)\s*"
    r"(?:is|are|was|were|does|do|did|can?|could|has|have|had|wo|will|would|should|(?<=[tey])'s|'re)\s*"
    r"(?P<not>n't|not|never|no(?! (?:answer|information|evidence|way|idea)))\b",
    re.IGNORECASE,
)
SHORT_YES = re.compile(
    r"\s*(?:it|he|she|they|there|this|that|we|you|i|these|those)\s+"
    r"(?P<is>is|are|was|were|does|do|did|can|could|has|have|had|will|would|should)\s*(?:[.!]|$)"
    r"|\s*(?:yes, )?I (?:think|believe|guess) (?P<so>so)\W*$",
    re.IGNORECASE,
)


def polarity(word: str) -> bool | None:
    """What an accepted answer of yes or no means, or ``None`` for other answers."""
    plain = word.strip(" .!").lower()
    return True if plain in YES else False if plain in NO else None


def told_polarity(text: str, question: str = "") -> tuple[bool, int, int] | None:
    """Whether a reply says yes, with the characters that say so, or ``None``.

    Example:
        >>> [told_polarity(t) for t in ("No. His eyes are blue.", "It is not true.", "Maybe.")]
        [(False, 0, 2), (False, 6, 14), None]
    """
    back = withdrawn(text)
    own = text[back:] if POLAR.search(text, back + 1) else text
    back = len(text) - len(own)
    if (asked := ASKED.match(own)) is not None:
        own, back = own[asked.end() :], back + asked.end()
    open_at = OPEN.search(own)
    found = []
    for match in POLAR.finditer(own):
        says = match.lastgroup == "yes" and not re.match(
            r" (?:not|false|untrue|wrong|incorrect)\b", own[match.end() :]
        )
        before = sentence_before(own, match.start())
        starts = not re.search(r"\w", before)
        after = own[match.end() :]
        starts = starts or bool(re.search(r",\s*$", before) and re.match(r"\W*(?:[.!\n]|$)", after))
        told = bool(SAYS.search(before))
        flipped = re.search(
            r"(?:\bnot|n't|\bnever)\s+(?:really |quite |exactly |entirely )?$",
            before,
            re.IGNORECASE,
        )
        if starts or told or flipped or len(own.split()) <= 3:
            start = flipped.start() if flipped else match.start()
            found.append((says != bool(flipped), start + back, match.end() + back, told))
    first_open = open_at and (not found or open_at.start() < found[0][1] - back)
    if first_open and not any(told for *_, told in found):
        return None
    if re.match(r"\s*yes and no\b|\s*yes or no[^?]*$", own, re.IGNORECASE):
        return None
    if found:
        told_ones = [f for f in found if f[3]]
        first = found[0]
        begins = not re.search(r"\w", own[: first[1] - back])
        chosen = first if begins else (told_ones or found)[-1]
        return chosen[:3]
    inner = POLAR.search(own)
    if inner and inner.lastgroup == "yes" and inner[0].lower() not in ("true", "correct"):
        return True, inner.start() + back, inner.end() + back
    if denial := SHORT_NO.match(own):
        group = "bare" if denial["bare"] else "not"
        return False, denial.start(group) + back, denial.end(group) + back
    if short := SHORT_YES.match(own):
        group = "so" if short["so"] else "is"
        return True, short.start(group) + back, short.end(group) + back
    return _by_question(own, back, question)


def _by_question(own: str, back: int, question: str) -> tuple[bool, int, int] | None:
    """A statement that repeats the question says yes."""
    words = {
        w for w in re.findall(r"\w{3,}", question.lower()) if w not in ("the", "are", "was", "does")
    }
    first = re.split(r"(?<=[.!?])\s", own)[0]
    said = set(re.findall(r"\w{3,}", first.lower()))
    if len(words) < 2 or len(words & said) < 0.75 * len(words):
        return None
    return True, back, back + len(first.rstrip(" .!"))
