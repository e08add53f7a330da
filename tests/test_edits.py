"""Edits of heads: what they do to twenty model types, and that nothing is left of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from layergram import maps
from layergram.errors import LayergramError
from layergram.models.edits import HeadEdit, edited, edits_in_force
from layergram.models.hooks import capture_attention, capture_heads
from layergram.recipe import Run, recipe
from layergram.tracing import trace
from layergram.words import describe
from test_measures_oracle import CASES, IDS

torch.set_num_threads(1)

BEHIND = ["bert", "roformer"]  # their output projection stands behind the attention module
HEADS = ((1, 0), (2, 3), (3, 1))


@pytest.fixture(scope="module", params=[*CASES, *BEHIND])
def model(request):
    return zoo.model(request.param, **CASES.get(request.param, {}))


def logits(model, ids=IDS):
    with torch.no_grad():
        return model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def outputs(model, ids=IDS):
    with torch.no_grad(), capture_heads(model.parts) as heads:
        model.network(input_ids=torch.tensor([ids]), use_cache=False)
        return [h[0].clone() for h in heads]


def test_masking_a_head_is_zeroing_its_part_of_the_output_projection(model):
    with edited(model, HeadEdit(heads=HEADS)):
        got = logits(model)
    kept = {}
    try:
        with torch.no_grad():
            for layer, head in HEADS:
                projection = model.parts.projections[layer - 1]
                kept[projection] = kept.get(projection, projection.weight.clone())
                d = model.parts.head_widths[layer - 1]
                across = (
                    projection.weight.T if hasattr(projection, "in_features") else projection.weight
                )
                across[head * d : (head + 1) * d] = 0
        wanted = logits(model)
    finally:
        for projection, weight in kept.items():
            projection.weight.data = weight
    assert (got - wanted).abs().max() <= 1e-5 * max(1.0, float(wanted.abs().max()))
    assert (got - logits(model)).abs().max() > 1e-4


def test_the_parts_of_a_projections_input_are_the_heads_of_the_attention(model):
    """A head that attention itself puts out as zeros is heard as zeros, and no other is."""
    if model.parts.way != "interface":
        pytest.skip("this type does not show what its attention puts out")

    def silent(seen):
        out = seen.output.clone()
        out[:, :, 2] = 0
        return out

    hooks = dict.fromkeys(model.parts.attention, silent)
    with torch.no_grad(), capture_heads(model.parts) as heads:
        with capture_attention(model.network, hooks, way="interface") as extra:
            model.network(input_ids=torch.tensor([IDS]), use_cache=False, **extra)
        for heard in heads:
            loud = heard[0].abs().amax(dim=(0, 2)) > 0
            assert loud.tolist() == [True, True, False, True]


def test_the_identity_edit_changes_no_bit(model):
    with edited(model, HeadEdit(heads=HEADS, how="scale", factor=1.0)):
        same = logits(model)
    assert torch.equal(same, logits(model))


def test_what_each_edit_hands_on(model):
    own = outputs(model)
    vectors = [torch.randn(model.parts.head_widths[layer - 1]) for layer, _ in HEADS]
    wanted = {
        "zero": lambda x, v: torch.zeros_like(x),
        "scale": lambda x, v: x * 0.5,
        "mean": lambda x, v: v.expand_as(x),
        "add": lambda x, v: x + v,
    }
    for how, function in wanted.items():
        given = vectors if how in ("mean", "add") else ()
        for at, (layer, head) in enumerate(HEADS):
            one = HeadEdit(((layer, head),), how=how, factor=0.5, vectors=given[at : at + 1])
            with edited(model, one):
                got = outputs(model)[layer - 1]
            expected = own[layer - 1].clone()
            expected[:, head] = function(own[layer - 1][:, head], vectors[at])
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)


def test_last_edits_the_last_position_alone(model):
    own = outputs(model)
    with edited(model, HeadEdit(((2, 1),), positions="last")):
        got = outputs(model)
    torch.testing.assert_close(got[1][:-1], own[1][:-1], rtol=0, atol=1e-6)
    assert (got[1][-1, 1] == 0).all() and (own[1][-1, 1] != 0).any()
    torch.testing.assert_close(got[2][:-1], own[2][:-1], rtol=0, atol=1e-6)


def test_chunks_under_an_edit_give_what_reading_at_once_does(model):
    if not model.chunks:
        pytest.skip("this type is always read at once")
    names = ["divergence", "residual_norm", "attention_received"]
    with edited(model, HeadEdit(HEADS)):
        whole, parts = (
            trace(model, zoo.text(IDS), measures=names, run=Run(chunk=chunk)) for chunk in (64, 5)
        )
    plain = trace(model, zoo.text(IDS), measures=names)
    for name in names:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-4, atol=1e-5)
    assert np.nanmax(np.abs(whole["residual_norm"] - plain["residual_norm"])) > 1e-3


def test_after_an_exception_the_model_is_untouched(model):
    before = logits(model)
    edits = HeadEdit(HEADS), HeadEdit(((1, 1),))
    with pytest.raises(ZeroDivisionError), edited(model, *edits), capture_heads(model.parts):
        logits(model)
        raise ZeroDivisionError
    assert edits_in_force(model) == ()
    assert [m for m in model.network.modules() if m._forward_pre_hooks or m._forward_hooks] == []
    assert torch.equal(logits(model), before)


def test_what_is_heard_is_cleared_at_each_pass(tiny):
    known = []
    with torch.no_grad(), capture_heads(tiny.parts) as heads:
        hook = tiny.parts.layers[0].register_forward_hook(
            lambda *_: known.append([h is not None for h in heads])
        )
        for length in (7, 5):
            tiny.network(input_ids=torch.arange(1, length + 1).repeat(2, 1), use_cache=False)
            assert [h.shape for h in heads] == [(2, length, 4, 8)] * 3
        hook.remove()
    assert known == [[True, False, False]] * 2


def test_layers_without_separate_heads_are_heard_as_none():
    hybrid = zoo.model("jamba")
    with torch.no_grad(), capture_heads(hybrid.parts) as heads:
        hybrid.network(input_ids=torch.tensor([IDS]), use_cache=False)
        heard = [h is not None for h in heads]
    assert heard == [count > 0 for count in hybrid.parts.heads] and not all(heard) and any(heard)
    with pytest.raises(LayergramError, match="do not lie side by side"):
        lacking = heard.index(False) + 1
        with edited(hybrid, HeadEdit(((lacking, 0),))):
            pass


def test_heads_that_are_mixed_before_the_projection_are_not_taken_for_heads():
    mixed = zoo.model("diffllama")  # it subtracts the outputs of two attentions
    assert any(mixed.parts.heads) and mixed.parts.projections == (None,) * 3


def test_edits_add_up_and_are_told_in_words(tiny):
    first = HeadEdit(heads=((1, 0), (1, 2)), how="scale", factor=0.5)
    second = HeadEdit(heads=((1, 2),), how="scale", factor=4.0, positions="last")
    own = outputs(tiny, [1, 2, 3])
    with edited(tiny, first):
        with edited(tiny, second):
            assert edits_in_force(tiny) == (
                "scale by 0.5: layer 1, heads 0 and 2",
                "scale by 4: layer 1, head 2, at the last position of each forward pass",
            )
            got = outputs(tiny, [1, 2, 3])
        assert edits_in_force(tiny) == (first.words,)
    torch.testing.assert_close(got[0][:2, 2], 0.5 * own[0][:2, 2])
    torch.testing.assert_close(got[0][2, 2], 2 * own[0][2, 2])


def test_edits_with_other_vectors_have_other_words():
    words = {HeadEdit(((1, 0),), how="add", vectors=[[float(v), 0.0]]).words for v in (1, 2)}
    assert len(words) == 2


def test_a_map_of_an_edited_model_says_so_and_is_not_made_again(tiny, tmp_path):
    with edited(tiny, HeadEdit(((2, 1),))):
        found = trace(
            tiny,
            "A layer reads what",
            measures=["divergence", "attention_received", "settling_depth"],
        )
    assert {array.attrs["edits"] for array in found.values()} == {"zero: layer 2, head 1"}
    again = maps.read(maps.write(found["divergence"], tmp_path / "d.nc"))
    assert "under an edit (zero: layer 2, head 1)" in describe(again)
    with pytest.raises(LayergramError, match="a map of an edited model"):
        recipe(again)
    plain = trace(tiny, "A layer reads what", measures=["divergence"])["divergence"]
    assert "edits" not in plain.attrs
    assert "zero: layer 2" in maps.difference(again, plain).attrs["minuend"]


def test_generating_runs_under_an_edit(tiny):
    def generated():
        return trace(tiny, prompt="The capital", measures=["residual_norm"])["token_id"].values

    own = generated()
    with edited(tiny, HeadEdit([(layer, head) for layer in (1, 2, 3) for head in range(4)])):
        assert generated().tolist() != own.tolist()
    assert generated().tolist() == own.tolist()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"heads": ((4, 0),)}, "layers 1 to 3"),
        ({"heads": ((0, 0),)}, "layers 1 to 3"),
        ({"heads": ((2, 4),)}, "heads 0 to 3"),
        ({"heads": ((2, -1),)}, "heads 0 to 3"),
        ({"heads": ()}, "no head"),
        ({"heads": ((1, 0), (1, 0))}, "more than once"),
        ({"heads": ((1, 0),), "how": "zeor"}, "did you mean 'zero'"),
        ({"heads": ((1, 0),), "positions": "first"}, "no place of an edit"),
        ({"heads": ((1, 0),), "how": "mean"}, "one vector per head"),
        ({"heads": ((1, 0),), "vectors": [torch.ones(8)]}, "vectors belong to mean and add"),
        ({"heads": ((1, 0),), "how": "add", "vectors": [torch.ones(9)]}, "shape (8,)"),
    ],
)
def test_an_edit_that_cannot_be_is_one_clear_message(tiny, edit, says):
    with pytest.raises(LayergramError) as caught, edited(tiny, HeadEdit(**edit)):
        pass
    assert says in str(caught.value)
    assert edits_in_force(tiny) == () and not any(
        m._forward_pre_hooks for m in tiny.network.modules()
    )
