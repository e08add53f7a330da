"""Bins of answers at their mean scores, and the single answers behind them."""

from __future__ import annotations

import math
from dataclasses import replace

import xarray as xr

from layergram.figures import ticks
from layergram.figures.fonts import text_width
from layergram.figures.spec import Axis
from layergram.figures.style import Style
from layergram.maps.bins import answer_scores, mean_scores

NEAREST, FARTHEST = 0.02, 0.1  # how far beyond 0 and 1 single answers lie
OUTSIDE = 0.13  # how far an axis of values reaches beyond 0 and 1, to hold them
MARGIN = 0.03  # of the axis of scores: beyond its first and last tick
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples, without their whole part, fill 0 to 1 evenly


def points_of(array: xr.DataArray) -> tuple[tuple[float, float], ...]:
    """The single answers of a map of bins as points: the score, and a height beyond 0 or 1.

    Right answers lie a little above 1, wrong ones a little below 0, each at another height, so
    that answers with equal scores do not hide one another. The same map gives the same points.
    """
    if not mean_scores(array):
        return ()
    scores = answer_scores(array)
    return tuple(
        (score, end + out * (NEAREST + (FARTHEST - NEAREST) * (at * GOLDEN % 1)))
        for of, end, out in ((scores.wrong, 0.0, -1.0), (scores.right, 1.0, 1.0))
        for at, score in enumerate(of)
    )


def score_axis(array: xr.DataArray, axis: Axis, *, room: float, style: Style) -> Axis:
    """The axis of the cells as an axis of scores, on which bins stand at their means.

    Args:
        array: a map with mean scores.
        axis: of its cells, one beside the other.
        room: length of the axis in inches.
        style: the person's choices.
    """
    every = [*mean_scores(array), *(score for score, _ in points_of(array))]
    low, high = ticks.round_limits(min(every), max(every))
    marks = ticks.ticks_between(low, high)
    widest = max(text_width(tick.label, style.font_size, style.font) for tick in marks)
    step = max(1, math.ceil(1.3 * widest * len(marks) / room))
    label = str(array.attrs.get("score", "mean score"))
    margin = MARGIN * (high - low)
    return replace(
        axis,
        label=label[:1].upper() + label[1:],
        ticks=marks[::step],
        limits=(low - margin, high + margin),
        rotation=0,
    )


def scatter_notes(array: xr.DataArray) -> list[str]:
    """What the points are, and what was computed of them."""
    scores = answer_scores(array)
    drawn = len(scores.right) + len(scores.wrong)
    count = f"{drawn:,}" if drawn == scores.answers else f"{drawn:,} of {scores.answers:,}"
    points = (
        f"Grey points: {count} single answers, right ones at 1 and wrong ones at 0, moved outwards "
        "by different amounts so that they do not hide one another."
    )
    statistics = str(array.attrs.get("statistics", ""))
    return [*([statistics] if statistics else []), *([points] if drawn else [])]
