"""Cells of a difference that rounding alone can explain: what the colours and the notes make of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from layergram.figures.spec import Mask, Values
from layergram.figures.ticks import written
from layergram.maps import within_rounding

EQUAL = "equal to within rounding"


def beyond(array: xr.DataArray, values: Values, equal: Mask) -> Values:
    """The values that limits come from: those beyond rounding, or else what rounding can make."""
    if (np.isfinite(values) & ~equal).any():
        return np.where(equal, np.nan, values)
    floor = float(array["rounding"].max()) or 1.0
    return np.where(np.isfinite(values), np.resize([floor, -floor], values.shape), np.nan)


def matching_notes(arrays: Sequence[xr.DataArray]) -> list[str]:
    """That columns are named by both texts, where these differ."""
    joined = any(array.attrs.get("matched") == "position" for array in arrays)
    if not joined:
        return []
    return [
        "Tokens are compared position by position: where the texts differ, the first map's token "
        "stands before the slash."
    ]


def rounding_notes(arrays: Sequence[xr.DataArray]) -> list[str]:
    """How many cells of the drawn parts are equal to within rounding, and how far they differ."""
    cells = equal = 0
    largest, unit = 0.0, ""
    for array in arrays:
        mask = within_rounding(array)
        if mask is None:
            continue
        known = np.isfinite(array.values)
        cells, equal = cells + int(known.sum()), equal + int((known & mask).sum())
        if (known & mask).any():
            largest = max(largest, float(np.abs(array.values[known & mask]).max()))
            unit = str(array.attrs.get("units", "1")).removesuffix("1")
    if not equal:
        return []
    many = f"All {cells:,} cells" if equal == cells else f"{equal:,} of {cells:,} cells, in grey,"
    far = (
        f"they differ by at most {written(largest, 2)} {unit}".rstrip()
        if largest
        else "no digit differs"
    )
    return [f"{many} are {EQUAL}: {far}."]
