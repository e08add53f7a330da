"""The loop: the model stays as it was, answers are its own, the chunk size changes nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import AttentionInterface

import oracle
import zoo
from layergram import tracing as atlas
from layergram.engine.run import Generation, read
from oracle import ATTENTION, HEADS, LENS, RESIDUAL, assert_near, shifted

torch.set_num_threads(1)

IDS = [i * 7919 % zoo.VOCABULARY for i in (*range(1, 15), 3, 4, 9, 1, 2, 3)]
# attention through the interface, taken out of the output, and with a configuration inside another
WAYS = ["llama", "gptj", "llama4"]


def configurations(config):
    """The configuration and all inside it."""
    inside = [part for part in vars(config).values() if isinstance(part, zoo.PreTrainedConfig)]
    return [config, *(deeper for part in inside for deeper in configurations(part))]


def state(network):
    """Everything about a model that the loop could have changed."""
    configs = {id(c): c for m in network.modules() if hasattr(m, "config") for c in [m.config]}
    configs |= {id(c): c for c in configurations(network.config)}
    return {
        "weights": {n: t.clone() for n, t in network.state_dict().items()},
        "configs": {at: copy.deepcopy(vars(c)) for at, c in configs.items()},
        "attention": {at: c._attn_implementation for at, c in configs.items()},
        "hooks": [
            [len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)]
            for m in network.modules()
        ],
        "training": [m.training for m in network.modules()],
        "gradients": [p.requires_grad for p in network.parameters()],
        "functions": sorted(AttentionInterface()),
        "recording": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


def assert_same(before, after):
    assert "eager" not in after["functions"]
    weights, other = before.pop("weights"), after.pop("weights")
    assert weights.keys() == other.keys()
    assert all(torch.equal(weights[n], other[n]) for n in weights)
    for what in before:
        assert repr(before[what]) == repr(after[what]), what


class Fails:
    """A reducer that fails at its second view."""

    def __init__(self, needs):
        self.needs, self.views = needs, 0

    def take(self, view):
        self.views += 1
        if self.views == 2:
            raise ArithmeticError("on purpose")


@pytest.fixture(scope="module", params=WAYS)
def model(request):
    return zoo.model(request.param)


def test_the_model_is_as_before_after_success(model):
    before = state(model.network)
    run = atlas.Run(chunk=7)
    atlas.trace(model, zoo.text(IDS), measures=[*ATTENTION, *LENS, *RESIDUAL, *HEADS], run=run)
    assert_same(before, state(model.network))


@pytest.mark.parametrize("needs", ["attention", "residual", "lens", "heads"])
def test_the_model_is_as_before_after_a_failure(model, needs):
    before = state(model.network)
    with pytest.raises(ArithmeticError, match="on purpose"):
        list(read(model, IDS, [Fails(needs)], chunk=7))
    assert_same(before, state(model.network))


def test_the_model_is_as_before_when_reading_is_broken_off(model):
    before = state(model.network)
    reducers = [Fails("attention")]
    reducers[0].views = 1000
    steps = read(model, IDS, reducers, chunk=7)
    assert next(steps).ids == tuple(IDS[:7])
    tapped = state(model.network)
    assert any(tapped[what] != before[what] for what in ("attention", "hooks"))
    steps.close()
    assert_same(before, state(model.network))


def test_the_model_can_still_be_trained(model):
    network = copy.deepcopy(model.network).requires_grad_(True)
    traced = zoo.load(network, tokenizer=model.tokenizer)
    before = state(network)
    atlas.trace(traced, zoo.text(IDS), measures=["divergence", "attention_received"])
    assert_same(before, state(network))
    network(input_ids=torch.tensor([IDS])).logits.logsumexp(-1).sum().backward()
    assert all(p.grad is not None for n, p in network.named_parameters() if "layers.0" in n)


GENERATING = ["llama", "gpt2", "gemma3_text", "mistral", "gpt_oss", "gptj", "qwen3_next", "mamba"]


@pytest.mark.parametrize("model_type", GENERATING)
def test_the_greedy_answer_is_what_the_model_generates(model_type):
    model = zoo.model(model_type)
    model.network.generation_config.eos_token_id = None
    expected = generated(model, 12)
    found = answer(model, max_new_tokens=12)
    assert found.token_id.values.tolist() == IDS + expected
    assert found.part.values.tolist() == ["prompt"] * len(IDS) + ["answer"] * 12
    model.network.generation_config.eos_token_id = expected[4]  # it stops where generate stops
    stops = generated(model, 12)
    assert stops[-1] == expected[4]
    assert len(stops) < 12
    found = answer(model, max_new_tokens=12)
    assert found.token_id.values.tolist() == IDS + stops


def generated(model, most):
    """The tokens that transformers' own greedy search adds."""
    ids = torch.tensor([IDS])
    out = model.network.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=most
    )
    return out[0, len(IDS) :].tolist()


def answer(model, measures=("residual_norm",), **run):
    return atlas.trace(model, prompt=zoo.text(IDS), measures=measures, run=atlas.Run(**run))


def test_sampling_is_the_same_for_a_seed_and_follows_the_distribution():
    model = zoo.model("llama")
    model.network.generation_config.eos_token_id = None
    drawn = [
        answer(model, temperature=1.0, seed=seed, max_new_tokens=12).token_id.values.tolist()
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    cold = answer(model, temperature=1e-4, max_new_tokens=12).token_id.values.tolist()
    assert cold == answer(model, max_new_tokens=12).token_id.values.tolist()
    first = Follows()
    for seed in range(200):
        list(read(model, IDS[:3], [first], generation=Generation(1, 1.0, seed)))
    with torch.no_grad():
        p = torch.softmax(model.network(input_ids=torch.tensor([IDS[:3]])).logits[0, -1], -1)
    likely = p.argsort()[-10:].tolist()
    share = np.mean([token in likely for token in first.tokens])
    assert abs(share - float(p[likely].sum())) < 4 * np.sqrt(0.25 / 200)


class Follows:
    """Keeps the token that follows the third position."""

    needs = "lens"

    def __init__(self):
        self.tokens = []

    def take(self, view):
        if view.layer == 1 and view.start == 0:
            self.tokens.append(int(view.next_ids[2]))


@pytest.mark.parametrize("model_type", ["llama", "mistral", "gemma3_text", "llama4", "gptj"])
def test_an_answers_maps_are_those_of_the_same_tokens_read_as_a_text(model_type):
    model = zoo.model(model_type)
    names = [*ATTENTION, *LENS, *RESIDUAL]
    maps = answer(model, names, chunk=3, max_new_tokens=10)
    ids = maps.token_id.values.tolist()
    whole = atlas.trace(model, zoo.text(ids), measures=names, run=atlas.Run(chunk=64))
    for name in names:
        expected = whole[name].values.astype(float)
        if maps[name].attrs["alignment"] == "predicts" and name != "settling_depth":
            assert np.isnan(maps[name].values[:, 0]).all()
        assert_near(maps[name], expected, name)


CHUNKED = ["qwen3_next", "lfm2", "olmo3", "deepseek_v32", "deepseek_v3", "gpt_neo", "diffllama"]


@pytest.mark.parametrize("model_type", CHUNKED)
def test_chunk_size_changes_nothing(model_type):
    model = zoo.model(model_type)
    assert model.chunks
    names = [*ATTENTION, *LENS, *RESIDUAL]
    runs = [
        atlas.trace(model, zoo.text(IDS), measures=names, run=atlas.Run(chunk=chunk))
        for chunk in (64, 1, 7)
    ]
    for maps in runs[1:]:
        for name in names:
            assert_near(maps[name], runs[0][name].values.astype(float), name)


def test_bfloat16_equals_the_models_own_bfloat16():
    network = zoo.tiny("llama").to(torch.bfloat16)
    model = zoo.load(network, tokenizer=zoo.word_tokenizer())
    maps = atlas.trace(model, zoo.text(IDS), measures=ATTENTION + LENS + RESIDUAL)
    assert maps["divergence"].attrs["dtype"] == "bfloat16"
    e = oracle.eager(network, IDS)
    assert_near(maps["attention_received"], oracle.received(e).mean(1), "received")
    for name, values in oracle.residual_maps(e).items():
        assert_near(maps[name], values, name)
    assert_near(
        maps["divergence"], shifted(oracle.lens_maps(e, IDS)["divergence"]), "divergence", 0.01
    )
