"""Bars of settling depth: which tokens settle late, and which not before the last layer."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from layergram.figures.spec import BarKind, Limit
from layergram.maps import options_of

EARLY, LATE = "#0072B2", "#D55E00"
RHO = 0.85


def last_layer(array: xr.DataArray) -> int:
    """The number of layers of the model, of a map of settling depths; 0 for any other map."""
    if array.attrs.get("measure") != "settling_depth":
        return 0
    return int(array.attrs.get("layers", 0))


def late_limit(array: xr.DataArray) -> int:
    """The layer at and above which a token settles late: ceil(ρ·L)."""
    given = array.attrs.get("deep_thinking_layer")
    if given is not None:
        return int(given)
    rho = float(options_of(array).get("rho", RHO))
    return math.ceil(rho * last_layer(array) - 1e-9)


def settling_bars(
    array: xr.DataArray,
) -> tuple[tuple[BarKind, ...], tuple[int, ...], tuple[Limit, ...]]:
    """The kinds of bars of a map of settling depths, the kind of each bar, and the late limit.

    Args:
        array: a map of one axis. Nothing is told of one that is no settling depth, or does not say
            how many layers the model has.
    """
    layers = last_layer(array)
    if not layers:
        return (), (), ()
    late = late_limit(array)
    depth = np.nan_to_num(array.values.astype(np.float64))
    kinds = (
        BarKind(EARLY, True, f"settles below layer {late}"),
        BarKind(LATE, True, f"settles late, at layer {late} or above"),
        BarKind(LATE, False, f"not before the last layer, {layers}: late as well"),
    )
    of = np.where(depth >= layers, 2, np.where(depth >= late, 1, 0))
    return (
        kinds,
        tuple(int(at) for at in of),
        (Limit(float(late), f"the late limit, layer {late}"),),
    )
