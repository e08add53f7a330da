"""What stands out, and from which null: the map's own p-values first, then units, then noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.maps import cell_coordinates
from layergram.words.chance import Values
from layergram.words.fact import Fact
from layergram.words.kinds.controls import departures_of
from layergram.words.kinds.departs import departing
from layergram.words.kinds.signs import SIGNIFICANT_KIND, own_null
from layergram.words.limits import FEWEST_CONTROLS
from layergram.words.view import View


def tested(
    array: xr.DataArray, view: View, *, controls: Sequence[xr.DataArray]
) -> tuple[list[Fact], str]:
    """What stands out in a map, and the null that it stands out from, in a sentence.

    Args:
        array: the map.
        view: the part of it that is looked at.
        controls: maps of the same text by models with random weights.
    """
    decided = own_null(array)
    if controls:
        if decided:
            raise LayergramError(
                "to compare the map with controls",
                got=f"a map with {' and '.join(cell_coordinates(array))} of its cells",
                allowed="a map without: these decide what stands out",
                do="leave the controls out",
            )
        return _against(array, controls)
    if decided:
        return SIGNIFICANT_KIND.find(View.of(array)), decided
    return departing(view)


def _against(array: xr.DataArray, controls: Sequence[xr.DataArray]) -> tuple[list[Fact], str]:
    asked = "to compare the map with maps of random-weight models"
    if len(controls) < FEWEST_CONTROLS:
        raise LayergramError(
            asked,
            got=f"{len(controls)}",
            allowed=f"{FEWEST_CONTROLS} or more: fewer cannot show that a departure is rarer than "
            "1 in 20",
            do="make them with other seeds",
        )
    maps: list[Values] = [array.values.astype(np.float64)]
    for control in controls:
        if control.dims != array.dims or control.shape != array.shape:
            raise LayergramError(
                asked,
                got=f"one of {dict(control.sizes)}",
                allowed=f"maps of the same text and shape, {dict(array.sizes)}",
            )
        maps.append(control.values.astype(np.float64))
    found = departures_of(View.of(array), np.stack(maps))
    many = len(controls)
    return found, (
        f"Compared with {many} models with random weights on the same text: a cell stands out if "
        f"it departs from them further than any cell of any of the {many} departs from the others "
        f"(chance 1 in {many + 1} for the whole map)."
    )
