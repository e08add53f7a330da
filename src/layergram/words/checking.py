"""What the checkers of all kinds share: the cells a fact speaks of, and equal numbers.

Checkers work on the labelled array alone; nothing that finds facts is used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.fact import Fact
from layergram.words.view import flat

Values = npt.NDArray[np.float64]


def cells(array: xr.DataArray, coordinates: Mapping[str, Any]) -> xr.DataArray:
    """The cells that coordinates name; averaged over the panels unless a panel is named."""
    where = {d: coordinates[d] for d in map(str, array.dims) if d in coordinates}
    base = array if any(d not in flat(array).dims for d in where) else flat(array)
    return base.sel(where).astype(np.float64)


def finite(array: xr.DataArray) -> Values:
    """The values that are there."""
    values = array.values.astype(np.float64)
    return np.asarray(values[np.isfinite(values)])


def along(array: xr.DataArray, dim: str) -> Values:
    """The mean at every label of an axis, over all cells that are there."""
    others = [d for d in array.dims if d != dim]
    return np.asarray(array.astype(np.float64).mean(dim=others, skipna=True).values)


def reach(array: xr.DataArray) -> float:
    """Highest minus lowest value."""
    values = finite(array)
    return float(values.max() - values.min())


def same(array: xr.DataArray, fact: Fact, numbers: Mapping[str, Any]) -> bool:
    """Whether a fact has exactly these numbers, up to rounding of the last digits."""
    if set(numbers) != set(fact.numbers):
        return False
    for name, value in numbers.items():
        told, found = fact.numbers[name], float(value)
        slack = 1e-6 * max(abs(told), abs(found)) + 1e-7 * min(reach(array), 1.0)
        if not abs(told - found) <= slack:
            return False
    return True


def neighbours(array: xr.DataArray, dim: str, labels: list[Any]) -> bool:
    """Whether labels follow each other on their axis."""
    order = array[dim].values.tolist()
    places = [order.index(label) for label in labels]
    return places == list(range(places[0], places[0] + len(places)))
