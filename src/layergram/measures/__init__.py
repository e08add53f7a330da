"""Measures: one function each, with its record; a map of every one comes out of the same run."""

from layergram.measures import attention, heads, lens, patterns, residual
from layergram.measures.registry import MEASURES, Measure, measure, select_measures

__all__ = [
    "MEASURES",
    "Measure",
    "attention",
    "heads",
    "lens",
    "measure",
    "patterns",
    "residual",
    "select_measures",
]
