"""All facts of a map that are told, and whether they hold."""

from __future__ import annotations

from itertools import islice

import xarray as xr

from layergram.maps import check
from layergram.words.fact import Fact, registry
from layergram.words.view import View


def facts(array: xr.DataArray) -> list[Fact]:
    """Everything that is told of a map: the strongest facts of each kind, checked one by one.

    Args:
        array: any map.

    Returns:
        Facts, each recomputed from the array by its own checker, kind by kind.

    Raises:
        LayergramError: if the array is not a map.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
        >>> [fact.kind for fact in facts(m)]
        ['level', 'extremes', 'extremes']
    """
    view = View.of(check(array))
    told: list[Fact] = []
    for kind in registry().values():
        found = (fact for fact in kind.find(view) if holds(array, fact))
        told += islice(found, kind.most)
    return told


def holds(array: xr.DataArray, fact: Fact) -> bool:
    """Whether a fact is true of a map, recomputed from the labelled array.

    An error of a checker is a fault of the program, not a fact that does not hold: it is raised.
    """
    return registry()[fact.kind].holds(array, fact)
