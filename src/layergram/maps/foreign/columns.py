"""What each column of a long table is: an axis, a coordinate, an interval's end, or the value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from layergram.errors import LayergramError, unknown_name
from layergram.maps.dimensions import DIMENSIONS, axis_named, split_words
from layergram.maps.foreign.axes import HEAD_NAME, SPREADS, are_metrics, axes_named
from layergram.maps.foreign.cells import Cells, is_number, missing, number_in
from layergram.maps.vocabulary import (
    BIN_COORDINATES,
    CELL_COORDINATES,
    DIFFERENCE_COORDINATES,
    LENS_COORDINATES,
    ROLES,
    TOKEN_COORDINATES,
)

Layout = Literal["auto", "long", "wide"]
INTERVALS = {
    "low": frozenset(["low", "lower", "lo", "lcl"]),
    "high": frozenset(["high", "upper", "hi", "ucl"]),
    "p_value": frozenset(["p", "pval", "pvalue"]),
}
BESIDE = frozenset(
    ("ci", "conf", "confidence", "interval", "bound", "limit", "value", "val", "90", "95", "99")
)
KNOWN = {
    *TOKEN_COORDINATES,
    *CELL_COORDINATES,
    *LENS_COORDINATES,
    *BIN_COORDINATES,
    *DIFFERENCE_COORDINATES,
} - set(INTERVALS)
PERCENTILES = {("2", "5"): "low", ("97", "5"): "high", ("5",): "low", ("95",): "high"}


@dataclass(frozen=True)
class Columns:
    """Which column is what, by its place in the table.

    Args:
        axes: the column of each axis.
        measures: the columns of values; several become the axis ``measure``.
        coordinates: the column of each further coordinate.
        intervals: for each column of values, the columns of its ``low``, ``high``, ``p_value``.
    """

    axes: dict[str, int]
    measures: list[int]
    coordinates: dict[str, int]
    intervals: dict[int, dict[str, int]]


def columns_of(cells: Cells, *, value: str = "", layout: Layout = "auto") -> Columns | None:
    """What the columns of a table are; None where its columns are the labels of an axis.

    Args:
        cells: the table.
        value: the column of values, where several could be.
        layout: ``"long"`` where the table is known to be one.

    Raises:
        LayergramError: where two columns stand for one axis, or several could be the value.
    """
    axes, coordinates = _axes(cells)
    if not axes:
        corner = axes_named(cells.header[0])
        if layout != "long" and len(corner) != 1 and not value and not is_unnamed(cells.header[0]):
            return None
        axes = {corner[0] if corner else "layer": 0}
    numeric: list[int] = []
    for at, name in enumerate(cells.header):
        known = re.sub("(text|id)s$", r"\1", "_".join(split_words(name)))
        words = _is_text([row[at] for row in cells.rows])
        if at in axes.values() or at in coordinates.values():
            continue
        if known in KNOWN and (words or known != "part"):
            coordinates[known] = at
        elif words:
            coordinates[name.strip() or f"column {at + 1}"] = at
        else:
            numeric.append(at)
    measures = [at for at in numeric if not _interval(cells.header[at])]
    one = len(axes) == 1 and layout == "auto"
    if value:
        measures = [_chosen(cells, value, numeric)]
    elif one:
        names = [cells.header[at].strip() for at in measures or numeric]
        if _are_labels(names, texts=not set(coordinates) <= KNOWN):
            return None
    ends = {kind for kind, _ in filter(None, (_interval(cells.header[at]) for at in numeric))}
    metrics = are_metrics([cells.header[at] for at in measures])
    sure = {"low", "high"} <= ends and (len(axes) > 1 or metrics)
    intervals, left = _intervals(cells, numeric, measures, sure=sure)
    if not value and (left != measures if one and measures else len(left) != 1):
        raise _several(cells, left)
    measures = measures or left
    return Columns(axes, measures, coordinates, {at: intervals.get(at, {}) for at in measures})


def is_unnamed(name: str) -> bool:
    """Whether a column has no name of its own, such as the index that pandas writes."""
    return re.fullmatch(r"\s*(Unnamed: \d+|index|)\s*", name.strip("\ufeff")) is not None


def _axes(cells: Cells) -> tuple[dict[str, int], dict[str, int]]:
    """The leading columns that are axes, others where rows need them, and texts of positions."""
    axes: dict[str, int] = {}
    texts: dict[str, int] = {}
    leading = True
    for at, name in enumerate(cells.header):
        dim = axis_named(name)
        leading = leading and bool(dim) and at < len(cells.header) - 1
        if not dim or not could_be(dim, [row[at] for row in cells.rows]):
            leading = False
            continue
        if not leading and (not axes or dim in axes or _tell_rows_apart(cells, axes)):
            continue
        if dim in axes:
            place, words = _texts_beside(cells, dim, axes[dim], at)
            axes[dim], texts[f"{dim}_text"] = place, words
        else:
            axes[dim] = at
    return axes, texts


def _texts_beside(cells: Cells, dim: str, one: int, two: int) -> tuple[int, int]:
    """Of two columns for the axis of tokens: the one with positions, and the one with texts."""
    whole = [all(re.fullmatch(r"\s*\d+\s*", row[at]) for row in cells.rows) for at in (one, two)]
    if DIMENSIONS[dim].kind != "positions" or whole[0] == whole[1]:
        raise LayergramError(
            f"the table '{cells.source}'",
            got=f"two columns for the axis {dim}: {cells.header[one]!r} and {cells.header[two]!r}",
            allowed="one column for every axis",
            do="remove or rename one of them",
        )
    return (one, two) if whole[0] else (two, one)


def could_be(dim: str, column: Sequence[str]) -> bool:
    """Whether a column can hold the labels of the axis that its header names, and not values."""
    known = {cell.strip() for cell in set(column) if not missing(cell)}
    if not known or not all(is_number(cell, "decimal") for cell in known):
        return True
    whole = all(re.fullmatch(r"[-+−]?\d+([.,]0*)?", cell) for cell in known)
    named = DIMENSIONS[dim].kind == "names" and dim != "role"
    return whole and (
        not named or len(known) < sum(not missing(c) for c in column) or dim == "function"
    )


def _tell_rows_apart(cells: Cells, axes: dict[str, int]) -> bool:
    rows = {tuple(row[at] for at in axes.values()) for row in cells.rows}
    return len(rows) == len(cells.rows)


def _is_text(column: Sequence[str]) -> bool:
    """Whether most different cells are words; a column of numbers with a few bad cells is not."""
    known = {cell.strip() for cell in set(column) if not missing(cell)}
    numbers = [re.match(r"[-+−]?[.,]?\d|[-+]?(inf|nan)", cell.lower()) for cell in known]
    return bool(known) and 2 * sum(map(bool, numbers)) < len(known)


def _are_labels(names: Sequence[str], *, texts: bool) -> bool:
    """Whether the columns beside the one axis are labels of another, and no measures."""
    if not names or names[0] in ROLES or HEAD_NAME.fullmatch(names[0]):
        return True
    return (len(names) > 1 or texts) and not are_metrics(names)


def _interval(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Which end of an interval (or its p-value) a column is, and the measure that it names."""
    words = [word for word in split_words(name) if word not in BESIDE]
    percentile = PERCENTILES.get(tuple(split_words(name))) if "%" in name else None
    if percentile:
        return percentile, ()
    for kind, marks in INTERVALS.items():
        if sum(word in marks for word in words) == 1:
            return kind, tuple(word for word in words if word not in marks)
    return None


def _intervals(
    cells: Cells, numeric: Sequence[int], measures: Sequence[int], *, sure: bool
) -> tuple[dict[int, dict[str, int]], list[int]]:
    """The intervals of the measures, and the columns of numbers that are none.

    ``sure``: names say enough; else a lower end has to lie below all values (the columns of a wide
    table may be the words high and low).
    """
    found: dict[int, dict[str, int]] = {at: {} for at in measures}
    alone = [at for at in measures if not SPREADS & set(split_words(cells.header[at]))] or measures
    left = []
    for at in numeric:
        kind, of = _interval(cells.header[at]) or ("", ())
        named = [m for m in measures if of and of == _base(cells.header[m])]
        owners = named or ([] if of else list(alone))
        if at in measures or not kind or len(owners) != 1 or kind in found[owners[0]]:
            left.append(at)
        elif (sure and kind != "p_value") or _fits(cells, kind, at, owners[0]):
            found[owners[0]][kind] = at
        else:
            left.append(at)
    return found, left


def _base(name: str) -> tuple[str, ...]:
    return tuple(word for word in split_words(name) if word not in BESIDE)


def _fits(cells: Cells, kind: str, at: int, measure: int) -> bool:
    """Whether a column can be what its name says: an end on its side of all values, or a p."""
    try:
        ends, values = (
            np.array(
                [number_in(row[c].strip().removesuffix("%"), cells.comma) for row in cells.rows]
            )
            for c in (at, measure)
        )
    except ValueError:
        return True  # the bad cell is named when the numbers are read
    if kind == "p_value":
        return not ((ends < 0) | (ends > 1)).any()
    slack = 1e-6 * np.nanmax(np.abs(values), initial=0)
    beyond = ends > values + slack if kind == "low" else ends < values - slack
    return not beyond.any()


def _chosen(cells: Cells, value: str, numeric: Sequence[int]) -> int:
    names = {cells.header[at].strip(): at for at in numeric}
    folded = {name.lower(): at for name, at in names.items()}
    if value in names:
        return names[value]
    if value.strip().lower() in folded:
        return folded[value.strip().lower()]
    raise unknown_name("column of values", value, names)


def _several(cells: Cells, columns: Sequence[int]) -> LayergramError:
    names = [cells.header[at].strip() for at in columns]
    listed = ", ".join(map(repr, names))
    likely = [name for name in names if name.lower() == "value" or are_metrics([name])]
    first = (likely or names or [""])[0]
    return LayergramError(
        f"the table '{cells.source}'",
        got=f"{len(names)} columns that could be the value ({listed})"
        if names
        else "no column of numbers besides the axes",
        allowed="one column of values, and low, high and p_value of it",
        do=f"choose one, such as --value {first!r} (in Python, value={first!r})"
        if names
        else "add a column with the values",
    )
