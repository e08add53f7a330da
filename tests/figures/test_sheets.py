"""Many panels: small heatmaps close together, labelled at the edges of their sheet."""

import numpy as np
import pytest

from layergram import maps
from layergram.errors import LayergramError
from layergram.figures import Style, paint, plan
from layergram.figures.fonts import text_width
from layergram.figures.titles import shortened


def many(count, rows=5, columns=5):
    values = np.arange(count * rows * columns, dtype=float).reshape(count, rows, columns)
    texts = {"token_text": ("token", [f" word{at}" for at in range(count)])}
    return maps.make(values, ("token", "layer", "head"), measure="m", coords=texts)


PANELS = Style(facet="token")


@pytest.mark.parametrize("count, layout", [(40, "panels"), (41, "sheet"), (400, "sheet")])
def test_more_than_forty_panels_are_a_sheet_that_fits_a_page(count, layout):
    figure = plan(many(count), style=PANELS)
    assert figure.layout == layout
    assert len(figure.panels) == count
    if layout == "sheet":
        painted = paint(figure)
        width, height = painted.get_size_inches() * 25.4
        assert width <= 183 and height <= 297


@pytest.mark.parametrize("columns", [None, 1, 7, 30])
@pytest.mark.parametrize("name", ["{}", "a layer with a name so long that little room is left {}"])
def test_a_sheet_is_never_wider_than_its_width(columns, name):
    array = many(41).assign_coords(layer=[name.format(at) for at in range(5)])
    figure = plan(array, style=Style(facet="token", columns=columns))
    assert figure.layout == "sheet"
    assert paint(figure).get_size_inches()[0] * 25.4 <= 183


def test_more_columns_than_a_sheet_has_room_for_are_refused():
    with pytest.raises(LayergramError, match="60 panels side by side in 183 mm") as refused:
        plan(many(60), style=Style(facet="token", columns=60))
    assert "fewer columns" in refused.value.do


def test_the_panels_of_a_sheet_show_their_cells_and_do_not_touch():
    array = many(60)
    painted = paint(plan(array, style=PANELS))
    *axes, bar = painted.axes
    assert len(axes) == 60
    for at in (0, 13, 59):
        shown = np.asarray(axes[at].collections[0].get_array()).reshape(5, 5)
        np.testing.assert_allclose(shown, array.values[at])
    boxes = [ax.get_window_extent() for ax in axes]
    for at, box in enumerate(boxes):
        for other in (*boxes[at + 1 :], bar.get_window_extent()):
            assert not box.overlaps(other)
    first = [ax for ax in axes if ax.get_yticks().size]
    assert len(first) == len({round(box.y0) for box in boxes}), "rows are labelled once"
    written = [text.get_text() for text in painted.texts]
    assert {"Head", "Layer"} <= set(written)


def test_titles_of_a_sheet_fit_and_differ_and_the_note_says_which_they_are():
    figure = plan(many(400), style=PANELS)
    titles = [panel.title for panel in figure.panels]
    assert titles[0] == "0" and titles[399] == "399"
    assert all(text_width(title, 5) <= figure.panel_width for title in titles)
    assert any("Token 0: word0, the last Token 399: word399." in note for note in figure.notes)
    assert [panel.title for panel in plan(many(41), style=PANELS).panels][1] == "Token 1: word1"


def test_titles_that_cannot_differ_in_their_room_are_numbered():
    long = [f"the same beginning of a long name, and then {at}" for at in "abc"]
    names, note = shortened(long, width=0.3, font_size=5)
    assert names == ["1", "2", "3"]
    assert note.startswith("Panels are numbered row by row: the first is the same beginning")


def test_panels_of_two_scales_are_no_sheet():
    a, b = many(30), many(30).assign_attrs(measure="other")
    assert plan([a, b], style=PANELS).layout == "panels"
