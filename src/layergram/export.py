"""A map in files: its numbers, its pictures and its words, under one name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from layergram import figures, maps, words


def save_map(
    array: xr.DataArray,
    out: Path,
    *,
    name: str = "",
    style: figures.Style | None = None,
    suffixes: Sequence[str] = (".png",),
    below: str = "",
    facts: words.Facts | None = None,
) -> list[Path]:
    """Write a map as netCDF, pictures and words.

    Args:
        array: the map.
        out: the folder.
        name: of the files; the map's own by default.
        style: of the pictures.
        suffixes: of the pictures, such as ``.png``, ``.svg``, ``.pdf``.
        below: Markdown to stand below the words.
        facts: of the map, where they have been computed already.

    Returns:
        The files: numbers, pictures, words.
    """
    name = name or str(array.name)
    painted = figures.paint(figures.plan(array, style=style))
    text = words.describe(array, known=facts) + (f"\n{below}" if below else "")
    return [
        maps.write(array, out / f"{name}.nc"),
        *(figures.save(painted, out / f"{name}{suffix}") for suffix in suffixes),
        maps.write_text(text, out / f"{name}.md"),
    ]
