"""What of a map is drawn: chosen labels, which axis goes where, one part per panel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.figures.labels import cells_of, range_of
from layergram.figures.style import Style
from layergram.maps import layout

MOST_PANELS = 400


def drawn_part(array: xr.DataArray, style: Style) -> tuple[xr.DataArray, list[str]]:
    """The part of a map that the figure shows, and what was left out, in words.

    Raises:
        LayergramError: for a selection outside the map, or one without any value.
    """
    notes = []
    for selection in style.select:
        dim, equals, text = selection.partition("=")
        dim = dim.strip()
        asked = f"to draw the selection '{selection}'"
        if not equals:
            raise LayergramError(asked, allowed="axis=first:last, for example token=0:59")
        if dim not in array.dims:
            raise unknown_name("axis", dim, map(str, array.dims))
        first, last = range_of(text, cells_of(array, dim), asked=asked)
        array = array.isel({dim: slice(first, last + 1)})
    final = _final_layer(array)
    if style.final_layer == "auto" and final is not None:
        array = array.isel(layer=slice(0, -1))
        notes.append(f"The final layer, {final}, is left out: its divergence is 0 by definition.")
    if style.first_token == "leave_out" and _starts_at_first_token(array):
        first_name = cells_of(array.isel(token=slice(0, 1)), "token").names[0]
        notes.append(f"The first token ({first_name}) is left out.")
        array = array.isel(token=slice(1, None))
    if not np.isfinite(array.values).any():
        raise LayergramError(
            f"a figure of {array.attrs.get('measure', 'the map')}",
            got="no cell with a value in what was selected",
            do="select more",
        )
    return array, notes


def _final_layer(array: xr.DataArray) -> int | None:
    """The model's final layer, if this is a divergence map that has it as its last of several."""
    if array.attrs.get("measure") != "divergence" or array.sizes.get("layer", 0) < 2:
        return None
    last = array["layer"].values[-1]
    layers = array.attrs.get("layers")
    if layers is None:
        ends_in_zero = not np.nan_to_num(array.isel(layer=-1).values).round(6).any()
        return int(last) if ends_in_zero else None
    return int(last) if last == int(layers) else None


def _starts_at_first_token(array: xr.DataArray) -> bool:
    if array.sizes.get("token", 0) < 2:
        return False
    return cells_of(array.isel(token=slice(0, 1)), "token").labels[0] == 0


def without_first_token(array: xr.DataArray) -> xr.DataArray:
    """The map without its first token, if that is the first of the whole sequence."""
    return array.isel(token=slice(1, None)) if _starts_at_first_token(array) else array


def axes_of(array: xr.DataArray, style: Style) -> tuple[tuple[str, ...], str, str]:
    """Which axes become panels, rows and columns.

    Without ``style.facet`` the columns are tokens, roles, keys or heads, the rows layers, and
    every other axis gets a panel per label; a map of one axis has no rows (``""``).

    Example:
        >>> from layergram import maps
        >>> m = maps.make(np.ones((2, 3, 4)), ("layer", "head", "token"), measure="m")
        >>> axes_of(m, Style()), axes_of(m, Style(facet="layer"))
        ((('head',), 'layer', 'token'), (('layer',), 'head', 'token'))

    Raises:
        LayergramError: for a facet that is no axis of the map, or none that leaves two axes.
    """
    dims = [str(dim) for dim in array.dims]
    facets = [name.strip() for name in style.facet.split(",") if name.strip()]
    for facet in facets:
        if facet not in dims:
            raise unknown_name("facet", facet, dims)
    rest = [dim for dim in dims if dim not in facets]
    if not rest:
        raise LayergramError(
            f"panels for {', '.join(facets)}",
            got=f"a map of {', '.join(dims)}, which leaves no axis for the panels themselves",
            do="leave at least one axis",
        )
    panels, y, x = layout(rest)
    return (*facets, *panels), y, x


def facets_of(array: xr.DataArray, facets: tuple[str, ...]) -> Iterator[tuple[str, xr.DataArray]]:
    """The title and the part of each panel, in the order of the axes.

    Raises:
        LayergramError: for more panels than a page can hold.
    """
    count = int(np.prod([array.sizes[dim] for dim in facets], dtype=int))
    if count > MOST_PANELS:
        raise LayergramError(
            f"a panel for every {' and '.join(facets)}",
            got=f"{count} panels",
            allowed=f"{MOST_PANELS} panels in one figure",
            do=f"select some, for example {facets[0]}="
            f"{array[facets[0]].values[0]}:{array[facets[0]].values[-1]} with other ends",
        )
    cells = [cells_of(array, dim) for dim in facets]
    for places in itertools.product(*(range(len(c.labels)) for c in cells)):
        names = [
            c.names[i]
            if isinstance(c.labels[i], str)
            else f"{c.axis.noun.capitalize()} {c.labels[i]}"
            for c, i in zip(cells, places, strict=True)
        ]
        part = array.isel(dict(zip(facets, places, strict=True)))
        yield ", ".join(names), part
