"""Passages with steps of two or three functions each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from embedded import words


@dataclass(frozen=True)
class Scene:
    """A passage, or none, and what is asked about it.

    Attributes:
        passage: to be read before the steps; "" where the one step stands alone.
        asked: template -> step and answer.
    """

    passage: str
    asked: dict[str, tuple[str, str]]


def people(draw: random.Random, count: int) -> list[str]:
    """Distinct names of people."""
    return draw.sample(words.WOMEN + words.MEN, count)


def sentence(text: str) -> str:
    """A text with a capital first letter.

    Example:
        >>> sentence("the red lamp is on")
        'The red lamp is on'
    """
    return text[0].upper() + text[1:]


def _yes(holds: bool) -> str:
    return "Yes" if holds else "No"


def _shares() -> Iterator[Scene]:
    for at, (one, other) in enumerate(words.GOODS):
        draw = random.Random(f"shares {at}")
        a, b = people(draw, 2)
        has = "has" if at % 2 else "had"
        numbers = [draw.randint(2, 12) for _ in range(4)]
        if sum(numbers[:2]) == sum(numbers[2:]):
            numbers[0] += 1
        n = dict(zip(("a1", "a2", "b1", "b2"), numbers, strict=True))
        more = a if n["a1"] + n["a2"] > n["b1"] + n["b2"] else b
        yield Scene(
            f"{a} {has} {n['a1']} {one} and {n['a2']} {other}. "
            f"{b} {has} {n['b1']} {one} and {n['b2']} {other}.",
            {
                "retrieval-1": (
                    f"How many {other} {'does' if at % 2 else 'did'} {a} have?",
                    str(n["a2"]),
                ),
                "math-calculation-1": (f"Who {has} more {one} and {other} in all?", more),
                "syntactic-understanding-1": (
                    "Is the verb of the first sentence in the past tense?",
                    _yes(has == "had"),
                ),
            },
        )


def _orders() -> Iterator[Scene]:
    for at, (more, base, most, less, least) in enumerate(words.COMPARED):
        a, b, c = people(random.Random(f"orders {at}"), 3)  # a before b before c
        parts = [f"{a} is {more} than {b}.", f"{b} is {more} than {c}."]
        yield Scene(
            " ".join(parts if at % 4 < 2 else parts[::-1]),
            {
                "logical-reasoning-1": (
                    f"Who is the {least if at % 2 else most} of the three?",
                    c if at % 2 else a,
                ),
                "syntactic-understanding-2": (f"Of which adjective is '{more}' a form?", base),
                "semantic-understanding-1": (f"What is the opposite of '{more}'?", less),
            },
        )


def _wishes() -> Iterator[Scene]:
    for at, (wish, right, wrong) in enumerate(words.WISHES):
        draw = random.Random(f"wishes {at}")
        (a,) = people(draw, 1)
        km = dict(zip((right, wrong), draw.sample(range(2, 16), 2), strict=True))
        near, far = sorted(km, key=lambda place: km[place])
        first, second = (right, wrong) if at % 4 < 2 else (wrong, right)
        meant = wrong if at % 3 else right
        yield Scene(
            f"{a} wants to {wish}. The {first} is {km[first]} km away, "
            f"and the {second} is {km[second]} km away.",
            {
                "decision-making-1": (f"Which place should {a} go to?", f"the {right}"),
                "math-calculation-2": (
                    f"How many kilometres farther away is the {far} than the {near}?",
                    str(km[far] - km[near]),
                ),
                "retrieval-2": (f"Which place is {km[meant]} km away?", f"the {meant}"),
            },
        )


def _clues() -> Iterator[Scene]:
    for at, (held, does, place) in enumerate(words.CLUES):
        a, b = people(random.Random(f"clues {at}"), 2)
        does = does.format(his="her" if a in words.WOMEN else "his")
        start = f"Far from {b}, {a}" if at % 2 else a
        yield Scene(
            f"{start} holds {held} and {does}.",
            {
                "inference-1": (f"Where is {a} most likely?", place),
                "syntactic-understanding-3": ("What is the subject of the sentence?", a),
                "retrieval-3": (f"What does {a} hold?", held),
            },
        )


def _prices() -> Iterator[Scene]:
    things = words.PRICED
    for at, (dear, cheap, several) in enumerate(things):
        draw = random.Random(f"prices {at}")
        absent = things[(at + 1) % len(things)][at // 2 % 2]
        (a,) = people(draw, 1)
        low = draw.randint(4, 12)
        count = draw.randint(3, 5)
        high = count * low + (1 if at % 4 < 2 else -1) * draw.randint(1, 2)
        purse = high + (1 if at % 2 else -1) * draw.randint(1, 3)
        yield Scene(
            f"{a} has {purse} euros. A {dear} costs {high} euros, and a {cheap} costs {low} euros.",
            {
                "decision-making-2": (
                    f"{a} must not run into debt. Should {a} buy the {dear}?",
                    _yes(purse >= high),
                ),
                "math-calculation-3": (
                    f"Which costs more, one {dear} or {count} {several}?",
                    f"one {dear}" if high > count * low else f"{count} {several}",
                ),
                "retrieval-4": (
                    f"Does the text say what a {cheap if at % 3 else absent} costs?",
                    _yes(at % 3 > 0),
                ),
            },
        )


def _rules() -> Iterator[Scene]:
    for at, (cause, no_cause, effect, no_effect, word, other, same) in enumerate(words.RULES):
        # cause -> effect; no effect -> no cause; cause -> not the contrary of the effect
        seen, asked, answer = (
            (cause, effect, "Yes"),
            (no_effect, cause, "No"),
            (no_effect, no_cause, "Yes"),
            (cause, no_effect, "No"),
        )[at % 4]
        subject, verb, rest = asked.partition(" is ")
        yield Scene(
            f"If {cause}, then {effect}. {sentence(seen)}.",
            {
                "logical-reasoning-2": (f"{verb.strip().title()} {subject} {rest}?", answer),
                "semantic-understanding-2": (f"Does '{word}' mean '{other}'?", same),
            },
        )


def _owners() -> Iterator[Scene]:
    things = words.OWNED
    for at, (one, several, part, each) in enumerate(things):
        draw = random.Random(f"owners {at}")
        other = things[(at + 1) % len(things)][1]
        a, b = people(draw, 2)
        count, others = draw.randint(3, 9), draw.randint(3, 9)
        total = count * int(each)
        limit = total + draw.randint(1, 3) * (-1 if at % 4 in (0, 3) else 1)
        parts = [f"{a} has {count} {several}", f"{b} has {others} {other}"]
        yield Scene(
            ", and ".join(parts if at % 2 else parts[::-1]) + ".",
            {
                "knowledge-recall-1": (f"How many {part} does one {one} have?", each),
                "math-calculation-4": (
                    f"Do {count} {several} have more than {limit} {part} in all?",
                    _yes(total > limit),
                ),
                "retrieval-5": (f"Who has the {several}?", a),
            },
        )


def _journeys() -> Iterator[Scene]:
    for at, (verb, manner, start, end, country) in enumerate(words.JOURNEYS):
        (a,) = people(random.Random(f"journeys {at}"), 1)
        asked = ("comes first", f"from {start}") if at % 2 else ("comes last", f"to {end}")
        yield Scene(
            f"{a} {verb} from {start} to {end}.",
            {
                "knowledge-recall-2": (f"Of which country is {end} the capital?", country),
                "semantic-understanding-3": (
                    f"What does '{verb}' tell about how {a} travelled?",
                    manner,
                ),
                "syntactic-understanding-4": (
                    f"Which prepositional phrase {asked[0]} in the sentence?",
                    asked[1],
                ),
            },
        )


def _feelings() -> Iterator[Scene]:
    for text, pronoun, meant, who, feeling in words.FEELINGS:
        yield Scene(
            text,
            {
                "semantic-understanding-4": (f"Whom does '{pronoun}' refer to?", meant),
                "inference-2": (f"How does {who} most likely feel?", feeling),
            },
        )


def _lines() -> Iterator[Scene]:
    for at, (place, wish) in enumerate(words.LINES):
        draw = random.Random(f"lines {at}")
        (a,) = people(draw, 1)
        other = words.LINES[(at + 1) % len(words.LINES)][0]
        right, wrong = draw.sample(range(2, 30), 2)
        step, first = draw.randint(1, 3), draw.randint(1, 3)
        hours = [first + step * n for n in range(4)]
        timed = right if at % 2 else wrong
        lines = [f"bus {right} goes to the {place}", f"bus {wrong} goes to the {other}"]
        one, two = lines if at % 4 < 2 else lines[::-1]
        yield Scene(
            f"{sentence(one)}, and {two}. {a} wants to {wish}. "
            f"Bus {timed} has left at {hours[0]}, {hours[1]} and {hours[2]} o'clock.",
            {
                "decision-making-3": (
                    f"Which bus should {a} take? Give its number.",
                    str(right),
                ),
                "inference-3": (
                    f"At what hour will bus {timed} most likely leave next?",
                    str(hours[3]),
                ),
            },
        )


def _signs() -> Iterator[Scene]:
    for text, guess, holds, choice, chosen in words.SIGNS:
        yield Scene(text, {"inference-4": (guess, holds), "decision-making-4": (choice, chosen)})


SCENES = {
    "shares": _shares,
    "order": _orders,
    "wish": _wishes,
    "clue": _clues,
    "prices": _prices,
    "rule": _rules,
    "owners": _owners,
    "journey": _journeys,
    "feeling": _feelings,
    "buses": _lines,
    "signs": _signs,
}
"""Passages with steps of two or three functions each."""
