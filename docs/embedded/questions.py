"""The embedded question sets, generated from the facts in ``capitals.csv`` and ``elements.csv``."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEED = 20_260
SUMS = 300
OPTIONS = 4
LETTERS = "ABCD"

Row = dict[str, Any]


def facts(name: str) -> list[dict[str, str]]:
    """The rows of ``capitals.csv`` or ``elements.csv``."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def capitals() -> Iterator[Row]:
    """The capitals of countries and other places."""
    for fact in facts("capitals.csv"):
        place = fact["place"]
        yield {
            "id": place,
            "question": f"What is the capital of {place}?",
            "answer": fact["capital"].split("|"),
        }


def elements() -> Iterator[Row]:
    """For each element its number and its symbol, and the element of the symbol."""
    for fact in facts("elements.csv"):
        names = fact["name"].split("|")
        name, symbol = names[0], fact["symbol"]
        asked = (
            (
                "number",
                f"What is the atomic number of {name}? Answer with the number.",
                [fact["number"]],
            ),
            ("symbol", f"What is the chemical symbol for {name}?", [symbol]),
            ("name", f"Which chemical element has the symbol {symbol}?", names),
        )
        for kind, question, answers in asked:
            yield {
                "id": f"{name} {kind}",
                "question": question,
                "answer": answers,
                "group": name,
            }


def arithmetic() -> Iterator[Row]:
    """Distinct sums, differences and products whose result is neither of the two numbers."""
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
            yield {"id": asked, "question": question, "answer": [str(result)]}


def countries() -> Iterator[Row]:
    """The place of which a city is the capital, with three others of the same continent."""
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
        yield {
            "id": fact["place"],
            "question": f"Of which place is {capital} the capital? Answer with the letter.",
            "answer": [LETTERS[options.index(fact["place"])], fact["place"]],
            "options": options,
        }
