"""A run saved as files: its maps as numbers, one page of all of them, and a picture of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from layergram import figures, maps
from layergram.export import save_page


def save_run(
    arrays: Mapping[str, xr.DataArray], folder: Path, name: str, forms: Sequence[str]
) -> list[str]:
    """Write the maps of a run.

    Args:
        arrays: the maps by measure, at least one.
        folder: where to.
        name: of the page.
        forms: any of ``nc``, ``html`` and ``png``.

    Returns:
        The names of the files.
    """
    files: list[Path] = []
    for form in dict.fromkeys(forms):
        if form == "html":
            files.append(save_page(arrays, folder / f"{name}.html"))
            continue
        for measure, array in arrays.items():
            path = folder / f"{measure}.{form}"
            if form == "nc":
                files.append(maps.write(array, path))
            else:
                files.append(figures.save(figures.draw(array), path))
    return [path.name for path in files]
