"""What the embedded steps are about: seven topics, with sentences written for layergram."""

from __future__ import annotations

from dataclasses import dataclass

from embedded.questions import facts


@dataclass(frozen=True)
class Value:
    """One answer that a topic has.

    Attributes:
        name: the answer.
        known: what is true of somebody with it, for those who know a fact.
        meant: the same in other words.
        seen: what is seen of somebody with it, who is not said to have it.
    """

    name: str
    known: str
    meant: str
    seen: str


@dataclass(frozen=True)
class Topic:
    """A question that is asked of everybody in the same words, and its answers.

    Attributes:
        asked: the question; ``{n}`` is a name.
        has: what somebody does who has ``{v}``.
        chooses: what somebody does who looks at the price, or the pay.
        most: whether the largest number is chosen.
        values: the answers.
    """

    asked: str
    has: str
    chooses: str
    most: bool
    values: tuple[Value, ...]


def _values(topic: str) -> tuple[Value, ...]:
    rows = [row for row in facts("topics.csv") if row.pop("topic") == topic]
    return tuple(Value(**row) for row in rows)


PEOPLE = (
    "Ada", "Bea", "Cora", "Dina", "Elsa", "Freya", "Greta", "Hana", "Ines", "Jana", "Kira",
    "Lena", "Mira", "Nora", "Olga", "Petra", "Rosa", "Sara", "Tess", "Vera", "Yara", "Zoe",
    "Adam", "Boris", "Carl", "Dario", "Emil", "Felix", "Gus", "Hugo", "Ivan", "Jonas", "Kofi",
    "Leon", "Marco", "Nils", "Omar", "Paul", "Rafi", "Sven", "Theo", "Viktor", "Walid", "Yusuf",
)  # fmt: skip

TOPICS = {
    name: Topic(*sentences, _values(name))
    for name, sentences in {
        "colour": ("What colour is {n}'s cup?", "has a {v} cup", "buys the cheaper cup", False),
        "job": ("What is {n}'s job?", "works as a {v}", "takes the better paid job", True),
        "animal": ("Which animal does {n} keep?", "keeps a {v}", "buys the cheaper animal", False),
        "drink": ("What does {n} drink?", "drinks {v}", "orders the cheaper drink", False),
        "country": (
            "In which country does {n} live?",
            "lives in {v}",
            "moved to the cheaper country",
            False,
        ),
        "vehicle": (
            "How does {n} travel?",
            "travels by {v}",
            "takes the cheaper way to travel",
            False,
        ),
        "instrument": (
            "What does {n} play?",
            "plays the {v}",
            "learns the cheaper instrument",
            False,
        ),
    }.items()
}
"""Each topic is a template of the steps."""
