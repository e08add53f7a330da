"""Hooks: captures that are open at the same time, batches, and what is left behind."""

from __future__ import annotations

import threading

import pytest
import torch
from transformers import AttentionInterface

import zoo
from layergram.models.edits import HeadEdit, edited, edits_in_force
from layergram.models.hooks import capture_attention, capture_heads, capture_residual

torch.set_num_threads(1)

IDS = [[i * 7919 % zoo.VOCABULARY for i in range(start, start + 12)] for start in (1, 30)]
# attention through the interface, and taken out of the output
WAYS = ["llama", "gptj"]


def stream(model, ids, chunk=5):
    """Read in chunks with all captures open; after each chunk what was captured in it."""
    weights = {}
    hooks = {
        module: lambda seen, layer=layer: weights.update({layer: seen.weights.clone()})
        for layer, module in enumerate(model.parts.attention)
    }
    with (
        capture_attention(model.network, hooks, way=model.parts.way) as extra,
        capture_residual(model.parts.layers) as streams,
        capture_heads(model.parts) as heads,
    ):
        cache = None
        for start in range(0, len(ids), chunk):
            with torch.no_grad():
                out = model.network(
                    input_ids=torch.tensor([ids[start : start + chunk]]),
                    past_key_values=cache,
                    use_cache=True,
                    **extra,
                )
            cache = out.past_key_values
            assert list(weights) == list(range(model.layers))
            captured = [*weights.values(), *streams, *heads]
            weights.clear()
            yield [part.clone() for part in captured]


def assert_same(made, expected):
    assert len(made) == len(expected)
    for chunk, wanted in zip(made, expected, strict=True):
        for part, other in zip(chunk, wanted, strict=True):
            assert torch.equal(part, other)


def state(*models):
    return [
        [
            (m.config._attn_implementation, len(m._forward_hooks), len(m._forward_pre_hooks))
            for m in model.network.modules()
            if hasattr(m, "config")
        ]
        for model in models
    ] + [sorted(AttentionInterface())]


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", ["the same model", *WAYS])
def test_two_streams_at_a_time_each_see_their_own(first, second):
    one = zoo.model(first)
    two = one if second == "the same model" else zoo.model(second)
    before = state(one, two)
    alone = list(stream(one, IDS[0])), list(stream(two, IDS[1]))
    a, b = stream(one, IDS[0]), stream(two, IDS[1])
    made = [next(a)], [next(b)]
    made[1].append(next(b))
    made[0].append(next(a))
    made[0].append(next(a))
    assert next(a, None) is None  # the first to begin ends first
    made[1].append(next(b))
    assert next(b, None) is None
    assert_same(made[0], alone[0])
    assert_same(made[1], alone[1])
    assert state(one, two) == before


def test_a_stream_that_is_dropped_leaves_the_other_its_captures():
    model = zoo.model("llama")
    before = state(model)
    a, b = stream(model, IDS[0]), stream(model, IDS[1])
    next(a)
    made = [next(b)]
    a.close()
    assert_same([*made, *b], list(stream(model, IDS[1])))
    assert state(model) == before


def test_passes_of_two_threads_at_the_same_moment():
    models = [zoo.model("llama"), zoo.model("llama")]
    models[1].network.config = models[0].network.config  # both change one configuration
    for module in models[1].network.modules():
        if hasattr(module, "config"):
            module.config = models[0].network.config
    alone = [list(stream(model, ids)) for model, ids in zip(models, IDS, strict=True)]
    before = state(*models)
    inside, made = threading.Barrier(2, timeout=60), [None, None]

    def work(at):
        def meet(*_):
            inside.wait()

        hook = models[at].parts.layers[1].register_forward_hook(meet)
        try:
            made[at] = list(stream(models[at], IDS[at]))
        finally:
            hook.remove()

    threads = [threading.Thread(target=work, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_same(made[0], alone[0])
    assert_same(made[1], alone[1])
    assert state(*models) == before


def test_a_pass_without_the_captures_arguments_is_the_models_own():
    model = zoo.model("llama")

    def fail(seen):
        raise AssertionError("captured")

    hooks = dict.fromkeys(model.parts.attention, fail)
    used = []
    hook = model.parts.layers[0].register_forward_hook(
        lambda *_: used.append(model.network.config._attn_implementation)
    )
    with torch.no_grad(), capture_attention(model.network, hooks, way="interface") as extra:
        model.network(input_ids=torch.tensor([IDS[0]]))
        with pytest.raises(AssertionError, match="captured"):
            model.network(input_ids=torch.tensor([IDS[0]]), **extra)
        assert model.network.config._attn_implementation == used[0]
        model.network(input_ids=torch.tensor([IDS[0]]))
    hook.remove()
    assert used == ["sdpa", "sdpa"]  # the pass that failed broke off before its hook


def test_a_function_of_the_users_own_is_restored():
    model = zoo.model("llama")

    def own(*args, **kwargs):
        raise NotImplementedError

    AttentionInterface.register("eager", own)
    try:
        a, b = stream(model, IDS[0]), stream(zoo.model("llama"), IDS[1])
        next(a), next(b)
        a.close()
        b.close()
        assert AttentionInterface()["eager"] is own
    finally:
        del AttentionInterface._global_mapping["eager"]


@pytest.mark.parametrize("model_type", ["llama", "gptj", "llama4", "mistral"])
def test_a_batch_is_captured_row_by_row(model_type):
    model = zoo.model(model_type)

    def captured(rows, **options):
        seen = []
        hooks = dict.fromkeys(model.parts.attention, seen.append)
        with torch.no_grad(), capture_attention(model.network, hooks, way=model.parts.way) as extra:
            model.network(input_ids=torch.tensor(rows), use_cache=False, **extra, **options)
        return seen

    mask = torch.ones(2, 12, dtype=torch.long)
    mask[1, :3] = 0  # the second row is padded on the left
    plain, masked = captured(IDS), captured(IDS, attention_mask=mask)
    for layer, (one, two) in enumerate(zip(captured(IDS[:1]), captured(IDS[1:]), strict=True)):
        assert plain[layer].weights.shape == (2, model.parts.heads[layer], 12, 12)
        torch.testing.assert_close(
            plain[layer].weights, torch.cat([one.weights, two.weights]), rtol=1e-5, atol=1e-6
        )
        if one.visible is not None:
            assert torch.equal(plain[layer].visible, torch.cat([one.visible, two.visible]))
        visible = masked[layer].visible
        assert visible.shape == (2, 12, 12)
        assert visible[0].any(0).all()
        assert not visible[1, 3:, :3].any() and visible[1, 3:, 3:].any(0).all()
        if one.output is not None:
            assert plain[layer].output.shape[:3] == (2, 12, model.parts.heads[layer])


def test_edits_that_end_in_the_order_in_which_they_began():
    model = zoo.model("llama")
    first, second = HeadEdit(((1, 0),)), HeadEdit(((2, 1),), how="scale", factor=0.5)

    def logits():
        with torch.no_grad():
            return model.network(input_ids=torch.tensor(IDS)).logits

    plain = logits()
    with edited(model, second):
        under_second = logits()
    a, b = edited(model, first), edited(model, second)
    a.__enter__()
    b.__enter__()
    assert edits_in_force(model) == (first.words, second.words)
    a.__exit__(None, None, None)
    assert edits_in_force(model) == (second.words,)
    assert torch.equal(logits(), under_second)
    b.__exit__(None, None, None)
    assert edits_in_force(model) == ()
    assert torch.equal(logits(), plain)
