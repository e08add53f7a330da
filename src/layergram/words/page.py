"""The description of a map: the facts in sentences, under the headings a reader knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np
import xarray as xr

from layergram.errors import unknown_name
from layergram.maps import DIMENSIONS, without_rounding
from layergram.maps.bins import mean_scores
from layergram.words.find import Facts, facts
from layergram.words.forms import caption, short
from layergram.words.limits import MOST_COLUMNS, MOST_ROWS
from layergram.words.names import Names, listed
from layergram.words.phrases import (
    ALIGNMENTS,
    by_definition,
    sentence,
    shape_of_map,
    title,
)
from layergram.words.view import View, axes_of

Form = Literal["full", "short", "caption"]


class Description(str):
    """A description of a map: a string of Markdown, which notebooks show as such."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


def describe(
    array: xr.DataArray,
    *,
    form: Form = "full",
    controls: Sequence[xr.DataArray] = (),
    beside: Mapping[str, xr.DataArray] | None = None,
    known: Facts | None = None,
) -> Description:
    """A map in words, as Markdown: overview, axes, details, key observations, interpretation.

    What the numbers are is counted and not tested. What stands out is told only where there is
    something to compare with, and that is named: p-values or intervals of the whole map that it
    carries; units that can be drawn again (examples, heads, models); maps of random-weight models;
    else noise as smooth as the map. At most 5 % of descriptions of noise name anything.

    Args:
        array: any map.
        form: ``"full"``; ``"short"``, three sentences; ``"caption"``, for a figure in a paper.
        controls: maps of the same text by models with random weights, at least 19.
        beside: other maps of the same run by measure, such as ``lens_rank``.
        known: its facts (:func:`layergram.words.facts`), where they have been computed already.

    Returns:
        Markdown that ends with a newline; a string, which notebooks show as Markdown.

    Raises:
        LayergramError: for an unknown form, fewer than 19 controls, or controls of another shape.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
        >>> print(describe(m).splitlines()[0])
        # Weight: 1 layer by 2 heads
        >>> print(describe(m, form="caption"))
        Weight, 1 layer by 2 heads. Values 0.25 to 0.50.
        <BLANKLINE>
    """
    forms = {"full": _full, "short": short, "caption": caption}
    if form not in forms:
        raise unknown_name("form of a description", form, forms)
    found = facts(array, controls=controls, beside=beside) if known is None else known
    array = without_rounding(array)
    names = Names(array)
    return Description(forms[form](array, names, found) + "\n")


def _full(array: xr.DataArray, names: Names, found: Facts) -> str:
    parts = [
        f"# {title(array, names)}",
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
    return "\n\n".join(parts)


def _overview(array: xr.DataArray, names: Names, found: Facts) -> str:
    name = names.text(array.attrs["long_name"])
    what = f"This map shows {name}{names.in_units()}: {shape_of_map(array, names)}"
    what += f", measured on {names.text(array.attrs['model'])}" if "model" in array.attrs else ""
    edits = (
        f" under an edit ({names.text(array.attrs['edits'])})." if "edits" in array.attrs else "."
    )
    what += edits
    left_out = by_definition(names, found)
    told = [sentence(fact, names) for fact in found.numbers if fact.section == "overview"]
    return " ".join([what, *([f"{left_out}."] if left_out else []), *told])


def _axes(array: xr.DataArray, names: Names) -> str:
    rows, columns, panels = axes_of(array)
    lines = []
    for dim, role in (
        (rows, _direction(rows, columns)),
        (columns, "across"),
        *((p, "one panel each") for p in panels),
    ):
        if dim:
            labels = names.labels(dim)
            size = names.count(len(labels), dim)
            axis = names.noun(dim, 1).capitalize()
            lines.append(f"- **{axis}** ({role}): {size}, {names.axis(dim)}.{_beside(array, dim)}")
    value = f"- **Value**: {names.text(array.attrs['long_name'])}"
    value += names.in_units() or ", without a unit"
    limits = [array.attrs.get(key) for key in ("valid_min", "valid_max")]
    if None not in limits:
        value += f"; possible values are {limits[0]:g} to {limits[1]:g}"
    if "null_value" in array.attrs:
        value += f"; {array.attrs['null_value']:g} means no effect"
    lines.append(value + ".")
    if "joined" in array.attrs:
        lines.append(f"- **Columns**: {names.text(array.attrs['joined'])}")
    if "averaged" in array.attrs:
        lines.append(f"- **Cells**: {names.text(array.attrs['averaged'])}")
    if "statistics" in array.attrs:
        lines.append(f"- **Whole map**: {names.text(array.attrs['statistics'])}")
    if array.attrs.get("alignment") in ALIGNMENTS:
        lines.append(f"- **Alignment**: {ALIGNMENTS[array.attrs['alignment']]}")
    return "\n".join(lines)


def _direction(rows: str, columns: str) -> str:
    """Which way the axis of the rows runs in the picture."""
    if not columns:
        return "across"
    return "upwards" if rows == "layer" and DIMENSIONS[columns].layers == "bottom" else "down"


def _beside(array: xr.DataArray, dim: str) -> str:
    """What an axis has beside its labels: heads that share keys, or the mean scores of bins."""
    scores = mean_scores(array)
    if scores:
        means = listed([f"{score:.3g}" for score in scores])
        return f" Their mean {array.attrs.get('score', 'score')}: {means}."
    groups = array["kv_group"].values.tolist() if "kv_group" in array.coords else []
    if dim != "head" or not groups:
        return ""
    together = len(groups) // len(set(groups))
    return f" Every {together} heads in a row, from head 0 on, share keys and values."


def _details(array: xr.DataArray, names: Names, found: Facts) -> str:
    panels = axes_of(array)[2]
    parts = []
    if panels:
        one, over = names.noun(panels[0], 1), listed([names.noun(dim) for dim in panels])
        parts.append(f"Unless a {one} is named, statements refer to the mean over the {over}.")
    parts += [f"### Values{names.times.replace(' ×', ', ×')}", _table(array, names)]
    if panels:
        nouns = [names.noun(dim, 1) for dim in panels]
        parts += [f"### By {' and '.join(nouns)}", _panel_table(array, names)]
    kinds = groupby(found.counted(), key=lambda fact: fact.kind)
    told = [f"- {' '.join(sentence(fact, names) for fact in facts)}" for _, facts in kinds]
    nothing = "No rise, fall, band or group is large against the range."
    parts += ["### Counted, not tested", "\n".join(told) or nothing]
    return "\n\n".join(parts)


def _observations(names: Names, found: Facts) -> str:
    told = [fact for fact in found.numbers if fact.section == "key"] + found.inference
    lines = [f"- {sentence(fact, names)}" for fact in told]
    none = "" if found.inference else "Nothing stands out. "
    null = found.null if not found.null.startswith("Null: ") else none + found.null
    return "\n".join([*lines, f"- {null}"])


def _interpretation(array: xr.DataArray, names: Names) -> str:
    def told(key: str) -> str:
        text = names.text(" ".join(str(array.attrs.get(key, "")).split()))
        return f"{text.rstrip('.')}." if text else ""

    definition, caveat, source = told("definition"), told("caveat"), told("references")
    if not definition and not caveat:
        return "The file does not say what the numbers mean, so nothing is concluded from them."
    parts = [f"What a value is: {definition}" if definition else ""]
    parts.append(f"Source: {source}" if source else "")
    parts.append(f"{caveat[:1].upper()}{caveat[1:]}")
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
