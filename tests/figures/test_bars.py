"""Bars of settling depth, and panels in which no cell has a value."""

from __future__ import annotations

import json

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main
from layergram.figures import Style, paint, plan

TEXTS = ["A", " is", " 8", " or", " 13"]


def depths(values=(np.nan, 3, 8.0, 9.0, 10.0), **attributes):
    coords = {"token_text": ("token", TEXTS), "part": ("token", ["prompt"] * 2 + ["answer"] * 3)}
    given = {"units": "layer", "layers": 10, "valid_min": 1, "missing": "nothing predicts it"}
    return maps.make(
        np.float32(values),
        ("token",),
        measure="settling_depth",
        coords=coords,
        **given | attributes,
    )


def test_late_bars_and_those_of_the_last_layer_are_told_apart():
    panel = plan(depths()).panels[0]
    # ceil(0.85 · 10) = 9
    assert [panel.kinds[at].filled for at in panel.kind_of] == [True, True, True, True, False]
    colours = [panel.kinds[at].colour for at in panel.kind_of[1:]]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert [limit.at for limit in panel.limits] == [9]
    assert panel.y.limits[0] == 0 and 10 < panel.y.limits[1] < 11
    assert [(s.first, s.last, s.label) for s in panel.spans] == [(0, 1, "prompt"), (2, 4, "answer")]


@pytest.mark.parametrize(
    ("attributes", "late"),
    [
        ({"deep_thinking_layer": 8}, 8),
        ({"options": {"g": 0.5, "rho": 0.75}}, 8),
        ({"options": {"rho": 0.7}}, 7),  # not 8: 0.7 · 10 is 7, whatever floats say
        ({"layers": 30, "deep_thinking_layer": None}, 26),
    ],
)
def test_the_late_limit_is_the_one_of_the_map(attributes, late):
    figure = plan(depths(**attributes))
    assert [limit.at for limit in figure.panels[0].limits] == [late]
    assert any(entry.text == f"the late limit, layer {late}" for entry in figure.legend)


def test_the_legend_has_the_kinds_that_occur_and_plain_data_has_them_too():
    figure = plan(depths((np.nan, 3, 4, 5, 10)))
    assert [entry.look for entry in figure.legend] == ["hatched", "bar", "open bar", "dashed line"]
    plain = json.loads(json.dumps(figure.to_plain()))
    assert plain["panels"][0]["kind_of"] == [0, 0, 0, 0, 2]
    assert plain["panels"][0]["limits"] == [{"at": 9.0, "text": "the late limit, layer 9"}]


def test_bars_are_painted_as_high_as_their_values_and_the_last_ones_hollow():
    ax = paint(plan(depths())).axes[0]
    bars = [c for c in ax.collections if len(c.get_paths())]
    tops = [[path.vertices[:, 1].max() for path in c.get_paths()] for c in bars]
    assert tops == [[3, 8], [9], [10]]
    assert bars[2].get_facecolor()[0].tolist() == [1, 1, 1, 1]
    lines = [line for line in ax.lines if set(line.get_ydata()) == {9.0}]
    assert len(lines) == 1


def test_bars_of_another_measure_have_one_kind_and_no_limit():
    array = maps.make([[1.0, 2.0, 5.0]], ("layer", "token"), measure="entropy").isel(layer=0)
    figure = plan(array)
    assert (figure.panels[0].kinds, figure.panels[0].limits, figure.legend) == ((), (), ())
    (bars,) = (c for c in paint(figure).axes[0].collections if len(c.get_paths()))
    assert [path.vertices[:, 1].max() for path in bars.get_paths()] == [1, 2, 5]


@pytest.mark.parametrize("kind", ["auto", "lines"])
@pytest.mark.parametrize("facet", ["token", "layer", "head", "layer,token", "head,token"])
def test_any_facet_of_a_map_is_a_picture_or_one_message(tmp_path, capsys, facet, kind):
    values = np.random.default_rng(0).random((3, 2, 5), dtype=np.float32)
    values[..., 0] = np.nan  # nothing predicts the first token
    array = maps.make(
        values,
        ("layer", "head", "token"),
        measure="weight",
        coords={"token_text": ("token", TEXTS)},
    )
    for number, one in enumerate((array, array.isel(head=0, drop=True), depths())):
        file = maps.write(one, tmp_path / f"{number}.nc")
        code = main(
            ["draw", str(file), "--facet", facet, "--kind", kind, "-o", str(tmp_path / "a.png")]
        )
        err = capsys.readouterr().err
        assert "Traceback" not in err
        assert code == 0 or (code == 2 and "Got:" in err)
        assert code == 0 or not set(facet.split(",")) < set(one.dims)


def test_panels_of_lines_share_their_axis_and_an_empty_one_is_hatched():
    values = np.float32([[np.nan, 0.1, 4.0], [np.nan, 0.2, 9.0]])
    array = maps.make(
        values, ("layer", "token"), measure="weight", coords={"token_text": ("token", TEXTS[:3])},
        missing="nothing predicts the first token",
    )  # fmt: skip
    figure = plan(array, style=Style(facet="token"))
    assert [panel.title for panel in figure.panels] == ["Token 0: A", "Token 1: is", "Token 2: 8"]
    assert {panel.y.limits for panel in figure.panels} == {(0.0, 10.0)}
    assert [bool(panel.missing) for panel in figure.panels] == [True, False, False]


def test_more_panels_than_a_page_holds_are_refused(tmp_path, capsys):
    array = maps.make(np.ones((2, 401)), ("layer", "token"), measure="weight")
    file = maps.write(array, tmp_path / "long.nc")
    assert main(["draw", str(file), "--facet", "token"]) == 2
    assert "401 panels" in capsys.readouterr().err
