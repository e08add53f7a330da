"""Hidden states at the roles: the model's own, at every layer, and the same after a kill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from test_answering import made
from transformers import AutoModelForCausalLM

from layergram.answers.judge import judge_answers
from layergram.errors import LayergramError
from layergram.experiments.roles.controls import random_weights
from layergram.features.answer_scores import SCORES
from layergram.features.hidden_states import FeatureSpec, hidden_states
from layergram.maps import ROLES

REPLIES = [
    "It is Paris, and Paris again.",
    "It is Lyon.",
    "首都是 Paris 🗼.",
    "Paris",
    "The capital is Porto Novo, said the quick brown fox.",
]


@pytest.fixture(scope="module")
def rows(tiny):
    judged = judge_answers(tiny, [made(tiny, reply) for reply in REPLIES])
    return [replace(row, id=str(at)) for at, row in enumerate(judged)]


def test_two_answers_of_one_key_are_refused(tiny, rows):
    with pytest.raises(LayergramError, match="more than once"):
        hidden_states(tiny, [rows[0], rows[0]])


def hidden(tiny, row):
    with torch.no_grad():
        return tiny.network(torch.tensor([row.ids]), output_hidden_states=True)


def test_the_residual_streams_are_the_models_own(tiny, rows, folder):
    found = hidden_states(tiny, rows, folder)
    states = found["features"]
    assert states.dims == ("example", "layer", "role", "feature")
    assert states.shape == (5, 4, 15, 32) and states["layer"].values.tolist() == [0, 1, 2, 3]
    assert states.dtype == np.float32
    for at, row in enumerate(rows):
        own = hidden(tiny, row).hidden_states  # the last one is normed: not compared
        for role, place in row.roles.items():
            got = states.sel(role=role).values[at]
            if place < 0:
                assert np.isnan(got).all()
                continue
            wanted = torch.stack([own[layer][0, place] for layer in range(3)])
            np.testing.assert_allclose(got[:3], wanted, atol=1e-5)
            normed = tiny.network.model.norm(torch.tensor(got[3]))
            np.testing.assert_allclose(normed, own[3][0, place], atol=1e-4)


def test_attention_and_mlp_are_what_a_layer_adds(tiny, rows, folder):
    taken = {
        where: hidden_states(tiny, rows, folder, spec=FeatureSpec(where=where, name=where))[where]
        for where in ("residual", "attention", "mlp")
    }
    assert taken["mlp"]["layer"].values.tolist() == [1, 2, 3]
    update = np.diff(taken["residual"].values, axis=1)
    np.testing.assert_allclose(update, taken["attention"].values + taken["mlp"].values, atol=1e-5)


def test_scores_are_the_models_own_probabilities(tiny, rows, folder):
    told = hidden_states(tiny, rows, folder)["scores"]
    assert told["score"].values.tolist() == list(SCORES)
    for at, row in enumerate(rows):
        log_p = torch.log_softmax(hidden(tiny, row).logits[0].double(), -1)
        own = [float(log_p[p - 1, row.ids[p]]) for p in range(row.prompt_tokens, len(row.ids))]
        first, last = (p - row.prompt_tokens for p in row.exact_tokens)
        exact = own[first : last + 1]
        wanted = {
            "logprob_mean": np.mean(own), "logprob_min": min(own), "logprob_last": own[-1],
            "prob_min": np.exp(min(own)), "answer_tokens": len(own),
            "exact_logprob_mean": np.mean(exact), "exact_prob_mean": np.mean(np.exp(exact)),
            "exact_logprob_last": exact[-1],
        }  # fmt: skip
        for name, value in wanted.items():
            assert float(told.sel(score=name)[at]) == pytest.approx(value, abs=1e-4), name


def test_attention_along_the_answer_is_the_models_own(tiny, tiny_llama_folder, rows):
    found = hidden_states(tiny, rows)
    eager = AutoModelForCausalLM.from_pretrained(tiny_llama_folder, attn_implementation="eager")
    assert found["attention_previous"].dims == ("example", "attention_layer", "head")
    for at, row in enumerate(rows):
        with torch.no_grad():
            outputs = eager(torch.tensor([row.ids]), output_attentions=True)
        own = np.stack([layer[0].diagonal(-1, 1, 2).numpy() for layer in outputs.attentions])
        own = own[..., row.prompt_tokens - 1 :]  # of every token of the answer to the one before
        np.testing.assert_allclose(found["attention_previous"].values[at], own.mean(-1), atol=1e-5)
        log_p = torch.log_softmax(outputs.logits[0], -1)
        places = range(row.prompt_tokens, len(row.ids))
        p = [float(log_p[place - 1, row.ids[place]].exp()) for place in places]
        expected = []
        for layer in own[1:4]:  # of three layers the middle third, its upper end included
            head, confidence = layer[layer[:, 1:].mean(-1).argmax()], [p[0]]
            for mine, attention in zip(p[1:], head[1:], strict=True):
                confidence.append(0.2 * mine + 0.8 * attention * confidence[-1])
            expected.append(-np.log(confidence).mean())
        told = float(found["scores"].sel(score="rauq")[at])
        assert told == pytest.approx(max(expected), rel=1e-4)


def test_states_without_scores(tiny, rows):
    found = hidden_states(tiny, rows, spec=FeatureSpec(scores="none", name="bare"))
    assert set(found.data_vars) == {"bare"}


def test_some_layers_and_roles_are_part_of_all(tiny, rows, folder):
    whole = hidden_states(tiny, rows, folder)["features"]
    spec = FeatureSpec(layers=(2, 3), roles=("exact_answer_last", "-1"), name="few")
    few = hidden_states(tiny, rows, folder, spec=spec)["few"]
    np.testing.assert_array_equal(few, whole.sel(layer=[2, 3], role=["exact_answer_last", "-1"]))


def test_the_states_can_be_opened_without_layergram(tiny, rows, folder):
    found = hidden_states(tiny, rows, folder)
    opened = xr.open_zarr(folder.path / "features" / "arrays.zarr")
    assert opened["features"].dims == ("example", "layer", "role", "feature")
    assert opened["role"].values.tolist() == list(ROLES)
    assert opened["example"].values.tolist() == [row.key for row in rows]
    np.testing.assert_array_equal(opened["features"], found["features"])
    np.testing.assert_array_equal(hidden_states(tiny, rows)["features"], found["features"])


def test_states_are_those_of_the_asked_answers_in_any_order(tiny, rows):
    turned = hidden_states(tiny, rows[::-1])["features"]
    whole = hidden_states(tiny, rows)["features"]
    np.testing.assert_allclose(turned, whole[::-1], atol=1e-5)


def test_the_states_of_another_run_are_left_alone(tiny, rows, folder):
    hidden_states(tiny, rows, folder)
    with pytest.raises(LayergramError, match="another run"):
        hidden_states(tiny, rows[:3], folder)
    assert hidden_states(tiny, rows, folder)["features"].shape[0] == 5


def test_float16_holds_what_it_can(tiny, rows, folder, monkeypatch):
    half = hidden_states(tiny, rows, folder, spec=FeatureSpec(dtype="float16"))["features"]
    assert half.dtype == np.float16
    monkeypatch.setattr("numpy.finfo", lambda kind: type("Small", (), {"max": 1e-6}))
    with pytest.raises(LayergramError, match="store them in float32"):
        hidden_states(tiny, rows, spec=FeatureSpec(dtype="float16"))


def test_what_there_is_not_is_refused():
    with pytest.raises(LayergramError, match="did you mean 'residual'"):
        FeatureSpec(where="residul")
    with pytest.raises(LayergramError, match="did you mean 'last_q'"):
        FeatureSpec(roles=("last_w",))


def test_random_weights_have_the_shape_and_nothing_else(tiny, rows, folder):
    state = torch.random.get_rng_state()
    fresh = random_weights(tiny, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert fresh.layers == tiny.layers and "random weights" in fresh.name
    own, theirs = tiny.network.state_dict(), fresh.network.state_dict()
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in theirs.items()}
    assert not torch.equal(own["lm_head.weight"], theirs["lm_head.weight"])
    again = random_weights(tiny, seed=3).network.state_dict()
    assert all(torch.equal(v, again[k]) for k, v in theirs.items())
