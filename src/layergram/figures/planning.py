"""From maps to a figure as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import xarray as xr

from layergram import maps as currency
from layergram.errors import LayergramError
from layergram.figures import geometry, prepare, remarks, scales
from layergram.figures.lines import line_panel
from layergram.figures.panels import Part, heat_panel, parts_of
from layergram.figures.spec import Figure, HeatPanel, Panel, Scale
from layergram.figures.style import Style

Maps = xr.DataArray | xr.Dataset | Sequence[xr.DataArray] | Mapping[str, xr.DataArray]


def plan(maps: Maps, *, style: Style | None = None) -> Figure:
    """What a reader will see of one map or several, as plain data.

    Args:
        maps: a map; or several, which become panels side by side: a list, a dataset, or a mapping
            from titles to maps. Maps of the same measure share one colour scale, others have
            their own.
        style: the person's choices.

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
    drawn = [prepare.drawn_part(currency.check(array), style) for _, array in titled]
    notes = [note for _, left_out in drawn for note in left_out]
    hints = [hint for array, _ in drawn for hint in remarks.sink_hint(array, style)]
    if style.first_token == "auto":
        style = replace(style, first_token="off_scale" if hints else "keep")
        hints = []
    parts: list[Part] = []
    for (title, _), (array, _), group in zip(titled, drawn, groups, strict=True):
        parts += parts_of(array, title if len(titled) > 1 else "", group, style=style)
    columns = _columns(parts, len(titled), style)
    size = _size(parts, columns, len(titled), style)
    coloured = sorted({part.group for part in parts if part.heat})
    colour = [_scale_of([p for p in parts if p.heat and p.group == g], style) for g in coloured]
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
            panels.append(panel)
        else:
            lines, said = line_panel(part.array, part.title, size=size, style=style)
            panels.append(lines)
        notes += said
    notes += remarks.pooling_notes(parts, style)
    notes += remarks.scale_notes(parts, colour, style)
    return Figure(
        title=style.title,
        panels=tuple(panels),
        columns=columns,
        panel_width=size[0],
        row_heights=_row_heights(panels, columns, size[1]),
        scales=tuple(colour),
        legend=remarks.legend_of(panels, parts, style),
        notes=tuple(dict.fromkeys(notes)),
        hints=tuple(dict.fromkeys(hints)),
        font_size=style.font_size,
    )


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
    )


def _columns(parts: Sequence[Part], maps: int, style: Style) -> int:
    if style.columns is not None:
        return min(style.columns, len(parts))
    if maps == len(parts) and maps <= 4:
        return maps
    wide = any(part.x.dim not in ("head", "layer") for part in parts)
    return geometry.columns_for(len(parts), wide=wide)


def _row_heights(panels: Sequence[Panel], columns: int, height: float) -> tuple[float, ...]:
    """The height of each row; one without a heatmap is lower than those that have one."""
    rows = [panels[at : at + columns] for at in range(0, len(panels), columns)]
    heat = [any(isinstance(panel, HeatPanel) for panel in row) for row in rows]
    lower = max(0.4 * height, 1.0) if any(heat) else height
    return tuple(height if has else lower for has in heat)


def _size(parts: Sequence[Part], columns: int, maps: int, style: Style) -> tuple[float, float]:
    heat = [part for part in parts if part.heat]
    shown = heat or parts
    if not heat and shown[0].y is not None:
        x, wide = currency.DIMENSIONS["layer"], 30
    else:
        x, wide = shown[0].x.axis, max(part.x.drawn for part in shown)
    rows = max((part.y.drawn for part in heat if part.y), default=0)
    return geometry.panel_size(
        x, cells=(rows, wide), columns=columns, maps=maps, font_size=style.font_size
    )
