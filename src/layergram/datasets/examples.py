"""What sets of questions and sets of labelled steps have in common."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

from layergram.errors import LayergramError

IDS_SHOWN = 5


class Example(Protocol):
    """A dataclass with an id: a question or a step."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> str:
        """Unique in the set."""


class ExampleSet(ABC):
    """Examples of one kind, in the order of their source, under a name."""

    name: str

    @property
    @abstractmethod
    def examples(self) -> Sequence[Example]:
        """The questions or steps of the set."""

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def digest(self) -> str:
        """``sha256:`` and 16 digits that change with any character of any example."""
        plain = json.dumps([asdict(example) for example in self.examples], ensure_ascii=False)
        return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


def check_examples(
    examples: Sequence[Example],
    faults: Mapping[str, Sequence[str]],
    *,
    asked: str,
    noun: str,
    allowed: str,
) -> None:
    """Refuse examples with a duplicate id or any other fault; none is left out silently.

    Args:
        examples: all of a set.
        faults: description of a fault -> ids of the examples that have it.
        asked: what was asked for, for the message.
        noun: what the examples are called, in the plural.
        allowed: what every example must have, for the message.

    Raises:
        LayergramError: naming the first fault and the ids that have it.
    """
    counts = Counter(example.id for example in examples)
    duplicates = [name for name, count in counts.items() if count > 1]
    for fault, ids in {**faults, "with a duplicate id": duplicates}.items():
        if ids:
            raise LayergramError(
                asked,
                got=f"{len(ids)} of {len(examples)} {noun} {fault}: {quoted_ids(ids)}",
                allowed=allowed,
                do="correct or remove these rows",
            )


def quoted_ids(ids: Sequence[str]) -> str:
    """The first few ids in quotes, and how many more there are.

    Example:
        >>> quoted_ids(["1", "2", "3", "4", "5", "6", "7"])
        "'1', '2', '3', '4', '5' and 2 more"
    """
    shown = ", ".join(f"'{name}'" for name in ids[:IDS_SHOWN])
    return shown + (f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else "")
