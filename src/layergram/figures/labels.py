"""What stands along the axes of cells: names, and which of them there is room to write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.figures.spec import Axis, Tick
from layergram.maps import Dimension, dimension_of
from layergram.tokens import display

MOST_LABELS = 60
LONGEST_LABEL = 24
LEFT_TO_RIGHT = "\u200e"  # keeps a number before its colon when the word is Arabic or Hebrew
TOKEN_AXIS_LABELS = {"reads": "Token read", "predicts": "Token predicted"}


@dataclass(frozen=True)
class Cells:
    """The cells along one axis of a map, before it is known how much room they have.

    Args:
        axis: the dimension.
        labels: the coordinate's values, one per cell of the map.
        names: each as a reader should see it.
        pool: how many neighbours each drawn column stands for.
        numbers: whether the labels count something.
        texts: whether the names are words of a text, with a position besides.
    """

    axis: Dimension
    labels: tuple[int | float | str, ...]
    names: tuple[str, ...]
    pool: int = 1
    numbers: bool = False
    texts: bool = False

    @property
    def dim(self) -> str:
        """The name of the dimension."""
        return self.axis.name

    @property
    def drawn(self) -> int:
        """How many cells are drawn."""
        return -(-len(self.labels) // self.pool)


def cells_of(array: xr.DataArray, dim: str, *, pool: int = 1) -> Cells:
    """The cells of a map along ``dim``; tokens are named by their text where the map has it.

    Cells that are pooled go by their labels only.
    """
    labels = array[dim].values if dim in array.coords else np.arange(array.sizes[dim])
    numbers = labels.dtype.kind in "iuf"
    text_name = f"{dim}_text"
    texts = pool == 1 and text_name in array.coords and array[text_name].dims == (dim,)
    if texts:
        names = tuple(display(str(text)) for text in array[text_name].values)
    else:
        names = tuple(f"{label:g}" if numbers else display(str(label)) for label in labels)
    plain = tuple(label.item() if isinstance(label, np.generic) else label for label in labels)
    return Cells(
        dimension_of(array, dim), plain, names, pool, numbers=numbers and not texts, texts=texts
    )


def range_of(text: str, cells: Cells, *, asked: str) -> tuple[int, int]:
    """First and last cell of ``first:last`` (both included), of one label, or of ``:`` for all.

    Labels that count (layers, heads, token positions) may lie between those that the map has.

    Example:
        >>> from layergram.maps import DIMENSIONS
        >>> names = ("1", "5", "10", "13")
        >>> layers = Cells(DIMENSIONS["layer"], (1, 5, 10, 13), names, numbers=True)
        >>> range_of("4:12", layers, asked="a region")
        (1, 2)

    Raises:
        LayergramError: for a range outside the map.
    """
    first, colon, last = text.strip().partition(":")
    last = last if colon else first
    numbers = [label for label in cells.labels if isinstance(label, int | float)]
    ordered = len(numbers) == len(cells.labels)
    try:
        if ordered:
            low = float(first) if first.strip() else min(numbers)
            high = float(last) if last.strip() else max(numbers)
            inside = min(numbers) <= low <= high <= max(numbers)
            found = [i for i, label in enumerate(numbers) if low <= label <= high]
            if inside and found:
                return found[0], found[-1]
        else:
            names = [str(label) for label in cells.labels]
            begin = names.index(first.strip()) if first.strip() else 0
            end = names.index(last.strip()) if last.strip() else len(names) - 1
            if begin <= end:
                return begin, end
    except ValueError:
        pass
    allowed = f"{cells.dim} {cells.labels[0]} to {cells.labels[-1]}"
    if not ordered:
        allowed = f"{cells.dim} " + ", ".join(map(str, cells.labels[:20]))
    raise LayergramError(
        asked,
        got=f"the {cells.dim} range '{text.strip()}'",
        allowed=f"{allowed}; first:last in this order, both included",
    )


def axis_of(
    cells: Cells,
    *,
    room: float,
    font_size: float,
    direction: str,
    alignment: str = "",
    label: str = "",
) -> tuple[Axis, str]:
    """The axis of some cells, with as many labels as there is room for.

    At most 60 labels are written, and only as many as do not touch. Where that is not all, every
    2nd, 5th, 10th, 20th … one is, and tokens carry their position.

    Args:
        cells: the cells.
        room: length of the axis in inches.
        font_size: size of the labels in points.
        direction: ``"right"``, ``"up"`` or ``"down"``.
        alignment: the map's attribute of that name.
        label: the axis label instead of the dimension's own.

    Returns:
        The axis, and a sentence about what it does not write; empty where it writes everything,
        or plain numbers.
    """
    pitch = room / cells.drawn
    line = font_size * 1.25 / 72
    label = label or cells.axis.axis_label
    if cells.dim == "token":
        label = TOKEN_AXIS_LABELS.get(alignment, label)
    if cells.pool > 1:
        names = tuple(_pool_names(cells))
        label = f"{label}: position, {cells.pool} per column"
        shown = [name.partition("–")[0] for name in names]
    else:
        names, shown = cells.names, [_short(name) for name in cells.names]
    counted = cells.numbers or cells.pool > 1
    if direction != "right":
        step, start, rotation = _row_step(cells, pitch / (line * 0.88)), 0, 0
    elif counted:
        width = max(len(name) for name in shown) * font_size * 0.62 / 72 + line * 0.5
        step, rotation = _step(cells.drawn, pitch / width), 0
    else:
        step = _step(cells.drawn, pitch / line)
        widest = max(len(name) for name in shown) * font_size * 0.62 / 72
        rotation = 0 if widest <= 0.9 * pitch else 45 if pitch * 0.7 >= line else 90
    start = _first(cells, step) if counted and cells.pool == 1 else 0
    note = ""
    if step > 1 and cells.texts and cells.pool == 1:
        shown = [
            f"{LEFT_TO_RIGHT}{at}: {name}" for at, name in zip(cells.labels, shown, strict=True)
        ]
        start = _first(cells, step)
        rotation = 90
        note = f"Every {step}{'nd' if step == 2 else 'th'} token is labelled, with its position."
    ticks = tuple(Tick(float(i), shown[i]) for i in range(start, cells.drawn, step))
    if cells.pool > 1 and isinstance(cells.labels[0], int):
        ticks = tuple(_position_ticks(cells, step))
    axis = Axis(
        dim=cells.dim,
        label=label,
        names=names,
        ticks=ticks,
        limits=(-0.5, cells.drawn - 0.5),
        direction=direction,  # type: ignore[arg-type]
        rotation=rotation,
    )
    return axis, note


def _pool_names(cells: Cells) -> Iterator[str]:
    for start in range(0, len(cells.labels), cells.pool):
        last = min(start + cells.pool, len(cells.labels)) - 1
        yield f"{cells.labels[start]}–{cells.labels[last]}"


def _position_ticks(cells: Cells, columns: int) -> Iterator[Tick]:
    """Round positions on an axis of pooled cells, ``columns`` or more of these apart."""
    step = next(step for step in _steps() if step >= columns * cells.pool)
    for i, label in enumerate(cells.labels):
        if isinstance(label, int) and label % step == 0:
            yield Tick((i + 0.5) / cells.pool - 0.5, str(label))


def _short(name: str) -> str:
    if len(name) <= LONGEST_LABEL + 2:
        return name
    return f"{name[: LONGEST_LABEL - 9]}…{name[-8:]}"


def _steps() -> Iterator[int]:
    for power in range(12):
        yield from (10**power, 2 * 10**power, 5 * 10**power)


def _step(count: int, fitting: float) -> int:
    """Every how manieth label can be written when ``fitting`` labels fit per cell."""
    least = max(1 / fitting * 0.98, count / MOST_LABELS)
    return next(step for step in _steps() if step >= least)


def _row_step(cells: Cells, fitting: float) -> int:
    """Rows are labelled one by one if few or uneven, else every second one, or fewer."""
    labels = np.asarray(cells.labels) if cells.numbers else np.zeros(0)
    even = cells.numbers and cells.drawn > 8 and bool((np.diff(labels) == 1).all())
    return max(_step(cells.drawn, fitting), 2 if even else 1)


def _first(cells: Cells, step: int) -> int:
    """The first cell to label: the very first, or with wide steps the first round number."""
    first = cells.labels[0]
    if step <= 2 or not isinstance(first, int):
        return 0
    return min(math.ceil(first / step) * step - first, cells.drawn - 1)


def describe_range(cells: Cells, first: int, last: int) -> str:
    """A range of cells in words: 'layers 10–20', 'token 5', 'first_answer to exact_answer_last'.

    Example:
        >>> from layergram.maps import DIMENSIONS
        >>> layers = Cells(DIMENSIONS["layer"], (1, 2, 3), ("1", "2", "3"), numbers=True)
        >>> describe_range(layers, 0, 2)
        'layers 1–3'
    """
    one, two = cells.labels[first], cells.labels[last]
    if isinstance(one, str):
        return one if first == last else f"{one} to {two}"
    span = f"{one}" if first == last else f"{one}–{two}"
    return f"{cells.axis.noun if first == last else cells.axis.plural} {span}"
