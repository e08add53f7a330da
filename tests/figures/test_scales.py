import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from gallery_figures import examples, importance
from layergram import maps
from layergram.errors import LayergramError
from layergram.figures import Style, plan
from layergram.figures.scales import DIVERGING, PALETTES, colours_of, linear_limits
from layergram.figures.ticks import ticks_between


def grid(values, *, dims=("layer", "token"), **attributes):
    return maps.make(values, dims, **{"measure": "amount", **attributes})


def scale_of(array, **choices):
    return plan(array, style=Style(**choices)).scales[0]


def labels(scale):
    return [tick.label for tick in scale.ticks]


def lightness(colours):
    """CIE L* of sRGB colours."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


@pytest.mark.parametrize("palette", sorted({*PALETTES.values()}))
def test_sequential_default_palettes_change_lightness_in_one_direction(palette):
    steps = np.diff(lightness(colours_of(palette)))
    rounding = 0.3  # of colours to 8 bits
    assert (steps <= rounding).all() or (steps >= -rounding).all()
    assert abs(steps.sum()) > 60


def test_diverging_default_palette_darkens_evenly_away_from_its_middle():
    light = lightness(colours_of(DIVERGING))
    middle = len(light) // 2
    assert (np.diff(light[:middle]) >= -0.3).all()
    assert (np.diff(light[middle:]) <= 0.3).all()
    assert abs(light[0] - light[-1]) < 10


def test_a_signed_map_diverges_around_its_null_with_equal_arms():
    scale = scale_of(grid([[-0.21, 0.02], [0.3, np.nan]], null_value=0.0, measure="difference"))
    assert (scale.kind, scale.centre) == ("diverging", 0)
    assert scale.low == -scale.high
    assert scale.high >= 0.3
    assert "0.0" in labels(scale)


def test_auroc_starts_at_chance_and_says_what_lies_below():
    values = np.linspace(0.47, 0.95, 60).reshape(6, 10)
    figure = plan(grid(values, dims=("layer", "head"), valid_min=0, valid_max=1, null_value=0.5))
    scale = figure.scales[0]
    assert (scale.low, scale.high, scale.below) == (0.5, 1.0, int((values < 0.5).sum()))
    assert labels(scale)[0] == "≤0.5"
    assert any(f"{scale.below} of 60 cells lie below 0.5" in note for note in figure.notes)


def test_a_clipped_top_is_printed_with_a_plus_and_counted():
    array = importance()
    figure = plan(array, style=Style(limits=(0, 0.004)))
    scale = figure.scales[0]
    assert labels(scale) == [*(f"{at * 5e-4:.4f}" for at in range(8)), "0.0040+"]
    assert scale.above == int((array.values > 0.004 * (1 + 1e-6)).sum()) > 0
    assert any(f"{scale.above:,} of 8,192 cells lie above 0.004" in note for note in figure.notes)


def test_single_towering_heads_do_not_set_the_scale_of_all():
    values = np.full((20, 20), 0.001)
    values[3, 4] = 0.5
    scale = scale_of(grid(values, dims=("layer", "head")))
    assert scale.high < 0.01
    assert (scale.above, scale.most) == (1, pytest.approx(0.5))


def test_percentile_limits_print_both_ends():
    values = np.random.default_rng(0).normal(10, 3, (20, 30))
    figure = plan(grid(values), style=Style(scale="percentile", percentiles=(5, 90)))
    low, high = np.percentile(values.astype(np.float32), (5, 90))
    scale = figure.scales[0]
    gaps = np.diff([tick.at for tick in scale.ticks])
    assert gaps == pytest.approx(gaps[0])
    assert abs(scale.low - low) <= gaps[0]
    assert abs(scale.high - high) <= gaps[0]
    assert (labels(scale)[0], labels(scale)[-1]) == (f"≤{scale.low:g}", f"{scale.high:g}+")
    assert any("percentile 5 to percentile 90" in note for note in figure.notes)


def test_log_scale_covers_the_positive_values_and_counts_the_rest_as_below():
    scale = scale_of(grid([[0.0, 0.003], [0.02, 0.7]]), scale="log")
    assert (scale.kind, scale.below) == ("log", 1)
    assert 0 < scale.low <= 0.003
    assert scale.high >= 0.7
    assert "log scale" in scale.label


def test_a_log_scale_begins_at_the_first_percentile_and_says_what_lies_below():
    values = np.geomspace(0.011, 0.9, 1000).reshape(20, 50)
    values[3, 4], values[7, 8] = 1e-6, 3e-5
    figure = plan(grid(values), style=Style(scale="log"))
    first = np.sort(values, axis=None)[9]  # the 1st percentile of 1,000 cells
    scale = figure.scales[0]
    assert (scale.low, scale.high) == (pytest.approx(0.01), pytest.approx(1))
    assert scale.low <= first < 0.02
    assert (scale.below, labels(scale)[0]) == (2, "≤0.01")
    assert any("2 of 1,000 cells lie below 0.01" in note for note in figure.notes)


def test_ranks_are_drawn_by_factors():
    assert scale_of(grid([[1, 40], [3000, 49000]], valid_min=1)).kind == "log"


@pytest.mark.parametrize("scale", ["auto", "percentile", "diverging", "linear"])
@pytest.mark.parametrize("value", [0.0, 3.0, -2.5])
def test_a_level_map_has_limits_around_its_value(scale, value):
    found = scale_of(grid(np.full((4, 5), value)), scale=scale)
    assert found.low < found.high
    assert found.low <= value <= found.high


def test_the_first_token_can_be_left_out_of_the_scale_or_the_figure_and_the_figure_says_so():
    values = np.full((4, 6), 0.02)
    values[:, 0] = 0.9
    array = grid(values, coords={"token_text": ("token", list("ABCDEF"))})
    kept = plan(array, style=Style(first_token="keep"))
    assert kept.scales[0].high >= 0.9
    assert kept.notes == ()
    assert "\"A\" at position 0. First_token 'auto'" in kept.hints[0]
    off = plan(array, style=Style(first_token="off_scale"))
    assert off.scales[0].high < 0.1
    assert off.scales[0].above == 4
    assert any("first token does not count" in note for note in off.notes)
    out = plan(array, style=Style(first_token="leave_out"))
    assert out.panels[0].x.names == tuple("BCDEF")
    assert "The first token (A) is left out." in out.notes


def test_maps_of_one_measure_share_a_scale_and_others_do_not():
    one, two = grid([[0.0, 1.0]]), grid([[0.0, 5.0]])
    other = grid([[10.0, 20.0]], measure="norm")
    figure = plan([one, two, other])
    assert [panel.scale for panel in figure.panels] == [0, 0, 1]
    assert figure.scales[0].high == 5


def test_every_colour_map_of_matplotlib_is_known_by_its_name():
    assert len(colours_of("jet")) == 256
    assert len(colormaps) > 100


@pytest.mark.parametrize(
    "choices, words",
    [
        ({"colours": "virids"}, "did you mean 'viridis'"),
        ({"limits": (1, 0)}, "lower limit first"),
        ({"percentiles": (98, 2)}, "low < high"),
        ({"scale": "log", "limits": (0, 1)}, "limits above 0"),
        ({"columns": 0}, "1 or more"),
    ],
)
def test_impossible_scales_are_refused(choices, words):
    with pytest.raises(LayergramError, match=words):
        plan(grid([[0.1, 0.2]]), style=Style(**choices))


def test_a_log_scale_needs_a_positive_value():
    with pytest.raises(LayergramError, match="no value above 0"):
        plan(grid([[-0.1, 0.0]]), style=Style(scale="log"))


def test_limits_lie_where_the_values_of_every_example_are():
    for name, example in examples().items():
        for scale in plan(example.maps, style=example.style).scales:
            assert scale.low < scale.high, name
            assert (scale.above > 0) == (scale.most > scale.high * (1 + 1e-6)), name
            assert [tick.at for tick in scale.ticks] == sorted(tick.at for tick in scale.ticks)
            assert (scale.ticks[0].at, scale.ticks[-1].at) == (scale.low, scale.high), name


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 0.01, 1, 37, 1e7])
@pytest.mark.parametrize("measure", ["amount", "difference"])
def test_limits_are_round_at_every_size(measure, factor):
    values = np.random.default_rng(1).normal(0, 1, (5, 9)) * factor
    scale = scale_of(grid(values, measure=measure, null_value=0 if measure != "amount" else None))
    assert scale.low <= values.min() * (1 - 1e-6)
    assert scale.high >= values.max() * (1 - 1e-6)
    assert max(-scale.low, scale.high) < 1.7 * abs(values).max()
    gaps = np.diff([tick.at for tick in scale.ticks]) / (scale.high - scale.low)
    assert gaps == pytest.approx(gaps[0]), "all ticks are equally far apart"
    assert len(set(labels(scale))) == len(labels(scale)) >= 4


@pytest.mark.parametrize(
    ("least", "most"),
    [
        *((1e-20, 4e-20), (1.23411e-20, 1.23419e-20), (1e-300, 5e-300), (1e39, 3e39)),
        *((1234100, 1234900), (-1234900, -1234100), (123456.1, 123456.9), (1e9 + 0.1, 1e9 + 0.9)),
        *((1e15 + 1e4, 1e15 + 9e4), (-3e-8, 5e-8), (1e-60, 0.5), (7.0, 7.0)),
    ],
)
@pytest.mark.parametrize("uneven", [False, True])
def test_ticks_differ_however_small_or_far_from_zero_the_values_are(least, most, uneven):
    limits = (least, most) if uneven and most > least else linear_limits(least, most, {})
    assert limits[0] <= least and most <= limits[1] and limits[0] < limits[1]
    names = [tick.label for tick in ticks_between(*limits)]
    assert len(set(names)) == len(names) > 2
    assert max(map(len, names)) < 22


def test_a_note_tells_the_limit_from_what_lies_beyond():
    array = maps.make([[1234100.0, 1234500, 1234900, 1234950]], ("layer", "token"), measure="m")
    style = Style(limits=(1234100, 1234900))
    assert "above 1,234,900 (the largest: 1,234,950)" in plan(array, style=style).notes[0]


@pytest.mark.parametrize(
    ("low", "high", "powers"),
    [(1, 1e5, False), (0.001, 3, False), (1, 1e6, True), (1e-5, 1, True), (5e3, 3e5, True)],
)
def test_a_logarithmic_axis_writes_its_numbers_in_one_way(low, high, powers):
    labels = [tick.label for tick in ticks_between(low, high, log=True)]
    assert {"10" in label and label[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" for label in labels} == {powers}
