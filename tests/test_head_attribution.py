"""Direct logit attribution of heads against a float64 reference with every part found by name."""

from __future__ import annotations

import copy
from operator import attrgetter

import numpy as np
import pytest
import torch

import planted
import zoo
from layergram.errors import LayergramError
from layergram.recipe import Run
from layergram.tracing import trace

torch.set_num_threads(1)

IDS = [i * 7919 % zoo.VOCABULARY for i in range(1, 15)]
CASES = {
    "llama": {},
    "gpt2": {},
    "gpt_neox": {},
    "falcon": {},
    "gemma2": {"final_logit_softcapping": 2.0},
    "cohere2": {"logit_scale": 0.5},
    "granite": {"logits_scaling": 8.0, "residual_multiplier": 0.22},
    "olmo2": {},
    "glm4": {},
}
# layers, projection in a layer, norm behind the projection, final norm
LLAMA = ("model.layers", "self_attn.o_proj", "", "model.norm")
PLACES = {
    "gpt2": ("transformer.h", "attn.c_proj", "", "transformer.ln_f"),
    "gpt_neox": ("gpt_neox.layers", "attention.dense", "", "gpt_neox.final_layer_norm"),
    "falcon": ("transformer.h", "self_attention.dense", "", "transformer.ln_f"),
    "gemma2": (*LLAMA[:2], "post_attention_layernorm", LLAMA[3]),
    "olmo2": (*LLAMA[:2], "post_attention_layernorm", LLAMA[3]),
    "glm4": (*LLAMA[:2], "post_self_attn_layernorm", LLAMA[3]),
}
CENTRED = {"gpt2", "gpt_neox", "falcon", "cohere2"}


def frozen(norm, c, h, kind):
    """What a norm makes of a part c [.., n, d] while it divides by the size of h [n, d]."""
    eps = next(getattr(norm, k) for k in ("eps", "variance_epsilon") if hasattr(norm, k))
    gain = norm.weight.detach() + (1 if kind == "gemma2" else 0)
    if kind in CENTRED:
        h, c = h - h.mean(-1, keepdim=True), c - c.mean(-1, keepdim=True)
    return gain * c / (h.pow(2).mean(-1, keepdim=True) + eps).sqrt()


def reference(network, ids):
    """The attribution [layer, head, position], that of all the rest, and the centred logits."""
    network = copy.deepcopy(network).double()
    network.set_attn_implementation("eager")
    config = network.config
    kind = config.model_type
    of_layers, of_projection, of_norm, of_final = PLACES.get(kind, LLAMA)
    layers, final = attrgetter(of_layers)(network), attrgetter(of_final)(network)
    inputs, last = [], []
    for layer in layers:
        attrgetter(of_projection)(layer).register_forward_pre_hook(
            lambda module, args: inputs.append(args[0][0])
        )
    final.register_forward_pre_hook(lambda module, args: last.append(args[0][0]))
    raw = []
    head = network.get_output_embeddings()
    head.register_forward_hook(lambda module, args, out: raw.append(out[0]))
    with torch.no_grad():
        network(input_ids=torch.tensor([ids]), use_cache=False)
        parts = []
        for layer, x in zip(layers, inputs, strict=True):
            projection = attrgetter(of_projection)(layer)
            rows = projection.weight if kind == "gpt2" else projection.weight.T
            x = x.unflatten(-1, (config.num_attention_heads, -1)).transpose(0, 1)
            c = x @ rows.unflatten(0, (config.num_attention_heads, -1))
            if of_norm:
                bias = 0 if projection.bias is None else projection.bias
                c = frozen(attrgetter(of_norm)(layer), c, c.sum(0) + bias, kind)
            parts.append(c * getattr(config, "residual_multiplier", 1.0))
        heads = torch.stack(parts)  # [layer, head, position, d]
        u = head.weight[ids[1:]] - head.weight.mean(0)
        scale = getattr(config, "logit_scale", 1) / getattr(config, "logits_scaling", 1)

        def attributed(c):
            return scale * (frozen(final, c, last[0], kind)[..., :-1, :] * u).sum(-1)

        rest = attributed(last[0] - heads.sum((0, 1)))
        for bias, row in ((final, u), (head, None)):
            if getattr(bias, "bias", None) is not None:
                own = bias.bias
                add = u @ own if row is not None else own[ids[1:]] - own.mean()
                rest = rest + scale * add
        z = scale * raw[0][:-1]
        logits = z.gather(1, torch.tensor(ids[1:])[:, None])[:, 0] - z.mean(-1)
    return attributed(heads).numpy(), rest.numpy(), logits.numpy()


@pytest.mark.parametrize("model_type", CASES)
def test_heads_and_all_the_rest_come_to_the_centred_logit(model_type):
    model = zoo.model(model_type, **CASES[model_type])
    heads, rest, logits = reference(model.network, IDS)
    np.testing.assert_allclose(heads.sum((0, 1)) + rest, logits, rtol=2e-6, atol=2e-6)
    assert np.abs(heads).max() > 1e-2
    for chunk in (64, 3):
        run = Run(heads="each", chunk=chunk)
        found = trace(model, zoo.text(IDS), measures=["head_logit_attribution"], run=run)
        array = found["head_logit_attribution"]
        assert array.dims == ("layer", "head", "token") and np.isnan(array.values[..., 0]).all()
        scale = np.abs(heads).max()
        np.testing.assert_allclose(array.values[..., 1:], heads, rtol=1e-3, atol=2e-5 * scale)


def test_a_layers_attribution_is_the_sum_over_its_heads():
    model = zoo.model("llama")
    one, each = (
        trace(model, zoo.text(IDS), measures=["head_logit_attribution"], run=Run(heads=heads))
        for heads in ("mean", "each")
    )
    found = one["head_logit_attribution"]
    np.testing.assert_allclose(
        found.values[:, 1:], each["head_logit_attribution"].sum("head").values[:, 1:], rtol=1e-4
    )
    assert "the sum over the layer's heads" in found.attrs["definition"]


def test_in_the_planted_model_it_is_the_votes():
    ids = planted.repeated(1)
    text = " ".join(f"w{i}" for i in ids)
    found = trace(planted.model(), text, measures=["head_logit_attribution"], run=Run(heads="each"))
    second_half = found["head_logit_attribution"].isel(token=slice(22, None)).mean("token")
    layer, head = planted.INDUCTION
    voted = second_half.sel(layer=layer, head=head)
    assert voted > 8
    assert (np.abs(second_half.values) > 1).sum() == 1  # the note is read by heads alone


def test_the_way_is_found_beside_massive_activations():
    network = zoo.tiny("llama")
    with torch.no_grad():
        network.model.layers[0].mlp.down_proj.weight[3] *= 1e4
    for dtype in (torch.float32, torch.bfloat16):
        model = zoo.load(network.to(dtype), tokenizer=zoo.word_tokenizer())
        assert [write.factor for write in model.attribution.writes] == [1.0] * zoo.LAYERS


@pytest.mark.parametrize(
    ("model_type", "says"),
    [
        ("mamba", "no layer with an output projection"),
        ("gemma4_text", "layer 1 that is not its input, its attention and one more module"),
        ("granitemoehybrid", "layer 1 that does more than add"),
    ],
)
def test_another_way_than_the_direct_one_is_refused(model_type, says):
    with pytest.raises(LayergramError, match=says):
        trace(zoo.model(model_type), zoo.text(IDS), measures=["head_logit_attribution"])
