"""Where a map lies below chance, which says something about its examples, not about the model."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

FEWEST = 6
SHARE = 0.05


def below_chance(auroc: xr.DataArray) -> str:
    """A sentence on the largest block of cells significantly below 0.5, and its likely cause.

    Args:
        auroc: [layer, role] with the interval ``low``..``high``.

    Returns:
        "" where no block of neighbouring cells, at least six of them and a twentieth of the map,
        has its whole interval below 0.5.
    """
    below = np.asarray(auroc["high"].values < 0.5)
    blocks, count = ndimage.label(below)
    sizes = np.bincount(blocks.ravel())[1:]
    if not count or sizes.max() < max(FEWEST, SHARE * int(auroc.notnull().sum())):
        return ""
    layers, roles = np.nonzero(blocks == sizes.argmax() + 1)
    first, last = (int(auroc["layer"][at]) for at in (layers.min(), layers.max()))
    names = [str(auroc["role"][at].item()) for at in (roles.min(), roles.max())]
    where = f"layers {first}–{last}" if first != last else f"layer {first}"
    at = names[0] if names[0] == names[1] else f"{names[0]} to {names[1]}"
    return (
        f"{sizes.max()} neighbouring cells ({where}, {at}) lie below 0.5 with their whole "
        "intervals. Probes that find nothing lie at 0.5; below it the likely cause is "
        "near-duplicates with opposite labels in different folds: give such rows one group."
    )
