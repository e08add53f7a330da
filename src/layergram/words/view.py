"""A map as the finders of facts see it: rows by columns, and one such grid per panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.maps import DIMENSIONS, layout

Values = npt.NDArray[np.float64]

ORDERED = frozenset(axis.name for axis in DIMENSIONS.values() if axis.ordered)
"""Axes whose order means something; heads, panels, examples and folds are only numbered."""


def axes_of(array: xr.DataArray) -> tuple[str, str, tuple[str, ...]]:
    """The rows, the columns ('' for a map of one axis), and the axes that are panels.

    As in the picture (:func:`layergram.maps.layout`); a map of one axis is seen as one column.
    """
    panels, down, across = layout([str(dim) for dim in array.dims])
    return (down, across, panels) if down else (across, "", panels)


def flat(array: xr.DataArray) -> xr.DataArray:
    """The map without its panels: the mean over them, cells without any value left out."""
    panels = axes_of(array)[2]
    return array.mean(dim=list(panels), skipna=True) if panels else array


def labels_of(array: xr.DataArray, dim: str) -> list[Any]:
    """The labels along an axis as plain Python values."""
    labels = array[dim].values.tolist()
    return [int(x) if isinstance(x, float) and x.is_integer() else x for x in labels]


def mean(values: Values, axis: int | tuple[int, ...] | None = None) -> Any:
    """The mean without NaN; NaN where nothing else is there."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class View:
    """A map and its values as rows by columns.

    Args:
        array: the map.
        rows: the axis that runs down.
        columns: the axis that runs across; '' for a map of one axis, seen as one column.
        panels: the other axes.
        stack: values, panels × rows × columns.
        without: columns that were left out because they dominate.
    """

    array: xr.DataArray
    rows: str
    columns: str
    panels: tuple[str, ...]
    stack: Values
    without: tuple[Any, ...] = ()

    @classmethod
    def of(cls, array: xr.DataArray, *, without: Sequence[Any] = ()) -> View:
        """The view of a map, and which columns of it were left out."""
        rows, columns, panels = axes_of(array)
        order = [*panels, rows, *([columns] if columns else [])]
        values = array.transpose(*order).values.astype(np.float64)
        height = array.sizes[rows]
        width = array.sizes[columns] if columns else 1
        stack = values.reshape(-1, height, width)
        return cls(array, rows, columns, panels, stack, tuple(without))

    @cached_property
    def values(self) -> Values:
        """Rows × columns: the mean over the panels."""
        return np.asarray(mean(self.stack, axis=0) if len(self.stack) > 1 else self.stack[0])

    @cached_property
    def range(self) -> float:
        """Highest minus lowest value of the grid."""
        return float(np.nanmax(self.values) - np.nanmin(self.values))

    @cached_property
    def row_labels(self) -> list[Any]:
        """Labels of the rows."""
        return labels_of(self.array, self.rows)

    @cached_property
    def column_labels(self) -> list[Any]:
        """Labels of the columns; one empty label for a map of one axis."""
        return labels_of(self.array, self.columns) if self.columns else [""]

    @cached_property
    def profile(self) -> Values:
        """The mean of every row."""
        return np.asarray(mean(self.values, axis=1))

    def each(self) -> Iterator[tuple[dict[str, Any], Values]]:
        """Every panel: its coordinates and its values, rows × columns."""
        labels = product(*(labels_of(self.array, dim) for dim in self.panels))
        for label, values in zip(labels, self.stack, strict=True):
            yield {dim: [x] for dim, x in zip(self.panels, label, strict=True)}, values

    @property
    def sides(self) -> list[tuple[str, list[Any], Values]]:
        """Both sides of the grid: axis name, labels, and the values with that axis first."""
        down = [(self.rows, self.row_labels, self.values)]
        across = [(self.columns, self.column_labels, self.values.T)] if self.columns else []
        return down + across
