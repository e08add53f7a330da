"""Figures: what a reader sees of a map, first as plain data, then painted."""

from layergram.figures.painting import paint
from layergram.figures.planning import plan
from layergram.figures.saving import choose, draw, save
from layergram.figures.spec import (
    Axis,
    BarKind,
    Figure,
    HeatPanel,
    LegendEntry,
    Limit,
    Line,
    LinePanel,
    Region,
    Scale,
    TextBox,
    TextPanel,
    Tick,
)
from layergram.figures.style import Style

__all__ = [
    "Axis",
    "BarKind",
    "Figure",
    "HeatPanel",
    "LegendEntry",
    "Limit",
    "Line",
    "LinePanel",
    "Region",
    "Scale",
    "Style",
    "TextBox",
    "TextPanel",
    "Tick",
    "choose",
    "draw",
    "paint",
    "plan",
    "save",
]
