"""Names, words and symbols: whether a reply gives an accepted one as its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from layergram.answers.clues import (
    GUESSES,
    denied,
    just_before,
    no_more,
    sentence_after,
    sentence_before,
)
from layergram.answers.normal import UNSPACED

Span = tuple[int, int]
SYMBOL = 2  # letters of a chemical symbol, or of a label
OTHER = (
    "(?:New|North|South|East|West|Northern|Southern|Eastern|Western|Upper|Lower|Little|Great|Old"
    "|Fort|Lake|Equatorial|Central|Democratic|San|Santa|Saint|Port|American|British|French|Dutch)"
)
"""Words before a name that make it another one."""

SAME = ((r"saint|st\.?", "saint st"), (r"mount|mt\.?", "mount mt"), (r"and|&", "and &"))
NEAR = re.compile(
    r"\b(?:near|next to|close to|beside|outside|(?:north|south|east|west) of|border(?:s|ing)"
    r"|neighbou?r(?:s|ing)?|compar\w+ (?:to|with)|similar to|like|than|followed by|ahead of|behind"
    r"|(?:friend|pupil|rival|student|contemporary|teacher|colleague|son|daughter|wife|husband) of"
    r"|influenced by|not far from)\s+(?:the )?$",
    re.IGNORECASE,
)
ANOTHER = re.compile(r"\b(?!(?:It|The|He|She|They|This|That|There|In|An?|I|Its)\b)[^\W\d_a-z]\w+")
TOPIC = re.compile(r"\bof\s+(?:the )?$", re.IGNORECASE)
IS = re.compile(r"(?:'s \w+)?\s+(?:is|was|are|were)\b")
BIG = r"(?:(?:St|Mt)\. )?[^\W\d_a-zà-ÿ][\w'-]*(?:\.\w+)*"
NAME = rf"{BIG}(?:(?: (?:de|da|do|del|la|le|el|al|of the|of|the|van|von))? {BIG}){{0,5}}"
GIVEN = re.compile(
    r"\b(?:[Tt]he|[Ii]ts|[Tt]heir|[Hh]is|[Hh]er|[Aa]nswer|[Ii]t)\b(?!'s)[^.;:!?\n]{0,60}?"
    r"\b(?:is|was|are|were)(?: called| named| known as| the city of)?:?\s+(?:the )?[\"'(]*"
    rf"(?P<name>{NAME})"
)
SUPERLATIVE = re.compile(r"\s+(?:is|was) the (?:\w+est|most \w+|other|second|next)\b")
EVEN = r"(?:maybe |perhaps |possibly |even |in )?(?:the )?"
OR_AFTER = re.compile(rf"[\"')]*(?:,?\s+or\s+|\s?/\s?){EVEN}(?P<other>{NAME}|\w+)")
OR_BEFORE = re.compile(rf"(?P<other>{NAME}|\w+)[\"')]*(?:,?\s+or\s+|\s?/\s?){EVEN}[\"'(]*$")
REFERS = re.compile(r"\brefers? to (?:the |an? )?[\"']?(?P<name>\w+)")
BEGINS = re.compile(
    rf"(?:^|[.;!?]\s+)(?!(?:It|This|That|He|She)\b)(?P<name>{NAME})\s+(?:is|was) the\b"
)
PERHAPS = re.compile(
    r"\b(?:[Mm]aybe|[Pp]erhaps|[Pp]ossibly|(?:[Ss]ome|[Oo]thers|[Mm]any) (?:say|think|believe))\s+"
    rf"(?:it is |it's )?(?P<name>{NAME}|\w+)"
)
LISTED = re.compile(rf"(?:{NAME},\s*){{1,}}(?:{NAME},?\s*)?(?:(?:or|and)\s*)?{NAME}")
ASKED = re.compile(rf"(?P<name>{NAME})\s?\?")
CRAFT = (
    r"(?:wrote|writes|painted|composed|discovered|invented|directed|founded|created|designed|built"
    r"|developed|proposed|published|formulated|sang|played|won|said)"
)
BY = r"(?:by|author(?: is| was|:)?|painter (?:is|was)|composer (?:is|was))\s+"
SYMBOLS = re.compile(
    r"(?:\b(?:symbol|formula|abbreviation|letter|answer|is|are)|[:=])\s*[\"'(]*(?P<symbol>[A-Z][a-z]?)"
    r"(?![\w-])(?!'[a-z])"
)


CALLED = re.compile(r"\b(?:symbol|formula|abbreviation)\b[^,.;]{0,40}$")
TITLES = (
    "mr", "mrs", "ms", "dr", "sir", "lord", "lady", "by", "the", "madame", "king", "queen",
    "president", "professor", "saint",
)  # fmt: skip


def find_name(aliases: Sequence[str], text: str, question: str) -> tuple[list[Span], Span | None]:
    """The accepted names that a reply gives, and the first mention of one, given or not.

    Args:
        aliases: accepted names, in normal form.
        text: the reply, in normal form.
        question: the question, in normal form, or "".
    """
    mentions = sorted(
        {span for alias in aliases for span in _mentions(alias, text, question)},
        key=lambda span: (span[0], -span[1]),
    )
    given = [span for span in mentions if _is_given(span, mentions, aliases, text, question)]
    return given, (mentions[0] if mentions else None)


def _mentions(alias: str, text: str, question: str) -> list[Span]:
    found = [match.span(1) for match in pattern(alias).finditer(text)]
    if _is_symbol(alias):
        found = [span for span in found if not _is_pronoun(span, text)]
    if not found and " " in alias:
        found = _surname(alias, text, question)
    return found


def _is_symbol(alias: str) -> bool:
    return alias.isascii() and alias.isalpha() and len(alias) <= SYMBOL and alias[0].isupper()


@lru_cache(maxsize=4096)
def pattern(alias: str) -> re.Pattern[str]:
    """The pattern of a name or a word in a text of normal form, with edges at both ends.

    Example:
        >>> [bool(pattern("Paris").search(t)) for t in ("Paris's", "Parisian", "in paris")]
        [True, False, True]
    """
    alias = re.sub(r"\s*\([^()]*\)$", "", alias.strip().rstrip(".")) or alias
    capital = alias[:1].isupper()
    symbol = _is_symbol(alias)
    bare = alias if symbol else re.sub(r"^(?:the|an?)\s+(?=\w)", "", alias, flags=re.IGNORECASE)
    words = [_word(word) for word in re.split(r"[\s-]+", bare) if word]
    core = r"[\s-]+".join(words).replace(r",[\s-]+", r",?\s*") or re.escape(alias)
    core = re.sub(r"(?<![^\W_])(\w)\\\.\?\[\\s-\]\+", r"\1\\.?[\\s-]*", core)  # J. K. Rowling
    if re.match(r"(?:Mount|Mt\.?) ", bare):
        core = core.replace(words[0] + r"[\s-]+", rf"(?:{words[0]}\s+)?", 1)
    elif re.search(r" (?:Ocean|Desert)$", bare):
        core = core.removesuffix(r"[\s-]+" + words[-1]) + rf"(?:\s+{words[-1]})?"
    if not capital and re.search(r"(?<![^\W_])[a-z]{3,}$", bare):  # one or several of a thing
        core = core[:-1] + "s?" if bare.endswith("s") and len(bare) > 3 else _plural(core)
    joins = rf"[{UNSPACED}]"
    left = "" if re.match(joins, bare) else r"(?<![^\W_])(?<!\w['-])" if capital else r"(?<![^\W_])"
    if re.match("[\u0620-\u064a]", bare):  # particles of Arabic are written with the word
        left = "(?:(?<![^\\W_])|(?<=\\b[\u0648\u0641\u0628\u0643\u0644]))"
    right = "" if re.match(joins, bare[-1:]) else r"(?![^\W_])(?!'[A-Za-z]{2})"
    if symbol:
        right += r"(?!-?\d)(?!'[a-z])"
    elif capital:
        right += r"(?!-[A-Z])"
    return re.compile(rf"{left}({core}){right}", 0 if symbol else re.IGNORECASE)


def _plural(word: str) -> str:
    for end, ends in (("y", "(?:y|ies)"), ("fe", "(?:fe|ves)")):
        if word.endswith(end):
            return word.removesuffix(end) + ends
    return word + "(?:e?s)?"


def _word(word: str) -> str:
    for forms, names in SAME:
        if word.lower().rstrip(".") in names.split():
            return rf"(?:{forms})"
    plain = re.escape(word).replace("'", "'?")
    if re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]?", word):  # U.S.
        return r"\.?\s*".join(word.replace(".", "")) + r"\.?"
    if word.isupper() and word.isalpha() and 1 < len(word) <= 4:
        return r"\.?".join(word) + r"(?:\.(?=\s*\w))?"
    return plain.replace(r"\.", r"\.?")


def _is_pronoun(span: Span, text: str) -> bool:
    """Whether "He", "I", "A" or "In" is a word of the sentence there, not a symbol."""
    start, end = span
    word, after = text[start:end], text[end:]
    if word in ("A", "I"):
        return bool(re.match(r"\s+(?!is\b)[a-z]|'", after))
    begins = not sentence_before(text, start).strip(" \"'(")
    return (
        begins
        and word in ("He", "In", "As", "At", "Be", "No", "Am")
        and bool(re.match(r",?\s+[a-z]|,", after))
    )


def _surname(alias: str, text: str, question: str) -> list[Span]:
    """The last name of a person alone: "Shakespeare wrote it"."""
    names = alias.split()
    if (
        len(names) > 4
        or re.match(OTHER, alias)
        or not (names[0][:1].isupper() and names[-1][:1].isupper())
    ):
        return []
    last = _word(names[-1])
    given = "|".join(map(re.escape, names[:-1]))
    found = re.finditer(rf"(?<![^\W_])({last})(?![^\W_])", text)
    who = re.match(r"\s*(?:who|whose|by whom)\b", question, re.IGNORECASE)
    spans = []
    for match in found:
        before, after = just_before(text, match.start()), text[match.end() :]
        first = re.search(r"([^\W\d_]\w*\.?)\s+$", before)
        foreign = (
            first
            and first[1][:1].isupper()
            and not re.fullmatch(given, first[1], re.IGNORECASE)
            and (sentence_before(text, match.start()).strip() != "" and not _is_title(first[1]))
        )
        person = (
            who
            or re.match(rf"\s+(?:{CRAFT}\b|was (?:the|an?)\b)", after)
            or re.search(rf"\b{BY}$", before)
        )
        if person and not foreign:
            spans.append(match.span())
    return spans


def _is_title(word: str) -> bool:
    return word.rstrip(".").lower() in TITLES


def _is_given(
    span: Span, mentions: Sequence[Span], aliases: Sequence[str], text: str, question: str
) -> bool:
    """Whether a mention of an accepted name answers the question."""
    start, end = span
    before = sentence_before(text, start)
    if denied(text, start, end) or no_more(text, start, end):
        return False
    if _is_guess(span, aliases, text):
        return False
    if text[start:end][:1].isupper() and re.search(rf"\b{OTHER} $", before):
        return False
    if TOPIC.search(before) and IS.match(text, end):
        return False
    if question and _is_echo(span, text, question):
        return False
    if _is_symbol(text[start:end]):
        told = [m for m in SYMBOLS.finditer(text) if not denied(text, *m.span("symbol"))]
        told = [m for m in told if CALLED.search(just_before(text, m.start("symbol")))] or told
        return not told or any(match.span("symbol") == span for match in told)
    return not _other_is_given(span, mentions, text, question)


def _is_guess(span: Span, aliases: Sequence[str], text: str) -> bool:
    """Whether it is one of several guesses: "Paris or Lyon", "could be Paris, Lyon or Nice"."""
    start, end = span
    before, after = sentence_before(text, start), sentence_after(text, end)
    capital = text[start].isupper()
    for match in (OR_AFTER.match(after), OR_BEFORE.search(before)):
        if match is None or any(pattern(alias).search(match["other"]) for alias in aliases):
            continue
        if (capital and match["other"][:1].isupper()) or GUESSES.search(before + match[0]):
            return True
    if GUESSES.search(before):
        base = start - len(before)
        for match in LISTED.finditer(text, base):
            if (
                match.start() <= start
                and end <= match.end()
                and match[0].count(",") + (" or " in match[0] or " and " in match[0]) >= 2
            ):
                return True
    maybe = [match["name"] for match in PERHAPS.finditer(text)]
    if len(set(maybe)) > 1 and any(
        pattern(alias).search(name) for name in maybe for alias in aliases
    ):
        return True
    asked = {match["name"] for match in ASKED.finditer(text)}
    return bool(re.match(r"\s?\?", text[end:])) and len(asked) > 1


def _is_echo(span: Span, text: str, question: str) -> bool:
    """Whether the reply only repeats words of the question there."""
    start, end = span
    word = re.search(r"(\w+)\W+$", just_before(text, start))
    if word is None:
        return False
    echo = rf"\b{re.escape(word[1])}\W+{re.escape(text[start:end])}\b"
    return re.search(echo, question, re.IGNORECASE) is not None


def _is_subject(text: str, end: int) -> bool:
    """Whether a name is what a sentence is about: "Abuja is the capital"."""
    return re.match(r"\s+(?:is|was) (?:the|its|it)\b", text[end:]) is not None


def _says(predicate: str, question: str) -> bool:
    """Whether a sentence says of a name what the question asks for."""
    if not re.match(r"\s+(?:is|was|has|had)\b", predicate):
        return False
    words = set(re.findall(r"[a-z]{4,}", predicate.lower()))
    return bool(words & set(re.findall(r"[a-z]{4,}", question.lower())))


def _other_is_given(span: Span, mentions: Sequence[Span], text: str, question: str) -> bool:
    """Whether another name is told as the answer, and this one is only near it, or comes later."""
    start, end = span
    for match in GIVEN.finditer(text):
        own = match.span("name")
        if any(own[0] < b and a < own[1] for a, b in mentions):
            continue
        if denied(text, *own) or no_more(text, *own) or match.start() <= start < own[0]:
            continue
        subject = _is_subject(text, end)
        best = SUPERLATIVE.match(text, end)
        only_best = best is not None and best[0].split()[-1] not in question
        asked = _says(sentence_after(text, end), question)
        told = re.search(
            r"\b(?:is|was|are|were|called|named|:|not)\s+(?:the |in )?[\"'(]*$",
            just_before(text, start),
        )
        if own[0] < start and (only_best or not subject) and not (told or asked):
            return True
    for match in BEGINS.finditer(text, 0, start):
        own = match.span("name")
        if any(own[0] < b and a < own[1] for a, b in mentions) or denied(text, *own):
            continue
        begins = re.search(r"[.;!?,]\s+(?:and |while |but )?$", just_before(text, start))
        if begins and not _is_subject(text, end) and not _says(sentence_after(text, end), question):
            return True
    referred = [m for m in REFERS.finditer(text) if not denied(text, *m.span("name"))]
    if referred and all(m.end() <= start or end <= m.start("name") for m in referred):
        return True
    if re.search(r"\bfrom (?:the )?$", just_before(text, start)) and re.match(
        r" to [^\W\d_a-z]", text[end:]
    ):
        return True
    near = NEAR.search(sentence_before(text, start))
    return near is not None and ANOTHER.search(text[:start]) is not None
