"""Facts, and the record that every kind of fact carries."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

if TYPE_CHECKING:
    from layergram.words.names import Names
    from layergram.words.view import View

Section = Literal["overview", "key", "counted", "tested"]
Block = Mapping[str, Any]
"""Cells of a map: lists of labels by axis."""


@dataclass(frozen=True)
class Fact:
    """One thing that is true of a map.

    Args:
        kind: name of its kind in :func:`registry`.
        coordinates: where it holds: lists of labels by axis name, and names for cases.
        numbers: what was found there, in the map's own unit unless the name says otherwise.
        strength: size of the effect, 0 to 1, for ranking facts of different kinds.
        section: where it is told: ``"tested"`` is what stands out from a null, the rest is counted.
        without: labels that were left out before anything was counted, by axis name.
        log: whether the values are seen as log10; numbers are then log10 of the map's unit.
    """

    kind: str
    coordinates: Mapping[str, Any]
    numbers: Mapping[str, float]
    strength: float
    section: Section
    without: Mapping[str, list[Any]] = field(default_factory=dict)
    log: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of fact: how it is found, checked and put into words.

    Args:
        name: name of the kind.
        description: what the fact says, in one sentence.
        section: where such facts are told.
        find: all facts of the kind in a map, the strongest first.
        sentence: the fact in words.
        holds: whether a fact is true of a map, recomputed from the labelled array by other means;
            without it a fact is true that is found again.
        most: how many of the kind are told.
        cells: the blocks of cells that a fact speaks of, where its coordinates are not one block.
        seen: ``"map"``: all of it; ``"whole"``: without a final layer that is so by definition;
            ``"raw part"``: and without columns that dominate it; ``"part"``: and in log space
            where its values are.
    """

    name: str
    description: str
    section: Section
    find: Callable[[View], list[Fact]]
    sentence: Callable[[Fact, Names], str]
    holds: Callable[[xr.DataArray, Fact], bool] | None = None
    most: int = 2
    seen: Literal["map", "whole", "raw part", "part"] = "part"
    cells: Callable[[Fact, Names], list[Block]] | None = None

    def fact(
        self, coordinates: Mapping[str, Any], numbers: Mapping[str, Any], strength: float
    ) -> Fact:
        """A fact of this kind, its numbers as plain floats."""
        plain = {key: float(value) for key, value in numbers.items()}
        bounded = min(max(float(strength), 0.0), 1.0)
        return Fact(self.name, dict(coordinates), plain, bounded, self.section)


@cache
def registry() -> Mapping[str, Kind]:
    """All kinds of facts by name: every record in the modules of ``layergram.words.kinds``."""
    package = importlib.import_module("layergram.words.kinds")
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(package.__path__):
        content = importlib.import_module(f"{package.__name__}.{module.name}")
        found |= {v.name: v for v in vars(content).values() if isinstance(v, Kind)}
    return found
