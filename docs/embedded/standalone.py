"""Steps that share no passage: one step with a passage of its own, or none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from embedded import words
from embedded.questions import facts
from embedded.scenes import Scene, people

FOURTEEN = 14


def _works() -> Iterator[Scene]:
    for work, who in words.WORKS:
        yield Scene("", {"knowledge-recall-3": (f"Who {work}?", who)})


def _elements() -> Iterator[Scene]:
    names = {row["symbol"]: row["name"].split("|")[0] for row in facts("elements.csv")}
    for symbol in words.SYMBOLS:
        asked = f"Which chemical element has the symbol {symbol}?"
        yield Scene("", {"knowledge-recall-4": (asked, names[symbol])})


def _kinds() -> Iterator[Scene]:
    for animal, kind, holds in words.KINDS:
        yield Scene("", {"knowledge-recall-5": (f"Is {animal} {kind}?", holds)})


def _number_words() -> Iterator[Scene]:
    for phrase, things, number in words.NUMBER_WORDS:
        asked = f"How many {things} are meant by '{phrase}'?"
        yield Scene("", {"semantic-understanding-5": (asked, number)})


def _words_of_a_kind() -> Iterator[Scene]:
    for at in range(FOURTEEN):
        draw = random.Random(f"words {at}")
        animal = words.ANIMALS[at % len(words.ANIMALS)]
        looks = [
            look for look in words.LOOKS if look in draw.sample(words.LOOKS, draw.randint(1, 4))
        ]
        deeds = draw.sample(words.DEEDS, draw.randint(1, 5))
        did = " and ".join(filter(None, (", ".join(deeds[:-1]), deeds[-1])))
        kind, counted = ("verbs", deeds) if at % 2 else ("adjectives", looks)
        yield Scene(
            f"The {', '.join(looks)} {animal} {did}.",
            {
                "syntactic-understanding-5": (
                    f"How many {kind} are in the sentence?",
                    str(len(counted)),
                )
            },
        )


def _days() -> Iterator[Scene]:
    for at in range(FOURTEEN):
        then = 3 * at + 2  # every day twice
        weeks = 2 * (at // 7) + random.Random(f"days {at}").randint(1, 2)
        later = (then - at) % 7 + 7 * weeks
        asked = f"Today is {words.WEEK[at % 7]}. Which day will it be in {later} days?"
        yield Scene("", {"math-calculation-5": (asked, words.WEEK[then % 7])})


def _suspects() -> Iterator[Scene]:
    for text, asked, who in words.SUSPECTS:
        yield Scene(text, {"inference-5": (asked, who)})


def _queues() -> Iterator[Scene]:
    for at in range(FOURTEEN):
        draw = random.Random(f"queues {at}")
        queue = people(draw, 3 + at % 3)
        parts = [f"{after} is right behind {before}." for before, after in pairwise(queue)]
        draw.shuffle(parts)
        place = draw.randint(1, len(queue) - 1)
        yield Scene(
            " ".join([*parts, "Nobody else is in the queue."]),
            {
                "logical-reasoning-3": (
                    f"How many people are in front of {queue[place]}?",
                    str(place),
                )
            },
        )


def _choices() -> Iterator[Scene]:
    for at, (start, asked, *options) in enumerate(words.CHOICES):
        it = options.pop(at % 3)
        shown = list(options)
        shown.insert((at * 2) % 3, it)
        rest = start.partition(" is")[2]
        yield Scene(
            f"{start} {shown[0]}, {shown[1]} or {shown[2]}. "
            f"It is not{rest} {options[0]} or {options[1]}.",
            {"logical-reasoning-4": (asked, it)},
        )


def _chains() -> Iterator[Scene]:
    for at in range(FOURTEEN):
        draw = random.Random(f"chains {at}")
        a, b, c = people(draw, 3)
        x, y, z = draw.sample(words.ROOMS, 3)
        rules = [f"If {a} is {x}, then {b} is {y}.", f"If {b} is {y}, then {c} is {z}."]
        yield Scene(
            " ".join([*(rules if at % 2 else rules[::-1]), f"{a} is {x}."]),
            {"logical-reasoning-5": (f"Where is {c}?", z)},
        )


def _jobs() -> Iterator[Scene]:
    for at, (wanted, offer, low, high, wins) in enumerate(words.JOBS):
        draw = random.Random(f"jobs {at}")
        names = people(draw, 3)
        numbers = draw.sample(range(int(low), int(high) + 1), 3)
        best = (min if wins == "least" else max)(numbers)
        parts = [f"{who} {offer.format(n)}" for who, n in zip(names, numbers, strict=True)]
        yield Scene(
            f"{wanted} {parts[0]}, {parts[1]}, and {parts[2]}.",
            {"decision-making-5": ("Who should be chosen?", names[numbers.index(best)])},
        )


STANDALONE = {
    "work": _works,
    "element": _elements,
    "kind": _kinds,
    "number word": _number_words,
    "word count": _words_of_a_kind,
    "day": _days,
    "suspect": _suspects,
    "queue": _queues,
    "choice": _choices,
    "chain": _chains,
    "job": _jobs,
}
"""Passages, or none, with one step each."""
