"""Attention in blocks of queries: the same weights and outputs as the model's own function."""

from __future__ import annotations

import pytest
import torch

import zoo
from layergram.engine.attention import attend_of
from layergram.engine.run import read
from layergram.models import attention_blocks
from layergram.models.attention_blocks import own_in_blocks, softmax_in_blocks, whole
from layergram.models.hooks import capture_attention
from layergram.tracing import Run, trace

torch.set_num_threads(1)

IDS = [i * 7919 % (zoo.VOCABULARY - 2) + 2 for i in range(40)]
# grouped heads, one key head, heads of their own, a window, sinks, soft caps; two show no call
WAYS = {
    ("llama", ()): softmax_in_blocks,
    ("llama", (("num_key_value_heads", 1),)): softmax_in_blocks,
    ("opt", ()): softmax_in_blocks,
    ("mistral", ()): softmax_in_blocks,
    ("gpt_oss", ()): own_in_blocks,
    ("gemma2", ()): own_in_blocks,  # of the cap of a real model, far above the scores here
    ("gptj", ()): whole,
    ("bloom", ()): whole,
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of a few queries, so that these short texts have several."""
    monkeypatch.setattr(attention_blocks, "QUERIES", {"cpu": 8})
    monkeypatch.setattr(attention_blocks, "OWN_QUERIES", 8)


def captured(model, attend, rows, **options):
    """Logits of a pass, and each layer's weights put together again from its blocks."""
    width = len(rows[0])
    made = [torch.zeros(len(rows), heads, width, width) for heads in model.parts.heads]
    blocks = []

    def hook_of(layer):
        def hook(seen):
            blocks.append(seen.parts.shape[2])
            queries, keys = seen.parts.shape[2:]
            place = slice(seen.first_query, seen.first_query + queries)
            made[layer][:, :, place, seen.first_key : seen.first_key + keys] = seen.weights

        return hook

    hooks = {module: hook_of(layer) for layer, module in enumerate(model.parts.attention)}
    capture = capture_attention(model.network, hooks, way=model.parts.way, attend=attend)
    with torch.inference_mode(), capture as extra:
        logits = model.network(input_ids=torch.tensor(rows), use_cache=False, **extra, **options)
    return logits.logits, made, blocks


@pytest.mark.parametrize(("kind", "settings"), WAYS)
def test_each_type_attends_the_quickest_way_that_gives_its_own_weights(kind, settings):
    model = zoo.model(kind, **dict(settings))
    attend = attend_of(model)
    assert attend is WAYS[kind, settings]
    logits, weights, _ = captured(model, whole, [IDS, IDS[::-1]])
    again, made, blocks = captured(model, attend, [IDS, IDS[::-1]])
    torch.testing.assert_close(again, logits, rtol=1e-5, atol=1e-5)
    for own, expected in zip(made, weights, strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=5e-6)
    assert set(blocks) == ({40} if attend is whole else {8})


def test_our_own_softmax_of_a_batch_that_is_padded_on_the_left():
    model = zoo.model("llama")
    mask = torch.ones(2, 40, dtype=torch.long)
    mask[1, :13] = 0
    logits, weights, _ = captured(model, whole, [IDS, IDS], attention_mask=mask)
    again, made, _ = captured(model, softmax_in_blocks, [IDS, IDS], attention_mask=mask)
    torch.testing.assert_close(again[0], logits[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(again[1, 13:], logits[1, 13:], rtol=1e-5, atol=1e-5)
    for own, expected in zip(made, weights, strict=True):
        torch.testing.assert_close(own[0], expected[0], rtol=0, atol=5e-6)
        torch.testing.assert_close(own[1, :, 13:], expected[1, :, 13:], rtol=0, atol=5e-6)


def test_half_precision_is_the_models_own_function():
    model = zoo.model("llama")
    model.network.to(torch.bfloat16)
    try:
        _, weights, _ = captured(model, whole, [IDS])
        _, made, blocks = captured(model, softmax_in_blocks, [IDS])
    finally:
        model.network.float()
    assert set(blocks) == {8}
    for own, expected in zip(made, weights, strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=2**-8)


@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt_oss", "gemma2"])
def test_maps_in_blocks_are_those_of_weights_all_at_once(kind, monkeypatch):
    names = ["attention_received", "attention_from", "attention_entropy", "attention_distance"]
    names += ["attention_previous", "attention_first"]
    model, text = zoo.model(kind), zoo.text(IDS)
    for chunk in (1, 13, 64):
        run = Run(chunk=chunk, heads="each")
        made = trace(model, text, measures=names, run=run)
        with monkeypatch.context() as patched:
            patched.setattr("layergram.engine.run.attend_of", lambda model: whole)
            expected = trace(model, text, measures=names, run=run)
        for name in names:
            torch.testing.assert_close(
                torch.tensor(made[name].values),
                torch.tensor(expected[name].values),
                rtol=1e-5,
                atol=2e-6,
                equal_nan=True,
            )


def test_a_model_without_blocks_reads_shorter_chunks_where_weights_are_wanted(monkeypatch):
    monkeypatch.setattr("layergram.engine.run.WHOLE_CHUNK", 16)

    class Nothing:
        def __init__(self, *needs):
            self.needs = needs

        def take(self, view):
            pass

    def chunks(kind, *needs):
        return [len(step.ids) for step in read(zoo.model(kind), [IDS], [[Nothing(*needs)]])]

    assert chunks("gptj", "attention") == [16, 16, 8]
    assert chunks("gptj", "residual") == chunks("llama", "attention") == [40]
