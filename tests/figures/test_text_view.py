"""The text itself with tinted tokens: lines, colours, layers, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from layergram import maps
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.figures import Style, draw, plan, save

TEXT = ["The", " nurse", " said", ":", "\n", "   ", "un", "believ", "able", "!"]


def token_map(texts=TEXT, values=None, **attributes):
    ends = np.cumsum([len(text) for text in texts])
    coords = {
        "token_text": ("token", list(texts)),
        "char_start": ("token", [0, *ends[:-1]]),
        "char_end": ("token", ends),
        **attributes.pop("coords", {}),
    }
    if values is None:
        rng = np.random.default_rng(0)
        values = [rng.uniform(0.4, 0.5, len(texts)), rng.uniform(0, 1, len(texts))]
    given = {"measure": "level", "valid_min": 0, "valid_max": 1, **attributes}
    return maps.make(np.float32(values), ("layer", "token"), coords=coords, **given)


def panel_of(array, **choices):
    return plan(array, style=Style(kind="text", **choices)).panels[0]


def lines_of(array, **choices):
    return ["".join(box.text for box in line) for line in panel_of(array, **choices).lines]


def test_the_text_stands_there_with_its_white_space():
    assert lines_of(token_map()) == ["The nurse said:↵", "␣␣␣unbelievable!"]


def test_every_token_has_the_value_of_its_layer():
    array = token_map()
    for layer in (1, 2):
        boxes = [box for line in panel_of(array, layer=layer).lines for box in line]
        np.testing.assert_array_equal([b.value for b in boxes], array.sel(layer=layer).values)
        assert [box.token for box in boxes] == list(range(len(TEXT)))


def test_without_a_layer_it_is_the_one_where_tokens_differ_most():
    figure = plan(token_map(), style=Style(kind="text"))
    assert "The colours are those of layer 2, where the tokens differ most." in figure.notes
    assert "those of layer 1." in plan(token_map(), style=Style(kind="text", layer=1)).notes[0]


@pytest.mark.parametrize("word", [" and", "法", " привет", " 12,5"])
def test_lines_are_full_and_none_is_too_long(word):
    panel = panel_of(token_map([word] * 120))
    assert len(panel.lines) > 1
    size = plan(token_map([word] * 120), style=Style(kind="text"))
    assert size.panel_width <= 6.1
    for line in panel.lines:
        ends = [box.place + box.width for box in line]
        assert [box.place for box in line] == [0, *ends[:-1]]
        assert ends[-1] <= panel.columns
    first = panel.lines[0]
    assert first[-1].place + 2 * first[-1].width > panel.columns  # one more would not fit


def test_words_are_not_broken_where_they_fit_into_a_line():
    pieces = [" and", " un", "believ", "able"] * 20
    assert all(line.endswith(("and", "able")) for line in lines_of(token_map(pieces)))
    assert "".join(lines_of(token_map(["x" * 300, "y"]))) == "x" * 300 + "y"


def test_bytes_of_one_character_are_dots_after_it():
    array = token_map(["是", "国 1/2", "国 2/2", "。"])
    array = array.assign_coords(
        char_start=("token", [0, 1, 1, 2]), char_end=("token", [1, 2, 2, 3])
    )
    assert lines_of(array) == ["是国·。"]
    array = token_map(["a", " 🦄 1/3", "🦄 2/3", "🦄 3/3", " b"])  # the space is in the first one
    array = array.assign_coords(
        char_start=("token", [0, 1, 2, 2, 3]), char_end=("token", [1, 3, 3, 3, 5])
    )
    assert lines_of(array) == ["a 🦄·· b"]
    assert lines_of(array.isel(token=[0, 1])) == ["a 🦄"]  # whatever stands beside it
    assert lines_of(token_map(["x 1/2"])) == ["x 1/2"]  # a text that looks like it


def test_the_answer_begins_a_line_under_a_rule():
    parts = {"part": ("token", ["prompt"] * 4 + ["answer"] * 6)}
    panel = panel_of(token_map(coords=parts))
    assert panel.answer_from == 1
    assert [box.token for box in panel.lines[1]][:1] == [4]


def test_a_script_that_runs_to_the_left_begins_at_the_right():
    panel = panel_of(token_map(["مرحبا", " بالعالم"]))
    first, second = panel.lines[0]
    assert first.place + first.width == panel.columns
    assert second.place + second.width == first.place


def test_tokens_without_a_value_and_those_of_rounding_are_told_apart():
    values = [[np.nan, 0.5, 0.2], [np.nan, 0.25, 0.75]]
    a = token_map(["A", " B", " C"], values, missing="nothing predicts it", dtype="float32")
    b = a.copy(data=a.values - np.float32([[0, 0, 0.1], [0, 0, 0.3]]))
    figure = plan(maps.difference(a, b), style=Style(kind="text", layer=2))
    (line,) = figure.panels[0].lines
    assert [box.value is None for box in line] == [True, False, False]
    assert [box.equal for box in line] == [False, True, False]
    assert [entry.look for entry in figure.legend] == ["hatched", "grey"]


def test_tints_are_the_colours_of_the_scale(tmp_path):
    values = [[0.0, 0.5, 1.0]]
    array = token_map(["A", " B", " $C$"], values)
    figure = plan(array, style=Style(kind="text"))
    painted = draw(array, kind="text")
    faces = [patch.get_facecolor() for patch in painted.axes[0].patches]
    colours = figure.scales[0].colours
    expected = [to_rgba(colours[at]) for at in (0, 128, 255)]
    np.testing.assert_allclose(faces, expected, atol=0.01)
    svg = save(figure, tmp_path / "text.svg").read_text(encoding="utf-8")
    assert "$C$</text>" in svg


def test_settling_depth_and_plain_data():
    depth = token_map().isel(layer=0, drop=True).copy(data=np.float32(np.arange(10)))
    figure = plan(depth.assign_attrs(valid_max=30), style=Style(kind="text"))
    plain = json.loads(json.dumps(figure.to_plain(), allow_nan=False))
    assert plain["panels"][0]["lines"][0][1]["text"] == " nurse"
    assert plain["panels"][0]["lines"][0][1]["value"] == 1.0


@pytest.mark.parametrize(
    ("array", "choices", "words"),
    [
        (token_map(), {"layer": 7}, "layer 1 to 2"),
        (token_map().isel(layer=0, drop=True), {"layer": 1}, "without layers"),
        (maps.make([[1.0]], ("layer", "head"), measure="m"), {}, "a map of layer, head"),
        (maps.make([[1.0, 2.0]], ("layer", "token"), measure="m"), {}, "without the texts"),
        (token_map(["a\n"] * 300), {}, "300 lines"),
        ([token_map(), token_map(measure="other")], {}, "several maps"),
    ],
)
def test_what_cannot_be_shown_as_text_is_one_message(array, choices, words):
    with pytest.raises(LayergramError, match=words):
        plan(array, style=Style(kind="text", **choices))


def test_one_head_can_be_selected_and_the_command_draws_it(tmp_path, capsys):
    values = np.random.default_rng(0).random((2, 3, 10), dtype=np.float32)
    array = maps.make(values, ("layer", "head", "token"), measure="weight",
                      coords={"token_text": ("token", TEXT)})  # fmt: skip
    file = str(maps.write(array, tmp_path / "weight.nc"))
    assert main(["draw", file, "--kind", "text"]) == 2
    assert "head=0:0" in capsys.readouterr().err
    options = ["--kind", "text", "--select", "head=1:1", "--layer", "2", "--json"]
    assert main(["draw", file, *options]) == 0
    (drawn,) = json.loads(capsys.readouterr().out)["figures"]
    assert drawn["panels"] == [{"title": "", "lines": 2}]
    boxes = [box for line in panel_of(array.isel(head=1), layer=2).lines for box in line]
    np.testing.assert_array_equal([box.value for box in boxes], values[1, 1])
