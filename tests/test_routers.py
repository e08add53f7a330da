"""Routers of mixtures of experts, against the logits that the models return themselves."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

import zoo
from layergram.errors import LayergramError
from layergram.recipe import Run
from layergram.tracing import trace

IDS = [i * 7919 % zoo.VOCABULARY for i in range(1, 18)]
NAMES = ["router_entropy", "router_weight"]

# what the scores of experts are; the layers that have some; what three layers would not show
SOFTMAX, SIGMOID = "softmax", "sigmoid"
CASES = {
    "mixtral": (SOFTMAX, {}),
    "qwen2_moe": (SOFTMAX, {}),
    "qwen3_moe": (SOFTMAX, {}),
    "olmoe": (SOFTMAX, {}),
    "phimoe": (SOFTMAX, {}),
    "gpt_oss": (SOFTMAX, {}),
    "granitemoe": (SOFTMAX, {}),
    "jamba": (SOFTMAX, {}),
    "deepseek_v3": (SIGMOID, {"first_k_dense_replace": 1}),
    "llama4_text": (SIGMOID, {}),
    "zaya": (SOFTMAX, {}),
}
MORE = {
    **dict.fromkeys(["aria_text", "cohere2_moe", "dbrx", "deepseek_v2", "ernie4_5_moe"], SOFTMAX),
    **dict.fromkeys(["flex_olmo", "granitemoeshared", "granitemoehybrid", "mellum"], SOFTMAX),
    **dict.fromkeys(["hunyuan_v1_moe", "minimax", "qwen3_next", "qwen3_5_moe_text"], SOFTMAX),
    **dict.fromkeys(["longcat_flash"], SOFTMAX),
    **dict.fromkeys(["afmoe", "dots1", "exaone_moe", "glm4_moe", "kolibri1", "laguna"], SIGMOID),
    **dict.fromkeys(["lfm2_moe", "mimo_v2_flash", "minimax_m2", "nemotron_h"], SIGMOID),
    **dict.fromkeys(["solar_open"], SIGMOID),
}


@functools.cache
def model_of(model_type, **changes):
    return zoo.model(model_type, **changes)


def own_logits(network, ids):
    """The logits [token, expert] of each layer with experts, as the model returns them."""
    with torch.no_grad():
        out = network(input_ids=torch.tensor([ids]), use_cache=False, output_router_logits=True)
    return [z.double().numpy().reshape(len(ids), -1) for z in out.router_logits]


def distribution(logits, score):
    e = np.exp(logits - logits.max(-1, keepdims=True)) if score == SOFTMAX else None
    scores = e if score == SOFTMAX else 1 / (1 + np.exp(-logits))
    return scores / scores.sum(-1, keepdims=True)


def check_entropies(model, score):
    logits = own_logits(model.network, IDS)
    found = trace(model, zoo.text(IDS), measures=NAMES, run=Run(chunk=6))
    entropy = found["router_entropy"].values
    sparse = ~np.isnan(entropy).all(1)
    assert sparse.sum() == len(logits) and not np.isnan(entropy[sparse]).any()
    for row, z in zip(entropy[sparse], logits, strict=True):
        p = distribution(z, score)
        np.testing.assert_allclose(row, -(p * np.log2(p)).sum(-1), atol=2e-5)
        assert row.max() <= np.log2(z.shape[1])
    weight = found["router_weight"].values
    np.testing.assert_array_equal(np.isnan(weight), np.isnan(entropy))
    return found, logits


@pytest.mark.parametrize("model_type", CASES)
def test_the_entropy_is_that_of_the_models_own_router(model_type):
    score, changes = CASES[model_type]
    found, _ = check_entropies(model_of(model_type, **changes), score)
    if model_type in ("deepseek_v3", "jamba"):
        dense = np.flatnonzero(np.isnan(found["router_entropy"].values).all(1)) + 1
        named = f"no experts in layer {', '.join(map(str, dense))}"
        assert found["router_entropy"].attrs["missing"] == named


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MORE)
def test_the_entropy_of_further_types_is_that_of_their_own_router(model_type):
    check_entropies(model_of(model_type), MORE[model_type])


def top(values, k):
    return -np.sort(-values, axis=-1)[:, :k]


def normalised(values):
    return values / values.sum(-1, keepdims=True)


# how each type makes the weights of its two chosen experts out of its logits
WEIGHTS = {
    "mixtral": lambda z: normalised(top(distribution(z, SOFTMAX), 2)),
    "qwen2_moe": lambda z: top(distribution(z, SOFTMAX), 2),
    "gpt_oss": lambda z: distribution(top(z, 2), SOFTMAX),
    "granitemoe": lambda z: distribution(top(z, 2), SOFTMAX),
    "llama4_text": lambda z: 1 / (1 + np.exp(-top(z, 2))),
}


@pytest.mark.parametrize("model_type", WEIGHTS)
def test_the_weight_is_the_largest_that_the_model_uses(model_type):
    score, changes = CASES[model_type]
    found, logits = check_entropies(model_of(model_type, **changes), score)
    for row, z in zip(found["router_weight"].values, logits, strict=True):
        np.testing.assert_allclose(row, WEIGHTS[model_type](z).max(-1), atol=2e-5)


def test_sequences_that_are_read_together_keep_their_own_experts():
    from layergram.engine.run import read
    from layergram.measures import MEASURES

    model, sequences = model_of("mixtral"), [IDS, IDS[:9], IDS[3:15]]
    record = MEASURES["router_entropy"]
    made = [[record.reducer(record.reduction({}, layers=3, heads="mean"))] for _ in sequences]
    list(read(model, sequences, made, chunk=5))
    for ids, (reducer,) in zip(sequences, made, strict=True):
        alone = trace(model, ids=ids, measures=["router_entropy"])["router_entropy"]
        np.testing.assert_allclose(reducer.values(len(ids))[:, 0], alone.values, atol=1e-5)


def test_a_router_without_a_preference_has_the_largest_entropy():
    network = zoo.tiny("mixtral")
    with torch.no_grad():
        for layer in network.model.layers:
            layer.mlp.gate.weight.zero_()
    found = trace(zoo.load(network, tokenizer=zoo.word_tokenizer()), ids=IDS, measures=NAMES)
    np.testing.assert_allclose(found["router_entropy"], 2, atol=1e-6)  # four experts
    np.testing.assert_allclose(found["router_weight"], 0.5, atol=1e-6)


@pytest.mark.parametrize("model_type", ["llama", "jetmoe"])
def test_a_model_whose_experts_are_not_seen_is_refused(model_type):
    with pytest.raises(LayergramError, match=r"(?s)routers of the model.*no layer in which"):
        trace(model_of(model_type), zoo.text(IDS), measures=NAMES)
