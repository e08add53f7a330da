"""Numbers in a text, as exact values with their units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]  # fmt: skip
TENS = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
]  # fmt: skip
SCALES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
ORDINALS = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth",
    "seventeenth", "eighteenth", "nineteenth", "twentieth",
]  # fmt: skip
PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4,
    **{f"{name}{s}": at for at, name in enumerate(ORDINALS[:12], 1) if at > 2 for s in ("", "s")},
}  # fmt: skip
WORDS = {
    **{word: at for at, word in enumerate(ONES)},
    **{word: 10 * at for at, word in enumerate(TENS, 2)},
}

FACTORS: dict[str, tuple[str, str]] = {
    "length mm": ("1/1000", "mm millimetre millimeter"),
    "length cm": ("1/100", "cm centimetre centimeter"),
    "length m": ("1", "m metre meter"),
    "length km": ("1000", "km kilometre kilometer"),
    "length inch": ("0.0254", "inch inches"),
    "length ft": ("0.3048", "ft foot feet"),
    "length yd": ("0.9144", "yd yard"),
    "length mile": ("1609.344", "mi mile"),
    "area cm": ("1/10000", "cm^2 cm2"),
    "area m": ("1", "m^2 m2 square_metre square_meter"),
    "area km": ("1000000", "km^2 km2 square_kilometre square_kilometer"),
    "mass mg": ("1/1000", "mg milligram"),
    "mass g": ("1", "g gram gramme"),
    "mass kg": ("1000", "kg kilogram kilo"),
    "mass t": ("1000000", "tonne ton"),
    "mass lb": ("453.59237", "lb lbs"),
    "mass oz": ("28.349523125", "oz ounce"),
    "pound": ("1", "£ pound pounds_sterling gbp"),
    "time ms": ("1/1000", "ms millisecond"),
    "time s": ("1", "s sec second"),
    "time min": ("60", "min minute"),
    "time h": ("3600", "h hr hour"),
    "time day": ("86400", "day"),
    "time week": ("604800", "week"),
    "months": ("1", "month"),
    "months year": ("12", "year yr"),
    "months decade": ("120", "decade"),
    "months century": ("1200", "century centuries"),
    "volume ml": ("1/1000", "ml millilitre milliliter"),
    "volume l": ("1", "l litre liter"),
    "volume gallon": ("3.785411784", "gallon"),
    "speed kmh": ("1000/3600", "km/h kph kmh kilometres_per_hour kilometers_per_hour"),
    "speed mph": ("1609.344/3600", "mph miles_per_hour"),
    "speed ms": ("1", "m/s metres_per_second meters_per_second"),
    "celsius": ("1", "°c degrees_celsius celsius"),
    "fahrenheit": ("1", "°f degrees_fahrenheit fahrenheit"),
    "kelvin": ("1", "k kelvin kelvins"),
    "degrees": ("1", "° degree"),
    "dollar": ("1", "$ us$ dollar usd us_dollar buck"),
    "dollar cent": ("1/100", "¢ cent"),
    "euro": ("1", "€ euro eur"),
    "yen": ("1", "¥ yen jpy"),
    "rupee": ("1", "₹ rupee inr rs"),
    "percent": ("1/100", "% percent per_cent"),
    "power W": ("1", "w watt"),
    "power kW": ("1000", "kw kilowatt"),
    "frequency": ("1", "hz hertz"),
    "energy J": ("1", "j joule"),
    "energy kJ": ("1000", "kj kilojoule"),
    "newton": ("1", "n newton"),
    "volt": ("1", "v volt"),
    "data GB": ("1", "gb gigabyte"),
    "data MB": ("1/1000", "mb megabyte"),
}
"""Kind of a unit (its first word is its dimension) -> how many of the base unit, and its names."""


def _factor(text: str) -> Fraction:
    top, _, bottom = text.partition("/")
    return Fraction(top) / Fraction(bottom or 1)


UNITS = {
    name.replace("_", " ") + plural: (kind.split()[0], _factor(factor))
    for kind, (factor, names) in FACTORS.items()
    for name in names.split()
    for plural in (("", "s") if len(name) > 2 and name[-1].isalpha() else ("",))
}
SIGN = r"(?:(?<![\w.)\]%])-|(?<=[=:]\s)-\s|\b(?:minus|negative)\s+(?=[\w.$]))?"
CURRENCY = r"(?P<currency>US\$|USD\s?|EUR\s?|GBP\s?|Rs\.?\s?|[$€£¥₹]\s?)?"
DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"
    r"|\d{1,3}(?:'\d{3})+(?!\d)(?:\.\d+)?|\d{1,3}(?: \d{3})+(?! ?\d)(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3}){2,}(?!\d)(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+"
    r"|\d+,\d{1,2}(?=\s?(?:m|b|tr)illion)|\d+(?:\.\d+)?|\.\d+)"
)
SMALL = rf"(?:(?:{'|'.join(TENS)})(?:[\s-](?:{'|'.join(ONES[1:10])}))?|(?:{'|'.join(ONES[::-1])}))"
SCALED = rf"(?:[\s-](?:{'|'.join(SCALES)}|dozen))"
SPELLED = (
    rf"\b(?:(?:an?|{SMALL}){SCALED}+(?:[\s-](?:and )?{SMALL}\b{SCALED}*)*"
    rf"|(?:{'|'.join(ONES[10:])}|twenty)[\s-](?:{'|'.join([*TENS, *ONES[10:]])})"
    rf"(?:[\s-](?:{'|'.join(ONES[1:10])}))?"
    rf"|{SMALL})\b"
)
TIMES_TEN = r"(?:\s*[x×*·]\s*10\^\(?(?P<power>[+-]?\d+)\)?|[eE](?P<exp>[+-]?\d+)(?![\w]))?"
NUMBER = re.compile(
    rf"(?<![\w√^])(?<!\d[.:])(?P<sign>{SIGN}){CURRENCY}(?P<minus>(?<=[$€£])-)?(?:"
    rf"(?:(?P<whole>\d+)[ -])?(?P<top>\d+)\s?/\s?(?P<bottom>[1-9]\d*)(?![\d/])"
    rf"|(?i:(?P<many>\d+|\b(?:{'|'.join(ONES[1:])})) and an? (?P<rest>half|quarter|third)\b)"
    rf"|(?P<base>\d+)\^(?P<raised>\d{{1,3}})(?!\d)"
    rf"|(?P<digits>{DIGITS})(?!:\d|\d|(?<=0)s\b){TIMES_TEN}"
    rf"|(?i:(?P<part>\b(?:(?:an?|{'|'.join(ONES[1:])})[ -](?:{'|'.join(PARTS)})|half)\b)"
    rf"|(?P<ordinal>\b(?:{'|'.join(ORDINALS)})\b)|(?P<spelled>{SPELLED}))"
    r")"
)
SCALE = re.compile(r"\s?-?(hundred|thousand|million|billion|trillion|dozen)\b|([kKM]|bn)\b")
NTH = re.compile(r"(?:st|nd|rd|th)\b")
UNIT = re.compile(
    r"[^\S\r\n]?-?(?:"
    + "|".join(
        re.escape(name) + (r"(?![\w^])" if name[-1].isalnum() else "")
        for name in sorted(UNITS, key=len, reverse=True)
    )
    + ")",
    re.IGNORECASE,
)
AN = re.compile(r"(?: of)?(?: an?)?")
ONE_UNIT = re.compile(
    r"\ban? ("
    + "|".join(name for name in UNITS if len(name) > 2 and name.isalpha() and name != "second")
    + r")\b",
    re.IGNORECASE,
)
NO_THING = re.compile(
    r"\b(?:has|have|had|are|is|with|contains?) (no|none|nil)\b"
    r"(?! (?:longer|more|one|doubt|idea|answer|information|specific|known))"
)
NOTHING = re.compile(r"^\W*(none|nil|nothing)\W*$", re.IGNORECASE)
PRONOUN_BEFORE = re.compile(
    r"\b(?:no|the|this|that|which|each|every|any|another|last|correct|right|only the)\s+$",
    re.IGNORECASE,
)
PRONOUN_AFTER = re.compile(r"\s+(?:of|another|who|day|can|could|would|must|might|may|should)\b")


@dataclass(frozen=True)
class Number:
    """A number in a text.

    Attributes:
        value: exactly.
        dimension: of its unit (``length``, ``dollar``, …), or "".
        scaled: the value in the base unit of the dimension.
        start: first character in the text, sign and sign of currency included.
        end: one past the last, unit included.
        bare_end: one past the last of the number without its unit.
        ordinal: ``3rd``, ``third``.
        spelled: whether it is a word.
    """

    value: Fraction
    dimension: str
    scaled: Fraction
    start: int
    end: int
    bare_end: int
    ordinal: bool = False
    spelled: bool = False


def find_numbers(text: str) -> Iterator[Number]:
    """The numbers of a text in normal form; "3 hours 20 minutes" is one.

    Example:
        >>> [str(n.value) for n in find_numbers("1,234 or .5, 3/4, 1e3, -7, two dozen, 2,3")]
        ['1234', '1/2', '3/4', '1000', '-7', '24', '2', '3']
        >>> [(n.dimension, str(n.scaled)) for n in find_numbers("5 km, $18, 12 cm, 15%")]
        [('length', '5000'), ('dollar', '18'), ('length', '3/25'), ('percent', '3/20')]
    """
    last: Number | None = None
    for number in _single_numbers(text):
        if last is not None and _continues(last, number, text):
            scaled = last.scaled + number.scaled
            value = last.value * scaled / last.scaled
            last = replace(last, value=value, scaled=scaled, end=number.end)
            continue
        if last is not None:
            yield last
        last = number
    if last is not None:
        yield last


def _continues(one: Number, other: Number, text: str) -> bool:
    """Whether a second number adds smaller units to the first."""
    if not one.dimension or one.dimension != other.dimension or not one.value:
        return False
    smaller = 0 < other.scaled < one.scaled / one.value
    return smaller and re.fullmatch(r",?\s?(?:and )?", text[one.end : other.start]) is not None


def _single_numbers(text: str) -> Iterator[Number]:
    at, count = 0, 0
    while match := NUMBER.search(text, at):
        found = _number(text, match)
        at = max(match.end() if found is None else found.end, match.start() + 1)
        if found is not None:
            count += 1
            yield found
    if not count and (one := ONE_UNIT.search(text)):
        dimension, factor = UNITS[_lower(one[1])]
        yield Number(Fraction(1), dimension, factor, *one.span(), one.end(1), spelled=True)
    for match in (*NO_THING.finditer(text), *NOTHING.finditer(text)):
        yield Number(Fraction(0), "", Fraction(0), *match.span(1), match.end(1), spelled=True)


def _number(text: str, match: re.Match[str]) -> Number | None:
    value, end = _value(match), match.end()
    if value is None:
        return None
    word = match["part"] or match["spelled"]
    if (
        word
        and _lower(word) == "one"
        and (
            PRONOUN_BEFORE.search(text[max(0, match.start() - 20) : match.start()])
            or PRONOUN_AFTER.match(text, end)
        )
    ):
        return None
    ordinal = match["ordinal"] is not None
    if match["digits"] or match["spelled"]:
        if nth := NTH.match(text, end):
            ordinal, end = True, nth.end()
        elif (scale := SCALE.match(text, end)) and (scale[1] or match["digits"]):
            names = {"k": 10**3, "K": 10**3, "M": 10**6, "bn": 10**9, "dozen": 12}
            value *= {**SCALES, **names}[scale[1] or scale[2]]
            end = scale.end()
    bare_end, dimension, factor = end, "", Fraction(1)
    currency = _lower(match["currency"] or "").strip(" .")
    if currency:
        dimension, factor = UNITS[currency]
    elif unit := UNIT.match(text, _after_article(text, end) if match["part"] else end):
        dimension, factor = UNITS[_lower(unit[0]).strip(" -")]
        end = unit.end()
    elif match["digits"] and not ordinal and re.match(r"[^\W\d_]", text[end : end + 1]):
        return None  # 1980s, 3D
    if match["sign"] and _is_operation(text, match):
        start = match.start() + len(match["sign"])
    else:
        start = match.start()
        value = -value if match["sign"] or match["minus"] else value
    return Number(value, dimension, value * factor, start, end, bare_end, ordinal, word is not None)


def _after_article(text: str, at: int) -> int:
    """Where the unit of "half an hour" begins."""
    article = AN.match(text, at)
    return at if article is None else article.end()


def _is_operation(text: str, match: re.Match[str]) -> bool:
    """Whether "minus" stands between two numbers."""
    if match["sign"].strip() == "-":
        return False
    before = text[max(0, match.start() - 20) : match.start()].rstrip().rpartition(" ")[2].lower()
    return bool(re.search(r"\d$", before)) or before in WORDS


def _lower(matched: str) -> str:
    """What a pattern found without regard to case, as our tables write it.

    Such patterns take ſ for s, İ and ı for i and the Kelvin sign for k, and ``\\s`` takes any white
    space.

    Example:
        >>> _lower("\u00a0Cm "), _lower("TH\u0130RD"), _lower("yen\u017f")
        (' cm', 'third', 'yens')
    """
    text = re.sub(r"\s", " ", matched).rstrip()
    return text.lower().replace("i\u0307", "i").replace("\u0131", "i").replace("\u017f", "s")


def _value(match: re.Match[str]) -> Fraction | None:
    if match["top"]:
        return int(match["whole"] or 0) + Fraction(int(match["top"]), int(match["bottom"]))
    if match["many"]:
        many = _lower(match["many"])
        return (WORDS[many] if many in WORDS else int(many)) + Fraction(
            1, PARTS[_lower(match["rest"])]
        )
    if match["base"]:
        return Fraction(int(match["base"]) ** min(int(match["raised"]), 300))
    if match["digits"]:
        power = match["power"] or match["exp"] or "0"
        return _plain(match["digits"]) * Fraction(10) ** max(-300, min(int(power), 300))
    if match["part"]:
        many, _, part = _lower(match["part"]).replace("-", " ").rpartition(" ")
        return Fraction(WORDS.get(many, 1), PARTS[part])
    if match["ordinal"]:
        return Fraction(ORDINALS.index(_lower(match["ordinal"])) + 1)
    return _spelled(_lower(match["spelled"]))


def _plain(digits: str) -> Fraction:
    """Digits with marks of thousands."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d+,\d{1,2}", digits):
        digits = digits.replace(".", "").replace(",", ".")
    return Fraction(re.sub("[,' ]", "", digits))


def _spelled(words: str) -> Fraction | None:
    """The value of a number in words.

    Example:
        >>> [int(_spelled(t)) for t in ("two hundred and five", "nineteen eighty-nine")]
        [205, 1989]
    """
    total, current, last = 0, 0, 10**15
    for word in re.split(r"[\s-]+", words):
        if word in ("and", "a", "an"):
            current = current or (1 if word != "and" else 0)
            continue
        value = 12 if word == "dozen" else WORDS.get(word, 0)
        if word == "dozen":
            current = max(current, 1) * 12
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in SCALES:
            total, current = total + max(current, 1) * SCALES[word], 0
        elif 10 <= last < 100 and value >= 10 and current < 100:
            current = current * 100 + value  # nineteen eighty
        else:
            current += value
        last = value or 10**15
    return Fraction(total + current)
