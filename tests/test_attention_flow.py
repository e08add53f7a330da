"""Rollout and the mass of roles, against the whole attention matrices in float64."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

import oracle
import zoo
from layergram import maps
from layergram.engine.rollout import Rollout
from layergram.errors import LayergramError
from layergram.experiments.averages.run import average_maps
from layergram.recipe import Run, recipe
from layergram.token_sources import Source
from layergram.tracing import Trace, trace
from oracle import assert_near

IDS = [i * 7919 % zoo.VOCABULARY for i in range(1, 22)]


def rollouts(e, queries):
    """[layer, key]: the mean row of the queries in the product of all layers from the top down."""
    mixed = e.weights.mean(1) + np.eye(e.weights.shape[-1])
    mixed /= mixed.sum(-1, keepdims=True)
    rows, product = [], np.eye(mixed.shape[-1])
    for layer in reversed(mixed):
        product = product @ layer
        rows.append(product[queries].mean(0))
    found = np.stack(rows[::-1])
    found[:, max(queries) + 1 :] = np.nan
    return found


@pytest.mark.parametrize("chunk", [1, 6, 64])
@pytest.mark.parametrize("model_type", ["llama", "gemma3_text", "gpt_oss", "bloom"])
def test_rollout_equals_the_product_of_whole_matrices(model_type, chunk):
    model = zoo.model(model_type)  # windows; sinks; attention that is only shown whole
    e = oracle.eager(model.network, IDS) if model_type != "bloom" else eager_bloom(model.network)
    for query, places in (("last", [20]), (9, [9]), ([4, 11, 12], [4, 11, 12])):
        found = trace(
            model,
            ids=IDS,
            measures=["attention_rollout"],
            options={"query": query},
            run=Run(chunk=chunk, heads="each"),
        )["attention_rollout"]
        assert found.dims == ("layer", "token")
        assert_near(found, rollouts(e, places), f"rollout from {query}")
        np.testing.assert_allclose(found.sum("token"), 1, atol=1e-6)


class Weights:
    """Attention weights alone."""

    def __init__(self, weights):
        self.weights = weights


def eager_bloom(network):
    network.set_attn_implementation("eager")
    with torch.no_grad():
        out = network(input_ids=torch.tensor([IDS]), output_attentions=True)
    return Weights(np.stack([w[0].double().numpy() for w in out.attentions]))


def test_rollout_says_where_it_starts_and_what_is_missing(tiny):
    found = trace(tiny, "The sum of 8 and 5", measures=["attention_rollout"], options={"query": 2})
    array = found["attention_rollout"]
    assert array.attrs["long_name"].startswith('attention rollout from "')
    assert array.attrs["missing"] == "a token after the query"
    assert np.isnan(array.values[:, 3:]).all() and not np.isnan(array.values[:, :3]).any()


def test_rollout_of_a_text_that_is_read_so_far_is_that_of_the_text_so_far(tiny):
    one = Trace(tiny, Source(ids=IDS), measures=["attention_rollout"], run=Run(chunk=8))
    made = [step.maps["attention_rollout"] for step in one.steps()]
    alone = trace(tiny, ids=IDS[:16], measures=["attention_rollout"])["attention_rollout"]
    np.testing.assert_allclose(made[1], alone, atol=1e-6)


def test_rollout_is_refused_where_it_would_keep_too_much_or_miss_layers(tiny, monkeypatch):
    assert Rollout.kept_bytes(32, 2048) == 256 * 2**20
    monkeypatch.setattr(Rollout, "kept_bytes", staticmethod(lambda layers, tokens: 2**21 * tokens))
    with pytest.raises(LayergramError, match=r"(?s)attention_rollout of 200 tokens.*400 MiB"):
        trace(tiny, ids=IDS[:1] * 200, measures=["attention_rollout"])
    with pytest.raises(LayergramError, match=r"(?s)the longest answer included"):
        trace(tiny, prompt="Hi", measures=["attention_rollout"], run=Run(max_new_tokens=300))
    with pytest.raises(LayergramError, match=r"(?s)no attention weights in layer 1"):
        trace(zoo.model("qwen3_next"), ids=IDS, measures=["attention_rollout"])
    wrong = r"(?s)attention_role_mass averaged over texts.*for each role.*average attention_from"
    with pytest.raises(LayergramError, match=wrong):
        average_maps(tiny, ["One text.", "Another text."], measures=["attention_role_mass"])


def test_averaged_rollout_is_the_mean_of_rollouts_few_texts_at_a_time(tiny, monkeypatch):
    texts = [" ".join(["One more text"] * (2 + at)) + "." for at in range(5)]
    asked = {"measures": ["attention_rollout", "residual_norm"], "by": "edge"}
    together = average_maps(tiny, texts, **asked).maps
    kept, most = [], 0
    real = Rollout.take

    def counted(self, view):
        nonlocal most
        kept.append(weakref.ref(self))
        most = max(most, len({id(one()) for one in kept if one() is not None and one().blocks[0]}))
        real(self, view)

    monkeypatch.setattr(Rollout, "take", counted)
    monkeypatch.setattr(Rollout, "kept_bytes", staticmethod(lambda layers, tokens: 100 * 2**20))
    parted = average_maps(tiny, texts, **asked).maps
    assert most == 2
    single = [trace(tiny, text, measures=asked["measures"]) for text in texts]
    for name in asked["measures"]:
        middle = np.concatenate([one[name].values[..., 1:-1] for one in single], axis=-1)
        for made in (together[name], parted[name]):
            np.testing.assert_allclose(made.values[..., 1], np.nanmean(middle, -1), atol=1e-6)


def mass(e, queries, places):
    """[layer, head, role]: what the queries give to the tokens of each role; NaN out of sight."""
    columns = []
    for own in places:
        given = e.weights[:, :, queries][..., own].sum(-1).mean(2)
        seen = e.visible[:, queries][..., own].any((1, 2))
        columns.append(np.where(seen[:, None], given, np.nan))
    return np.stack(columns, -1)


@pytest.mark.parametrize("chunk", [3, 64])
def test_the_mass_of_an_answers_queries_goes_to_the_roles_of_its_tokens(chunk):
    model = zoo.model("gpt_oss")
    e = oracle.eager(model.network, IDS)
    known = {"exact_answer_first": 13, "exact_answer_last": 15}
    answer = {"ids": IDS, "prompt_tokens": 9, "roles": known}
    places = [[0], range(1, 9), [9, 10, 11, 12, *range(16, 21)], range(13, 16)]
    names = ["first token", "prompt", "answer", "exact answer"]
    for query, queries in (("answer", range(9, 21)), (20, [20])):
        for heads in ("each", "mean"):
            found = trace(
                model,
                answer=answer,
                measures=["attention_role_mass"],
                options={"query": query},
                run=Run(chunk=chunk, heads=heads),
            )["attention_role_mass"]
            expected = mass(e, list(queries), [list(own) for own in places])
            assert found["role"].values.tolist() == names
            assert_near(found, expected if heads == "each" else expected.mean(1), "role mass")
        assert maps.options_of(found)["query"] == ("answer" if query == "answer" else [20])
    assert (found.sum("role") < 0.999).any()  # sinks take the rest


def test_the_template_around_a_prompt_is_a_role_of_its_own(tiny):
    run = Run(max_new_tokens=4)
    found = trace(
        tiny,
        prompt="What is 8 and 5?",
        measures=["attention_role_mass"],
        options={"query": "answer"},
        run=run,
    )
    array, asked = found["attention_role_mass"], found["attention_from"]
    names = ["first token", "template", "prompt", "answer"]
    assert sorted(array["role"].values) == sorted(names)
    np.testing.assert_allclose(array.sum("role"), 1, atol=1e-5)
    assert array.attrs["long_name"].startswith("attention mass from the answer (positions ")
    text = found["token_text"].values
    own = np.array([part == "prompt" for part in found["part"].values])
    begin = "".join(text[own]).index("What")
    inside = own & (found["char_start"].values >= begin) & (found["char_end"].values <= begin + 16)
    np.testing.assert_allclose(array.sel(role="prompt"), asked.values[:, inside].sum(1), atol=1e-6)
    assert recipe(array).options["query"] == "answer"


def test_a_role_that_the_query_cannot_see_has_no_mass(tiny):
    answer = {"ids": IDS, "prompt_tokens": 9}
    found = trace(tiny, answer=answer, measures=["attention_role_mass"], options={"query": 5})
    array = found["attention_role_mass"]
    assert np.isnan(array.sel(role="answer")).all()
    assert array.attrs["missing"] == "the query can see no token of the role"


def test_without_an_answer_it_is_a_piece_of_the_text(tiny):
    text = "The answer is 13."
    found = trace(tiny, text, measures=["attention_from"], options={"query": "answer"})
    assert '"answer"' in found["attention_from"].attrs["long_name"]
