"""A map of differences: every cell of a role map less one role at the same layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import maps
from layergram.probes import OutOfFold, compare, map_of, out_of_fold
from layergram.statistics.simultaneous import drawn_errors, simultaneous_level


def difference_map(evaluation: xr.Dataset, role: str, *, level: float = 0.95) -> xr.DataArray:
    """How much higher the AUROC of every cell is than that of one role at the same layer.

    Args:
        evaluation: what :func:`layergram.probes.evaluate` gave for layers and roles.
        role: the role to compare with.
        level: of all intervals together.

    Returns:
        [layer, role] without that role, with limits ``low`` and ``high`` that hold for all cells at
        once: their level is that of the largest error of all cells, by a multiplier bootstrap over
        groups. NaN where either cell has no value.
    """
    auroc = map_of(evaluation).drop_vars("p_value", errors="ignore")
    against, auroc = auroc.sel(role=role), auroc.drop_sel(role=role)
    pairs = {}
    for at in np.ndindex(auroc.shape):
        layer, other = auroc["layer"].values[at[0]], auroc["role"].values[at[1]]
        if np.isfinite(auroc.values[at]) and np.isfinite(against.values[at[0]]):
            cells = [{"layer": layer, "role": name} for name in (other, role)]
            pairs[at] = [out_of_fold(evaluation, cell) for cell in cells]
    influence = np.stack([_paired_influence(*pair) for pair in pairs.values()])
    spread = np.sqrt((influence**2).sum(1))
    each = simultaneous_level(drawn_errors(influence), spread, level)
    values = np.full((3, *auroc.shape), np.nan)
    for at, pair in pairs.items():
        found = compare(*pair, level=each)
        values[:, *at] = found.value, found.low, found.high
    result = auroc.copy(data=values[0]).rename("difference")
    result = result.assign_coords(low=(auroc.dims, values[1]), high=(auroc.dims, values[2]))
    result.attrs |= {
        "measure": "difference",
        "of": "auroc",
        "long_name": f"AUROC less that at {role}",
        "definition": f"AUROC of the probe of this cell less that of the probe at {role} of the "
        f"same layer, on examples that have both. All intervals together hold in {level:.0%} of "
        "samples.",
        "null_value": 0.0,
        "valid_min": -1.0,
        "valid_max": 1.0,
    }
    return maps.check(result)


def _paired_influence(first: OutOfFold, second: OutOfFold) -> npt.NDArray[np.float64]:
    """The influence of each group on the difference of two AUROC."""
    both = np.isfinite(first.scores[0]) & np.isfinite(second.scores[0])
    one, other = (each.areas(both)[0].influence for each in (first, second))
    return np.asarray(one - other)
