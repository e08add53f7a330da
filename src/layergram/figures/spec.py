"""A figure as plain data: everything a reader sees, and nothing of the program that draws it.

:func:`layergram.figures.plan` makes a :class:`Figure`; matplotlib paints it, a page can draw the
same one, and tests read it. Only numbers, words, tuples and arrays of values occur.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis or a colour bar: where it stands, and what is written there.

    ``upright`` labels are so short that they are not turned with the others of their axis;
    ``faint`` ones are written in grey: tokens of the chat template.
    """

    at: float
    label: str
    upright: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Args:
        dim: the map's dimension; empty for an axis of values.
        label: what is written along the axis.
        names: one name per cell, in order, uncut; empty for an axis of values.
        ticks: the labelled marks; a cell axis counts cells from 0.
        limits: where the axis begins and ends; cell ``i`` reaches from ``i - 0.5`` to ``i + 0.5``,
            but in a panel of lines that says where its cells stand.
        direction: where the numbers grow to.
        rotation: angle of the tick labels in degrees.
        growth: ``"log"`` for an axis of values by factors.
    """

    dim: str
    label: str
    names: tuple[str, ...]
    ticks: tuple[Tick, ...]
    limits: tuple[float, float]
    direction: Literal["right", "up", "down"]
    rotation: int = 0
    growth: Literal["linear", "log"] = "linear"


@dataclass(frozen=True)
class Scale:
    """How values become colours, and what lies beyond the limits.

    Args:
        kind: ``"linear"``, ``"log"``, or ``"diverging"`` around ``centre``.
        low: value of the first colour.
        high: value of the last colour.
        centre: value of the middle colour of a diverging scale.
        palette: name of the colour map.
        colours: the colour map itself, as ``#rrggbb`` from ``low`` to ``high``.
        label: what a value is, with its unit.
        ticks: the labelled values; a clipped side ends in ``0.004+`` or ``≤0.5``.
        below: cells under ``low``, drawn in the first colour.
        above: cells over ``high``, drawn in the last colour.
        least: smallest value drawn.
        most: largest value drawn.
    """

    kind: Literal["linear", "log", "diverging"]
    low: float
    high: float
    centre: float | None
    palette: str
    colours: tuple[str, ...]
    label: str
    ticks: tuple[Tick, ...]
    below: int
    above: int
    least: float
    most: float


@dataclass(frozen=True)
class Region:
    """A marked block of cells: first and last row, first and last column, and how it was chosen."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    chosen: Literal["given", "best"]
    text: str


@dataclass(frozen=True)
class Span:
    """Neighbouring columns that belong together: the first, the last, and what they are."""

    first: int
    last: int
    label: str


@dataclass(frozen=True)
class CellTexts:
    """Words in the cells of a heatmap: rows × columns of text, and their size in points."""

    rows: tuple[tuple[str, ...], ...]
    size: float


@dataclass(frozen=True)
class HeatPanel:
    """A heatmap.

    Args:
        title: what stands above it.
        x: the axis of the columns.
        y: the axis of the rows.
        values: rows × columns; NaN where there is no value.
        scale: which of the figure's scales colours it.
        regions: marked blocks.
        significant: cells that differ from no effect, or None where the map does not say.
        equal: cells of a difference that rounding alone can explain, drawn grey, or None.
        missing: why NaN cells have no value.
        texts: what is written into the cells, or None.
        spans: the prompt and the answer, bracketed above the cells with a line between them.
    """

    title: str
    x: Axis
    y: Axis
    values: Values
    scale: int
    regions: tuple[Region, ...] = ()
    significant: Mask | None = None
    equal: Mask | None = None
    missing: str = ""
    texts: CellTexts | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of a line panel: a value per cell of the axis, with its interval where known."""

    label: str
    values: Values
    low: Values | None
    high: Values | None
    colour: str
    dash: Literal["solid", "dashed", "dotted", "dashdot"] = "solid"


@dataclass(frozen=True)
class BarKind:
    """Bars of one meaning: their colour, whether they are filled, and what they stand for."""

    colour: str
    filled: bool
    text: str


@dataclass(frozen=True)
class Limit:
    """A dashed line across a panel at one value, and what lies on or above it."""

    at: float
    text: str


@dataclass(frozen=True)
class LinePanel:
    """Rows or columns of a map as lines, or a map of one axis as bars.

    Args:
        title: what stands above it.
        x: the cells along the lines.
        y: the values.
        lines: the lines, in the order of the legend.
        look: ``"lines"``, or ``"bars"`` where neighbours have no order worth joining.
        baseline: value that means no effect, drawn as a thin line.
        missing: why NaN cells have no value.
        kinds: the meanings that bars have, where they have several.
        kind_of: the place of each bar's kind among ``kinds``; empty where there are none.
        limits: values that are marked across the panel.
        spans: the prompt and the answer, bracketed above the cells with a line between them.
        at: where the cells stand along the axis; empty where one stands beside the other.
        points: single observations behind the lines, across and up.
    """

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    look: Literal["lines", "bars"]
    baseline: float | None = None
    missing: str = ""
    kinds: tuple[BarKind, ...] = ()
    kind_of: tuple[int, ...] = ()
    limits: tuple[Limit, ...] = ()
    spans: tuple[Span, ...] = ()
    at: tuple[float, ...] = ()
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class TextBox:
    """A token, or what of it stands in one line.

    Args:
        token: which of the tokens that are drawn, from 0.
        text: what is written, white space made readable.
        place: where it begins in its line, in letters of a fixed-width font.
        width: in letters.
        value: of the token; None where it has none.
        equal: whether the value is a difference that rounding alone can explain.
    """

    token: int
    text: str
    place: int
    width: int
    value: float | None
    equal: bool = False


@dataclass(frozen=True)
class TextPanel:
    """The text itself, in lines, each token on the colour of its value.

    Args:
        title: what stands above it.
        lines: the boxes of each line, in the order of the text.
        columns: width of the panel, in letters.
        rows: height of the panel, in lines.
        scale: which of the figure's scales colours it.
        missing: why tokens have no value.
        answer_from: the line with which the answer begins, under a rule; 0 where there is none.
    """

    title: str
    lines: tuple[tuple[TextBox, ...], ...]
    columns: int
    rows: int
    scale: int
    missing: str = ""
    answer_from: int = 0


Panel = HeatPanel | LinePanel | TextPanel


@dataclass(frozen=True)
class LegendEntry:
    """One sign of the figure and its meaning; bars have a colour besides."""

    look: Literal[
        "hatched", "grey", "dot", "rectangle", "dashed rectangle", "bar", "open bar", "dashed line"
    ]
    text: str
    colour: str = ""


@dataclass(frozen=True)
class Figure:
    """Everything a reader sees.

    Args:
        title: what stands above all panels.
        panels: the panels, row by row.
        columns: panels per row.
        panel_width: width of one panel's cells, in inches.
        row_heights: height of the panels of each row, in inches.
        scales: colour scales; a figure with several panels and one scale has one colour bar.
        legend: signs and their meaning.
        notes: what was done to the numbers on the way to the picture; printed below it.
        hints: advice for the person who draws; not printed.
        font_size: size of the labels, in points.
        width: the most that all of it may be wide, in inches.
        font: the family of fonts to use first; empty for the usual ones.
        notes_shown: whether the notes are printed below the figure.
        layout: each panel with its labels, or a sheet of many small ones, labelled at its edges.
    """

    title: str
    panels: tuple[Panel, ...]
    columns: int
    panel_width: float
    row_heights: tuple[float, ...]
    scales: tuple[Scale, ...]
    legend: tuple[LegendEntry, ...]
    notes: tuple[str, ...]
    hints: tuple[str, ...]
    font_size: float
    width: float = 183 / 25.4
    font: str = ""
    notes_shown: Literal["below", "none"] = "below"
    layout: Literal["panels", "sheet"] = "panels"

    def to_plain(self, *, values: Literal["all", "none"] = "all") -> dict[str, Any]:
        """The figure as JSON can hold it: arrays are lists, NaN is ``None``.

        Args:
            values: ``"none"`` leaves the values of the cells out, for who has them already.
        """
        shown = self
        if values == "none":
            panels = (
                dataclasses.replace(panel, values=panel.values[:0])
                if isinstance(panel, HeatPanel)
                else panel
                for panel in self.panels
            )
            shown = dataclasses.replace(self, panels=tuple(panels))
        return {f.name: _plain(getattr(shown, f.name)) for f in dataclasses.fields(shown)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        known = value == value  # NaN is the one value that is not itself
        return np.where(known, value.astype(object), np.array(None)).tolist()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
