"""Measures: one function each, with its record; a map of every one comes out of the same run."""

from layergram.measures import attention, heads, lens, patterns, residual
from layergram.measures.gather import Columns, Keys
from layergram.measures.registry import MEASURES, Measure, chosen, measure

__all__ = [
    "MEASURES",
    "Columns",
    "Keys",
    "Measure",
    "attention",
    "chosen",
    "heads",
    "lens",
    "measure",
    "patterns",
    "residual",
]
