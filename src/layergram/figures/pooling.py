"""Neighbouring cells that become one where each alone would be too narrow to be seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layergram.figures import labels
from layergram.figures.labels import Cells
from layergram.figures.panels import Part
from layergram.figures.spec import Mask, Region, Values
from layergram.figures.style import DOTS_PER_INCH, Style

NARROWEST_CELL = 2  # dots of a written picture


def pooled(part: Part, size: tuple[float, float], style: Style) -> Part:
    """A heatmap with as many columns and rows as its panel can show.

    Columns are pooled where one alone would be narrower than two dots of the written picture, or
    where there are more than ``style.most_columns``; rows where they would be that low.

    Args:
        part: the panel in the making.
        size: width and height of its cells in inches.
        style: the person's choices.
    """
    if part.y is None or not part.heat:
        return part
    width, height = (max(2, int(inches * DOTS_PER_INCH / NARROWEST_CELL)) for inches in size)
    x_size = pool_size(len(part.x.labels), style.most_columns or width)
    y_size = pool_size(len(part.y.labels), style.most_columns or height)
    if x_size == y_size == 1:
        return part
    rule = rule_of(part, style)
    centre = float(part.array.attrs.get("null_value", 0.0)) if part.signed else None

    def shrunk(values: Values) -> Values:
        across = pool(values, x_size, axis=1, rule=rule, centre=centre)
        return pool(across, y_size, axis=0, rule=rule, centre=centre)

    def shrunk_any(mask: Mask) -> Mask:
        return pool_any(pool_any(mask, x_size, axis=1), y_size, axis=0)

    known = np.isfinite(part.values)
    equal, significant = part.equal, part.significant
    return replace(
        part,
        x=labels.cells_of(part.array, part.x.dim, pool=x_size),
        y=labels.cells_of(part.array, part.y.dim, pool=y_size),
        values=shrunk(part.values),
        basis=shrunk(part.basis),
        significant=None if significant is None else shrunk_any(significant),
        regions=tuple(_shrunk(region, y_size, x_size) for region in part.regions),
        equal=None if equal is None else ~shrunk_any(known & ~equal),
    )


def _shrunk(region: Region, y_size: int, x_size: int) -> Region:
    rows = (region.rows[0] // y_size, region.rows[1] // y_size)
    columns = (region.columns[0] // x_size, region.columns[1] // x_size)
    return replace(region, rows=rows, columns=columns)


def rule_of(part: Part, style: Style) -> str:
    """What stands for pooled cells, ``"max"`` or ``"mean"``: as asked, or as the measure says."""
    if style.pooling != "auto":
        return style.pooling
    return "max" if part.array.attrs.get("pooling") == "max" else "mean"


def pooling_notes(parts: Sequence[Part], style: Style) -> list[str]:
    """How many cells became one, and by which rule."""
    notes = []
    for part in parts:
        for cells, noun in ((part.x, "columns"), (part.y, "rows")):
            if not part.heat or cells is None or cells.pool == 1:
                continue
            notes.append(
                f"{len(cells.labels):,} {cells.axis.plural} are drawn as {cells.drawn:,} {noun} of "
                f"{cells.pool}: each shows {_shown(part, cells, style)}."
            )
            if part.significant is not None:
                notes.append("A pooled cell is marked if any of its cells is significant.")
    return notes


def _shown(part: Part, cells: Cells, style: Style) -> str:
    what = "the mean"
    if rule_of(part, style) == "max":
        what = "the value farthest from no effect" if part.signed else "the largest value"
    return f"{what} of its {cells.pool} {cells.axis.plural}"


def pool_size(count: int, most: int) -> int:
    """How many neighbours share a column: the smallest power of two that leaves ``most`` or fewer.

    Example:
        >>> pool_size(512, 512), pool_size(8192, 512)
        (1, 16)
    """
    size = 1
    while -(-count // size) > most:
        size *= 2
    return size


def pool(values: Values, size: int, *, axis: int, rule: str, centre: float | None) -> Values:
    """The values with every ``size`` neighbours along ``axis`` made one.

    Args:
        values: rows × columns.
        size: how many neighbours; the last group may have fewer.
        axis: 0 for rows, 1 for columns.
        rule: ``"max"`` keeps the largest value, or the one farthest from ``centre`` where a centre
            is given, so that no peak is lost; ``"mean"`` keeps the level.
        centre: value that means no effect, of a signed map.

    Returns:
        The pooled values; NaN only where all neighbours are NaN.

    Example:
        >>> pool(np.array([[0.1, 0.9, 0.2, -0.4]]), 2, axis=1, rule="max", centre=None).tolist()
        [[0.9, 0.2]]
        >>> pool(np.array([[0.1, 0.9, 0.2, -0.4]]), 2, axis=1, rule="max", centre=0.0).tolist()
        [[0.9, -0.4]]
    """
    if size == 1:
        return values
    groups = _groups(values, size, axis, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a group of NaN only stays NaN
        if rule == "mean":
            return np.asarray(np.nanmean(groups, axis=axis + 1))
        if centre is None:
            return np.asarray(np.nanmax(groups, axis=axis + 1))
        high, low = np.nanmax(groups, axis=axis + 1), np.nanmin(groups, axis=axis + 1)
    return np.asarray(np.where(centre - low > high - centre, low, high))


def pool_any(mask: Mask, size: int, *, axis: int) -> Mask:
    """A mask that is true where any of the pooled neighbours was."""
    if size == 1:
        return mask
    return np.asarray(_groups(mask, size, axis, False).any(axis=axis + 1), dtype=np.bool_)


def _groups(values: np.ndarray, size: int, axis: int, fill: float) -> np.ndarray:  # type: ignore[type-arg]
    short = -values.shape[axis] % size
    padding = [(0, short if i == axis else 0) for i in range(values.ndim)]
    padded = np.pad(values, padding, constant_values=fill)
    shape = list(padded.shape)
    shape[axis : axis + 1] = [shape[axis] // size, size]
    return padded.reshape(shape)
