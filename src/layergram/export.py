"""A map in files, or on the screen: its numbers, its pictures and its words."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import xarray as xr

from layergram import figures, maps, pages, words
from layergram.errors import LayergramError
from layergram.figures import labels, planning, scales
from layergram.terminal import terminal_width, wrapped

PAGE_BYTES = 5_900_000
"""What the maps of a page may take; script and style take less than 100,000 bytes."""


def save_map(
    array: xr.DataArray,
    out: Path,
    *,
    name: str = "",
    style: figures.Style | None = None,
    suffixes: Sequence[str] = (".png",),
    below: str = "",
    facts: words.Facts | None = None,
    page: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write a map as netCDF, pictures, words and a page.

    Args:
        array: the map.
        out: the folder.
        name: of the files; the map's own by default.
        style: of the pictures.
        suffixes: of the pictures, such as ``.png``, ``.svg``, ``.pdf``.
        below: Markdown to stand below the words.
        facts: of the map, where they have been computed already.
        page: the maps that the page can show, this one among them, as :func:`page_views` makes
            them; by default this map alone.

    Returns:
        The files: numbers, pictures, words, page.
    """
    name = name or str(array.name)
    painted = figures.paint(figures.plan(array, style=style))
    facts = facts or words.facts(array)
    page = page or page_views(
        {name: array}, styles={name: style} if style else {}, facts={name: facts}
    )
    text = words.describe(array, known=facts) + (f"\n{below}" if below else "")
    return [
        maps.write(array, out / f"{name}.nc"),
        *(figures.save(painted, out / f"{name}{suffix}") for suffix in suffixes),
        maps.write_text(text, out / f"{name}.md"),
        maps.write_text(
            pages.document(_offered(page, name), title=str(array.attrs.get("long_name", name))),
            out / f"{name}.html",
        ),
    ]


def page_views(
    arrays: Mapping[str, xr.DataArray],
    *,
    styles: Mapping[str, figures.Style] | None = None,
    facts: Mapping[str, words.Facts] | None = None,
) -> dict[str, str]:
    """Maps of one run as their pages show them, by name, for :func:`save_map`.

    Args:
        arrays: the maps by name.
        styles: of the pictures that are not drawn by default.
        facts: of the maps, where they have been computed already.
    """
    styles, facts = styles or {}, facts or {}
    return {
        name: pages.as_json(
            _view(name, array, styles.get(name, figures.Style()), known=facts.get(name))
        )
        for name, array in arrays.items()
    }


def _offered(views: Mapping[str, str], first: str) -> list[str]:
    """One view and those beside it, as long as the page is not too large."""
    offered, left = [views[first]], PAGE_BYTES - len(views[first].encode())
    for name, text in views.items():
        size = len(text.encode())
        if name != first and size <= left:
            offered.append(text)
            left -= size
    return offered


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
    path = Path(path)
    data = page_data(arrays, style=style)
    heading = data["title"] or ""
    title = heading or (data["maps"][0]["label"] if len(data["maps"]) == 1 else path.stem)
    views = [pages.as_json(view) for view in data["maps"]]
    return maps.write_text(pages.document(views, title=title, heading=heading), path)


def page_data(
    arrays: xr.DataArray | Mapping[str, xr.DataArray],
    *,
    style: figures.Style | None = None,
    worded: bool = True,
) -> dict[str, Any]:
    """Maps as the plain data that the script of a page mounts.

    Args:
        arrays: a map, or maps by name.
        style: the choices of the figure; a page shows maps as heatmaps, without pooling.
        worded: whether the sentences about each map come with it, which take most of the time.

    Returns:
        ``title``, the style's, or None; and ``maps``.

    Raises:
        LayergramError: for a style that a page cannot follow.
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
    views = [_view(name, array, style, worded=worded) for name, array in arrays.items()]
    return {"title": style.title or None, "maps": views}


def page_columns(columns: Mapping[str, xr.DataArray]) -> list[dict[str, Any]]:
    """New columns of maps, such as the ``columns`` of a step, as the plain data that a page takes.

    Args:
        columns: new or changed columns by the names of the maps; tokens are labelled with their
            positions.

    Returns:
        What the page's ``append`` takes: a piece for each map.
    """
    pieces = []
    for name, array in columns.items():
        axis = labels.axes_of(array, figures.Style())[2]
        names = labels.cells_of(array, axis).names
        pieces.append(pages.columns_data(array, name=name, axis=axis, names=names))
    return pieces


def _view(
    name: str,
    array: xr.DataArray,
    style: figures.Style,
    *,
    known: words.Facts | None = None,
    worded: bool = True,
) -> dict[str, Any]:
    if style.by != "token" and "token" in array.dims:
        array, known = maps.join_tokens(array, by=style.by), None
    style = replace(style, by="token", most_columns=max(2, *array.shape))
    drawn, _ = labels.drawn_part(array, style)
    axes = labels.axes_of(drawn, style)
    figure = figures.plan(array, style=style).to_plain(values="none")
    for scale in figure["scales"]:
        scale["around"] = list(_around(scale, style))
    return pages.view(
        array,
        name=name,
        figure=figure,
        drawn=drawn,
        axes=axes,
        faint=sorted(labels.cells_of(drawn, axes[2]).template),
        said=words.sentences(array, known=known) if worded else (),
        sinks=style.first_token != "keep" and bool(planning.sinks_of(drawn, style)),
    )


def _around(scale: Mapping[str, Any], style: figures.Style) -> tuple[str, ...]:
    """All colours of a palette that is laid around no effect, for other limits; else none."""
    if scale["kind"] != "diverging":
        return ()
    colours = scales.colours_of(scale["palette"], direction=style.direction)
    return () if scales.sequential(colours) else colours


def show(shown: Any, *, form: words.Form = "short", **choices: Any) -> None:
    """Show a map, or all maps of a result: as pictures and words in a notebook, else as words.

    A notebook needs no magic for it, and gets the numbers in xarray's own view below. In a terminal
    the words are printed, wrapped at its width, with the call that makes the picture.

    Args:
        shown: a map (:class:`xarray.DataArray`), a dataset or a mapping of maps, or a result with
            ``.maps``.
        form: of the words: ``"short"``, ``"full"`` or ``"caption"``
            (:func:`layergram.words.describe`).
        **choices: of the pictures, the fields of :class:`layergram.Style` by name.

    Raises:
        LayergramError: where there is no map, or for an unknown form or choice.

    Example:
        >>> from layergram import maps
        >>> show(maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight"), form="caption")
        Weight, 1 layer by 2 heads. Values 0.25 to 0.50.
        <BLANKLINE>
        Its picture: lg.save(lg.draw(map), "weight.png")
    """
    found = maps_in(shown)
    if _in_notebook():
        display = import_module("IPython.display").display
        for array in found.values():
            display(figures.draw(array, **choices), words.describe(array, form=form), array)
        return
    figures.choose(None, choices)
    pieces = []
    for name, array in found.items():
        call = "map" if isinstance(shown, xr.DataArray) else f'maps["{name}"]'
        picture = f'Its picture: lg.save(lg.draw({call}), "{name}.png")'
        pieces.append(f"{words.describe(array, form=form)}\n{picture}")
    print(wrapped("\n\n".join(pieces), terminal_width()))


def maps_in(shown: Any) -> dict[str, xr.DataArray]:
    """The maps of what is to be shown, by name."""
    if isinstance(shown, xr.DataArray):
        return {str(shown.name or shown.attrs.get("measure", "map")): shown}
    if not isinstance(shown, Mapping):
        shown = getattr(shown, "maps", shown)
    found = dict(shown.items()) if isinstance(shown, Mapping) else {}
    found = {str(name): one for name, one in found.items() if isinstance(one, xr.DataArray)}
    if not found:
        raise LayergramError(
            "to show a map",
            got="no map" if isinstance(shown, Mapping) else type(shown).__name__,
            allowed="a map, a dataset or a mapping of maps, or a result with maps",
            do="for example: lg.show(maps['divergence'])",
        )
    return found


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
