"""What several forms of a description say: a fact in words, what is shown, what is left out."""

from __future__ import annotations

import re

import xarray as xr

from layergram.maps import DIMENSIONS
from layergram.maps.dimensions import SCORED_FUNCTION
from layergram.words.fact import Fact, registry
from layergram.words.find import Facts
from layergram.words.kinds.rounding import all_equal
from layergram.words.names import Names
from layergram.words.view import axes_of

NOUNS = [
    noun
    for axis in (*DIMENSIONS.values(), SCORED_FUNCTION)
    if not axis.bare
    for noun in (axis.noun, axis.plural)
]
OUR_WORDS = re.compile(rf"(all|over|under|positions?|{'|'.join(NOUNS)}) ")
"""What begins a sentence with a capital; a label of the map stays as it is."""

ALIGNMENTS = {
    "reads": "A column belongs to the token that is being read.",
    "predicts": "A column belongs to the token that is being predicted: its values come from the "
    "position before it.",
}


def sentence(fact: Fact, names: Names) -> str:
    """One fact in words."""
    text = registry()[fact.kind].sentence(fact, names.seen(log=fact.log))
    return text[0].upper() + text[1:] if OUR_WORDS.match(text) else text


def title(array: xr.DataArray, names: Names) -> str:
    """What is shown, and its shape."""
    name = names.text(array.attrs["long_name"])
    return f"{name[:1].upper()}{name[1:]}: {shape_of_map(array, names)}"


def shape_of_map(array: xr.DataArray, names: Names) -> str:
    """How many labels each axis has: '30 layers by 42 tokens'."""
    rows, columns, panels = axes_of(array)
    dims = [dim for dim in (*panels, rows, columns) if dim]
    return " by ".join(names.count(array.sizes[dim], dim) for dim in dims)


def by_definition(names: Names, found: Facts) -> str:
    """That the final layer is left out, where it is what it is by definition."""
    layers = {x for fact in found.numbers for x in fact.without.get("layer", [])}
    if not layers:
        return ""
    value = names.array.attrs["final_value"]
    where = names.one("layer", max(layers))
    return f"{where[0].upper()}{where[1:]} is {value:g} by definition and left out"


def values_of(found: Facts, names: Names) -> str:
    """From which value to which."""
    told = {fact.kind: fact.numbers for fact in found.numbers}
    if all_equal(found.numbers):
        return "all cells equal to within rounding"
    if "extremes" not in told:
        return f"all values {names.number(told['level']['mean'])}"
    return f"values {names.span(told['extremes']['lowest'], told['extremes']['highest'])}"


def nothing_found(found: Facts) -> str:
    """What is said where nothing stands out: why nothing was tested, or that nothing does."""
    if found.null.startswith("Null: "):
        return "Nothing stands out from noise as smooth as this map."
    return found.null or "Nothing was tested."
