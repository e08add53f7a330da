"""The looks of the published heatmaps, read from the plain data of our figures."""

from pathlib import Path

import pytest

from layergram import maps
from layergram.figures import Style, plan

DATA = Path(__file__).parent.parent / "data"


def labels(ticks):
    return [tick.label for tick in ticks]


def test_token_map_has_tokens_in_order_layers_upwards_and_a_bar_from_0_to_1():
    figure = plan(maps.read(DATA / "seed000.csv"))
    panel, scale = figure.panels[0], figure.scales[0]
    tokens = (
        "A and B|*|8|13|[in|boxed|]|And|the_correct|choice|is|D|13|The|answer|is|$boxed|{|return|}"
    )
    assert "|".join(labels(panel.x.ticks)) == tokens
    assert (panel.y.label, panel.y.direction) == ("i-th Layer", "up")
    assert labels(panel.y.ticks) == ["1", "5", "10", "13", "17", "22", "27"]
    assert (scale.low, scale.high) == (0, 1)
    assert labels(scale.ticks) == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert scale.palette == "YlOrBr"
    assert panel.values[3, 0] == pytest.approx(0.75)


def test_token_map_can_be_drawn_with_the_colours_reversed():
    array = maps.read(DATA / "seed000.csv")
    forward, backward = (
        plan(array, style=Style(direction=d)).scales[0] for d in ("forward", "reversed")
    )
    assert forward.colours == backward.colours[::-1]


def test_role_map_has_layers_downwards_blues_from_one_half_and_the_rectangle():
    mark = "10:20,exact_answer_last:exact_answer_after_last"
    figure = plan(maps.read(DATA / "seed003.csv"), style=Style(mark=(mark,)))
    panel, scale = figure.panels[0], figure.scales[0]
    assert panel.x.names == (
        "last_q",
        "exact_answer_first",
        "exact_answer_last",
        "exact_answer_after_last",
    )
    assert (panel.y.label, panel.y.direction) == ("Layer", "down")
    assert labels(panel.y.ticks) == [str(layer) for layer in range(2, 31, 2)]
    assert labels(scale.ticks) == ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]
    assert scale.palette == "Blues"
    assert (panel.regions[0].rows, panel.regions[0].columns) == ((4, 9), (2, 3))
