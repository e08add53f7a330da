"""Dates in a text, in any order of day, month and year."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from layergram.answers.numerals import ORDINALS

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
DAYS = [*ORDINALS, *(f"twenty-{name}" for name in ORDINALS[:9]), "thirtieth", "thirty-first"]
MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if name != "may" else name for name in MONTHS)
MONTH = MONTH.replace("sep(?:tember)?", "sept?(?:ember)?")
DAY = rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?|(?P<word>{'|'.join(DAYS)})\b)"
YEAR = r"(?P<year>\d{3,4})(?!\d)(?!,\d)"
FORMS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{DAY}(?: of|\.)?[ -]*(?P<month>{MONTH})\b\.?(?:,? (?:of |in )?|-)" + YEAR,
        rf"\b(?P<month>{MONTH})\b\.? (?:the )?{DAY}\b,? (?:of )?{YEAR}",
        r"\b(?P<year>\d{4})[-/.](?P<first>\d{1,2})[-/.](?P<second>\d{1,2})(?!\d)",
        r"\b(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.](?P<year>\d{4})(?!\d)",
        rf"\b(?P<year>\d{{4}}),? (?P<month>{MONTH})\b\.? {DAY}\b",
        rf"\b(?P<month>{MONTH})\b\.?,? (?:of )?{YEAR}",
        rf"\b{DAY}(?: of|\.)? (?P<month>{MONTH})\b",
        rf"\b(?P<month>{MONTH})\b\.? (?:the )?{DAY}\b",
        r"\b(?P<ad>AD |A\.D\. )(?P<year>\d{1,4})(?!\d)",
        r"\b(?P<year>\d{1,5}) (?P<era>BCE?\b|B\.C\.(?:E\.)?|CE\b|AD\b|A\.D\.)",
        r"\b(?:in|year|since) (?P<year>\d{3})(?![\w]|[.,:]\d| BC)",
        r"(?<![\w.,$€£:/-])(?P<year>1\d{3}|20\d{2})(?![\w/]|[.,:]\d|-\d)",
    )
]


@dataclass(frozen=True)
class Date:
    """A date, or a part of one.

    Attributes:
        year: negative before our era, or ``None``.
        months: numbers the month may have; more than one where the order is not clear.
        days: the same for the day of each of them.
        span: its characters in the text.
    """

    year: int | None
    months: tuple[int, ...]
    days: tuple[int | None, ...]
    span: tuple[int, int]

    @property
    def parts(self) -> int:
        """How many of year, month and day it has."""
        return (self.year is not None) + bool(self.months) + (self.days != (None,) * len(self.days))


def find_dates(text: str) -> Iterator[Date]:
    """The dates of a text in normal form, each once, in order.

    Example:
        >>> found = list(find_dates("on November 9th, 1989, i.e. 9.11.1989, in 1990 and 44 BC"))
        >>> [(date.year, date.months, date.days) for date in found[:2]]
        [(1989, (11,), (9,)), (1989, (9, 11), (11, 9))]
        >>> [date.year for date in found[2:]]
        [1990, -44]
    """
    free = text
    found = []
    for form in FORMS:
        for match in form.finditer(free):
            date = _date(match)
            if date is not None:
                found.append(date)
        for date in found:
            start, end = date.span
            free = free[:start] + "\0" * (end - start) + free[end:]
    return iter(sorted(found, key=lambda date: date.span))


def _date(match: re.Match[str]) -> Date | None:
    parts = match.groupdict()
    year = int(parts["year"]) if parts.get("year") else None
    if year is not None and (parts.get("era") or "").upper().startswith("B"):
        year = -year
    if parts.get("first"):
        one, other = int(parts["first"]), int(parts["second"])
        ways = [(one, other), (other, one)]
        if match.re is FORMS[2]:  # year first: then the month
            ways = ways[:1]
        ways = list(dict.fromkeys((m, d) for m, d in ways if 1 <= m <= 12 and 1 <= d <= 31))
        if not ways:
            return None
        return Date(year, tuple(m for m, _ in ways), tuple(d for _, d in ways), match.span())
    month = parts.get("month")
    day = int(parts["day"]) if parts.get("day") else None
    if parts.get("word"):
        day = DAYS.index(parts["word"].lower()) + 1
    if day is not None and not 1 <= day <= 31:
        return None
    if not month:
        return Date(year, (), (), match.span())
    number = next(at for at, name in enumerate(MONTHS, 1) if name.startswith(month[:3].lower()))
    return Date(year, (number,), (day,), match.span())


def accepted_date(alias: str) -> Date | None:
    """An accepted answer that is a date of more than a year, or a year with its era."""
    text = re.sub(r"^(?:on |in |the )+", "", alias.strip().rstrip("."), flags=re.IGNORECASE)
    found = list(find_dates(text))
    if len(found) != 1 or found[0].span != (0, len(text)):
        return None
    date = found[0]
    return date if date.months or not text.isdecimal() else None


def same_date(accepted: Date, other: Date) -> bool:
    """Whether a date of a reply agrees in everything that the accepted one has."""
    if accepted.year is not None and other.year != accepted.year:
        return False
    if not accepted.months:
        return True
    own = set(zip(accepted.months, accepted.days, strict=True))
    others = set(zip(other.months, other.days, strict=True))
    if any(day is None for _, day in own):
        return bool({month for month, _ in own} & {month for month, _ in others})
    return bool(own & others)
