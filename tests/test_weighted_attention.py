"""Attention weighted by values, against every weighted value by itself in float64."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

import oracle
import zoo
from layergram.engine.run import read
from layergram.errors import LayergramError
from layergram.measures import MEASURES
from layergram.recipe import Run
from layergram.tracing import trace
from oracle import assert_near

IDS = [i * 7919 % zoo.VOCABULARY for i in range(1, 22)]
NAMES = ["attention_value_norm", "attention_value_share"]
D_HEAD = 8


def separate(name):
    """Values by a projection of their own."""
    return lambda layer: (layer.get_submodule(name), lambda made: made)


def last_third(name):
    """Values in the last third of what one projection makes (GPT-2)."""
    return lambda layer: (layer.get_submodule(name), lambda made: made.chunk(3, -1)[2])


# where a layer makes its values, and its output projection; biases, heads that share values,
# one matrix for queries, keys and values, sliding windows, sinks, norms behind the projection
CASES = {
    "llama": (separate("self_attn.v_proj"), "self_attn.o_proj"),
    "qwen2": (separate("self_attn.v_proj"), "self_attn.o_proj"),
    "gemma3_text": (separate("self_attn.v_proj"), "self_attn.o_proj"),
    "gpt_oss": (separate("self_attn.v_proj"), "self_attn.o_proj"),
    "mistral": (separate("self_attn.v_proj"), "self_attn.o_proj"),
    "opt": (separate("self_attn.v_proj"), "self_attn.out_proj"),
    "gpt2": (last_third("attn.c_attn"), "attn.c_proj"),
}


@functools.cache
def model_of(model_type):
    return zoo.model(model_type)


@functools.cache
def reference(model_type):
    """The norms [layer, head, query, key] of all weighted values, one at a time, and the oracle."""
    values_of, projection = CASES[model_type]
    network = model_of(model_type).network
    e = oracle.eager(network, IDS)
    place = oracle.PLACES.get(model_type, oracle.LLAMA)[0]
    kept = {}
    layers = list(functools.reduce(getattr, place.split("."), network))
    handles = []
    for at, layer in enumerate(layers):
        module, cut = values_of(layer)
        handles.append(
            module.register_forward_hook(
                lambda m, a, made, at=at, cut=cut: kept.__setitem__(at, cut(made)[0].double())
            )
        )
    with torch.no_grad():
        network(input_ids=torch.tensor([IDS]), use_cache=False)
    for handle in handles:
        handle.remove()
    heads = e.weights.shape[1]
    norms = np.zeros(e.weights.shape)
    for at, layer in enumerate(layers):
        weight = layer.get_submodule(projection).weight.detach().double()
        matrix = weight.numpy() if model_type == "gpt2" else weight.numpy().T
        value = kept[at].detach().numpy().reshape(len(IDS), -1, D_HEAD)
        for head in range(heads):
            own = value[:, head * value.shape[1] // heads]
            rows = matrix[head * D_HEAD : (head + 1) * D_HEAD]
            weighted = e.weights[at, head][..., None] * own  # [query, key, d_value]
            norms[at, head] = np.linalg.norm(weighted @ rows, axis=-1)
    return e, norms


def expected(model_type):
    e, norms = reference(model_type)
    seen = e.visible.sum(1)[:, None, :]
    shares = norms / norms.sum(-1, keepdims=True)
    return dict(zip(NAMES, (norms.sum(2) / seen, shares.sum(2) / seen), strict=True))


@pytest.mark.parametrize("chunk", [1, 6, 64])
@pytest.mark.parametrize("model_type", CASES)
def test_value_weighted_attention_equals_every_weighted_value(model_type, chunk):
    run = Run(chunk=chunk, heads="each")
    found = trace(model_of(model_type), zoo.text(IDS), measures=NAMES, run=run)
    for name, values in expected(model_type).items():
        assert_near(found[name], values, name)


def test_the_weights_alone_say_something_else():
    found = trace(model_of("llama"), zoo.text(IDS), measures=[*NAMES, "attention_received"])
    received = found["attention_received"].values
    assert np.abs(found["attention_value_share"].values - received).max() > 0.02


def test_a_batch_of_unequal_lengths_gives_what_each_sequence_gives():
    model, sequences = model_of("llama"), [IDS, IDS[:9], IDS[3:17]]
    reducers = [
        [MEASURES[n].reducer(MEASURES[n].reduction({}, layers=3, heads="each")) for n in NAMES]
        for _ in sequences
    ]
    list(read(model, sequences, reducers, chunk=4))
    for ids, own in zip(sequences, reducers, strict=True):
        alone = trace(model, ids=ids, measures=NAMES, run=Run(heads="each"))
        for name, reducer in zip(NAMES, own, strict=True):
            made = reducer.values(len(ids))
            np.testing.assert_allclose(made, alone[name].values, atol=1e-5)


@pytest.mark.parametrize(
    ("model_type", "says"),
    [
        ("qwen3_next", "layer 2 that changes its weighted values before"),
        ("diffllama", "layer 1 whose output projection is not known"),
        ("bloom", "keeps the values of its attention to itself"),
    ],
)
def test_heads_that_are_built_otherwise_are_refused_by_name(model_type, says):
    model = model_of(model_type)
    with pytest.raises(LayergramError, match=f"(?s)value-weighted attention of the model.*{says}"):
        trace(model, zoo.text(IDS), measures=NAMES)
