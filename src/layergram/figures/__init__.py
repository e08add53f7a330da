"""Figures: what a reader sees of a map, first as plain data, then painted."""

from layergram.figures.painting import paint
from layergram.figures.planning import plan
from layergram.figures.saving import draw, save
from layergram.figures.spec import (
    Axis,
    Figure,
    HeatPanel,
    LegendEntry,
    Line,
    LinePanel,
    Region,
    Scale,
    Tick,
)
from layergram.figures.style import Style

__all__ = [
    "Axis",
    "Figure",
    "HeatPanel",
    "LegendEntry",
    "Line",
    "LinePanel",
    "Region",
    "Scale",
    "Style",
    "Tick",
    "draw",
    "paint",
    "plan",
    "save",
]
