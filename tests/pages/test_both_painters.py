"""Both painters, matplotlib and the page, show every field of a figure's plain data.

For each field a figure is altered in that field alone, and what each painter makes of it must
differ from before. A field that a painter does not show stands in the table with the reason.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from layergram import figures, maps, pages
from layergram.figures import labels, spec

CLASSES = [
    one
    for _, one in inspect.getmembers(spec, dataclasses.is_dataclass)
    if one.__module__ == spec.__name__
]
MAP = "the page reads it from the map itself"
PAPER = "layout of a sheet of paper; a page has its window and its zoom"
PARTS = "shown by its own fields"
LEGEND = "said in the legend and the notes of the figure"
KIND = "a page refuses the kinds text and lines of several rows"
WORDS = "data for programs; the picture says it by ticks, notes or labels"


def heads():
    values = np.random.default_rng(2).random((2, 6, 5)) - 0.5
    dims = ("function", "layer", "head")
    p_value = np.random.default_rng(3).random((2, 6, 5))
    values[0, 1, 1] = np.nan
    return maps.make(
        values, dims, measure="weight", null_value=0.0,
        coords={"p_value": (dims, p_value), "function": ["Recall", "Check"]},
    )  # fmt: skip


def tokens():
    values = np.random.default_rng(4).random((4, 6))
    words = [["One", " two", ",", " four", ".", " Six"]] * 4
    return maps.make(
        values, ("layer", "token"), measure="lens_token", valid_min=0, valid_max=1,
        coords={
            "token_text": ("token", words[0]),
            "part": ("token", ["prompt"] * 3 + ["answer"] * 3),
            "top_token_text": (("layer", "token"), words),
        },
    )  # fmt: skip


def bars():
    return maps.make(
        np.array([2, 5, 6, 3, 4]), ("token",), measure="settling_depth", units="layer", layers=6,
        coords={"token_text": ("token", list("abcde")), "part": ("token", list("ppaaa"))},
        valid_min=1, null_value=1.0,
    )  # fmt: skip


def bins():
    return maps.make(
        [0.2, 0.5, 0.9], ("bin",), measure="accuracy", valid_min=0, valid_max=1,
        coords={"bin": [1, 2, 3], "bin_score": ("bin", [0.1, 0.2, 0.6])},
        answer_scores={"right": [0.15, 0.6], "wrong": [0.05, 0.1], "answers": 4},
    )  # fmt: skip


def figure_of(array):
    mark = ("2:4,1:3", "best") if array.ndim == 3 else ()
    return figures.plan(array, style=figures.Style(mark=mark, significance="dots"))


BASES = {"heads": heads, "tokens": tokens, "bars": bars, "bins": bins}


def first(figure, **changes):
    return replace(figure, panels=(replace(figure.panels[0], **changes), *figure.panels[1:]))


def axis(figure, which, **changes):
    return first(figure, **{which: replace(getattr(figure.panels[0], which), **changes)})


def scale(figure, **changes):
    return replace(figure, scales=(replace(figure.scales[0], **changes),))


def item(figure, name, place=0, /, **changes):
    """The first panel with one of its items changed."""
    items = list(getattr(figure.panels[0], name))
    items[place] = replace(items[place], **changes)
    return first(figure, **{name: tuple(items)})


def tick(figure, **changes):
    ticks = figure.scales[0].ticks
    return scale(figure, ticks=(ticks[0], replace(ticks[1], **changes), *ticks[2:]))


def whole(shape):
    return np.ones(shape, dtype=bool)


ALTERED = {
    ("Tick", "at"): ("heads", lambda f: tick(f, at=f.scales[0].ticks[1].at + 0.05)),
    ("Tick", "label"): ("heads", lambda f: tick(f, label="x")),
    ("Axis", "label"): ("tokens", lambda f: axis(f, "x", label="Other")),
    ("Axis", "ticks"): ("bars", lambda f: axis(f, "y", ticks=f.panels[0].y.ticks[:1])),
    ("Axis", "limits"): ("bars", lambda f: axis(f, "y", limits=(0.0, 9.0))),
    ("Axis", "direction"): ("tokens", lambda f: axis(f, "y", direction="down")),
    ("Axis", "growth"): ("bars", lambda f: axis(f, "y", growth="log", limits=(1.0, 9.0))),
    ("Scale", "kind"): ("tokens", lambda f: scale(f, kind="log", low=0.01, ticks=())),
    ("Scale", "low"): ("heads", lambda f: scale(f, low=-2.0)),
    ("Scale", "high"): ("heads", lambda f: scale(f, high=2.0)),
    ("Scale", "colours"): ("heads", lambda f: scale(f, colours=f.scales[0].colours[::-1])),
    ("Scale", "label"): ("heads", lambda f: scale(f, label="Other")),
    ("Scale", "ticks"): ("heads", lambda f: scale(f, ticks=f.scales[0].ticks[:2])),
    ("Region", "rows"): ("heads", lambda f: item(f, "regions", rows=(0, 1))),
    ("Region", "columns"): ("heads", lambda f: item(f, "regions", columns=(0, 1))),
    ("Region", "chosen"): ("heads", lambda f: item(f, "regions", chosen="best")),
    ("Span", "first"): ("tokens", lambda f: item(f, "spans", 1, first=4)),
    ("Span", "last"): ("tokens", lambda f: item(f, "spans", 0, last=1)),
    ("Span", "label"): ("tokens", lambda f: item(f, "spans", 0, label="other")),
    ("HeatPanel", "title"): ("heads", lambda f: first(f, title="Other")),
    ("HeatPanel", "regions"): ("heads", lambda f: first(f, regions=())),
    ("HeatPanel", "significant"): ("heads", lambda f: first(f, significant=whole((6, 5)))),
    ("HeatPanel", "equal"): ("heads", lambda f: first(f, equal=whole((6, 5)))),
    ("HeatPanel", "spans"): ("tokens", lambda f: first(f, spans=())),
    ("LinePanel", "title"): ("bars", lambda f: first(f, title="Other")),
    ("LinePanel", "look"): ("bars", lambda f: first(f, look="lines", kinds=(), kind_of=())),
    ("LinePanel", "baseline"): ("bars", lambda f: first(f, baseline=3.5)),
    ("LinePanel", "kinds"): ("bars", lambda f: first(f, kinds=(f.panels[0].kinds[1],) * 3)),
    ("LinePanel", "kind_of"): ("bars", lambda f: first(f, kind_of=(1,) * 5)),
    ("LinePanel", "limits"): ("bars", lambda f: first(f, limits=())),
    ("LinePanel", "spans"): ("bars", lambda f: first(f, spans=())),
    ("LinePanel", "at"): ("bins", lambda f: first(f, at=(0.1, 0.3, 0.6))),
    ("LinePanel", "points"): ("bins", lambda f: first(f, points=f.panels[0].points[1:])),
    ("BarKind", "colour"): ("bars", lambda f: item(f, "kinds", colour="#00ff00")),
    ("BarKind", "filled"): ("bars", lambda f: item(f, "kinds", filled=False)),
    ("Limit", "at"): ("bars", lambda f: item(f, "limits", at=2.5)),
    ("LegendEntry", "look"): ("heads", lambda f: replace(f, legend=f.legend[:1] * 2)),
    ("LegendEntry", "text"): (
        "heads",
        lambda f: replace(f, legend=(replace(f.legend[0], text="other"), *f.legend[1:])),
    ),
    ("LegendEntry", "colour"): (
        "bars",
        lambda f: replace(f, legend=(replace(f.legend[0], colour="#00ff00"), *f.legend[1:])),
    ),
    ("Figure", "panels"): ("heads", lambda f: replace(f, panels=f.panels[::-1])),
    ("Figure", "columns"): ("heads", lambda f: replace(f, columns=1, row_heights=(2.0, 2.0))),
    ("Figure", "scales"): ("heads", lambda f: scale(f, low=-0.7, high=0.7)),
    ("Figure", "legend"): ("heads", lambda f: replace(f, legend=())),
    ("Figure", "notes"): ("heads", lambda f: replace(f, notes=("Another note.",))),
}
"""Of a field: the map, and its figure with that field changed, which both painters show."""

ONE_PAINTER = {
    ("Tick", "upright"): ("page", PAPER),
    ("Tick", "faint"): ("page", MAP),
    ("Axis", "names"): ("matplotlib", "its ticks hold the names that fit"),
    ("Axis", "rotation"): ("page", PAPER),
    ("CellTexts", "rows"): ("page", MAP),
    ("CellTexts", "size"): ("page", PAPER),
    ("HeatPanel", "values"): ("page", MAP),
    ("HeatPanel", "texts"): ("page", MAP),
    ("LinePanel", "lines"): ("page", MAP),
    ("Line", "values"): ("page", MAP),
    ("Line", "low"): ("page", MAP),
    ("Line", "high"): ("page", MAP),
    ("Line", "label"): ("page", KIND),
    ("Line", "colour"): ("page", KIND),
    ("Line", "dash"): ("page", KIND),
    ("Figure", "title"): ("page", "the heading of a page is its own"),
    **{("TextPanel", field.name): ("page", KIND) for field in dataclasses.fields(spec.TextPanel)},
    **{("TextBox", field.name): ("page", KIND) for field in dataclasses.fields(spec.TextBox)},
    **{
        ("Figure", name): ("page", PAPER)
        for name in (
            "panel_width",
            "row_heights",
            "font_size",
            "width",
            "font",
            "notes_shown",
            "layout",
        )
    },
}
"""Of a field: the painter that does not show it, and why."""

NEITHER = {
    ("Axis", "dim"): WORDS,
    ("Scale", "centre"): "the colours are laid around it",
    ("Region", "text"): LEGEND,
    ("BarKind", "text"): LEGEND,
    ("Limit", "text"): LEGEND,
    ("Figure", "hints"): "advice for who draws, printed by the command",
    **{("Scale", name): WORDS for name in ("palette", "below", "above", "least", "most")},
    **{(name, "missing"): LEGEND for name in ("HeatPanel", "LinePanel")},
    **dict.fromkeys((("HeatPanel", name) for name in ("x", "y", "scale")), PARTS),
    **dict.fromkeys((("LinePanel", name) for name in ("x", "y")), PARTS),
}
"""Of a field that no painter shows by itself: why."""


def test_every_field_of_the_plain_data_is_in_the_table():
    fields = {(one.__name__, field.name) for one in CLASSES for field in dataclasses.fields(one)}
    known = [*ALTERED, *ONE_PAINTER, *NEITHER]
    assert len(known) == len(set(known))
    assert fields == set(known)


def painted(figure):
    canvas = FigureCanvasAgg(figures.paint(figure))
    canvas.draw()
    return canvas.get_width_height(), bytes(canvas.buffer_rgba())


@pytest.fixture(scope="module")
def before():
    """Each map with its figure and what matplotlib makes of it."""
    found = {}
    for name, make in BASES.items():
        array = make()
        figure = figure_of(array)
        found[name] = (array, figure, painted(figure))
    return found


def shown(served, array, figure):
    """Everything that a reader sees of a figure on a page: its canvases and its text."""
    drawn, _ = labels.drawn_part(array, figures.Style())
    axes = labels.axes_of(drawn, figures.Style())
    view = pages.view(array, name="map", figure=figure.to_plain(), drawn=drawn, axes=axes)
    return served.evaluate(
        """async (data) => {
            const { mount } = await import("./page.js");
            const here = document.getElementById("here");
            const page = await mount(here, data);
            const swatches = [...here.querySelectorAll(".swatch")].map((one) => one.style.cssText);
            const found = [here.querySelector("canvas").toDataURL(), here.textContent, swatches];
            page.destroy();
            return found;
        }""",
        {"title": None, "maps": [view]},
    )


@pytest.mark.parametrize("field", ALTERED, ids=".".join)
def test_matplotlib_shows_the_field(before, field):
    name, alter = ALTERED[field]
    _, figure, was = before[name]
    assert painted(alter(figure)) != was


@pytest.mark.parametrize("field", ALTERED, ids=".".join)
def test_the_page_shows_the_field(before, served, field):
    name, alter = ALTERED[field]
    array, figure, _ = before[name]
    was = shown(served, array, figure)
    assert shown(served, array, figure) == was
    assert shown(served, array, alter(figure)) != was
