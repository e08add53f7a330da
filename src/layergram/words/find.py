"""What is told of a map: what its numbers are, and what stands out from a null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import xarray as xr

from layergram.maps import check, without_rounding
from layergram.words.checking import same
from layergram.words.fact import Fact, registry
from layergram.words.kinds.rounding import EQUAL, all_equal
from layergram.words.limits import MOST_COUNTED
from layergram.words.null import tested
from layergram.words.part import dominating, final_layer, in_log_space, logarithm, without
from layergram.words.view import View, axes_of


@dataclass(frozen=True)
class Facts:
    """Everything that is told of a map.

    Attributes:
        numbers: what the numbers are: counted, checked, ranked by size of effect, not tested.
        inference: what stands out from a null.
        null: the null, in a sentence: what was compared with what, and how often noise is taken
            for an effect; or why nothing was tested.
    """

    numbers: list[Fact] = field(default_factory=list)
    inference: list[Fact] = field(default_factory=list)
    null: str = ""

    def counted(self) -> list[Fact]:
        """The counts that are told, kind by kind: the kinds with the largest effects."""
        counted = [fact for fact in self.numbers if fact.section == "counted"]
        kinds = list(dict.fromkeys(fact.kind for fact in counted))[:MOST_COUNTED]
        return [fact for kind in kinds for fact in counted if fact.kind == kind]

    def __iter__(self) -> Iterator[Fact]:
        return iter([*self.numbers, *self.inference])


def facts(
    array: xr.DataArray,
    *,
    controls: Sequence[xr.DataArray] = (),
    beside: Mapping[str, xr.DataArray] | None = None,
) -> Facts:
    """Everything that is told of a map, each fact recomputed by its own checker.

    Args:
        array: any map.
        controls: maps of the same text by models with random weights, at least 19.
        beside: other maps of the same run by measure; ``lens_rank`` says where the token that
            follows becomes the likeliest.

    Raises:
        LayergramError: if the array is not a map, or the controls are not like it.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
        >>> found = facts(m)
        >>> [fact.kind for fact in found.numbers], found.inference
        (['level', 'extremes'], [])
    """
    check(array)
    equal = EQUAL.find(View.of(array))
    if all_equal(equal):
        return Facts(equal, [], "The two maps are equal to within rounding; nothing was tested.")
    array = without_rounding(array)
    final = final_layer(array)
    inner = without(array, final)
    dominant = dominating(inner)
    left_out = {**final, **dominant}
    columns = [label for labels in dominant.values() for label in labels]
    part = without(array, left_out)
    log = in_log_space(part)
    views = {
        "map": (View.of(array), {}, False),
        "whole": (View.of(inner), final, False),
        "part": (View.of(logarithm(part) if log else part, without=columns), left_out, log),
        "raw part": (View.of(part, without=columns), left_out, False),
    }
    told: list[Fact] = list(equal)
    for kind in registry().values():
        if kind.section == "tested" or kind is EQUAL:
            continue
        view, gone, scaled = views[kind.seen]
        found = (replace(fact, without=gone, log=scaled) for fact in kind.find(view))
        told += islice((fact for fact in found if holds(array, fact)), kind.most)
    rank = (beside or {}).get("lens_rank")
    if rank is not None and array.attrs["measure"] in ("divergence", "lens_probability"):
        told += [fact for fact in facts(rank).numbers if fact.kind == "likeliest"]
    told.sort(key=lambda fact: -fact.strength)
    inference, null = tested(array, views["part"][0], controls=controls)
    stands_out = [
        replace(fact, without=left_out, log=log) if fact.kind == "departs" else fact
        for fact in inference
    ]
    return Facts(told, [fact for fact in stands_out if holds(array, fact)], null)


def holds(array: xr.DataArray, fact: Fact) -> bool:
    """Whether a fact is true of a map, recomputed from the labelled array.

    An error of a checker is a fault of the program, not a fact that does not hold: it is raised.
    """
    kind = registry()[fact.kind]
    array = array if kind is EQUAL else without_rounding(array)
    part = without(array, dict(fact.without))
    part = logarithm(part) if fact.log else part
    if kind.holds is not None:
        return kind.holds(part, fact)
    columns = [x for dim in axes_of(array)[1:2] for x in fact.without.get(dim, [])]
    return any(
        other.coordinates == fact.coordinates and same(part, fact, other.numbers)
        for other in kind.find(View.of(part, without=columns))
    )
