"""What is found out about batches when a model is loaded."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from transformers import DynamicCache

import zoo

torch.set_num_threads(1)

TYPES = ["llama", "gpt2", "gptj", "mistral", "gemma3_text", "llama4", "gpt_oss", "deepseek_v3"]


def proof(model, name):
    return next(proof for proof in model.proofs if proof.name == name)


@contextmanager
def changed(network, change):
    """The first layer's output is changed by a function of it."""

    def hook(module, args, output):
        first = output[0] if isinstance(output, tuple) else output
        made = change(first)
        return (made, *output[1:]) if isinstance(output, tuple) else made

    layers = next(m for m in network.modules() if isinstance(m, torch.nn.ModuleList))
    handle = layers[0].register_forward_hook(hook)
    yield
    handle.remove()


@pytest.mark.parametrize("model_type", TYPES)
def test_batches_are_proved(model_type):
    model = zoo.model(model_type)
    assert model.chunks and model.batches and model.drops_rows
    assert proof(model, "padding").measured <= 1e-4


def test_sequences_that_change_each_other_are_read_one_by_one():
    network = zoo.tiny("llama")
    with changed(network, lambda h: h + 0.01 * h.mean(0) * (len(h) > 1)):
        model = zoo.load(network, tokenizer=zoo.word_tokenizer())
    assert not model.batches and not model.drops_rows
    assert model.chunks  # by itself a sequence can be read in chunks


def test_padding_that_is_seen_is_found():
    network = zoo.tiny("llama")
    with changed(
        network,
        lambda h: h + 0.01 * h[:, -1:] * (len(h) > 1) * torch.tensor([[[0]], [[1]]])[: len(h)],
    ):
        model = zoo.load(network, tokenizer=zoo.word_tokenizer())
    assert model.chunks and not model.batches
    assert proof(model, "padding").measured > 1e-4


def test_a_model_that_cannot_chunk_can_batch():
    model = zoo.model("mamba")
    assert not model.chunks and model.batches and not model.drops_rows


def test_a_cache_that_keeps_its_rows_is_found(monkeypatch):
    monkeypatch.setattr(DynamicCache, "batch_select_indices", lambda self, indices: None)
    model = zoo.model("llama")
    assert model.batches and not model.drops_rows
    assert "kept to the end" in proof(model, "dropping").note


def test_a_cache_that_keeps_the_wrong_row_is_found(monkeypatch):
    select = DynamicCache.batch_select_indices
    monkeypatch.setattr(
        DynamicCache, "batch_select_indices", lambda self, indices: select(self, indices + 1)
    )
    assert not zoo.model("llama").drops_rows
