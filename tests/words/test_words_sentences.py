"""Sentences that were wrong or said nothing cannot come back; what each form says."""

import json
import math
import re

import numpy as np
import pytest

from layergram import maps, words
from layergram.errors import LayergramError
from layergram.words.names import Names


def tokens(values, measure="amount", **attributes):
    return maps.make(values, ("layer", "token"), measure=measure, **attributes)


def ranks(rng):
    """Ranks over four decades, one layer of 1 and few others."""
    values = np.ceil(10 ** (3.8 * rng.uniform(size=(20, 12))))
    values[12:] = np.ceil(10 ** (0.3 * rng.uniform(size=(8, 12))))
    values[3, 3] = 6108
    return tokens(values, "lens_rank", valid_min=1)


def test_ranks_over_decades_are_not_uniform_within_an_outliers_range():
    text = words.describe(ranks(np.random.default_rng(0)))
    assert "within 1 to 6,108" not in text
    for low, high in re.findall(r"uniform: .*?within ([\d,.]+) to ([\d,.]+)", text):
        assert float(high.replace(",", "")) < 2 * float(low.replace(",", ""))


def test_one_outlier_does_not_make_the_rest_uniform():
    values = np.random.default_rng(1).uniform(1, 5, (20, 12))
    values[4, 4] = 10_000
    assert "uniform" not in words.describe(tokens(values))


def test_small_values_are_not_written_as_nothing():
    values = np.random.default_rng(2).uniform(1e-4, 2e-4, (20, 12))
    values[0, 0] = 1.0
    text = words.describe(tokens(values))
    mean = re.search(r"The mean of the 240 values is ([\d.]+); .* within ([\d.]+) to", text)
    assert float(mean[1]) == pytest.approx(values.mean(), rel=0.1)
    assert float(mean[2]) == pytest.approx(np.quantile(values, 0.25), rel=0.1)
    assert not re.search(r"\b0\.00+\b", text)


@pytest.mark.parametrize("scale", [1e-9, 1e-5, 0.02, 1.0, 300.0, 1e8])
def test_numbers_of_any_size_have_digits_that_say_something(scale):
    values = scale * np.random.default_rng(3).uniform(0.1, 1, (12, 8))
    text = words.describe(tokens(values, units="nat"))
    assert not re.search(r"(?<![\d.])0(\.0+)?( ×| nat)", text)
    powered = "× 10" in text
    assert powered == (not 1e-2 <= values.max() < 1e6)
    assert ("### Values, × 10" in text) == powered


@pytest.mark.parametrize("log", [False, True])
def test_ends_are_rounded_outwards(log):
    rng = np.random.default_rng(4)
    names = Names(tokens(rng.uniform(0, 1, (4, 4))), log=log)
    for low, high in np.sort(rng.uniform(0.01, 1, (200, 2)), axis=1):
        ends = (math.log10(low), math.log10(high)) if log else (low, high)
        shown = [float(x) for x in names.span(*ends).split(" to ")]
        assert shown[0] <= low * (1 + 1e-9) and shown[-1] >= high * (1 - 1e-9)
        assert float(names.with_unit(names.bare(ends[0], math.ceil))) >= low * (1 - 1e-9)


def test_a_spread_is_not_larger_than_the_range_it_lies_in():
    for seed in range(20):
        values = np.random.default_rng(seed).uniform(0, 1, (12, 6))
        values[:4] = np.random.default_rng(seed).uniform(0, 0.0749, (4, 6))
        text = words.describe(tokens(values))
        for found in re.findall(r"at most ([\d.]+), within ([\d.]+) to (\d\.\d+)", text):
            spread, low, high = map(float, found)
            assert spread <= high - low + 0.009


def test_no_peak_is_told_below_the_highest_value():
    values = 0.1 + 0.01 * np.random.default_rng(5).uniform(size=(12, 9))
    values[5, 4], values[-1, 2], values[-2, 2] = 0.87, 1.0, 0.99
    assert "A peak" not in words.describe(tokens(values))


def test_a_peak_has_a_value_even_in_a_map_of_small_ones():
    values = 1e-4 * (1 + 0.1 * np.random.default_rng(6).uniform(size=(12, 9)))
    values[5, 4] = 3e-4
    text = words.describe(tokens(values, units="nat"))
    assert "A peak at layer 6: position 4 with 3.0 × 10⁻⁴ nat." in text


def role_map(**attributes):
    course = np.abs(np.arange(16) - 9)[:, None] / 20 + 0.5
    values = course + np.array([0.1, 0.0, 0.001]) + 0.01 * np.random.default_rng(7).normal(size=3)
    roles = ["last_q", "exact_answer_last", "-3"]
    return maps.make(
        values, ("layer", "role"), measure="auroc", coords={"role": roles}, **attributes
    )


def test_roles_that_are_the_same_token_are_said_to_be():
    text = words.describe(role_map(same_token={"exact_answer_last": {"-3": 0.77}}))
    assert 'exact_answer_last and "-3" are the same token in 77 % of the answers' in text
    assert "Roles that are the same token in a share of the answers: exact_answer_last" in text
    for line in words.describe(role_map()).splitlines():
        if "move together" in line:
            assert "how often they are the same token, the map does not say" in line


def divergence(parts):
    """Two tokens of an answer settle late, all of the prompt early, or the other way round."""
    depth = np.where(np.array(parts) == "answer", 22, 3)
    values = 1 / (1 + np.exp(np.arange(1, 25)[:, None] - depth))
    values[-1] = 0
    coords = {"part": ("token", parts)}
    return tokens(values, "divergence", units="bit", valid_min=0, valid_max=1, coords=coords)


def test_settling_is_counted_over_the_answer():
    text = words.describe(divergence(["prompt"] * 18 + ["answer"] * 2))
    assert "The deep-thinking ratio is 1.00 (2 of 2 tokens of the answer, at layer 21" in text


def test_settling_of_most_tokens_at_one_layer_is_not_said_to_be_by_that_layer():
    late = divergence(["answer"] * 5 + ["prompt"] * 3).drop_vars("part")
    text = words.describe(late)
    assert (
        "At least half of the 8 tokens settle (come down to 0.5) no earlier than layer 22" in text
    )
    early = divergence(["answer"] * 3 + ["prompt"] * 5).drop_vars("part")
    assert "Half of the 8 tokens settle (come down to 0.5) by layer 3;" in words.describe(early)


def test_no_deep_thinking_where_nothing_was_generated():
    text = words.describe(divergence(["prompt"] * 20))
    assert "deep-thinking" not in text
    assert "The share that settles late is 0.00 (0 of 20 tokens, at layer 21 or above)." in text
    depths = maps.make(
        [3.0, 22.0], ("token",), measure="settling_depth", units="layer", deep_thinking_ratio=0.5,
        deep_thinking_layer=21, deep_thinking_tokens=2,
    )  # fmt: skip
    assert "The share that settles late is 0.50 (1 of 2 tokens" in words.describe(depths)


@pytest.mark.parametrize(
    ("measure", "value"), [("divergence", 0), ("lens_kl", 0), ("cosine_to_final", 1)]
)
def test_the_final_layer_takes_no_part_where_it_is_so_by_definition(measure, value):
    values = np.random.default_rng(8).uniform(0.2, 0.8, (20, 12))
    values[-1] = value
    array = tokens(values, measure, final_value=value)
    text = words.describe(array)
    assert text.count("layer 20") + text.count("Layer 20") == 1
    assert f"Layer 20 is {value} by definition and left out." in text
    assert "layer 20" not in words.alt_text(array)
    assert all("20" not in str(f.coordinates.get("layer")) for f in words.facts(array))


def test_sources_keep_their_spelling_and_axes_their_direction():
    values = np.random.default_rng(9).uniform(size=(12, 8))
    text = words.describe(tokens(values, references="nostalgebraist (2020)", definition="a"))
    assert "Source: nostalgebraist (2020)." in text
    assert "- **Layer** (upwards)" in text and "(down)" not in text


@pytest.mark.parametrize("place", [0, 6])
def test_columns_that_dominate_are_found_anywhere_and_left_out(place):
    rng = np.random.default_rng(10)
    values = 0.02 + 0.01 * rng.uniform(size=(20, 12))
    values[:, place] = 0.6
    values[:, 3] += 0.03
    array = tokens(values, "attention_received", valid_min=0, valid_max=1)
    text = words.describe(array)
    assert f"osition {place} dominates the map: 0.60 on average" in text
    assert "Apart from what dominates the map, the highest attention is that of position 3" in text
    counted = [fact for fact in words.facts(array) if fact.section == "counted"]
    assert counted and all(fact.without == {"token": [place]} for fact in counted)
    assert not any("stands out" in line for line in text.splitlines() if "dominates" in line)


def test_p_values_of_the_map_expect_no_cells_by_chance():
    values = np.random.default_rng(11).uniform(-1, 1, (12, 8))
    p = np.where(values > 0.9, 0.01, 0.5)
    whole = {"p_value": (("layer", "token"), p, {"holds_for": "map"})}
    text = words.describe(tokens(values, coords=whole, null_value=0))
    assert "by chance alone" not in text
    assert "the chance of any such cell without effect is at most 5 %" in text
    own = {"p_value": (("layer", "token"), p, {"holds_for": "cell"})}
    found = words.facts(tokens(values, coords=own, null_value=0))
    assert not found.inference and "of its own cell" in found.null
    assert "by chance alone about 5 would" in words.describe(
        tokens(values, coords=own, null_value=0)
    )


def test_where_the_following_token_becomes_the_likeliest():
    values = np.full((20, 4), 30.0)
    values[14:, 1], values[17:, 2] = 1, 1
    values[5, 0] = 1
    rank = tokens(values, "lens_rank", valid_min=1)
    line = (
        "2 of 4 tokens are the likeliest one in the end, half of these from layer 18 on; earliest"
    )
    assert line in words.describe(rank)
    beside = divergence(["prompt"] * 4)
    assert line in words.describe(beside, beside={"lens_rank": rank})
    assert line not in words.describe(beside)


def test_forms_of_a_description():
    array = tokens(
        np.random.default_rng(12).uniform(0, 1, (20, 12)), model="smollm2", revision="abc123",
        text="The capital\nof France",
    )  # fmt: skip
    short = words.describe(array, form="short")
    assert short.count("\n") == 1 and len(re.findall(r"\.(?:\s|$)", short)) == 3
    caption = words.describe(array, form="caption")
    assert caption.startswith("Amount, 20 layers by 12 tokens. Model: smollm2 (revision abc123).")
    assert "Text: “The capital of France”. Values 0.00" in caption
    assert len(short) < len(words.describe(array)) / 3
    with pytest.raises(LayergramError, match="form of a description"):
        words.describe(array, form="long")


def test_json_keeps_numbers_and_inference_apart():
    array = tokens(np.random.default_rng(13).uniform(0, 1, (20, 12)))
    plain = json.loads(json.dumps(words.facts_json(array)))
    assert plain["numbers"] and plain["inference"] == [] and plain["null"].startswith("Null:")


def test_a_course_begins_and_ends_at_layers_that_have_values():
    fall_and_rise = np.r_[np.linspace(0.9, 0.1, 6), np.linspace(0.3, 0.9, 4)]
    values = fall_and_rise[:, None] + 0.001 * np.arange(8)
    values[0] = values[-1] = np.nan
    text = words.describe(tokens(values, missing="none there"))
    assert "From layer 2 on, the mean over the tokens falls" in text and "at layer 9." in text
    assert "at layer 1 " not in text and "at layer 10" not in text
    column = values.copy()
    column[:, 1:] = 0.5
    text = words.describe(tokens(column, missing="none there"))
    assert "at layer 2" in text and "at layer 1 " not in text
