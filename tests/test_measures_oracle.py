"""Every measure of twenty model types, against a float64 reference of its definition."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

import oracle
import zoo
from layergram import load
from layergram import tracing as atlas
from layergram.engine.run import read
from oracle import ATTENTION, LENS, RESIDUAL, assert_near, shifted

torch.set_num_threads(1)

# Each feature is set so that it bites: soft caps below the logits, windows below the text's length.
CASES = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "qwen3_moe": {},
    "mistral": {},
    "mixtral": {},
    "gemma2": {
        "attn_logit_softcapping": 1.0,
        "final_logit_softcapping": 2.0,
        "query_pre_attn_scalar": 4,
    },
    "gemma3_text": {"final_logit_softcapping": 2.0, "query_pre_attn_scalar": 4},
    "phi3": {"sliding_window": 8},
    "olmo2": {},
    "cohere2": {"logit_scale": 0.5},
    "granite": {"logits_scaling": 8.0},
    "gpt2": {},
    "gpt_neox": {},
    "opt": {},
    "stablelm": {},
    "starcoder2": {"sliding_window": 8},
    "glm4": {},
    "gpt_oss": {},
    "llama4_text": {},
}
FULL, WINDOW = "full", "window"
REACH = {  # what the layers of a type let a query see; all of the past where nothing is said
    "mistral": (WINDOW,) * 3,
    "phi3": (WINDOW,) * 3,
    "starcoder2": (WINDOW,) * 3,
    "gemma2": (WINDOW, FULL, FULL),
    "gemma3_text": (WINDOW, FULL, FULL),
    "cohere2": (WINDOW, FULL, FULL),
    "gpt_oss": (WINDOW, FULL, FULL),
    "llama4_text": ("block", FULL, FULL),
}
# a few tokens come again, near and far
IDS = [
    i * 7919 % zoo.VOCABULARY for i in (1, 2, 3, 4, 5, 6, 7, 7, 7, 2, 3, 6, 8, 9, 8, 9, 1, 2, 3, 5)
]
SPAN = range(4, 7)
CHUNKS = [1, 5, 64]


class Case:
    """One type: the model as layergram sees it, and the reference."""

    def __init__(self, model_type):
        self.model_type = model_type
        self.model = zoo.model(model_type, **CASES[model_type])
        self.reference = oracle.eager(self.model.network, IDS)
        self.all = functools.cache(lambda chunk: self.maps(ATTENTION + LENS + RESIDUAL, chunk))

    def maps(self, measures, chunk, heads="mean", norm="final", **options):
        run = atlas.Run(chunk=chunk, heads=heads, norm=norm)
        text = zoo.text(IDS)
        found = atlas.trace(self.model, text, measures=measures, options=options, run=run)
        assert found.token_id.values.tolist() == IDS
        return found


class LastLayer:
    """Keeps the lens's log-probabilities of the last layer."""

    needs = "lens"

    def __init__(self, layers):
        self.layers, self.parts = layers, []

    def take(self, view):
        if view.layer == self.layers:
            self.parts.append(view.log_p.clone())

    def log_p(self):
        return torch.cat(self.parts)


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return Case(request.param)


def test_the_cases_are_not_trivial(case):
    """Attention is not uniform, windows are shorter than the text, layers differ."""
    e, t = case.reference, len(IDS)
    i, j = np.indices((t, t))
    kinds = {
        FULL: j <= i,
        WINDOW: (j <= i) & (i - j < zoo.WINDOW),
        "block": (j <= i) & (i // zoo.WINDOW == j // zoo.WINDOW),
    }
    for layer, kind in enumerate(REACH.get(case.model_type, (FULL,) * zoo.LAYERS)):
        assert (e.visible[layer] == kinds[kind]).all()
    assert (oracle.entropy(e) < 0.97 * np.log2(e.visible.sum(-1))[:, None]).mean() > 0.5
    if case.model_type == "gpt_oss":
        assert (e.weights.sum(-1) < 0.99).mean() > 0.5
    assert oracle.lens_maps(e, IDS)["divergence"][:-1].mean() > 1e-3


@pytest.mark.parametrize("chunk", CHUNKS)
def test_attention_equals_the_reference(case, chunk):
    for name, values in oracle.attention_maps(case.reference, IDS).items():
        assert_near(case.all(chunk)[name], values.mean(1), name)


def test_attention_of_each_head_equals_the_reference(case):
    maps = case.maps(ATTENTION, 5, heads="each")
    for name, values in oracle.attention_maps(case.reference, IDS).items():
        assert_near(maps[name], values, name)


@pytest.mark.parametrize("queries", [[7], list(SPAN)], ids=["position", "span"])
def test_attention_from_a_chosen_query(case, queries):
    query = queries[0] if len(queries) == 1 else zoo.text(IDS[q] for q in queries)
    maps = case.maps(["attention_from"], 5, query=query)  # a chunk ends inside the span
    assert_near(maps["attention_from"], oracle.given(case.reference, queries).mean(1), "from")


@pytest.mark.parametrize(
    ("context", "positions"),
    [(6, range(6)), (zoo.text(IDS[1:3]), range(1, 3))],
    ids=["tokens", "piece"],
)
def test_the_lookback_ratio_equals_the_reference(case, context, positions):
    maps = case.maps(["attention_lookback"], 5, heads="each", context=context)
    expected = oracle.lookback(case.reference, positions)
    assert_near(maps["attention_lookback"], expected, "lookback")


@pytest.mark.parametrize("chunk", CHUNKS)
def test_the_lens_equals_the_reference(case, chunk):
    maps = case.all(chunk)
    expected = oracle.lens_maps(case.reference, IDS)
    for name, values in expected.items():
        assert_near(maps[name], shifted(values), name)
    depth = oracle.settling(expected["divergence"], 0.5)
    assert_near(maps["settling_depth"], shifted(depth), "settling depth")


def test_settling_depth_at_a_threshold_that_splits_the_tokens(case):
    d = oracle.lens_maps(case.reference, IDS)["divergence"]
    middle = np.sort(d[1])[len(IDS) // 2 - 1 : len(IDS) // 2 + 1]
    g = float(middle.mean())  # between two values, so that rounding cannot decide
    maps = case.maps(["settling_depth"], 64, g=g)
    depth = oracle.settling(d, g)
    assert len(set(depth)) > 1
    assert_near(maps["settling_depth"], shifted(depth), "settling depth")
    deep = (depth >= np.ceil(0.85 * zoo.LAYERS)).mean()
    assert maps["settling_depth"].attrs["deep_thinking_ratio"] == pytest.approx(deep)


def test_the_lens_without_the_norm_is_compared_with_the_model_itself(case):
    maps = case.maps(["divergence"], 5, norm="none")
    expected = oracle.lens_maps(case.reference, IDS, norm="none")["divergence"]
    assert_near(maps["divergence"], shifted(expected), "divergence")


def test_the_lens_at_the_last_layer_is_the_models_output(case):
    e = case.reference
    with torch.no_grad():
        logits = case.model.parts.readout.logits(e.streams[-1])
    assert_near(logits, e.logits, "logits", 1e-4)
    last = LastLayer(zoo.LAYERS)
    list(read(case.model, IDS, [last], chunk=5))
    assert_near(last.log_p(), oracle.log_softmax(e.logits), "log-probabilities", 1e-4)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_the_residual_stream_equals_the_hidden_states(case, chunk):
    maps = case.all(chunk)
    for name, values in oracle.residual_maps(case.reference).items():
        assert_near(maps[name], values, name)


TEXT = (
    "A and B = 8 + 5 = 13, so the correct choice is (D) 13. The final answer is \\boxed{(D)}.\n"
    "Check: 13 - 5 = 8, and 8 + 5 = 13 again, as it should be."
)


@pytest.mark.slow
def test_the_embedded_model_equals_the_reference(smollm2):
    model = load(smollm2.model, tokenizer=smollm2.tokenizer)
    run = atlas.Run(chunk=17)
    maps = atlas.trace(model, TEXT, measures=ATTENTION + LENS + RESIDUAL, run=run)
    ids = maps.token_id.values.tolist()
    assert len(ids) >= 50
    e = oracle.eager(model.network, ids)
    for name, values in oracle.attention_maps(e, ids).items():
        assert_near(maps[name], values.mean(1), name)
    for name, values in oracle.lens_maps(e, ids).items():
        # like the logits, whose rounding through 30 layers the others show as it is
        tolerance = 1e-5 if name in ("divergence", "lens_rank") else 1e-4
        assert_near(maps[name], shifted(values), name, tolerance)
    for name, values in oracle.residual_maps(e).items():
        assert_near(maps[name], values, name)
    last = LastLayer(model.layers)
    list(read(model, ids, [last], chunk=17))
    assert_near(last.log_p(), oracle.log_softmax(e.logits), "log-probabilities", 1e-4)
