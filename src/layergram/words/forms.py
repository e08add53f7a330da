"""The short forms of a description: three sentences, a caption, an alt text, findings, JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import xarray as xr

from layergram.maps import DIMENSIONS, without_rounding
from layergram.words.fact import Fact
from layergram.words.find import Facts, facts
from layergram.words.names import Names
from layergram.words.phrases import (
    ALIGNMENTS,
    by_definition,
    nothing_found,
    sentence,
    shape_of_map,
    title,
    values_of,
)

MOST_TEXT = 80
"""Characters of the text in a caption."""


def short(array: xr.DataArray, names: Names, found: Facts) -> str:
    """What is shown, what the reader of such a map wants first, and what stands out."""
    told = [sentence(fact, names) for fact in found.counted()]
    extreme = next((f for f in found.numbers if f.kind == "extremes"), None)
    first = [sentence(f, names) for f in found.numbers if f.section == "key"] + told
    lead = first[0] if first else sentence(extreme, names) if extreme else ""
    what = f"{title(array, names)}{names.in_units()}, {values_of(found, names)}."
    tested = sentence(found.inference[0], names) if found.inference else nothing_found(found)
    return " ".join(part for part in (what, _first_sentence(lead), _first_sentence(tested)) if part)


def caption(array: xr.DataArray, names: Names, found: Facts) -> str:
    """Measure, shape, model with revision, text, scale; what the dots or the colours mean."""
    attrs = array.attrs
    name = names.text(attrs["long_name"])
    parts = [f"{name[:1].upper()}{name[1:]}{names.in_units()}, {shape_of_map(array, names)}."]
    if "model" in attrs:
        revision = f" (revision {str(attrs['revision'])[:12]})" if "revision" in attrs else ""
        parts.append(f"Model: {names.text(attrs['model'])}{revision}.")
    if attrs.get("text"):
        text = " ".join(str(attrs["text"]).split())
        short = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()}…"
        parts.append(f"Text: “{names.text(short)}”.")
    left_out = by_definition(names, found)
    values = values_of(found, names)
    parts.append(f"{values[0].upper()}{values[1:]}{f'; {left_out}' if left_out else ''}.")
    if "null_value" in attrs:
        parts.append(f"{attrs['null_value']:g} means no effect.")
    if attrs.get("alignment") in ALIGNMENTS:
        parts.append(ALIGNMENTS[attrs["alignment"]])
    parts += [sentence(fact, names) for fact in found.inference[:1]]
    parts.append(found.null if found.inference else "")
    return " ".join(part for part in parts if part)


def _first_sentence(text: str) -> str:
    """The text up to its first full stop that ends a sentence."""
    found = re.search(r"(?<=[^\d\W]|[\d)”])\. (?=[A-Z\"])", text)
    return text[: found.start() + 1] if found else text


def findings(array: xr.DataArray, count: int = 3, *, known: Facts | None = None) -> list[str]:
    """The first things to say of a map, one sentence or two each, as plain text.

    The lead of its measure, then what stands out, then what is counted, one of a kind.

    Args:
        array: any map.
        count: at most how many.
        known: its facts, where they have been computed already.
    """
    known = facts(array) if known is None else known
    names = Names(without_rounding(array), "plain")
    order = {"key": 0, "tested": 1, "counted": 2, "overview": 3}
    ranked = sorted(known, key=lambda fact: (order[fact.section], -fact.strength))
    first = {fact.kind: fact for fact in reversed(ranked)}
    ranked.sort(key=lambda fact: first[fact.kind] is not fact)
    return [sentence(fact, names) for fact in ranked[:count]]


def alt_text(array: xr.DataArray) -> str:
    """A map in a sentence of plain text, for readers who do not see the picture.

    Example:
        >>> from layergram import maps
        >>> print(alt_text(maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")))
        Heatmap of weight for 1 layer by 2 heads, with values from 0.25 to 0.50, the highest at
        layer 1, head 1.
    """
    names = Names(without_rounding(array), "plain")
    known = facts(array)
    found = {fact.kind: fact for fact in reversed(known.numbers)}
    what = "Heatmap"
    if array.ndim == 1:  # the figure joins the values of an axis that goes on
        what = "Line plot" if DIMENSIONS[str(array.dims[0])].joined else "Bar chart"
    text = f"{what} of {array.attrs['long_name']} for {shape_of_map(array, names)}"
    if "level" not in found:
        return f"{text}, {values_of(known, names)}."
    if "extremes" not in found:
        return f"{text}, all values {names.number(found['level'].numbers['mean'])}."
    n, where = found["extremes"].numbers, found["extremes"].coordinates
    text += f", with values from {names.span(n['lowest'], n['highest'])}"
    if n["cells highest"] == 1:
        text += f", the highest at {names.place(where['highest'])}"
    for kind in ("diagonal_order", "bands", "trend", "column_trend", "strongest"):
        if kind in found:
            words = sentence(found[kind], names).rstrip(".")
            return f"{text}; {words[0].lower()}{words[1:]}."
    return f"{text}."


def facts_json(array: xr.DataArray, *, controls: Sequence[xr.DataArray] = ()) -> dict[str, Any]:
    """The facts of a map as plain data for JSON, each with its sentence in plain text.

    Names of numbers are in snake_case. ``ranges`` has the labels of ``coordinates`` that are whole
    numbers as pairs: ``{"layer": [[12, 28]]}`` for layers 12 to 28.
    """
    names = Names(without_rounding(array), "plain")
    found = facts(array, controls=controls)

    def plain(fact: Fact) -> dict[str, Any]:
        return {
            **asdict(fact),
            "numbers": {name.replace(" ", "_"): value for name, value in fact.numbers.items()},
            "ranges": _ranges(fact.coordinates),
            "sentence": sentence(fact, names),
        }

    return {
        "measure": array.attrs["measure"],
        "long_name": array.attrs["long_name"],
        "units": array.attrs["units"],
        "numbers": [plain(fact) for fact in found.numbers],
        "inference": [plain(fact) for fact in found.inference],
        "null": found.null,
    }


def _ranges(coordinates: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """Whole-number labels of every axis as pairs of first and last, without gaps between."""
    found: dict[str, list[list[int]]] = {}
    for axis, labels in coordinates.items():
        if isinstance(labels, str | Mapping) or not all(isinstance(one, int) for one in labels):
            continue
        pairs: list[list[int]] = []
        for label in sorted(labels):
            if pairs and label == pairs[-1][1] + 1:
                pairs[-1][1] = label
            else:
                pairs.append([label, label])
        found[axis] = pairs
    return found
