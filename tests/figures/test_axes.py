import numpy as np
import pytest

from gallery_figures import attention, auroc, divergence, examples, importance
from layergram import maps
from layergram.errors import LayergramError
from layergram.figures import HeatPanel, LinePanel, Style, plan


def tokens(count, text="w{}", rows=3):
    return maps.make(
        np.random.default_rng(0).uniform(0, 1, (rows, count)),
        ("layer", "token"),
        measure="amount",
        coords={"token_text": ("token", [text.format(i) for i in range(count)])},
    )


def test_repeated_tokens_have_a_column_each():
    panel = plan(tokens(12, text="13")).panels[0]
    assert panel.x.names == ("13",) * 12
    assert [tick.at for tick in panel.x.ticks] == list(range(12))


@pytest.mark.parametrize("count", [20, 40, 48])
def test_tokens_that_fit_the_page_are_all_labelled(count):
    figure = plan(tokens(count))
    assert [tick.label for tick in figure.panels[0].x.ticks] == [f"w{i}" for i in range(count)]
    assert not any("labelled" in note for note in figure.notes)


@pytest.mark.parametrize("count, step", [(61, 2), (193, 5), (500, 10)])
def test_more_tokens_are_labelled_at_a_stated_step_with_their_position(count, step):
    figure = plan(tokens(count))
    ticks = figure.panels[0].x.ticks
    assert [tick.at for tick in ticks] == list(range(0, count, step))
    assert ticks[1].label.endswith(f"{step}: w{step}")
    assert any(f"Every {step}" in note for note in figure.notes)


def test_no_more_than_sixty_labels_however_small_they_are():
    ticks = plan(tokens(80), style=Style(font_size=4)).panels[0].x.ticks
    assert [tick.at for tick in ticks] == list(range(0, 80, 2))


@pytest.mark.parametrize("example", examples().values(), ids=list(examples()))
def test_labels_have_room(example):
    """No two labels of a column axis come closer than a line of text, whatever the figure."""
    figure = plan(example.maps, style=example.style)
    line = figure.font_size / 72
    for panel in figure.panels:
        cells = panel.x.limits[1] - panel.x.limits[0]
        places = [tick.at * figure.panel_width / cells for tick in panel.x.ticks]
        gap = min(np.diff(places), default=9.0)
        widest = max(len(tick.label) for tick in panel.x.ticks) * line * 0.5
        assert gap >= (widest if panel.x.rotation == 0 else line)
        assert len(panel.x.ticks) <= 60


def test_a_divergence_map_leaves_its_final_layer_out_and_says_so():
    array = divergence(["a", "b", "c"], layers=12)
    figure = plan(array)
    assert figure.panels[0].y.names[-1] == "11"
    assert any("final layer, 12, is left out" in note for note in figure.notes)
    assert plan(array, style=Style(final_layer="keep")).panels[0].y.names[-1] == "12"
    assert plan(array.isel(layer=slice(0, 8))).panels[0].y.names[-1] == "8"


def test_layers_of_a_token_map_are_labelled_1_3_5_from_the_bottom():
    axis = plan(divergence(["a", "b"], layers=36)).panels[0].y
    assert [tick.label for tick in axis.ticks] == [str(i) for i in range(1, 36, 2)]
    assert axis.direction == "up"


def test_layers_of_a_role_map_are_labelled_0_2_4_from_the_top():
    axis = plan(auroc()).panels[0].y
    assert [tick.label for tick in axis.ticks] == [str(i) for i in range(0, 31, 2)]
    assert axis.direction == "down"
    assert plan(auroc()).panels[0].x.names == maps.ROLES


def test_eight_head_panels_stand_in_two_rows_of_four_with_one_scale():
    array = importance()
    figure = plan(array)
    assert (figure.columns, len(figure.row_heights), len(figure.scales)) == (4, 2, 1)
    titles = [panel.title.replace("\n", " ") for panel in figure.panels]
    assert titles == array["function"].values.tolist()
    assert {(panel.x.label, panel.y.label) for panel in figure.panels} == {("Head", "Layer")}
    np.testing.assert_allclose(figure.panels[5].values, array.values[5])


def test_any_axis_can_be_the_facet():
    array = attention(["a", "b", "c"], heads=4)
    by_head, by_layer = plan(array), plan(array, style=Style(facet="layer"))
    assert [panel.title for panel in by_head.panels] == [f"Head {i}" for i in range(4)]
    assert len(by_layer.panels) == 30
    np.testing.assert_allclose(by_layer.panels[7].values, array.values[7])
    both = plan(array.isel(layer=slice(0, 2)), style=Style(facet="layer,head"))
    assert [panel.title for panel in both.panels[:2]] == ["Layer 1, Head 0", "Layer 1, Head 1"]
    assert all(isinstance(panel, LinePanel) for panel in both.panels)


def test_query_by_key_is_square_with_the_first_query_on_top():
    array = maps.make(np.ones((30, 30)), ("query", "key"), measure="attention")
    figure = plan(array)
    assert figure.panel_width == pytest.approx(figure.row_heights[0])
    assert (figure.panels[0].y.dim, figure.panels[0].y.direction) == ("query", "down")


def test_a_selection_draws_only_that():
    figure = plan(tokens(30), style=Style(select=("token=10:14", "layer=2")))
    assert figure.panels[0].x.names == tuple(f"w{i}" for i in range(10, 15))
    assert figure.panels[0].values.shape == (1, 5)


@pytest.mark.parametrize("rule", ["max", "mean"])
def test_long_texts_are_pooled_by_the_stated_rule(rule):
    array = tokens(8192, rows=4)
    array.values[2, 5001] = 7.0
    figure = plan(array, style=Style(pooling=rule, most_columns=512))
    panel = figure.panels[0]
    assert panel.values.shape == (4, 512)
    groups = array.values.reshape(4, 512, 16)
    np.testing.assert_allclose(panel.values, getattr(groups, rule)(axis=2), rtol=1e-6)
    assert any("8,192 tokens are drawn as 512 columns of 16" in note for note in figure.notes)
    assert panel.x.names[1] == "16–31"


def test_columns_are_pooled_only_where_they_would_be_narrower_than_two_dots():
    for count in (556, 900, 1200, 8192):
        figure = plan(tokens(count, rows=4))
        dots = figure.panel_width * 300
        columns = figure.panels[0].values.shape[1]
        assert dots / columns >= 2
        if columns < count:
            assert dots / count < 2 and dots / (2 * columns) < 2  # no more than is necessary
    assert plan(tokens(800, rows=4)).panels[0].values.shape[1] == 800
    narrow = plan(tokens(600, rows=4), style=Style(width=89))
    assert narrow.panels[0].values.shape[1] == 300
    assert any("600 tokens are drawn as 300 columns of 2" in note for note in narrow.notes)


def test_levels_keep_their_mean_and_attention_keeps_its_peaks():
    level, peaks = tokens(4096, rows=2), tokens(4096, rows=2).assign_attrs(pooling="max")
    for array, rule in ((level, "mean"), (peaks, "max")):
        figure = plan(array)
        drawn = figure.panels[0].values
        assert drawn.shape[1] < 4096
        groups = array.values.reshape(*drawn.shape, -1)
        np.testing.assert_allclose(drawn, getattr(groups, rule)(axis=2), rtol=1e-6)
        said = "the mean of" if rule == "mean" else "the largest value of"
        assert any(said in note for note in figure.notes)


def test_no_peak_is_lost_wherever_it_is():
    for count in (1100, 5000, 100_000):
        values = np.zeros((2, count), np.float32)
        peaks = np.random.default_rng(count).choice(count, 30, replace=False)
        values[1, peaks] = 1 + np.arange(30)
        array = maps.make(values, ("layer", "token"), measure="amount")
        panel = plan(array, style=Style(pooling="max")).panels[0]
        pool = -(-count // panel.values.shape[1])
        assert pool > 1
        assert (panel.values[1, peaks // pool] >= values[1, peaks]).all()


def test_pooling_a_signed_map_keeps_peaks_of_both_signs():
    values = np.zeros((2, 2048))
    values[0, 10], values[0, 900] = -3, 2
    array = maps.make(values, ("layer", "token"), measure="difference", null_value=0)
    figure = plan(array, style=Style(pooling="max"))
    assert sorted(set(figure.panels[0].values[0])) == [-3, 0, 2]
    assert any("farthest from no effect" in note for note in figure.notes)


def test_a_map_of_one_axis_becomes_bars_or_a_line():
    bars = plan(maps.make([3.0, 5.0], ("token",), measure="settling_depth")).panels[0]
    line = plan(maps.make([3.0, 5.0], ("layer",), measure="loss")).panels[0]
    assert (bars.look, line.look) == ("bars", "lines")
    assert bars.y.limits[0] == 0


def test_lines_carry_their_intervals_and_names():
    array = auroc().sel(role=["last_q", "-1"])
    panel = plan(array, style=Style(kind="lines")).panels[0]
    assert [line.label for line in panel.lines] == ["last_q", "-1"]
    np.testing.assert_allclose(panel.lines[1].low, array["low"].sel(role="-1").values)
    assert panel.baseline == 0.5
    across = plan(array, style=Style(kind="lines", along="role")).panels[0]
    assert len(across.lines) == 31


def test_missing_cells_are_in_the_legend_with_their_reason():
    figure = plan(divergence(["a", "b"], layers=5))
    assert np.isnan(figure.panels[0].values[:, 0]).all()
    assert ("hatched", "nothing predicts the first token") in [
        (entry.look, entry.text) for entry in figure.legend
    ]
    assert plan(tokens(4)).legend == ()


def test_cells_are_marked_where_interval_or_p_value_say_so():
    array = auroc()
    figure = plan(array)
    expected = (array["low"].values > 0.5) | (array["high"].values < 0.5)
    np.testing.assert_array_equal(figure.panels[0].significant, expected)
    assert figure.legend[0].text == "interval excludes 0.5"
    tested = array.drop_vars(["low", "high"]).assign_coords(
        p_value=(array.dims, np.where(np.arange(15) < 3, 0.01, 0.5) * np.ones((31, 1)))
    )
    figure = plan(tested, style=Style(alpha=0.02))
    assert figure.panels[0].significant.sum() == 3 * 31
    assert figure.legend[0].text == "p < 0.02"
    assert plan(tested, style=Style(significance="none")).panels[0].significant is None


def test_the_best_block_is_the_planted_one_also_in_pooled_columns():
    values = np.random.default_rng(0).normal(0, 0.1, (20, 2048))
    values[5:12, 400:800] += 1
    array = maps.make(values, ("layer", "token"), measure="amount")
    region = plan(array, style=Style(mark=("best",))).panels[0].regions[0]
    assert region.rows == (5, 11)
    assert region.columns == (100, 199)
    assert region.text.startswith("layers 6–12 × tokens 400–799: mean 0.998")
    assert "at least 3 × 2" in region.text


@pytest.mark.parametrize(
    "choices, words",
    [
        ({"mark": ("1:40,0:3",)}, "layer 1 to 3"),
        ({"mark": ("1:2,8:3",)}, "both included"),
        ({"mark": ("2",)}, "a comma"),
        ({"facet": "heads"}, "Allowed: layer, token"),
        ({"facet": "layer,token"}, "leave at least one axis"),
        ({"select": ("token=30:40",)}, "token 0 to 5"),
        ({"select": ("tokn=1:2",)}, "did you mean 'token'"),
        ({"select": ("3",)}, "axis=first:last"),
        ({"kind": "lines", "mark": ("best",)}, "heatmap"),
        ({"kind": "lines", "along": "head"}, "layer, token"),
    ],
)
def test_what_the_map_does_not_have_is_refused(choices, words):
    with pytest.raises(LayergramError, match=words):
        plan(tokens(6), style=Style(**choices))


def test_more_panels_than_a_page_holds_are_refused():
    array = maps.make(np.ones((1000, 2, 2)), ("example", "layer", "token"), measure="amount")
    with pytest.raises(LayergramError, match="1,000 panels"):
        plan(array)


def test_nothing_to_draw_is_refused():
    with pytest.raises(LayergramError, match="at least one map"):
        plan([])
    array = divergence(["a", "b"], layers=5)
    with pytest.raises(LayergramError, match="no cell with a value"):
        plan(array, style=Style(select=("token=0",)))


def test_maps_over_the_same_tokens_stand_in_a_row_each_with_its_title():
    array = tokens(10)
    other = array.copy().assign_attrs(measure="norm", long_name="norm", units="bit")
    figure = plan([array, other])
    assert figure.columns == 2
    assert [panel.title for panel in figure.panels] == ["Amount", "Norm"]
    assert [scale.label for scale in figure.scales] == ["", "bit"]
    assert all(isinstance(panel, HeatPanel) for panel in figure.panels)
    assert [p.title for p in plan({"run A": array, "run B": array}).panels] == ["run A", "run B"]
