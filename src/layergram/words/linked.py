"""The sentences of a description one by one, each with the cells that it speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import xarray as xr

from layergram.words.fact import Block, Fact, Section, registry
from layergram.words.find import Facts, facts
from layergram.words.names import Names
from layergram.words.phrases import sentence


@dataclass(frozen=True)
class Sentence:
    """One thing that is said of a map.

    Args:
        section: where it is told, as in :class:`layergram.words.Fact`.
        text: the sentence, in plain text.
        blocks: the cells that it speaks of: labels by axis, every label of an axis that is not
            named; empty where it speaks of the map as a whole.
    """

    section: Section
    text: str
    blocks: tuple[Block, ...] = ()


def sentences(array: xr.DataArray, *, known: Facts | None = None) -> list[Sentence]:
    """What is said of a map, fact by fact, in the order of the description.

    Args:
        array: any map.
        known: its facts, where they have been computed already.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
        >>> [(said.section, said.blocks) for said in sentences(m)][-1]
        ('overview', ({'layer': [1], 'head': [0]}, {'layer': [1], 'head': [1]}))
    """
    found = facts(array) if known is None else known
    names = Names(array, "plain")
    overview = [fact for fact in found.numbers if fact.section == "overview"]
    key = [fact for fact in found.numbers if fact.section == "key"]
    told = [*key, *found.inference, *found.counted(), *overview]
    return [Sentence(fact.section, sentence(fact, names), _blocks(fact, names)) for fact in told]


def _blocks(fact: Fact, names: Names) -> tuple[Block, ...]:
    """The cells that a fact speaks of: what its kind says, or what its coordinates name."""
    own = registry()[fact.kind].cells
    blocks = own(fact, names) if own is not None else _named(fact)
    dims = list(map(str, names.array.dims))
    kept = ({dim: _flat(block[dim]) for dim in dims if block.get(dim)} for block in blocks)
    return tuple(block for block in kept if block)


def _named(fact: Fact) -> list[Block]:
    """The block of the coordinates themselves, then those that are one each."""
    nested = [value for value in fact.coordinates.values() if isinstance(value, dict)]
    return [dict(fact.coordinates), *nested]


def _flat(labels: Any) -> list[Any]:
    """Labels of an axis, which may come in groups."""
    if not isinstance(labels, list):
        return [labels]
    return [label for item in labels for label in (item if isinstance(item, list) else [item])]
