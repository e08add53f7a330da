"""What every measure in the registry must keep, whatever it measures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from layergram import maps
from layergram.errors import LayergramError
from layergram.measures import MEASURES
from layergram.measures.registry import FAMILIES, select_measures
from layergram.models.load import load
from layergram.recipe import Run, recipe
from layergram.tracing import stream, trace

TEXT = "The capital of France is Paris, and the sum of 8 and 5 is 13. \\boxed{13} 你好 🙂"
OPTIONS = {"context": 8}  # without which a text has no lookback ratio
every_measure = pytest.mark.parametrize("name", MEASURES)


@pytest.fixture(scope="module")
def experts(tiny):
    """A mixture of experts, which can have every measure."""
    network = zoo.tiny("mixtral", vocab_size=len(tiny.tokenizer))
    return load(network, tokenizer=tiny.tokenizer)


@pytest.fixture(scope="module")
def whole(experts):
    return trace(experts, TEXT, measures=MEASURES, options=OPTIONS, run=Run(chunk=1000))


def alone(experts, name, **run):
    """One measure by itself, with the options that it has."""
    own = {key: value for key, value in OPTIONS.items() if key in MEASURES[name].options}
    return trace(experts, TEXT, measures=[name], options=own, run=Run(**run))[name]


@every_measure
def test_a_record_says_what_there_is_to_know(name):
    record = MEASURES[name]
    assert record.family in FAMILIES
    assert record.long_name and record.units and record.caveat.endswith(".")
    assert record.definition.endswith(".") and len(record.definition) > 30
    assert record.alignment in ("reads", "predicts")
    assert record.source in ("", *MEASURES)
    assert record.pooling in ("mean", "max")
    assert "." in str(record.function.__doc__)


@every_measure
def test_the_map_says_how_it_was_made(name, whole, experts):
    array = maps.check(whole[name])
    assert {
        "measure", "long_name", "units", "definition", "caveat", "model", "revision",
        "dtype", "seed", "run", "text", "layers", "layergram_version", "created", "schema",
    } <= set(array.attrs)  # fmt: skip
    assert array.attrs["text"] == TEXT and array.attrs["layers"] == experts.layers
    if "token" in array.dims:
        assert "alignment" in array.attrs and set(maps.TOKEN_COORDINATES) <= set(array.coords)
    assert array.attrs.get("pooling", "mean") == MEASURES[name].pooling
    assert "".join(whole.token_text.values[:5]) == TEXT[: whole.char_end.values[4]]


@every_measure
def test_chunk_size_changes_nothing(name, whole, experts):
    for chunk in (1, 7):
        other = alone(experts, name, chunk=chunk)
        np.testing.assert_allclose(other.values, whole[name].values, rtol=1e-5, atol=1e-5)


def test_columns_are_those_of_the_maps_so_far(experts):
    steps = stream(experts, TEXT, measures=MEASURES, options=OPTIONS, run=Run(chunk=7))
    for step in steps:
        made, columns = step.maps, step.columns
        assert list(columns) == list(made)
        for name, new in columns.items():
            array = made[name]
            if name != "lens_token":  # a dataset gives a coordinate to all maps on its axes
                assert "top_tokens" not in new.coords
                array = array.drop_vars("top_tokens", errors="ignore")
            if "token" in array.dims:
                first = 0 if MEASURES[name].reducer.revises else step.start
                assert new["token"].values.tolist() == list(range(first, array.sizes["token"]))
                array = array.isel(token=slice(first, None))
            assert new.drop_vars("token", errors="ignore").equals(
                array.drop_vars("token", errors="ignore")
            )
            assert {**new.attrs, "created": ""} == {**array.attrs, "created": ""}
    assert step.number > 3


@every_measure
def test_the_company_of_other_measures_changes_nothing(name, whole, experts):
    single = alone(experts, name, chunk=1000)
    # not bitwise: without a measure of attention the model runs its own attention function
    np.testing.assert_allclose(single.values, whole[name].values, rtol=1e-5, atol=1e-5)
    own, other = (
        {k: v for k, v in m.attrs.items() if k != "created"} for m in (single, whole[name])
    )
    counts = {key for key in own if key.startswith("cells_")}  # of depths made without divergences
    assert bool(counts) == (name == "settling_depth") and not counts & set(other)
    assert {k: v for k, v in own.items() if k not in counts} == other


@every_measure
def test_tracing_leaves_the_model_as_it_was(name, experts):
    state = {key: value.clone() for key, value in experts.network.state_dict().items()}
    config = experts.network.config.to_json_string()
    attention = experts.network.config._attn_implementation
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in experts.network.modules()]
    alone(experts, name)
    assert experts.network.config.to_json_string() == config
    assert experts.network.config._attn_implementation == attention
    assert all(torch.equal(v, state[k]) for k, v in experts.network.state_dict().items())
    after = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in experts.network.modules()]
    assert after == hooks


@every_measure
def test_missing_cells_have_a_reason_and_only_they(name, whole):
    array = whole[name]
    missing = np.isnan(array.values)
    assert bool(missing.any()) == ("missing" in array.attrs)
    if array.attrs.get("alignment") == "predicts":
        assert missing[..., 0].all() and not missing[..., 1:].any()
        assert "nothing predicts the first token" in array.attrs["missing"]


def test_the_final_layer_is_what_the_record_says_it_is_by_definition(whole):
    fixed = {n: r.final_value for n, r in MEASURES.items() if r.final_value is not None}
    assert fixed == {"divergence": 0.0, "lens_kl": 0.0, "cosine_to_final": 1.0}
    for name, value in fixed.items():
        assert whole[name].attrs["final_value"] == value
        np.testing.assert_allclose(whole[name][-1].dropna("token"), value, atol=1e-5)
        less = maps.difference(whole[name], whole[name])
        assert less.attrs["final_value"] == 0


@pytest.mark.parametrize("name", [n for n, record in MEASURES.items() if record.per_head])
def test_the_heads_come_together_to_the_map_over_all(name, whole, experts):
    each = alone(experts, name, heads="each")
    assert each.dims == ("layer", "head", MEASURES[name].axis) and each.sizes["head"] == 4
    pooled = each.mean("head") if MEASURES[name].pool == "mean" else each.sum("head", skipna=False)
    np.testing.assert_allclose(pooled, whole[name], atol=1e-6)
    assert f"{MEASURES[name].pool} over the layer's heads" in whole[name].attrs["definition"]


def test_maps_of_a_run_share_the_token_axis(whole):
    on_tokens = [array for array in whole.values() if "token" in array.dims]
    assert {array.sizes["token"] for array in on_tokens} == {whole.sizes["token"]}
    assert len(on_tokens) == len(MEASURES) - 1  # the mass of roles has an axis of its own
    assert (whole["part"] == "prompt").all()


@pytest.mark.parametrize("beside", [[], ["lens_entropy"]])
def test_settling_depth_has_a_ratio_and_its_source_where_the_lens_is_read_anyway(tiny, beside):
    names = [*beside, "settling_depth"]
    found = trace(tiny, TEXT, measures=names, options={"g": 0.0, "rho": 0.5})
    assert set(found) == {*names, *(["divergence"] if beside else [])}
    depth = found["settling_depth"]
    assert (depth.values[1:] == 3).all()  # nothing but the last layer reaches 0
    assert depth.attrs["deep_thinking_ratio"] == 1.0
    assert depth.attrs["deep_thinking_layer"] == 2
    assert depth.attrs["deep_thinking_tokens"] == depth.size - 1


def test_the_deep_thinking_ratio_of_an_answer_leaves_the_prompt_out(tiny):
    found = trace(
        tiny, prompt="Hi", measures=["settling_depth"], run=Run(max_new_tokens=6, chat="plain")
    )
    depth = found["settling_depth"]
    answer = depth.values[found["part"].values == "answer"]
    assert depth.attrs["deep_thinking_tokens"] == answer.size
    assert depth.attrs["deep_thinking_ratio"] == np.mean(answer >= 3)


def test_a_map_is_made_again_from_its_recipe(tiny, tmp_path):
    run = Run(heads="each", chunk=9, norm="none")
    first = trace(tiny, TEXT, measures=["divergence"], run=run)["divergence"]
    again = recipe(maps.read(maps.write(first, tmp_path / "d.nc")))
    assert again.run == run and again.measure == "divergence" and not again.prompted
    second = trace(tiny, TEXT, measures=[again.measure], options=again.options, run=again.run)
    np.testing.assert_array_equal(second["divergence"], first)


def test_a_query_is_a_position_a_piece_of_text_or_the_last_token(tiny):
    def from_(query):
        return trace(tiny, TEXT, measures=["attention_from"], options={"query": query})[
            "attention_from"
        ]

    last = from_("last")
    np.testing.assert_array_equal(from_(-1), last)
    np.testing.assert_array_equal(from_(last.sizes["token"] - 1), last)
    paris = from_("Paris")
    end = TEXT.index("Paris") + len("Paris")
    later = paris["char_start"].values >= end
    assert np.isnan(paris.values[:, later]).all() and not np.isnan(paris.values[:, ~later]).any()
    np.testing.assert_allclose(paris.sum("token"), 1, atol=1e-5)


def test_the_context_of_an_answer_is_its_prompt(tiny):
    run = Run(max_new_tokens=5, chat="plain")
    found = trace(tiny, prompt="The capital of", measures=["attention_lookback"], run=run)
    ratio = found["attention_lookback"]
    prompt = (ratio["part"] == "prompt").values
    assert np.isnan(ratio.values[:, prompt]).all() and not np.isnan(ratio.values[:, ~prompt]).any()
    assert maps.options_of(ratio) == {"context": [0, int(prompt.sum())]}
    assert recipe(ratio).options == {"context": "prompt"}


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"text": "  \n"}, "empty text"),
        ({"text": "Hi there", "prompt": "Hi"}, "text and prompt"),
        ({"text": None}, "no text"),
        ({"measures": ["divergense"]}, "did you mean 'divergence'"),
        ({"measures": []}, "no measure"),
        ({"options": {"quer": 1}, "measures": ["attention_from"]}, "did you mean 'query'"),
        ({"options": {"query": 999}, "measures": ["attention_from"]}, "0 to "),
        ({"options": {"query": "Berlin"}, "measures": ["attention_from"]}, "Berlin"),
        ({"options": {"query": None}, "measures": ["attention_from"]}, "0 to "),
        ({"options": {"query": 1.5}, "measures": ["attention_from"]}, "0 to "),
        ({"options": {"query": []}, "measures": ["attention_from"]}, "0 to "),
        ({"options": {"query": ["Paris"]}, "measures": ["attention_from"]}, "0 to "),
        ({"measures": ["attention_lookback"]}, "a text without an answer.*--option context"),
        ({"measures": ["attention_lookback"], "options": {"context": 999}}, "a context of 1 to "),
        ({"measures": ["attention_lookback"], "options": {"context": "Berlin"}}, "Berlin"),
        ({"measures": ["attention_lookback"], "options": {"context": [3, 2.5]}}, "a context of"),
        ({"text": "word " * 600}, "a context of 512 tokens"),
        ({"text": "x"}, "1 token"),
    ],
)
def test_a_wrong_request_is_one_clear_message(request_, says, tiny):
    given = {"text": TEXT, "measures": ["divergence"], **request_}
    text = given.pop("text")
    with pytest.raises(LayergramError, match="(?s)" + says):
        trace(tiny, text, **given)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("heads", "all"),
        ("norm", "x"),
        ("chunk", 0),
        ("temperature", -1.0),
        ("temperature", 1e-9),
        ("top_p", 2.0),
        ("top_k", -1),
        ("seed", -1),
        ("seed", 2**64),
    ],
)
def test_a_wrong_run_is_refused(field, value):
    with pytest.raises(LayergramError, match=field):
        Run(**{field: value})


def test_a_derived_measure_comes_after_its_source():
    names = [record.name for record in select_measures(["settling_depth", "divergence"], {})]
    assert names == ["divergence", "settling_depth"]
    alone = select_measures(["settling_depth", "residual_norm"], {"g": 0.3})
    assert [record.name for record in alone] == ["settling_depth", "residual_norm"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ids": [1, 999_999_999]}, "the id 999999999"),
        ({"answer": [1, 2]}, "prompt_tokens"),
        ({"answer": {"ids": [1, 2, 3], "prompt_tokens": -1}}, "-1 prompt tokens of 3"),
        ({"answer": {"ids": [1, 2, 3], "prompt_tokens": 4}}, "4 prompt tokens of 3"),
        ({"answer": {"ids": [1, 2, 3]}}, "prompt_tokens"),
    ],
)
def test_ids_and_answers_that_cannot_be_read_are_refused(given, says, tiny):
    with pytest.raises(LayergramError, match=says):
        trace(tiny, **given)


def test_positions_from_the_end_may_be_several(tiny):
    found = trace(tiny, TEXT, measures=["attention_from"], options={"query": [-1, -2]})
    assert maps.options_of(found["attention_from"])["query"] == [
        found.sizes["token"] - 1,
        found.sizes["token"] - 2,
    ]
