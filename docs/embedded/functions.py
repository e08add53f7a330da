"""The embedded labelled steps: 56 of each cognitive function, from seven topics.

A passage says of two people, each in a sentence, how things stand, and then the same question is
asked about both. What has to be done to answer it depends on the sentence about the one asked
about: read it off, know a fact, take a word's meaning, follow a clause, a condition, a sum, a
choice, or a sign. The words of the question, and the answers, are the same for all functions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from embedded.topics import PEOPLE, TOPICS, Topic, Value
from layergram.datasets.steps import FUNCTIONS

PASSAGES = 32  # of each topic


def _retrieval(n: str, v: Value, _: Value, topic: Topic, draw: random.Random) -> str:
    return f"{n} {topic.has.format(v=v.name)}."


def _knowledge(n: str, v: Value, _: Value, topic: Topic, draw: random.Random) -> str:
    return f"{n} {v.known}."


def _meaning(n: str, v: Value, _: Value, topic: Topic, draw: random.Random) -> str:
    return f"{n} {v.meant}."


def _inference(n: str, v: Value, _: Value, topic: Topic, draw: random.Random) -> str:
    return f"{n} {v.seen}."


def _syntax(n: str, v: Value, other: Value, topic: Topic, draw: random.Random) -> str:
    this, that = (topic.has.format(v=each.name) for each in (v, other))
    return draw.choice(
        (
            f"{n}, whose friend {that}, {this}.",
            f"The one who {that} is a friend of {n}, who {this}.",
        )
    )


def _logic(n: str, v: Value, other: Value, topic: Topic, draw: random.Random) -> str:
    this, that = (topic.has.format(v=each.name) for each in (v, other))
    return draw.choice(
        (
            f"{n} {that} or {this}, but it is false that {n} {that}.",
            f"If no bell rings, {n} {that}; if one rings, {n} {this}. One rings.",
        )
    )


def _sum(n: str, v: Value, other: Value, topic: Topic, draw: random.Random) -> str:
    a, b = draw.randint(2, 9), draw.randint(2, 9)
    wrong = a + b + draw.choice((-2, -1, 1, 2))
    cases = [(a + b, v), (wrong, other)]
    draw.shuffle(cases)
    said = [f"if {a} + {b} is {number}, {n} {topic.has.format(v=w.name)}" for number, w in cases]
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _decision(n: str, v: Value, other: Value, topic: Topic, draw: random.Random) -> str:
    low, high = sorted(draw.sample(range(2, 30), 2))
    prices = [(v, high if topic.most else low), (other, low if topic.most else high)]
    draw.shuffle(prices)
    told = ", ".join(f"{each.name} for {price} euros" for each, price in prices)
    return f"{n} {topic.chooses}: {told}."


SENTENCES: dict[str, Callable[[str, Value, Value, Topic, random.Random], str]] = dict(
    zip(
        FUNCTIONS,
        (_knowledge, _retrieval, _logic, _decision, _meaning, _syntax, _inference, _sum),
        strict=True,
    )
)
"""How a sentence says that somebody has one value, perhaps beside another one."""


def steps() -> Iterator[dict[str, str]]:
    """The steps, cycling through the topics, so that the first few are of every kind."""
    for at in range(PASSAGES):
        for template, topic in TOPICS.items():
            draw = random.Random(f"{template} {at}")
            first, second = at % 8, (at + 1 + at // 8) % 8  # each function as often with any other
            people = draw.sample(PEOPLE, 2)
            values = draw.sample(topic.values, 4)
            parts = []
            for who, of, v, other in zip(people, (first, second), values, values[2:], strict=False):
                sentence = SENTENCES[FUNCTIONS[of]](who, v, other, topic, draw)
                parts.append((FUNCTIONS[of], who, v.name, sentence))
            draw.shuffle(parts)
            passage = " ".join(sentence for *_, sentence in parts)
            draw.shuffle(parts)
            for function, who, answer, _ in parts:
                slug = function.lower().replace(" ", "-")
                yield {
                    "id": f"{template} {at + 1} {slug}",
                    "question": passage,
                    "step": topic.asked.format(n=who),
                    "answer": answer,
                    "function": function,
                    "group": f"{template} {at + 1}",
                    "template": template,
                }
