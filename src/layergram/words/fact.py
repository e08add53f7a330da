"""Facts, and the record that every kind of fact carries."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

if TYPE_CHECKING:
    from layergram.words.names import Names
    from layergram.words.view import View

Section = Literal["overview", "rows", "columns", "panels", "key"]


@dataclass(frozen=True)
class Fact:
    """One thing that is true of a map.

    Args:
        kind: name of its kind in :func:`registry`.
        coordinates: where it holds: lists of labels by axis name, and names for cases.
        numbers: what was found there, in the map's own unit unless the name says otherwise.
        strength: size of the effect, 0 to 1, for ranking facts of different kinds.
        section: where it is told.
    """

    kind: str
    coordinates: Mapping[str, Any]
    numbers: Mapping[str, float]
    strength: float
    section: Section


@dataclass(frozen=True)
class Kind:
    """A kind of fact: how it is found, checked and put into words.

    Args:
        name: name of the kind.
        description: what the fact says, in one sentence.
        chance: the rule that keeps a map of noise from showing it.
        section: where such facts are told.
        find: all facts of the kind in a map, the strongest first.
        holds: whether a fact is true of a map, recomputed from the labelled array alone.
        sentence: the fact in words.
        most: how many of the kind are told.
    """

    name: str
    description: str
    chance: str
    section: Section
    find: Callable[[View], list[Fact]]
    holds: Callable[[xr.DataArray, Fact], bool]
    sentence: Callable[[Fact, Names], str]
    most: int = 3

    def fact(
        self,
        coordinates: Mapping[str, Any],
        numbers: Mapping[str, Any],
        strength: float,
        *,
        section: Section | None = None,
    ) -> Fact:
        """A fact of this kind, its numbers as plain floats, for the kind's section or another."""
        plain = {key: float(value) for key, value in numbers.items()}
        bounded = min(max(float(strength), 0.0), 1.0)
        return Fact(self.name, dict(coordinates), plain, bounded, section or self.section)


@cache
def registry() -> Mapping[str, Kind]:
    """All kinds of facts by name: every record in the modules of ``layergram.words.kinds``."""
    package = importlib.import_module("layergram.words.kinds")
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(package.__path__):
        content = importlib.import_module(f"{package.__name__}.{module.name}")
        found |= {v.name: v for v in vars(content).values() if isinstance(v, Kind)}
    return found
