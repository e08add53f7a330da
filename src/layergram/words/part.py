"""What of a map is looked at: not what is so by definition, nor the columns that dominate it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from layergram.words.limits import DOMINATES
from layergram.words.view import axes_of, flat, labels_of

DECADE = 10.0
"""In log space are values whose middle 90 % span at least this factor."""


def final_layer(array: xr.DataArray) -> dict[str, list[Any]]:
    """The final layer, where its values are so by definition; nothing where they are not."""
    value = array.attrs.get("final_value")
    if value is None or array.sizes.get("layer", 0) < 3:
        return {}
    last = array.isel(layer=-1).values
    known = last[np.isfinite(last)]
    if not np.allclose(known, value, atol=1e-3):
        return {}
    return {"layer": [labels_of(array, "layer")[-1]]}


def without(array: xr.DataArray, labels: dict[str, list[Any]]) -> xr.DataArray:
    """The map without some of its labels."""
    kept = {d: [x not in labels[d] for x in labels_of(array, d)] for d in labels}
    return array.isel({d: np.flatnonzero(mask) for d, mask in kept.items()})


def dominating(array: xr.DataArray) -> dict[str, list[Any]]:
    """The columns whose mean is many times that of the columns that do not dominate.

    At most a quarter of the columns, of a map without negative values.
    """
    column = axes_of(array)[1]
    if not column or column == "head" or array.sizes[column] < 6:
        return {}
    if float(array.min()) < 0:
        return {}
    grid = flat(array).astype(np.float64)
    means = grid.mean([d for d in grid.dims if d != column], skipna=True).values
    order = [at for at in np.argsort(-means, kind="stable") if np.isfinite(means[at])]
    many = 0
    while (
        many < len(order) // 4 and means[order[many]] > DOMINATES * means[order[many:]][1:].mean()
    ):
        many += 1
    labels = labels_of(array, column)
    return {column: [labels[at] for at in sorted(order[:many])]} if many else {}


def in_log_space(array: xr.DataArray) -> bool:
    """Whether ratios say more than differences: from 0 on, without an end, over a decade or more.

    So are norms, ranks and divergences without an upper bound.
    """
    attrs = array.attrs
    if "head" in array.dims or attrs.get("valid_min", -1) < 0 or "valid_max" in attrs:
        return False
    positive = array.values[array.values > 0]
    if positive.size < 2:
        return False
    low, high = np.quantile(positive, [0.05, 0.95])
    return bool(high >= DECADE * low)


def logarithm(array: xr.DataArray) -> xr.DataArray:
    """log10 of the values; a value of 0 counts as the smallest that is more."""
    values = array.values.astype(np.float64)
    least = values[values > 0].min()
    return array.copy(data=np.log10(np.where(values < least, least, values))).assign_attrs(log10=1)
