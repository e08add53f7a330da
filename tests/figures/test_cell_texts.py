"""Words in the cells of a heatmap."""

from __future__ import annotations

import numpy as np
import pytest

from layergram import maps
from layergram.errors import LayergramError
from layergram.figures import Style, plan
from layergram.figures.painting import FAINT, paint


def lens(columns, rows=3, measure="lens_token"):
    values = np.linspace(0, 1, rows * columns).reshape(rows, columns)
    texts = np.array([[f" t{r}{c}" for c in range(columns)] for r in range(rows)], dtype=object)
    texts[0, :2] = ["\n", " "]
    return maps.make(
        values,
        ("layer", "token"),
        measure=measure,
        valid_min=0,
        valid_max=1,
        coords={"top_token_text": (("layer", "token"), texts)},
    )


def test_the_plan_holds_the_tokens_with_visible_white_space():
    texts = plan(lens(4)).panels[0].texts
    assert texts.rows[0] == ("↵", "␣", "t02", "t03") and texts.rows[2][3] == "t23"
    assert texts.size >= 4.5


def test_a_selection_takes_its_own_tokens():
    texts = plan(lens(40), style=Style(cells="text", select=("token=10:12", "layer=2:3"))).panels[0]
    assert texts.texts.rows == (("t110", "t111", "t112"), ("t210", "t211", "t212"))


def test_too_many_columns_are_refused_or_left_to_the_colours():
    assert plan(lens(25)).panels[0].texts is not None
    assert plan(lens(26)).panels[0].texts is None
    with pytest.raises(LayergramError, match="26 columns"):
        plan(lens(26), style=Style(cells="text"))


def test_words_are_asked_of_maps_that_have_them():
    other = lens(4, measure="divergence")
    assert plan(other).panels[0].texts is None
    assert plan(other, style=Style(cells="text")).panels[0].texts is not None
    with pytest.raises(LayergramError, match="top_token_text"):
        plan(other.drop_vars("top_token_text"), style=Style(cells="text"))


def test_words_are_dark_on_light_cells_and_light_on_dark_ones():
    figure = plan(lens(4))
    colours = figure.scales[0].colours
    light = [sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (colours[0], colours[-1])]
    drawn = {t.get_text(): t.get_color() for t in paint(figure).axes[0].texts}
    expected = ["black" if shade > 382 else "white" for shade in light]
    assert [drawn["↵"], drawn["t23"]] == expected


def test_prompt_and_answer_are_bracketed_with_a_line_between_them():
    parts = np.array(["prompt"] * 3 + ["answer"] * 2, dtype=object)
    panel = plan(lens(5).assign_coords(part=("token", parts))).panels[0]
    assert [(s.first, s.last, s.label) for s in panel.spans] == [(0, 2, "prompt"), (3, 4, "answer")]
    ax = paint(plan(lens(5).assign_coords(part=("token", parts)))).axes[0]
    assert [2.5, 2.5] in [list(line.get_xdata()) for line in ax.lines]
    assert {"prompt", "answer"} <= {t.get_text() for t in ax.texts}


def test_pooled_columns_and_maps_of_one_part():
    parts = np.array(["prompt"] * 5 + ["answer"] * 3, dtype=object)
    pooled = Style(most_columns=4)
    panel = plan(lens(8).assign_coords(part=("token", parts)), style=pooled).panels[0]
    assert [(s.first, s.last) for s in panel.spans] == [(0, 2), (3, 3)]
    one = lens(3).assign_coords(part=("token", np.array(["prompt"] * 3, dtype=object)))
    assert plan(one).panels[0].spans == ()


def templated():
    """A prompt of two words between two tokens of a template, and an answer."""
    texts = ["<|user|>", "Why", "?", "<|end|>", " So"]
    ends = np.cumsum([len(text) for text in texts])
    coords = {
        "token_text": ("token", texts),
        "part": ("token", ["prompt"] * 4 + ["answer"]),
        "char_start": ("token", [0, *ends[:-1]]),
        "char_end": ("token", ends),
    }
    return maps.make(
        np.arange(10.0).reshape(2, 5), ("layer", "token"), measure="amount", coords=coords,
        text="".join(texts), run={"prompt": "Why?"},
    )  # fmt: skip


def test_tokens_of_the_chat_template_are_labelled_in_grey_or_left_out():
    figure = plan(templated())
    assert [tick.faint for tick in figure.panels[0].x.ticks] == [True, False, False, True, False]
    assert any("labelled in grey" in note for note in figure.notes)
    labels = paint(figure).axes[0].get_xticklabels()
    assert [label.get_color() == FAINT for label in labels] == [True, False, False, True, False]
    left = plan(templated(), style=Style(part="without_template"))
    assert left.panels[0].x.names == ("Why", "?", "So")
    assert not any("grey" in note for note in left.notes)
    bars = plan(templated().isel(layer=0))
    assert [tick.faint for tick in bars.panels[0].x.ticks] == [True, False, False, True, False]


def test_lines_along_the_layers_have_no_brackets_of_the_tokens():
    assert plan(templated(), style=Style(kind="lines")).panels[0].spans == ()
    along = plan(templated(), style=Style(kind="lines", along="token")).panels[0]
    assert [span.label for span in along.spans] == ["prompt", "answer"]
