"""Measures: one function each, with its record; a map of every one comes out of the same run."""

from layergram.measures import (
    attention,
    flow,
    heads,
    lens,
    patterns,
    residual,
    routing,
    weighted,
)
from layergram.measures.registry import MEASURES, Measure, measure, select_measures

__all__ = [
    "MEASURES",
    "Measure",
    "attention",
    "flow",
    "heads",
    "lens",
    "measure",
    "patterns",
    "residual",
    "routing",
    "select_measures",
    "weighted",
]
