"""What is drawn of a map, and what its axes say: order, labels, ticks, and ranges of cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.figures.fonts import text_width
from layergram.figures.spec import Axis, Tick
from layergram.figures.style import Style
from layergram.maps import Dimension, dimension_of, in_template, join_tokens, layout, part_of
from layergram.tokens import display

MOST_LABELS = 60
LONGEST_LABEL = 24
UPRIGHT = 0.85  # of the width of a column: a label no wider need not be turned
LEFT_TO_RIGHT = "\u200e"  # keeps a number before its colon when the word is Arabic or Hebrew
TOKEN_AXIS_LABELS = {"reads": "{} read", "predicts": "{} predicted"}


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
        template: places of the tokens that the chat template puts around a prompt.
    """

    axis: Dimension
    labels: tuple[int | float | str, ...]
    names: tuple[str, ...]
    pool: int = 1
    numbers: bool = False
    texts: bool = False
    template: frozenset[int] = frozenset()

    @property
    def dim(self) -> str:
        """The name of the dimension."""
        return self.axis.name

    @property
    def shown(self) -> tuple[str, ...]:
        """Each name as it is written along an axis; the middle of long ones is left out."""
        return tuple(map(_short, self.names))

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
    around = np.flatnonzero(in_template(array)).tolist() if texts and dim == "token" else []
    return Cells(
        dimension_of(array, dim),
        plain,
        names,
        pool,
        numbers=numbers and not texts,
        texts=texts,
        template=frozenset(around),
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
    font: str = "",
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
        font: the family of fonts to use first.

    Returns:
        The axis, and a sentence about what it does not write; empty where it writes everything,
        or plain numbers.
    """
    pitch = room / cells.drawn
    line = font_size * 1.25 / 72
    label = label or cells.axis.axis_label
    if cells.dim == "token":
        label = TOKEN_AXIS_LABELS.get(alignment, label).format(cells.axis.noun.capitalize())
    if cells.pool > 1:
        names = tuple(_pool_names(cells))
        label = f"{label}: position, {cells.pool} per column"
        shown = [name.partition("–")[0] for name in names]
    else:
        names, shown = cells.names, list(cells.shown)
    counted = cells.numbers or cells.pool > 1
    if direction != "right":
        step, start, rotation = _row_step(cells, pitch / (line * 0.88)), 0, 0
    elif counted:
        width = _widest(shown, font_size, font) + line * 0.5
        step, rotation = _step(cells.drawn, pitch / width), 0
    else:
        step = _step(cells.drawn, pitch / line)
        widest = _widest(shown[::step], font_size, font)
        rotation = 0 if widest <= 0.9 * pitch * step else 45 if pitch * 0.7 >= line else 90
    start = _first(cells, step) if counted and cells.pool == 1 else 0
    note = ""
    if step > 1 and cells.texts and cells.pool == 1:
        shown = [
            f"{LEFT_TO_RIGHT}{at}: {name}" for at, name in zip(cells.labels, shown, strict=True)
        ]
        start = _first(cells, step)
        rotation = 90
        note = f"Every {step}{'nd' if step == 2 else 'th'} {cells.axis.noun} is labelled, with its "
        note += "position."
    upright = {
        name
        for name in (shown[start::step] if rotation == 90 else ())
        if text_width(name, font_size, font) <= UPRIGHT * pitch * step
    }
    ticks = tuple(
        Tick(float(i), shown[i], upright=shown[i] in upright, faint=i in cells.template)
        for i in range(start, cells.drawn, step)
    )
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


def _widest(names: Iterable[str], font_size: float, font: str) -> float:
    return max(text_width(name, font_size, font) for name in names)


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


def drawn_part(array: xr.DataArray, style: Style) -> tuple[xr.DataArray, list[str]]:
    """The part of a map that the figure shows, and what was left out, in words.

    Raises:
        LayergramError: for a selection outside the map, or one without any value.
    """
    array, notes = _columns_wanted(array, style)
    for selection in style.select:
        dim, equals, text = selection.partition("=")
        dim = dim.strip()
        asked = f"to draw the selection '{selection}'"
        if not equals:
            raise LayergramError(asked, allowed="axis=first:last, for example token=0:59")
        if dim not in array.dims:
            raise unknown_name("axis", dim, map(str, array.dims))
        first, last = range_of(text, cells_of(array, dim), asked=asked)
        array = array.isel({dim: slice(first, last + 1)})
    final = _final_layer(array)
    if style.final_layer == "auto" and final is not None:
        array = array.isel(layer=slice(0, -1))
        notes.append(f"The final layer, {final}, is left out: its divergence is 0 by definition.")
    if style.first_token == "leave_out" and _starts_at_first_token(array):
        first_name = cells_of(array.isel(token=slice(0, 1)), "token").names[0]
        notes.append(f"The first token ({first_name}) is left out.")
        array = array.isel(token=slice(1, None))
    if not np.isfinite(array.values).any():
        raise LayergramError(
            f"a figure of {array.attrs.get('measure', 'the map')}",
            got="no cell with a value in what was selected",
            do="select more",
        )
    return array, notes


def _columns_wanted(array: xr.DataArray, style: Style) -> tuple[xr.DataArray, list[str]]:
    """The columns of one part of the text, joined by words or sentences, and what was done."""
    notes = []
    if style.part != "all":
        count = array.sizes.get("token", 0)
        array = part_of(array, style.part)
        kept = f"{array.sizes['token']:,} of {count:,} tokens"
        what = "The tokens of the chat template are left out"
        if style.part != "without_template":
            what = f"Only the {style.part} is drawn"
        notes.append(f"{what}: {kept} remain.")
    if style.by != "token":
        array = join_tokens(array, by=style.by)
    if "joined" in array.attrs:
        notes.append(str(array.attrs["joined"]))
    return array, notes


def _final_layer(array: xr.DataArray) -> int | None:
    """The model's final layer, if this is a divergence map that has it as its last of several."""
    if array.attrs.get("measure") != "divergence" or array.sizes.get("layer", 0) < 2:
        return None
    last = array["layer"].values[-1]
    layers = array.attrs.get("layers")
    if layers is None:
        ends_in_zero = not np.nan_to_num(array.isel(layer=-1).values).round(6).any()
        return int(last) if ends_in_zero else None
    return int(last) if last == int(layers) else None


def _starts_at_first_token(array: xr.DataArray) -> bool:
    if array.sizes.get("token", 0) < 2:
        return False
    return cells_of(array.isel(token=slice(0, 1)), "token").labels[0] == 0


def without_first_token(array: xr.DataArray) -> xr.DataArray:
    """The map without its first token, if that is the first of the whole sequence."""
    return array.isel(token=slice(1, None)) if _starts_at_first_token(array) else array


def axes_of(array: xr.DataArray, style: Style) -> tuple[tuple[str, ...], str, str]:
    """Which axes become panels, rows and columns.

    Without ``style.facet`` the columns are tokens, roles, keys or heads, the rows layers, and
    every other axis gets a panel per label; a map of one axis has no rows (``""``).

    Example:
        >>> from layergram import maps
        >>> m = maps.make(np.ones((2, 3, 4)), ("layer", "head", "token"), measure="m")
        >>> axes_of(m, Style()), axes_of(m, Style(facet="layer"))
        ((('head',), 'layer', 'token'), (('layer',), 'head', 'token'))

    Raises:
        LayergramError: for a facet that is no axis of the map, or none that leaves two axes.
    """
    dims = [str(dim) for dim in array.dims]
    facets = [name.strip() for name in style.facet.split(",") if name.strip()]
    for facet in facets:
        if facet not in dims:
            raise unknown_name("facet", facet, dims)
    rest = [dim for dim in dims if dim not in facets]
    if not rest:
        raise LayergramError(
            f"panels for {', '.join(facets)}",
            got=f"a map of {', '.join(dims)}, which leaves no axis for the panels themselves",
            do="leave at least one axis",
        )
    panels, y, x = layout(rest)
    return (*facets, *panels), y, x
