"""The question sets that come with layergram, made from facts."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files

from layergram.datasets.questions import LETTERS, Question, QuestionSet

SEED = 20_260
SUMS = 300
OPTIONS = 4


@dataclass(frozen=True)
class EmbeddedSet:
    """A question set of layergram's own.

    Attributes:
        name: to ask for it by.
        about: what is asked, in one line.
        make: makes its questions, the same at every call.
    """

    name: str
    about: str
    make: Callable[[], Iterator[Question]]

    def load(self) -> QuestionSet:
        """The set."""
        return QuestionSet(self.name, tuple(self.make()))


def facts(name: str) -> list[dict[str, str]]:
    """The rows of ``capitals.csv`` or ``elements.csv``."""
    text = files("layergram.datasets").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _capitals() -> Iterator[Question]:
    for fact in facts("capitals.csv"):
        place = fact["place"]
        aliases = tuple(fact["capital"].split("|"))
        yield Question(place, f"What is the capital of {place}?", aliases, group=place)


def _elements() -> Iterator[Question]:
    """Per element its number and its symbol, and the element of the symbol."""
    for fact in facts("elements.csv"):
        names = tuple(fact["name"].split("|"))
        name, symbol = names[0], fact["symbol"]
        asked = (
            (
                "number",
                f"What is the atomic number of {name}? Answer with the number.",
                (fact["number"],),
            ),
            ("symbol", f"What is the chemical symbol for {name}?", (symbol,)),
            ("name", f"Which chemical element has the symbol {symbol}?", names),
        )
        for kind, question, aliases in asked:
            yield Question(f"{name} {kind}", question, aliases, group=name)


def _arithmetic() -> Iterator[Question]:
    """Sums, differences and products whose result is neither of the two numbers, no two alike."""
    draw = random.Random(SEED)
    seen: set[str] = set()
    while len(seen) < SUMS:
        sign = draw.choice("+-×")
        a, b = draw.randint(2, 10 if sign == "×" else 20), draw.randint(2, 10)
        a, b = (max(a, b), min(a, b)) if sign == "-" else (a, b)
        result = {"+": a + b, "-": a - b, "×": a * b}[sign]
        asked = f"{a} {sign} {b}"
        if asked not in seen and result not in (a, b):
            seen.add(asked)
            question = f"What is {asked}? Answer with the number."
            yield Question(asked, question, (str(result),), group=asked)


def _countries() -> Iterator[Question]:
    """Of which country a city is the capital, with three others of the same continent."""
    draw = random.Random(SEED)
    places = facts("capitals.csv")
    for fact in places:
        capital = fact["capital"].split("|")[0]
        others = [
            other["place"]
            for other in places
            if other["continent"] == fact["continent"]
            and capital not in other["capital"].split("|")
        ]
        options = [fact["place"], *draw.sample(others, OPTIONS - 1)]
        draw.shuffle(options)
        letter = LETTERS[options.index(fact["place"])]
        yield Question(
            fact["place"],
            f"Of which place is {capital} the capital? Answer with the letter.",
            (letter, fact["place"]),
            options=tuple(options),
            group=fact["place"],
        )


EMBEDDED: dict[str, EmbeddedSet] = {
    found.name: found
    for found in (
        EmbeddedSet("capitals", "the capitals of 246 countries and other places", _capitals),
        EmbeddedSet("elements", "number, symbol and name of the 118 elements", _elements),
        EmbeddedSet("arithmetic", f"{SUMS} sums, differences and products", _arithmetic),
        EmbeddedSet("countries", "the place of a capital, with four options", _countries),
    )
}
"""The embedded question sets by name."""
