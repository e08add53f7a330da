"""Figures into files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergram.errors import LayergramError, unknown_name
from layergram.figures.axes import paint_into, room_in
from layergram.figures.painting import paint
from layergram.figures.planning import Maps, plan
from layergram.figures.spec import Figure
from layergram.figures.style import DOTS_PER_INCH, Style
from layergram.maps import replacing
from layergram.maps.files import not_written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Painted

SUFFIXES = (".png", ".svg", ".pdf")
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": "layergram"},
    ".svg": {"Date": None, "Creator": "layergram"},
    ".pdf": {"CreationDate": None, "Creator": "layergram", "Producer": "matplotlib"},
}
SUBJECT = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}


def draw(
    maps: Maps,
    *,
    style: Style | None = None,
    ax: Axes | None = None,
    cmap: str = "",
    **choices: Any,
) -> Painted:
    """Draw one map or several as a matplotlib figure, or one panel into Axes of your own.

    Args:
        maps: a map, a dataset or a list of maps, or a mapping from titles to maps.
        style: the choices, or
        ax: Axes to paint a map of one panel into; its colour bar takes its room from them. The
            notes and the legend are then left to you: :func:`plan` has them.
        cmap: the same choice as ``colours``: a colour map of matplotlib.
        **choices: the fields of :class:`Style` by name.

    Raises:
        LayergramError: for an unknown choice, or one that the map cannot meet.

    Example:
        >>> from layergram import maps
        >>> m = maps.make([[0.1, 0.2], [0.8, 0.9]], ("layer", "token"), measure="divergence")
        >>> len(draw(m, colours="cividis").axes)  # the cells and the colour bar
        2
    """
    if cmap and choices.get("colours", cmap) != cmap:
        raise LayergramError(
            f"the colour maps '{cmap}' and '{choices['colours']}'",
            got="two names of one choice: cmap and colours",
            do="give one of them",
        )
    style = choose(style, choices | ({"colours": cmap} if cmap else {}))
    if ax is None:
        return paint(plan(maps, style=style))
    return paint_into(ax, plan(maps, style=style, room=room_in(ax)))


def choose(style: Style | None, choices: Mapping[str, Any]) -> Style:
    """The style with some of its fields chosen otherwise.

    Raises:
        LayergramError: for an unknown field.
    """
    known = [field.name for field in dataclasses.fields(Style)]
    for name in choices:
        if name not in known:
            raise unknown_name("choice of a figure", name, known)
    return dataclasses.replace(style or Style(), **choices)


def check_suffix(path: str | Path, *, also: Sequence[str] = ()) -> Path:
    """The path, if its suffix is that of a format of figures, or of one that is allowed as well."""
    path = Path(path)
    allowed = (*SUFFIXES, *also)
    if path.suffix.lower() not in allowed:
        raise LayergramError(
            f"the picture '{path}'",
            got=f"the suffix '{path.suffix}'" if path.suffix else "no suffix",
            allowed=", ".join(allowed),
            do="give the file one of these suffixes",
        )
    return path


def save(figure: Figure | Painted, path: str | Path, *, dots_per_inch: int = DOTS_PER_INCH) -> Path:
    """Write a figure as PNG, SVG or PDF, whichever the suffix says.

    The file appears under its name only when it is whole. The same figure makes the same bytes:
    no date is written. Text stays text in SVG, and PDF carries its fonts. The notes of the figure
    are in the description of the file, printed or not.

    Args:
        figure: what :func:`plan` or :func:`draw` made.
        path: where to; a folder that does not exist is made.
        dots_per_inch: how fine PNG pictures are, and large maps inside SVG and PDF.

    Raises:
        LayergramError: for another suffix, or where the file cannot be written.
    """
    import matplotlib

    path = check_suffix(path)
    painted = paint(figure) if isinstance(figure, Figure) else figure
    settings = {"svg.fonttype": "none", "svg.hashsalt": "layergram", "pdf.fonttype": 42}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = path.suffix.lower()
        words = {SUBJECT[kind]: said} if (said := painted.get_label()) else {}
        with replacing(path) as temporary, matplotlib.rc_context(settings):
            painted.savefig(
                temporary,
                format=kind[1:],
                dpi=dots_per_inch,
                metadata=METADATA[kind] | words,
            )
    except OSError as error:
        raise not_written(path, error) from None
    return path
