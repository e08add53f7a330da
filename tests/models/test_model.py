"""The facts of a loaded model."""

from __future__ import annotations

import shutil

import pytest
import torch

import layergram.models.load
import zoo
from layergram import load, maps
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


def test_what_was_proved_is_known_the_next_time(tiny_llama_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRAM_CACHE", str(tmp_path))
    first = load(tiny_llama_folder)
    monkeypatch.setattr("layergram.models.load.locate_parts", None)  # a second call would fail
    second = load(tiny_llama_folder)
    assert str(second.proofs) == str(first.proofs)
    names = [first.parts.names, second.parts.names]
    for field in ("layers", "attention", "projections"):
        one, other = getattr(first.parts, field), getattr(second.parts, field)
        assert [names[0].get(m) for m in one] == [names[1].get(m) for m in other]
    for field in ("way", "heads", "kv_groups", "head_widths", "width", "positions"):
        assert getattr(first.parts, field) == getattr(second.parts, field)
    ids = torch.tensor([[1, 2, 3, 4]])
    stream = torch.randn(4, first.parts.width)
    assert torch.equal(second.parts.readout.logits(stream), first.parts.readout.logits(stream))
    assert torch.equal(second.network(ids).logits, first.network(ids).logits)


@pytest.mark.parametrize("change", ["dtype", "weights", "damage"])
def test_another_model_is_proved_anew(change, tiny_llama_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERGRAM_CACHE", str(tmp_path / "cache"))
    folder = shutil.copytree(tiny_llama_folder, tmp_path / "model")
    load(folder)
    proved = []
    check = layergram.models.load.check_model
    monkeypatch.setattr(
        "layergram.models.load.check_model", lambda *args: proved.append(1) or check(*args)
    )
    load(folder)
    assert proved == []
    if change == "weights":
        network = load(folder).network
        with torch.no_grad():
            network.lm_head.weight.mul_(2)
        network.save_pretrained(folder)
    if change == "damage":
        next((tmp_path / "cache" / "proofs").glob("*.json")).write_text('{"parts": {}}')
    load(folder, dtype="bfloat16" if change == "dtype" else "auto")
    assert proved == [1]


def test_a_model_is_one_line(tiny):
    assert "\n" not in repr(tiny) and "3 layers, float32 on cpu" in repr(tiny)
