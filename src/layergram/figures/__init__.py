"""Figures: what a reader sees of a map, first as plain data, then painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layergram.lazy import imported

if TYPE_CHECKING:
    from layergram.figures.painting import paint as paint
    from layergram.figures.planning import plan as plan
    from layergram.figures.saving import choose as choose
    from layergram.figures.saving import draw as draw
    from layergram.figures.saving import save as save
    from layergram.figures.spec import Axis as Axis
    from layergram.figures.spec import BarKind as BarKind
    from layergram.figures.spec import Figure as Figure
    from layergram.figures.spec import HeatPanel as HeatPanel
    from layergram.figures.spec import LegendEntry as LegendEntry
    from layergram.figures.spec import Limit as Limit
    from layergram.figures.spec import Line as Line
    from layergram.figures.spec import LinePanel as LinePanel
    from layergram.figures.spec import Region as Region
    from layergram.figures.spec import Scale as Scale
    from layergram.figures.spec import TextBox as TextBox
    from layergram.figures.spec import TextPanel as TextPanel
    from layergram.figures.spec import Tick as Tick
    from layergram.figures.style import Style as Style

_HOMES = {
    "Axis": "spec",
    "BarKind": "spec",
    "Figure": "spec",
    "HeatPanel": "spec",
    "LegendEntry": "spec",
    "Limit": "spec",
    "Line": "spec",
    "LinePanel": "spec",
    "Region": "spec",
    "Scale": "spec",
    "Style": "style",
    "TextBox": "spec",
    "TextPanel": "spec",
    "Tick": "spec",
    "choose": "saving",
    "draw": "saving",
    "paint": "painting",
    "plan": "planning",
    "save": "saving",
}

__all__ = list(_HOMES)


if not TYPE_CHECKING:  # else a type checker accepts every name

    def __getattr__(name: str) -> Any:
        return imported(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
