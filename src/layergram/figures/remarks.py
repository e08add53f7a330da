"""What a figure says about itself: legend, notes below it, hints for the person who draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from layergram.figures.labels import cells_of
from layergram.figures.panels import Part
from layergram.figures.scales import label_of
from layergram.figures.spec import LegendEntry, Panel, Scale
from layergram.figures.style import Style


def sink_hint(array: xr.DataArray, style: Style) -> list[str]:
    """A hint where the first token's largest value is three times that of all others or more.

    The first token draws most attention in many models, and alone sets the scale.
    """
    untouched = style.first_token in ("keep", "auto") and style.limits is None
    if not untouched or style.scale not in ("auto", "linear"):
        return []
    if array.sizes.get("token", 0) < 3 or "null_value" in array.attrs:
        return []
    cells = cells_of(array.isel(token=slice(0, 1)), "token")
    first, rest = array.isel(token=0).values, array.isel(token=slice(1, None)).values
    if cells.labels[0] != 0 or not (np.isfinite(first).any() and np.isfinite(rest).any()):
        return []
    top, other = float(np.nanmax(first)), float(np.nanmax(rest))
    if not 0 < 3 * other < top:
        return []
    return [
        f"The first token ({cells.names[0]}) reaches {top:.3g}, all others at most {other:.3g}: "
        "first_token 'off_scale' or 'leave_out', or scale 'log', shows more of the rest."
    ]


def pooling_notes(parts: Sequence[Part], style: Style) -> list[str]:
    """How many cells became one, and by which rule."""
    notes = []
    rule = "the largest value" if style.pooling == "max" else "the mean"
    for part in parts:
        for cells in (part.x, part.y):
            if not part.heat or cells is None or cells.pool == 1:
                continue
            far = part.signed and style.pooling == "max"
            notes.append(
                f"{len(cells.labels):,} {cells.axis.plural} are drawn as {cells.drawn} columns of "
                f"{cells.pool}: each shows {'the value farthest from no effect' if far else rule} "
                f"of its {cells.pool} {cells.axis.plural}."
            )
            if part.significant is not None:
                notes.append("A pooled cell is marked if any of its cells is significant.")
    return notes


def scale_notes(parts: Sequence[Part], colour: Sequence[Scale], style: Style) -> list[str]:
    """What the colours cut off, and which limits were asked for."""
    notes = []
    groups = sorted({part.group for part in parts if part.heat})
    for group, scale in zip(groups, colour, strict=True):
        drawn = [part for part in parts if part.heat and part.group == group]
        cells = sum(int(np.isfinite(part.values).sum()) for part in drawn)
        name = f"{label_of(drawn[0].array.attrs)}: " if len(colour) > 1 else ""
        if scale.above:
            notes.append(
                f"{name}{scale.above:,} of {cells:,} cells lie above {_short(scale.high)} "
                f"(the largest: {_short(scale.most)}) and share its colour."
            )
        if scale.below:
            notes.append(
                f"{name}{scale.below:,} of {cells:,} cells lie below {_short(scale.low)} "
                f"(the smallest: {_short(scale.least)}) and share its colour."
            )
    if colour and style.scale == "percentile" and style.limits is None:
        low, high = style.percentiles
        notes.append(f"Colours run from percentile {low:g} to percentile {high:g} of the values.")
    if colour and style.first_token == "off_scale" and style.limits is None:
        notes.append("The first token does not count for the limits of the colours.")
    return notes


def _short(value: float) -> str:
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "−")


def legend_of(
    panels: Sequence[Panel], parts: Sequence[Part], style: Style
) -> tuple[LegendEntry, ...]:
    """The signs that occur in the panels, each once, with their meaning."""
    entries = [LegendEntry("hatched", panel.missing) for panel in panels if panel.missing]
    for part in parts:
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
