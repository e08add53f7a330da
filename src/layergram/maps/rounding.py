"""Which cells of a difference rounding alone can explain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

ROUNDING = "rounding"
STEPS = {"float64": 512, "float32": 512, "float16": 16, "bfloat16": 16}
"""Roundings of the forward pass's type that a value gathers: reading one text in chunks of 256, 7
and 1 changed no cell by half as much in float32, and in bfloat16 one cell in a thousand by more."""

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
TEXT_AXES = frozenset(("token", "query", "key", "segment"))


def rounding_between(a: xr.DataArray, b: xr.DataArray) -> npt.NDArray[np.float64]:
    """How large a difference rounding alone can make in each cell of two maps.

    A share of the size of the values: 16 steps of bfloat16 (1/8) or float16 (1/64), 512 of float32
    (0.00006), and never under 512 steps of the type that the values are stored in, or 4 where a map
    does not say that it was computed by a model. Maps that are no map of one text average over
    many, and have the share of float32 whatever the model's type. The size is the largest value of
    either map at any layer of the same column; of a measure from 0 without an upper end, such as a
    norm, at any layer up to the cell's own; of bits, which are differences of larger sums, at least
    one bit.

    Counts, such as ranks and settling depths, have no floor: rounding moves them by whole steps, or
    not at all.

    Args:
        a, b: maps with the same labels in the same order.

    Returns:
        One number per cell, in the unit of the maps.
    """
    stack = np.stack([np.abs(np.nan_to_num(x.values.astype(np.float64))) for x in (a, b)])
    values = np.concatenate([x.values[np.isfinite(x.values)] for x in (a, b)])
    if (values == np.round(values)).all():
        return np.zeros(a.shape)
    size = stack.max(axis=0)
    if "layer" in a.dims:
        axis = a.dims.index("layer")
        upwards = np.argsort(a["layer"].values, kind="stable")
        if a.attrs.get("valid_min", -1) >= 0 and "valid_max" not in a.attrs:
            reached = np.maximum.accumulate(np.take(size, upwards, axis), axis)
            size = np.take(reached, np.argsort(upwards), axis)
        else:
            size = np.broadcast_to(size.max(axis=axis, keepdims=True), size.shape)
    if a.attrs.get("units") == "bit":
        size = np.maximum(size, 1.0)
    return np.asarray(max(_share(a), _share(b)) * size)


def _share(array: xr.DataArray) -> float:
    stored = EPSILON[str(array.dtype)]
    computed = str(array.attrs.get("dtype", ""))
    if computed not in STEPS:
        return 4 * stored
    if not TEXT_AXES & set(map(str, array.dims)):
        computed = "float64"
    return max(STEPS[computed] * EPSILON[computed], STEPS["float32"] * stored)


def within_rounding(array: xr.DataArray) -> npt.NDArray[np.bool_] | None:
    """The cells of a difference that are equal to within rounding; ``None`` for another map."""
    if ROUNDING not in array.coords or set(array[ROUNDING].dims) != set(array.dims):
        return None
    floor = array[ROUNDING].transpose(*array.dims).values
    return np.asarray(np.abs(array.values) <= floor)


def without_rounding(array: xr.DataArray) -> xr.DataArray:
    """The map with 0 in the cells that are equal to within rounding."""
    equal = within_rounding(array)
    return array if equal is None else array.copy(data=np.where(equal, 0, array.values))
