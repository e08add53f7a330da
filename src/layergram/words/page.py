"""The description of a map: the facts in sentences, under the headings a reader knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from layergram.maps import DIMENSIONS
from layergram.maps.dimensions import SCORED_FUNCTION
from layergram.words.fact import Fact, Section, registry
from layergram.words.find import facts
from layergram.words.limits import MOST_COLUMNS, MOST_OBSERVATIONS, MOST_ROWS
from layergram.words.names import Names, listed
from layergram.words.view import View, axes_of

NOUNS = [axis.noun for axis in (*DIMENSIONS.values(), SCORED_FUNCTION) if not axis.bare]
OUR_WORDS = re.compile(rf"(all|over|under|position|{'|'.join(NOUNS)})s? ")
"""What begins a sentence with a capital; a label of the map stays as it is."""

ALIGNMENTS = {
    "reads": "A column belongs to the token that is being read.",
    "predicts": "A column belongs to the token that is being predicted: its values come from the "
    "position before it.",
}


def describe(array: xr.DataArray, *, known: Sequence[Fact] | None = None) -> str:
    """A map in words, as Markdown: overview, axes, details, key observations, interpretation.

    Every sentence is a fact that was computed from the numbers (:func:`layergram.words.facts`);
    what the numbers mean is taken from the map's own attributes and from nowhere else.

    Args:
        array: any map.
        known: its facts, where they have been computed already.

    Returns:
        Markdown that ends with a newline.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
        >>> print(describe(m).splitlines()[0])
        # Weight: 1 layer by 2 heads
    """
    names = Names(array)
    found = facts(array) if known is None else known
    parts = [
        f"# {_title(array, names)}",
        "## Overview",
        _overview(array, names, found),
        "## Components/Axes",
        _axes(array, names),
        "## Detailed Analysis",
        _details(array, names, found),
        "## Key Observations",
        _observations(names, found),
        "## Interpretation",
        _interpretation(array, names),
    ]
    return "\n\n".join(parts) + "\n"


def sentence(fact: Fact, names: Names) -> str:
    """One fact in words."""
    text = registry()[fact.kind].sentence(fact, names)
    return text[0].upper() + text[1:] if OUR_WORDS.match(text) else text


def _title(array: xr.DataArray, names: Names) -> str:
    name = names.text(array.attrs["long_name"])
    return f"{name[:1].upper()}{name[1:]}: {_shape(array, names)}"


def _shape(array: xr.DataArray, names: Names) -> str:
    rows, columns, panels = axes_of(array)
    dims = [dim for dim in (*panels, rows, columns) if dim]
    return " by ".join(names.count(array.sizes[dim], dim) for dim in dims)


def _overview(array: xr.DataArray, names: Names, found: Sequence[Fact]) -> str:
    name = names.text(array.attrs["long_name"])
    what = f"This map shows {name}{names.in_units()}: {_shape(array, names)}"
    what += f", measured on {names.text(array.attrs['model'])}" if "model" in array.attrs else ""
    edits = (
        f" under an edit ({names.text(array.attrs['edits'])})." if "edits" in array.attrs else "."
    )
    what += edits
    told = [sentence(fact, names) for fact in found if fact.section == "overview"]
    return " ".join([what, *told])


def _axes(array: xr.DataArray, names: Names) -> str:
    rows, columns, panels = axes_of(array)
    lines = []
    for dim, role in (
        (rows, "down" if columns else "across"),
        (columns, "across"),
        *((p, "one panel each") for p in panels),
    ):
        if dim:
            labels = names.labels(dim)
            size = names.count(len(labels), dim)
            axis = names.noun(dim, 1).capitalize()
            lines.append(f"- **{axis}** ({role}): {size}, {names.axis(dim)}.{_sharing(array, dim)}")
    value = f"- **Value**: {names.text(array.attrs['long_name'])}"
    value += names.in_units() or ", without a unit"
    limits = [array.attrs.get(key) for key in ("valid_min", "valid_max")]
    if None not in limits:
        value += f"; possible values are {limits[0]:g} to {limits[1]:g}"
    if "null_value" in array.attrs:
        value += f"; {array.attrs['null_value']:g} means no effect"
    lines.append(value + ".")
    if array.attrs.get("alignment") in ALIGNMENTS:
        lines.append(f"- **Alignment**: {ALIGNMENTS[array.attrs['alignment']]}")
    return "\n".join(lines)


def _sharing(array: xr.DataArray, dim: str) -> str:
    """How many heads in a row share keys and values, where the map says it."""
    groups = array["kv_group"].values.tolist() if "kv_group" in array.coords else []
    if dim != "head" or not groups:
        return ""
    together = len(groups) // len(set(groups))
    return f" Every {together} heads in a row, from head 0 on, share keys and values."


def _details(array: xr.DataArray, names: Names, found: Sequence[Fact]) -> str:
    rows, columns, panels = axes_of(array)
    parts = []
    if panels:
        one, over = names.noun(panels[0], 1), listed([names.noun(dim) for dim in panels])
        parts.append(f"Unless a {one} is named, statements refer to the mean over the {over}.")
    parts += ["### Values", _table(array, names)]
    if names.array.sizes[rows] > 1:
        row = names.noun(rows, 1)
        parts += [f"### By {row}", _bullets(names, found, "rows", f"No {row}")]
    if columns and array.sizes[columns] > 1:
        column = names.noun(columns, 1)
        parts += [f"### By {column}", _bullets(names, found, "columns", f"No {column}")]
    if panels:
        nouns = [names.noun(dim, 1) for dim in panels]
        parts += [f"### By {' and '.join(nouns)}", _panel_table(array, names)]
        parts.append(_bullets(names, found, "panels", f"No {nouns[0]}"))
    return "\n\n".join(parts)


def _bullets(names: Names, found: Sequence[Fact], section: Section, nothing: str) -> str:
    told = [f"- {sentence(fact, names)}" for fact in found if fact.section == section]
    return "\n".join(told) or f"{nothing} stands out from what chance would show."


def _observations(names: Names, found: Sequence[Fact]) -> str:
    told = [fact for fact in found if fact.section == "key"]
    told = sorted(told, key=lambda fact: -fact.strength)[:MOST_OBSERVATIONS]
    if told:
        return "\n".join(f"- {sentence(fact, names)}" for fact in told)
    if any(fact.section in ("rows", "columns", "panels") for fact in found):
        return "- Nothing beyond the details above stands out from what chance would show."
    return "- Nothing stands out from what chance would show."


def _interpretation(array: xr.DataArray, names: Names) -> str:
    def told(key: str) -> str:
        text = names.text(" ".join(str(array.attrs.get(key, "")).split()))
        return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""

    definition, caveat, source = told("definition"), told("caveat"), told("references")
    if not definition and not caveat:
        return "The file does not say what the numbers mean, so nothing is concluded from them."
    parts = [f"What a value is: {definition}" if definition else ""]
    parts.append(f"Source: {source}" if source else "")
    parts.append(caveat)
    return "\n\n".join(part for part in parts if part)


def _spread(size: int, most: int, wanted: Sequence[int] = ()) -> list[int]:
    """At most so many places out of a range: both ends, those that are wanted, evenly spread."""
    if size <= most:
        return list(range(size))
    even = np.linspace(0, size - 1, most - len(set(wanted))).round().astype(int).tolist()
    return sorted({*even, *wanted})


def _table(array: xr.DataArray, names: Names) -> str:
    """Values at representative rows and columns; the highest and the lowest cell are among them."""
    view = View.of(array)
    ends = [np.nanargmax(view.values), np.nanargmin(view.values)]
    places = [np.unravel_index(end, view.values.shape) for end in ends]
    most_rows = MOST_ROWS if view.columns else MOST_COLUMNS
    rows = _spread(len(view.row_labels), most_rows, [int(p[0]) for p in places])
    columns = _spread(len(view.column_labels), MOST_COLUMNS, [int(p[1]) for p in places])
    head = names.headings(view.columns, columns) if view.columns else ["value"]
    first = names.headings(view.rows, rows)
    body = [
        [first[at], *(_cell(names, view.values[row, column]) for column in columns)]
        for at, row in enumerate(rows)
    ]
    shown = []
    for dim, chosen, labels in (
        (view.rows, rows, view.row_labels),
        (view.columns, columns, view.column_labels),
    ):
        if dim and len(chosen) < len(labels):
            shown.append(f"{len(chosen)} of {names.count(len(labels), dim)}")
    note = f"Shown: {listed(shown)}, both ends and evenly between, with the extremes.\n\n"
    sides = [names.noun(dim, 1) for dim in (view.rows, view.columns) if dim]
    corner = " / ".join([sides[0].capitalize(), *sides[1:]])
    return (note if shown else "") + _markdown_table([corner, *head], body)


def _cell(names: Names, value: float) -> str:
    return names.bare(value) if np.isfinite(value) else "–"


def _markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _panel_table(array: xr.DataArray, names: Names) -> str:
    """Mean and highest value of every panel, with the place of the highest."""
    view = View.of(array)
    body: list[list[str]] = []
    panels = list(view.each())
    chosen = _spread(len(panels), 2 * MOST_COLUMNS)
    for where, values in (panels[at] for at in chosen):
        label = ", ".join(names.text(labels[0]) for labels in where.values())
        if not np.isfinite(values).any():
            body.append([label, "–", "–", "–"])
            continue
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        place: dict[str, Any] = {view.rows: [view.row_labels[row]]}
        if view.columns:
            place[view.columns] = [view.column_labels[column]]
        mean, top = float(np.nanmean(values)), float(np.nanmax(values))
        body.append([label, names.bare(mean), names.bare(top), names.place(place)])
    head = [
        ", ".join(names.noun(dim, 1) for dim in view.panels).capitalize(),
        "Mean",
        "Highest",
        "At",
    ]
    return _markdown_table(head, body)


def findings(
    array: xr.DataArray, count: int = 3, *, known: Sequence[Fact] | None = None
) -> list[str]:
    """The strongest observations of a map, one sentence or two each, as plain text.

    Args:
        array: any map.
        count: at most how many.
        known: its facts, where they have been computed already.
    """
    names = Names(array, "plain")
    known = facts(array) if known is None else known
    told = [fact for fact in known if fact.section != "overview" and fact.kind != "band"]
    extremes = [fact for fact in known if fact.kind in ("extremes", "level")]
    ranked = sorted(told, key=lambda fact: (fact.section != "key", -fact.strength)) + extremes
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
    names = Names(array, "plain")
    found = {fact.kind: fact for fact in reversed(facts(array))}
    level = found["level"].numbers
    what = "Heatmap" if axes_of(array)[1] else "Line plot"
    text = f"{what} of {array.attrs['long_name']} for {_shape(array, names)}"
    if level["lowest"] == level["highest"]:
        return f"{text}, all values {names.number(level['mean'])}."
    text += f", with values from {names.span(level['lowest'], level['highest'])}"
    top = found["extremes"]
    if top.numbers["cells"] == 1:
        text += f", the highest at {names.place(top.coordinates)}"
    for kind in ("diagonal_order", "bands", "trend", "column_trend", "strongest"):
        if kind in found:
            words = sentence(found[kind], names).rstrip(".")
            return f"{text}; {words[0].lower()}{words[1:]}."
    return f"{text}."


def facts_json(array: xr.DataArray) -> dict[str, Any]:
    """The facts of a map as plain data for JSON, each with its sentence in plain text."""
    names = Names(array, "plain")
    return {
        "measure": array.attrs["measure"],
        "long_name": array.attrs["long_name"],
        "units": array.attrs["units"],
        "facts": [
            {
                "kind": fact.kind,
                "section": fact.section,
                "coordinates": dict(fact.coordinates),
                "numbers": dict(fact.numbers),
                "strength": fact.strength,
                "sentence": sentence(fact, names),
            }
            for fact in facts(array)
        ],
    }
