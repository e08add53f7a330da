"""Which colours a map gets, and from where to where they run."""

import numpy as np
import pytest

from layergram import maps
from layergram.errors import LayergramError
from layergram.figures import Style, plan
from layergram.figures.scales import colours_of

TOKENS = 12


def scale_of(values, *, style=None, **attrs):
    dims = ("layer", "token")
    return plan(maps.make(values, dims, measure="m", **attrs), style=style or Style()).scales[0]


def between(low, high):
    return np.linspace(low, high, 10 * TOKENS).reshape(10, TOKENS)


@pytest.mark.parametrize(
    "low, high, palette, kind, limits",
    [
        (0.61, 0.98, "YlOrBr", "linear", (0.6, 1.0)),
        (-0.98, -0.61, "YlOrBr", "linear", (-1.0, -0.6)),
        (-0.93, 0.98, "RdBu_r", "diverging", (-1.0, 1.0)),
        (-0.15, 0.98, "RdBu_r", "diverging", (-0.2, 1.0)),
        (-0.98, 0.15, "RdBu_r", "diverging", (-1.0, 0.2)),
    ],
)
def test_a_cosine_has_the_colours_of_the_side_that_it_uses(low, high, palette, kind, limits):
    scale = scale_of(between(low, high), valid_min=-1, valid_max=1)
    assert (scale.palette, scale.kind) == (palette, kind)
    assert (scale.low, scale.high) == pytest.approx(limits)


@pytest.mark.parametrize("low, high", [(-0.15, 0.98), (-0.98, 0.15), (-0.9, 0.98)])
def test_one_colour_stands_for_one_distance_from_no_effect_on_a_cut_bar(low, high):
    scale = scale_of(between(low, high), valid_min=-1, valid_max=1)
    whole = colours_of("RdBu_r")
    places = np.linspace(scale.low, scale.high, len(scale.colours))
    for at, colour in zip(places, scale.colours, strict=True):
        assert abs(whole.index(colour) - (at + 1) / 2 * 255) <= 1  # limits reach to 1 or −1
    assert (scale.below, scale.above) == (0, 0)


def test_a_difference_of_one_sign_runs_from_0_outwards_in_one_colour():
    array = maps.make(between(0.1, 7.5), ("layer", "token"), measure="difference", null_value=0)
    figure = plan(array)
    assert (figure.scales[0].low, figure.scales[0].high) == (0, 8)
    assert figure.scales[0].palette == "YlOrBr"
    assert not any("sequential" in hint for hint in figure.hints)
    both = plan(array - 1.0)  # −0.9 to 6.5
    assert (both.scales[0].low, both.scales[0].high) == (-1, 7)
    assert both.scales[0].palette == "RdBu_r"
    assert not any("sequential" in hint for hint in both.hints)


def test_a_sequential_palette_of_ones_own_is_not_cut():
    style = Style(colours="viridis")
    scale = scale_of(between(-0.1, 1), style=style, valid_min=-1, valid_max=1)
    assert scale.colours == colours_of("viridis")


def test_single_cells_that_tower_share_the_last_colour_and_are_counted():
    values = np.linspace(100, 700, 400).reshape(10, 40)
    values[4, 0], values[8, 0] = 24_000, 9_000
    array = maps.make(values, ("layer", "token"), measure="residual_update", valid_min=0)
    figure = plan(array)
    limit = figure.scales[0].high
    assert limit == pytest.approx(np.percentile(values, 99), rel=0.2) and limit < 1000
    beyond = int((values > limit).sum())
    assert any(note.startswith(f"{beyond} of 400 cells lie above") for note in figure.notes)
    assert figure.scales[0].ticks[-1].label.endswith("+")
    assert plan(array, style=Style(first_token="keep")).scales[0].high >= 24_000
    even = maps.make(between(100, 700), ("layer", "token"), measure="residual_update", valid_min=0)
    assert plan(even).scales[0].high >= 700


def test_a_share_that_towers_keeps_its_range():
    values = between(0.01, 0.1)
    values[4, 5] = 0.9
    assert scale_of(values, valid_min=0, valid_max=1).high == 1


def test_an_unknown_palette_is_refused_with_one_like_it():
    with pytest.raises(LayergramError, match="did you mean 'viridis'"):
        scale_of(between(0, 1), style=Style(colours="virids"))
