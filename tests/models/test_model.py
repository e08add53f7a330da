"""The facts of a loaded model."""

from __future__ import annotations

import pytest
import torch

import zoo
from layergram import maps
from layergram.errors import LayergramError
from layergram.models.edits import HeadEdit, edited
from layergram.tracing import trace

torch.set_num_threads(1)


def test_the_provenance_is_what_maps_carry(tiny):
    facts = tiny.provenance()
    assert list(facts) == ["model", "revision", "model_type", "layers", "dtype", "device"]
    assert facts["dtype"] == "float32" and facts["device"] == "cpu"
    array = trace(tiny, "A layer reads what", measures=["residual_norm"])["residual_norm"]
    assert {name: array.attrs[name] for name in facts} == facts
    assert tiny.fingerprint() == {**facts, "layergram_version": maps.layergram_version()}
    with edited(tiny, HeadEdit(((2, 1),))):
        assert tiny.provenance() == {**facts, "edits": "zero: layer 2, head 1"}
        assert tiny.fingerprint()["edits"] == "zero: layer 2, head 1"


@pytest.mark.parametrize(
    ("of_model", "of_tokenizer", "stops"),
    [([3, 5], 7, (3, 5)), (3, 7, (3,)), (0, 7, (0,)), (None, 7, (7,)), (None, None, ())],
)
def test_an_answer_ends_where_the_model_or_else_its_tokenizer_says(of_model, of_tokenizer, stops):
    model = zoo.model("llama")
    model.network.generation_config.eos_token_id = of_model
    if of_tokenizer is not None:
        model.tokenizer.eos_token = f"w{of_tokenizer}"
    assert model.stop_ids == stops


def test_a_prompt_is_put_in_the_template_where_there_is_one():
    model = zoo.model("llama")
    plain = model.format_prompt("w5 w6").ids
    assert plain == model.format_prompt("w5 w6", chat="plain").ids == (5, 6)
    with pytest.raises(LayergramError, match="has none"):
        model.format_prompt("w5 w6", chat="template")
    model.tokenizer.chat_template = "w1 {{ messages[0]['content'] }} w2"
    for chat in ("auto", "template"):
        assert model.format_prompt("w5 w6", chat=chat).ids == (1, 5, 6, 2)
    assert model.format_prompt("w5 w6", chat="plain").ids == (5, 6)


def test_texts_that_do_not_fit_are_refused():
    model = zoo.model("llama")
    context = model.context
    model.check_length(2)
    model.check_length(context)
    model.check_length(context - 1, room=1)
    for tokens, room in [(1, 0), (context + 1, 0), (context, 1)]:
        with pytest.raises(LayergramError, match="maps of a text"):
            model.check_length(tokens, room=room)


@pytest.mark.parametrize(
    ("model_type", "groups"), [("llama", (0, 0, 1, 1)), ("gpt2", None), ("mamba", None)]
)
def test_which_heads_share_keys_and_values(model_type, groups):
    assert zoo.model(model_type).parts.kv_groups == groups
