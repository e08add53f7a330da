"""Which differences are rounding, and what pictures and words make of them."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from matplotlib.image import imread

from layergram import maps
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.figures import Style, paint, plan
from layergram.recipe import Run
from layergram.tracing import trace
from layergram.words import alt_text, describe, findings

MEASURES = ("divergence", "attention_received", "residual_norm", "lens_probability", "lens_kl")
TEXT = "To be or not to be, that is the question 8 + 5 = 13."


def token_map(values, texts=("A", " she", " is"), **attributes):
    coords = {"token_text": ("token", list(texts))}
    given = {"units": "1", "valid_min": 0, "valid_max": 1, "dtype": "float32", **attributes}
    return maps.make(
        np.float32(values), ("layer", "token"), measure="divergence", coords=coords, **given
    )


@pytest.fixture(scope="module")
def readings(tiny):
    return {
        (chunk, heads): trace(tiny, TEXT, measures=MEASURES, run=Run(chunk=chunk, heads=heads))
        for chunk in (256, 7, 1)
        for heads in ("mean", "each")
    }


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("heads", ["mean", "each"])
def test_one_text_read_in_other_chunks_is_equal_to_within_rounding(readings, measure, heads):
    whole = readings[256, heads][measure]
    for chunk in (7, 1):
        result = maps.difference(whole, readings[chunk, heads][measure])
        assert (maps.within_rounding(result) | np.isnan(result.values)).all()


def test_one_model_twice_is_equal_and_another_edit_is_not(readings, tiny):
    once = readings[256, "mean"]["divergence"]
    again = trace(tiny, TEXT, measures=["divergence"])["divergence"]
    assert np.nanmax(np.abs(maps.difference(once, again).values)) < 1e-5
    assert maps.within_rounding(maps.difference(once, again))[:, 1:].all()
    ids, at = once.token_id.values.tolist(), 12
    ids[at] = next(i for i in ids if i != ids[at])
    one, other = (
        trace(tiny, ids=i, measures=["residual_norm"])["residual_norm"]
        for i in (once.token_id.values.tolist(), ids)
    )
    equal = maps.within_rounding(maps.difference(one, other, match="position"))
    assert equal[:, :at].all()  # what is read before the change cannot know of it
    assert not equal[:, at].any()


@pytest.mark.parametrize(
    ("attributes", "share"),
    [
        ({}, 512 * 2.0**-23),
        ({"dtype": "float64"}, 512 * 2.0**-23),  # kept in float32
        ({"dtype": "bfloat16"}, 0.125),
        ({"dtype": "float16"}, 1 / 64),
        ({"dtype": None}, 4 * 2.0**-23),  # nobody says that a model computed it
    ],
)
def test_the_floor_is_a_share_of_the_largest_value_of_the_column(attributes, share):
    a = token_map([[0.5, 0.25, 0.1], [0.125, 1.0, 0.0]], **attributes)
    b = token_map([[0.4, 0.25, 0.1], [0.125, 0.5, 0.2]], **attributes)
    floor = maps.difference(a, b).rounding
    expected = np.array([[0.5, 1.0, 0.2]] * 2) * share
    np.testing.assert_allclose(floor.values, expected, rtol=1e-6)


def test_without_an_upper_end_only_the_layers_below_count():
    a = token_map([[40.5, 800.0], [1000.0, 1.5]], ("A", " B"), valid_max=None)
    floor = maps.difference(a, a).rounding.values / (512 * 2.0**-23)
    np.testing.assert_allclose(floor, [[40.5, 800], [1000, 800]], rtol=1e-6)
    turned = maps.difference(a.isel(layer=[1, 0]), a).rounding.values / (512 * 2.0**-23)
    np.testing.assert_allclose(turned, [[1000, 800], [40.5, 800]], rtol=1e-6)


def test_bits_are_differences_of_sums_of_a_bit_or_more():
    a = token_map([[0.001, 4.0]], ("A", " B"), units="bit", valid_max=None)
    floor = maps.difference(a, a).rounding.values / (512 * 2.0**-23)
    np.testing.assert_allclose(floor, [[1, 4]], rtol=1e-6)


def test_counts_are_equal_or_they_are_not():
    a = token_map([[3, 7, 9]], dtype="bfloat16", valid_max=None)
    b = token_map([[3, 8, 9]], dtype="bfloat16", valid_max=None)
    assert maps.within_rounding(maps.difference(a, b)).tolist() == [[True, False, True]]


def test_means_over_many_texts_have_the_floor_of_float32():
    values, given = np.float32([[0.5, 0.75]]), {"measure": "auroc", "dtype": "bfloat16"}
    a = maps.make(values, ("layer", "role"), coords={"role": ["last_q", "-1"]}, **given)
    expected = 512 * 2.0**-23 * values
    np.testing.assert_allclose(maps.difference(a, a).rounding.values, expected, rtol=1e-6)


@pytest.mark.parametrize("suffix", [".nc", ".json"])
def test_the_floor_stays_with_the_map_in_files(tmp_path, suffix):
    result = maps.difference(token_map([[0.5, 0.25, 0.75]]), token_map([[0.5, 0.25, 0.25]]))
    back = maps.read(maps.write(result, tmp_path / f"difference{suffix}"))
    assert maps.within_rounding(back).tolist() == [[True, True, False]]


def noise(size=(6, 4)):
    rng = np.random.default_rng(1)
    a = token_map(rng.uniform(0.2, 1, size), "ABCD")
    return a, a + np.float32(rng.uniform(-4e-6, 4e-6, size))


def test_a_picture_of_rounding_is_grey_and_says_so():
    figure = plan(maps.difference(*noise()))
    assert figure.panels[0].equal.all()
    assert (figure.scales[0].kind, figure.scales[0].palette) == ("diverging", "RdBu_r")
    assert 5e-5 < figure.scales[0].high < 1e-4  # what rounding can make of values up to 1
    assert [entry.look for entry in figure.legend] == ["grey"]
    assert "All 24 cells are equal to within rounding" in " ".join(figure.notes)
    painted = paint(figure)
    box = painted.axes[0].get_window_extent()
    buffer = io.BytesIO()
    painted.savefig(buffer, format="png", dpi=painted.dpi)
    buffer.seek(0)
    pixels = imread(buffer)[::-1]  # rows from the bottom, as the box counts them
    inside = pixels[int(box.y0) + 4 : int(box.y1) - 4, int(box.x0) + 4 : int(box.x1) - 4, :3]
    np.testing.assert_allclose(inside, 0.8, atol=0.01)


def test_cells_beyond_rounding_keep_their_colours_and_set_the_limits():
    a, b = noise()
    b = b.copy(data=np.where(np.arange(24).reshape(6, 4) == 5, a.values - 0.2, b.values))
    figure = plan(maps.difference(a, b))
    assert np.argwhere(~figure.panels[0].equal).tolist() == [[1, 1]]
    assert figure.scales[0].high == pytest.approx(0.2)
    assert "23 of 24 cells, in grey," in " ".join(figure.notes)


def test_a_pooled_cell_is_grey_only_if_all_of_its_cells_are():
    a, b = noise()
    b = b.copy(data=np.where(np.arange(24).reshape(6, 4) == 5, a.values - 0.2, b.values))
    equal = plan(maps.difference(a, b), style=Style(most_columns=2)).panels[0].equal
    assert np.argwhere(~equal).tolist() == [[0, 0]]


def test_words_of_rounding_find_nothing_in_it():
    result = maps.difference(*noise())
    largest = f"{np.abs(result.values).max() * 1e6:.1f} × 10⁻⁶"
    text = describe(result)
    assert (
        f"All 24 cells are equal to within rounding: the largest difference among them is {largest}"
        in text
    )
    assert "equal to within rounding; nothing was tested" in text
    assert "uniform" not in text and "positive" not in text
    assert alt_text(result).endswith("all cells equal to within rounding.")
    assert len(findings(result)) == 1
    assert "All cells equal to within rounding" in describe(result, form="caption")
    same = maps.difference(noise()[0], noise()[0])
    assert "equal to within rounding: no digit differs." in describe(same)


def test_words_count_cells_of_rounding_as_zero():
    a, b = noise()
    b = b.copy(data=np.where(np.arange(24).reshape(6, 4) % 4 == 1, a.values - 0.2, b.values))
    text = describe(maps.difference(a, b))
    assert "18 of 24 cells are equal to within rounding" in text
    assert "they count as 0 below" in text
    assert "| 0.00 |" in text
    assert "negative" not in text


def test_positions_are_compared_and_both_tokens_named(tmp_path, capsys):
    a = token_map([[0.5, 0.25, 0.75]])
    b = token_map([[0.5, 0.75, 0.25]], ("A", " he", " is"))
    result = maps.difference(a, b, match="position")
    assert result.token_text.values.tolist() == ["A", " she / he", " is"]
    assert result.values.tolist() == [[0, -0.5, 0.5]]
    figure = plan(result)
    assert [tick.label for tick in figure.panels[0].x.ticks] == ["A", "she / he", "is"]
    assert "first map's token stands before the slash" in " ".join(figure.notes)
    paths = [str(maps.write(x, tmp_path / f"{n}.nc")) for n, x in (("a", a), ("b", b))]
    assert main(["diff", *paths, "--match", "position", "-o", str(tmp_path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["cells"], summary["within_rounding"]) == (3, 1)
    assert main(["diff", *paths]) == 2
    assert "--match position" in capsys.readouterr().err


def test_texts_of_other_lengths_are_refused_by_position():
    longer = token_map([[0, 0, 0, 0]], ("A", " she", " is", " here"))
    with pytest.raises(LayergramError, match=r"3 tokens in a and 4 tokens in b"):
        maps.difference(token_map([[0, 0, 0]]), longer, match="position", names=("a", "b"))


def test_roles_are_matched_by_name_when_tokens_go_by_position():
    a, b = (
        maps.make([[0.5]], ("layer", "role"), measure="auroc", coords={"role": [role]})
        for role in ("last_q", "-1")
    )
    with pytest.raises(LayergramError, match="roles only in the first map: last_q"):
        maps.difference(a, b, match="position")
