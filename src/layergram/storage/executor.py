"""Who makes the shards of a stage: this process, others, or a share of them each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from layergram.errors import LayergramError

Result = TypeVar("Result")
Executor = Callable[[Callable[[str], Any], Sequence[str]], Iterable[Any]]
SHARE = re.compile(r"(\d{1,6})/(\d{1,6})")


def in_process(make: Callable[[str], Result], shards: Sequence[str]) -> Iterable[Result]:
    """The executor that makes one shard after the other in this process.

    An executor is called with a function and the names of the shards to make, and yields what the
    function returns for each of them, in any order, as they come. The function can be sent to
    other processes if the work of the stage can; it writes a shard itself, and returns little.
    An executor may leave shards out that other processes make.
    """
    return map(make, shards)


@dataclass(frozen=True)
class Share:
    """The part of the shards of every stage that one of several processes makes.

    Attributes:
        number: of the share, from 1.
        of: how many shares there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """The share that a text such as ``3/64`` names.

        Raises:
            LayergramError: for another text, and for a number that is out of range.

        Example:
            >>> Share.parse("3/64")
            Share(number=3, of=64)
        """
        match = SHARE.fullmatch(text)
        share = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= share.number <= share.of:
            raise LayergramError(
                f"shard = {text}",
                got="a number out of range" if match else "not two numbers",
                allowed="K/N, with K from 1 to N, such as 3/64",
            )
        return share

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def part(self, names: Sequence[str]) -> list[str]:
        """Every N-th name, beginning with the K-th: items are mostly sorted by length.

        Example:
            >>> Share(2, 3).part(["a", "b", "c", "d", "e"])
            ['b', 'e']
        """
        return list(names[self.number - 1 :: self.of])

    def owners(self, names: Sequence[str], some: Sequence[str]) -> list[Share]:
        """The shares that some of the names belong to."""
        places = {name: at for at, name in enumerate(names)}
        return [Share(k + 1, self.of) for k in sorted({places[one] % self.of for one in some})]
