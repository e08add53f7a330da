"""The plan of a figure: a map and a style become panels, scales, remarks and a size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from layergram import maps as currency
from layergram.errors import LayergramError
from layergram.figures import labels, scales
from layergram.figures.cell_texts import texts_of, widened
from layergram.figures.labels import cells_of
from layergram.figures.lines import line_panel
from layergram.figures.panels import Part, heat_panel, parts_of, spans_of
from layergram.figures.pooling import pooled, pooling_notes
from layergram.figures.rounding import EQUAL, matching_notes, rounding_notes
from layergram.figures.scales import label_of
from layergram.figures.sheets import TITLE_SIZE, is_sheet, sheet_size
from layergram.figures.sizes import columns_of, row_heights, size_of
from layergram.figures.spec import Figure, LegendEntry, LinePanel, Panel, Scale
from layergram.figures.style import MM, Style
from layergram.figures.text_view import text_figure
from layergram.figures.titles import fitted, shortened

SINK = 5  # a sink's median is this multiple of the median of the columns' medians, or more
NAMED = 5  # a note names this many sinks and counts the rest

Maps = xr.DataArray | xr.Dataset | Sequence[xr.DataArray] | Mapping[str, xr.DataArray]


def plan(
    maps: Maps, *, style: Style | None = None, room: tuple[float, float] | None = None
) -> Figure:
    """What a reader will see of one map or several, as plain data.

    Args:
        maps: a map; or several, which become panels side by side: a list, a dataset, or a mapping
            from titles to maps. Maps of the same measure share one colour scale, others have
            their own.
        style: the person's choices.
        room: width and height in inches of the cells, of a figure of one panel that has its place.

    Returns:
        The figure: panels, axes, scales, marked regions, legend and notes.

    Raises:
        LayergramError: if the style asks for something that the map does not have.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.0, 0.2], [0.4, 0.9]], ("layer", "head"), measure="importance")
        >>> figure = plan(m)
        >>> figure.panels[0].y.label, [t.label for t in figure.scales[0].ticks]
        ('Layer', ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'])
    """
    style = style or Style()
    titled = _titled(maps)
    groups = _scale_groups([array for _, array in titled])
    drawn = [labels.drawn_part(currency.check(array), style) for _, array in titled]
    notes = [note for _, left_out in drawn for note in left_out]
    if style.kind == "text":
        return _text_figure([array for array, _ in drawn], notes, style)
    hints: list[str] = []
    parts: list[Part] = []
    for (title, _), (array, _), group in zip(titled, drawn, groups, strict=True):
        title = title if len(titled) > 1 else ""
        sinks = sinks_of(array, style)
        remark = sinks_named(array, sinks, style)
        if style.first_token != "keep":
            notes += [f"{title}: {line}" if title else line for line in remark]
            parts += parts_of(array, title, group, style=style, sinks=sinks)
        else:
            hints += [f"{line} First_token 'auto' shows more of the rest." for line in remark]
            parts += parts_of(array, title, group, style=style)
    sheet = is_sheet(parts)
    if sheet:
        columns, size = sheet_size(parts, style)
        titles = [part.title for part in parts]
        names, remark_on_titles = shortened(titles, width=size[0], font_size=TITLE_SIZE)
        notes += [remark_on_titles] if remark_on_titles else []
    else:
        columns = 1 if room else columns_of(parts, len(titled), style)
        size = room or widened(size_of(parts, columns, len(titled), style), parts, style)
        names = fitted([p.title for p in parts], width=size[0], font_size=style.font_size + 1)
    parts = [
        pooled(replace(part, title=name), size, style)
        for part, name in zip(parts, names, strict=True)
    ]
    coloured = sorted({part.group for part in parts if part.heat})
    colour = [_scale_of([p for p in parts if p.heat and p.group == g], style) for g in coloured]
    hints += [
        f"The colour map {scale.palette} is sequential: nothing in it shows where "
        f"{scale.centre:g}, no effect, lies. A diverging one such as RdBu_r does."
        for scale in colour
        if scale.kind == "diverging" and scales.sequential(scales.colours_of(scale.palette))
    ]
    if len(colour) > 1 and not style.bar:  # the titles say what the panels show
        units = [next(p for p in parts if p.heat and p.group == g).units for g in coloured]
        signs = [" (log scale)" if scale.kind == "log" else "" for scale in colour]
        bars = [(unit + sign).strip() for unit, sign in zip(units, signs, strict=True)]
        colour = [replace(scale, label=bar) for scale, bar in zip(colour, bars, strict=True)]
    panels: list[Panel] = []
    for part in parts:
        if part.heat and part.y is not None:
            scale = coloured.index(part.group)
            panel, said = heat_panel(part, part.y, scale=scale, size=size, style=style)
            panels.append(replace(panel, texts=texts_of(part, size, style)))
        else:
            beside = [
                other.array for other in parts if not other.heat and other.group == part.group
            ]
            lines, said = line_panel(part.array, part.title, size=size, style=style, beside=beside)
            panels.append(replace(lines, spans=spans_of(part) if lines.x.dim == part.x.dim else ()))
        notes += said
    if any(tick.faint for panel in panels for tick in panel.x.ticks):  # type: ignore[union-attr]
        notes.append("Tokens of the chat template are labelled in grey.")
    notes += pooling_notes(parts, style)
    notes += scale_notes(parts, colour, style)
    notes += rounding_notes([part.array for part in parts])
    notes += matching_notes([part.array for part in parts])
    return Figure(
        title=style.title,
        panels=tuple(panels),
        columns=columns,
        panel_width=size[0],
        row_heights=row_heights(panels, columns, size[1]),
        scales=tuple(colour),
        legend=legend_of(panels, parts, style),
        notes=tuple(dict.fromkeys(notes)),
        hints=tuple(dict.fromkeys(hints)),
        font_size=style.font_size,
        width=style.width / MM,
        font=style.font,
        notes_shown=style.notes,
        layout="sheet" if sheet else "panels",
    )


def _text_figure(arrays: Sequence[xr.DataArray], notes: Sequence[str], style: Style) -> Figure:
    if len(arrays) > 1:
        raise LayergramError("the text of several maps", do="draw one map at a time")
    sinks = sinks_of(arrays[0], style) if style.first_token != "keep" else ()
    said = [*notes, *sinks_named(arrays[0], sinks, style)]
    return text_figure(arrays[0], style=style, notes=said, sinks=sinks)


def _titled(maps: Maps) -> list[tuple[str, xr.DataArray]]:
    if isinstance(maps, xr.DataArray):
        return [("", maps)]
    if isinstance(maps, xr.Dataset):
        maps = [maps[name] for name in maps.data_vars]
    elif isinstance(maps, Mapping):
        return [(str(title), array) for title, array in maps.items()]
    if not maps:
        raise LayergramError("a figure", got="no map", do="give at least one map")
    names = [scales.label_of({**array.attrs, "units": "1"}) for array in maps]
    if len(set(names)) < len(names):
        names = [
            f"{name}, {array.attrs['model']}" if "model" in array.attrs else name
            for name, array in zip(names, maps, strict=True)
        ]
    return list(zip(names, maps, strict=True))


def _scale_groups(arrays: Sequence[xr.DataArray]) -> list[int]:
    """Which maps share a scale: those of one measure with one unit."""
    kinds = [(str(a.attrs.get("measure")), str(a.attrs.get("units"))) for a in arrays]
    return [kinds.index(kind) for kind in kinds]


def _scale_of(parts: Sequence[Part], style: Style) -> Scale:
    first = parts[0]
    return scales.scale_for(
        [part.values for part in parts],
        first.array.attrs,
        style=style,
        columns=first.x.dim,
        rows=first.y.dim if first.y else "",
        basis=[part.basis for part in parts],
        sinks=any(part.sinks for part in parts),
    )


def sinks_of(array: xr.DataArray, style: Style) -> tuple[int, ...]:
    """The columns that lie so far above the others that they alone would set the colours.

    A sink is a column of tokens or keys, at any position, whose median is ``SINK`` times the
    median of all columns' medians or more. At most a fifth of the columns can be sinks, and they
    must reach twice the 99th percentile of the rest; otherwise the map has none. Nor has one with
    negative values, or where limits or a log, diverging or percentile scale are asked for.

    Returns:
        Their places among the columns that are drawn, in order.

    Example:
        >>> from layergram import maps
        >>> row = [0.02, 0.03, 0.9, 0.02, 0.03]
        >>> m = maps.make([row, row], ("layer", "token"), measure="attention_received")
        >>> sinks_of(m, Style())
        (2,)
    """
    untouched = style.first_token != "off_scale" and style.limits is None
    if not untouched or style.scale not in ("auto", "linear") or style.kind == "lines":
        return ()
    _, rows, dim = labels.axes_of(array, style)
    if not rows or dim not in ("token", "key") or "null_value" in array.attrs:
        return ()
    values = array.transpose(dim, ...).values.reshape(array.sizes[dim], -1).astype(np.float64)
    known = values[np.isfinite(values)]
    if known.min() < 0 or scales.kind_of(known, array.attrs, style) != "linear":
        return ()
    filled = np.flatnonzero(np.isfinite(values).any(axis=1))
    medians = np.array([np.median(row[np.isfinite(row)]) for row in values[filled]])
    usual = float(np.median(medians))
    if len(filled) < 3 or usual <= 0:
        return ()
    found = filled[medians >= SINK * usual]
    rest = np.delete(values, found, axis=0)
    towering = np.nanmax(values[found], initial=0.0) >= 2 * np.nanpercentile(rest, 99)
    few = len(found) <= max(1, len(filled) // 5)
    return tuple(int(at) for at in found) if towering and few else ()


def sinks_named(array: xr.DataArray, sinks: Sequence[int], style: Style) -> list[str]:
    """The sinks of a map in one sentence: how many, and which."""
    if not sinks:
        return []
    cells = cells_of(array, labels.axes_of(array, style)[2])
    names = [
        f'"{cells.names[at]}" at position {cells.labels[at]}'
        if cells.texts
        else f"position {cells.labels[at]}"
        for at in sinks[:NAMED]
    ]
    if len(sinks) > NAMED:
        names.append(f"{len(sinks) - NAMED:,} more")
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
    if len(sinks) == 1:
        noun, verb, does = cells.axis.noun, "lies", "does"
    else:
        noun, verb, does = cells.axis.plural, "lie", "do"
    counting = f" and {does} not count for the limits of the colours"
    return [
        f"{len(sinks):,} {noun} {verb} far above the others"
        f"{counting if style.first_token != 'keep' else ''}: {listed}."
    ]


def scale_notes(parts: Sequence[Part], colour: Sequence[Scale], style: Style) -> list[str]:
    """What the colours cut off, and which limits were asked for."""
    notes = []
    groups = sorted({part.group for part in parts if part.heat})
    for group, scale in zip(groups, colour, strict=True):
        drawn = [part for part in parts if part.heat and part.group == group]
        cells = sum(int(np.isfinite(part.values).sum()) for part in drawn)
        name = f"{label_of(drawn[0].array.attrs)}: " if len(colour) > 1 else ""
        if scale.above:
            limit, most = _short(scale.high, scale.most)
            notes.append(
                f"{name}{scale.above:,} of {cells:,} cells lie above {limit} "
                f"(the largest: {most}) and share its colour."
            )
        if scale.below:
            limit, least = _short(scale.low, scale.least)
            notes.append(
                f"{name}{scale.below:,} of {cells:,} cells lie below {limit} "
                f"(the smallest: {least}) and share its colour."
            )
    if colour and style.scale == "percentile" and style.limits is None:
        low, high = style.percentiles
        notes.append(
            f"Colours run from percentile {low:g} to percentile {high:g} of the values, "
            "each rounded to the nearest tick."
        )
    if colour and style.first_token == "off_scale" and style.limits is None:
        notes.append("The first token does not count for the limits of the colours.")
    return notes


def _short(one: float, other: float) -> tuple[str, str]:
    """Two numbers with three digits each, or as many as tell them apart."""
    for digits in range(3, 16):
        texts = [
            f"{value:,.{max(0, digits - 4)}f}"
            if 1000 <= abs(value) < 10 ** (digits + 3)
            else f"{value:.{digits}g}"
            for value in (one, other)
        ]
        if texts[0] != texts[1]:
            break
    return texts[0].replace("-", "−"), texts[1].replace("-", "−")


def legend_of(
    panels: Sequence[Panel], parts: Sequence[Part], style: Style
) -> tuple[LegendEntry, ...]:
    """The signs that occur in the panels, each once, with their meaning."""
    entries = [LegendEntry("hatched", panel.missing) for panel in panels if panel.missing]
    for lines in (panel for panel in panels if isinstance(panel, LinePanel)):
        for at in sorted(set(lines.kind_of)):
            kind = lines.kinds[at]
            entries.append(
                LegendEntry("bar" if kind.filled else "open bar", kind.text, kind.colour)
            )
        entries += [LegendEntry("dashed line", limit.text) for limit in lines.limits]
    for part in parts:
        if part.equal is not None and (part.equal & np.isfinite(part.values)).any():
            entries.append(LegendEntry("grey", EQUAL))
        if part.significant is not None and part.significant.any():
            null = part.array.attrs.get("null_value", 0)
            text = f"interval excludes {null:g}"
            if "p_value" in part.array.coords:
                name = part.array["p_value"].attrs.get("long_name", "p")
                text = f"{name} < {style.alpha:g}"
            entries.append(LegendEntry("dot", text))
        for region in part.regions:
            text = region.text
            if region.chosen == "best" and len(parts) > 1:
                least = " × ".join(map(str, style.mark_least))
                text = f"best block of at least {least} cells of each panel"
            given = region.chosen == "given"
            entries.append(LegendEntry("rectangle" if given else "dashed rectangle", text))
    return tuple(dict.fromkeys(entries))
