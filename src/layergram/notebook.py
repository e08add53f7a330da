"""Maps in a notebook as on a page: to point at, to pin, and to watch while a model generates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import xarray as xr

from layergram import figures, pages
from layergram.errors import LayergramError
from layergram.export import maps_in, page_columns, page_data

if TYPE_CHECKING:
    from layergram.tracing import TraceStep


class Explorer:
    """Maps shown in a notebook; what :func:`explore` gives.

    Attributes:
        widget: the widget itself (:class:`anywidget.AnyWidget`), to put beside others.
    """

    def __init__(self, shown: Mapping[str, xr.DataArray], style: figures.Style) -> None:
        self.style = style
        self.widget = _widget_class()()
        self.show(shown)

    @property
    def pin(self) -> dict[str, Any] | None:
        """The pinned cell: the name of its ``map`` and its ``labels`` by dimension; or None."""
        found: dict[str, Any] | None = self.widget.pin
        return found

    def show(self, shown: Any) -> None:
        """Show other maps in place of those that are there.

        Args:
            shown: what :func:`explore` takes; an empty mapping shows nothing.

        Raises:
            LayergramError: where there is no map.
        """
        found = {} if isinstance(shown, Mapping) and not shown else maps_in(shown)
        self.widget.data = page_data(found, style=self.style)
        self._names = set(found)

    def append(self, step: TraceStep) -> None:
        """Take what a step of :func:`layergram.stream` adds.

        The first step, and one that has maps of measures that had no value before, sets all maps.

        Args:
            step: the step that the stream is at.

        Example:
            >>> import layergram as lg                                      # doctest: +SKIP
            >>> view = lg.explore()                                         # doctest: +SKIP
            >>> display(view)                                               # doctest: +SKIP
            >>> for step in lg.stream(model, prompt="Why is the sky blue?"):  # doctest: +SKIP
            ...     view.append(step)
            >>> view.show(step.maps)  # with the words about the whole      # doctest: +SKIP
        """
        columns = step.columns
        if set(columns) - self._names:
            self.show(step.maps)
        elif columns:
            self.widget.step = {"number": step.number, "pieces": page_columns(columns)}

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)


def explore(shown: Any = None, **choices: Any) -> Explorer:
    """Show maps in a notebook (Jupyter, VS Code, Colab) as a page shows them, to point at cells.

    Needs the extra ``notebook``. The page is part of the notebook: nothing is fetched.

    Args:
        shown: a map (:class:`xarray.DataArray`), a dataset or a mapping of maps, or a result with
            ``.maps``; without it there is nothing to see until the first step is appended.
        **choices: of the figure, the fields of :class:`layergram.Style` by name.

    Returns:
        What a notebook shows when it stands last in a cell. ``append`` takes the steps of
        :func:`layergram.stream`, ``show`` other maps, and ``pin`` is the cell that the reader
        has pinned.

    Raises:
        LayergramError: where there is no map, for an unknown choice, or without the extra.

    Example:
        >>> from layergram import maps
        >>> view = explore(maps.make([[0.25, 0.5]], ("layer", "head"), measure="weight"))
        >>> [one["name"] for one in view.widget.data["maps"]], view.pin
        (['weight'], None)
    """
    return Explorer({} if shown is None else maps_in(shown), figures.choose(None, choices))


@cache
def _widget_class() -> Any:
    """The class of the widget, made when it is first needed: the packages for it are an extra."""
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise LayergramError(
            "maps to explore in a notebook",
            got=f"no package '{error.name}'",
            allowed="an environment with the extra 'notebook'",
            do="pip install 'layergram[notebook]'; lg.save_page writes a page without it",
        ) from None

    class Widget(anywidget.AnyWidget):  # type: ignore[misc]
        """The state that the script of the page reads: the maps, the last step, the pinned cell."""

        _esm = pages.script(pages.WIDGET_SCRIPTS)
        _css = (files("layergram.pages") / "page.css").read_text(encoding="utf-8")
        data = traitlets.Dict().tag(sync=True)
        step = traitlets.Dict().tag(sync=True)
        pin = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    return Widget
