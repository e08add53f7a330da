"""Head maps without labels: the planted heads are found, means are means, intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

import planted
import zoo
from layergram import load, maps
from layergram.errors import LayergramError
from layergram.experiments.heads.patterns import (
    SEQUENCES,
    UNLABELLED,
    attention_patterns,
    unsupported_patterns,
)
from layergram.recipe import Run
from layergram.statistics.intervals import mean_interval
from layergram.tracing import trace

torch.set_num_threads(1)

TEXTS = [
    "The capital of France is Paris, and the sum of 8 and 5 is 13.",
    "A head moves it between tokens; a head reads what a head wrote before.",
    "8 and 5 is 13, and 13 is 8 and 5.",
]


@pytest.fixture(scope="module")
def planted_maps():
    texts = [" ".join(f"w{i}" for i in planted.repeated(seed)) for seed in range(3)]
    return attention_patterns(planted.model(), texts)


@pytest.mark.parametrize(
    ("measure", "heads"),
    [
        ("attention_previous", {planted.MATCHED, planted.COPY}),
        ("attention_first", {planted.FIRST}),
        ("attention_induction", {planted.INDUCTION}),
    ],
)
def test_the_maps_find_exactly_the_planted_heads(measure, heads, planted_maps):
    array = planted_maps[measure]
    for layer in array["layer"].values:
        for head in array["head"].values:
            cell = array.sel(layer=layer, head=head)
            if (layer, head) in heads:
                assert cell > 0.99 and cell["low"] > 0.98
            else:
                assert cell < 0.15 and cell["high"] < 0.2


def test_other_maps_show_what_the_planted_heads_are_like(planted_maps):
    def at(measure, place):
        return float(planted_maps[measure].sel(layer=place[0], head=place[1]))

    for place in (planted.MATCHED, planted.COPY):
        assert at("attention_distance", place) < 1
        assert at("attention_entropy", place) < 0.1
    assert at("attention_lookback", planted.FIRST) > 0.99
    votes = planted_maps["head_logit_attribution"]
    assert float(votes.max()) == at("head_logit_attribution", planted.INDUCTION) > 4
    assert (np.abs(votes) > 0.5).sum() == 1


@pytest.mark.parametrize("chunk", [5, 256])
def test_a_cell_is_the_mean_over_all_tokens_of_all_texts(chunk, tiny):
    found = attention_patterns(tiny, TEXTS, induction="texts", chunk=chunk)
    assert tuple(found) == UNLABELLED
    for name, array in found.items():
        values = []
        for text in TEXTS:
            half = len(tiny.tokenizer(text)["input_ids"]) // 2
            options = {"context": half} if name == "attention_lookback" else {}
            run = Run(heads="each")
            values.append(trace(tiny, text, measures=[name], options=options, run=run)[name].values)
        expected = np.nanmean(np.concatenate(values, axis=-1), axis=-1)
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5, err_msg=name)
        assert (array["low"] < array).all() and (array < array["high"]).all()
        assert "of 3 texts, with intervals over texts" in array.attrs["definition"]


def test_induction_is_measured_on_random_tokens_unless_texts_are_asked_for(tiny):
    kinds = {kind: attention_patterns(tiny, TEXTS, induction=kind) for kind in ("random", "texts")}
    again = attention_patterns(tiny, measures=["attention_induction"], seed=0)[
        "attention_induction"
    ]
    random = kinds["random"]["attention_induction"]
    # the texts do not count; what is measured beside it moves rounding
    np.testing.assert_allclose(random, again, rtol=1e-6)
    assert maps.options_of(random)["sequences"] == SEQUENCES
    assert "random tokens each, repeated once" in random.attrs["definition"]
    other = attention_patterns(tiny, measures=["attention_induction"], seed=1)[
        "attention_induction"
    ]
    assert not np.allclose(random, other, rtol=1e-4)
    assert not np.allclose(random, kinds["texts"]["attention_induction"], rtol=1e-4)
    np.testing.assert_allclose(
        kinds["random"]["attention_first"], kinds["texts"]["attention_first"], rtol=1e-6
    )


def test_one_text_has_intervals_over_blocks_of_tokens(tiny):
    array = attention_patterns(tiny, TEXTS[0], measures=["attention_first"])["attention_first"]
    assert "one text, with intervals over blocks of" in array.attrs["definition"]
    values = trace(tiny, TEXTS[0], measures=["attention_first"], run=Run(heads="each"))
    values = values["attention_first"].values
    size = -(-values.shape[-1] // 10)
    starts = range(0, values.shape[-1], size)
    sums = np.array([np.nansum(values[..., a : a + size], -1) for a in starts])
    counts = np.array([np.isfinite(values[..., a : a + size]).sum(-1) for a in starts])
    _, low, high = mean_interval(sums, counts)
    np.testing.assert_allclose(array["low"], np.maximum(low, 0), atol=1e-5)
    np.testing.assert_allclose(array["high"], high, atol=1e-5)


def test_the_interval_of_equal_units_is_students():
    values = np.random.default_rng(0).normal(size=(7, 3))
    mean, low, high = mean_interval(values * 20, np.full((7, 3), 20))
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose([mean, low, high], [values.mean(0), expected.low, expected.high])


def test_the_interval_covers_the_truth_with_few_unequal_texts():
    random = np.random.default_rng(0)
    units, trials = 8, 4000
    counts = random.integers(30, 120, size=(units, trials)).astype(float)
    own = 0.3 + 0.1 * random.normal(size=(units, trials))  # texts differ
    sums = counts * (own + 0.3 * random.normal(size=(units, trials)) / np.sqrt(counts))
    _, low, high = mean_interval(sums, counts)
    covered = ((low < 0.3) & (high > 0.3)).mean()
    assert 0.93 < covered < 0.97


def test_a_unit_without_values_does_not_count():
    mean, low, high = mean_interval(np.array([1.0, 3.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    both = mean_interval(np.array([1.0, 3.0]), np.ones(2))
    assert (mean, low, high) == both
    mean, low, _ = mean_interval(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]))
    assert mean[0] == 1 and np.isnan(mean[1]) and np.isnan(low).all()


def test_the_map_says_how_it_was_made_and_which_heads_share_keys(tiny, tmp_path):
    array = attention_patterns(tiny, TEXTS, measures=["attention_previous"])["attention_previous"]
    options = maps.options_of(array)
    assert options["texts"] == 3 and options["tokens"] > 50 and "sha256" in options["texts_digest"]
    assert array["kv_group"].values.tolist() == [0, 0, 1, 1]
    assert array.attrs["key_value_groups"] == 2
    assert array.attrs["model"] == tiny.name
    again = maps.read(maps.write(array, tmp_path / "a.nc"))
    assert again["kv_group"].values.tolist() == [0, 0, 1, 1]
    own = attention_patterns(planted.model(), "w1 w2 w3 w4", measures=["attention_first"])
    assert "kv_group" not in own["attention_first"].coords


def test_layers_without_heads_are_missing():
    array = attention_patterns(
        zoo.model("qwen3_next"), zoo.text(range(20)), measures=["attention_first"]
    )
    found = array["attention_first"]
    assert np.isnan(found.sel(layer=1)).all() and not np.isnan(found.sel(layer=[2, 3])).any()
    assert found.attrs["missing"] == "no such head in the layer"


def test_what_the_model_cannot_have_is_left_out_unless_it_is_asked_for():
    model = zoo.model("gemma4_text")
    texts = [zoo.text(range(12)), zoo.text(range(5, 20))]
    found = attention_patterns(model, texts)
    assert set(found) == set(UNLABELLED) - {"head_logit_attribution"}
    assert list(unsupported_patterns(model)) == ["head_logit_attribution"]
    assert "layer 1 that is not its input" in unsupported_patterns(model)["head_logit_attribution"]
    assert unsupported_patterns(planted.model()) == {}
    with pytest.raises(LayergramError, match="layer 1 that is not its input"):
        attention_patterns(model, texts, measures=["head_logit_attribution"])
    with pytest.raises(LayergramError, match="show no attention weights"):
        attention_patterns(zoo.model("mamba"), texts)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"texts": []}, "no text"),
        ({"texts": ["Hi there", " "]}, "an empty text"),
        ({"texts": "word " * 600}, "a context of 512 tokens"),
        ({"texts": "x"}, "1 token"),
        ({"measures": ["attention_frist"]}, "did you mean 'attention_first'"),
        ({"measures": ["attention_received"]}, "without a value for each head and token"),
        ({"measures": ["divergence"]}, "without a value for each head and token"),
        ({"induction": "randon"}, "did you mean 'random'"),
        (
            {"texts": "xyz", "measures": ["attention_induction"], "induction": "texts"},
            "no token that has a value in one text",
        ),
    ],
)
def test_a_wrong_request_is_one_clear_message(request_, says, tiny):
    with pytest.raises(LayergramError, match=says):
        attention_patterns(tiny, **request_)


def test_the_embedded_model_has_a_sink_and_induction_heads(smollm2):
    model = load(smollm2.model, tokenizer=smollm2.tokenizer)
    found = attention_patterns(model, measures=["attention_first", "attention_induction"])
    assert (found["attention_first"] > 0.3).mean() > 0.5
    induction = found["attention_induction"]
    assert induction.max() > 0.7 and float(induction.median()) < 0.05
    assert (induction["low"] > 0.5).sum() >= 3
