"""A map in files: its numbers, its pictures and its words, under one name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from layergram import figures, maps, pages, words
from layergram.errors import LayergramError
from layergram.figures import labels


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


def save_page(
    arrays: xr.DataArray | Mapping[str, xr.DataArray],
    path: str | Path,
    *,
    style: figures.Style | None = None,
) -> Path:
    """Write one map or several as a page: one HTML file that opens without a network.

    The page shows each map as its figure does, with the value under the pointer, the words below,
    a table of the values, and the map as CSV and PNG to download.

    Args:
        arrays: a map, or maps by name, of which one is shown at a time.
        path: where to.
        style: the choices of the figure; a page shows maps as heatmaps, without pooling.

    Raises:
        LayergramError: for a style that a page cannot follow, or a file that cannot be written.

    Example:
        >>> import tempfile
        >>> m = maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight")
        >>> save_page(m, Path(tempfile.mkdtemp()) / "weight.html").name
        'weight.html'
    """
    if isinstance(arrays, xr.DataArray):
        arrays = {str(arrays.name): arrays}
    style = style or figures.Style()
    if style.kind not in ("auto", "heatmap"):
        raise LayergramError(
            f"a page of kind '{style.kind}'",
            allowed="auto, heatmap",
            do="leave the kind out, or write a picture",
        )
    path = Path(path)
    views = [_view(name, array, style) for name, array in arrays.items()]
    title = style.title or (views[0]["label"] if len(views) == 1 else path.stem)
    return maps.write_text(pages.document(views, title=title), path)


def _view(name: str, array: xr.DataArray, style: figures.Style) -> dict[str, Any]:
    if style.by != "token" and "token" in array.dims:
        array = maps.join_tokens(array, by=style.by)
    style = replace(style, by="token", most_columns=max(2, *array.shape))
    drawn, _ = labels.drawn_part(array, style)
    return pages.view(
        array,
        name=name,
        figure=figures.plan(array, style=style).to_plain(),
        drawn=drawn,
        axes=labels.axes_of(drawn, style),
        said=words.sentences(array),
    )
