"""The lens on attention and MLP outputs: what layers add, and models where it is not that."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lens_cases import TEXT, random_ids

import layergram as lg
import zoo
from layergram.engine.contributions import check_contributions
from layergram.engine.run import read
from layergram.errors import LayergramError
from layergram.recipe import Run
from layergram.token_sources import Source
from layergram.tracing import unsupported_measures


class Parts:
    def __init__(self, kind):
        self.needs, self.layers = (kind,), None

    def take(self, view):
        self.layers = [h.numpy().copy() for h in view.layers]


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gpt_neox"])
def test_attention_and_mlp_outputs_are_what_layers_add(model_type):
    model = zoo.model(model_type)
    check_contributions(model, "mlp")
    ids = random_ids(model, texts=1, length=9)[0]
    found = {kind: Parts(kind) for kind in ("residual", "attention_output", "mlp")}
    for _ in read(model, [ids], [list(found.values())]):
        pass
    streams = found["residual"].layers
    for layer in range(model.layers):
        added = found["attention_output"].layers[layer] + found["mlp"].layers[layer]
        np.testing.assert_allclose(streams[layer] + added, streams[layer + 1], atol=1e-5)
    for at, kind in (("attention", "attention_output"), ("mlp", "mlp")):
        run = Run(at=at, chunk=4)
        made = lg.trace(model, ids=ids, measures=["lens_entropy"], run=run)["lens_entropy"]
        for layer in range(model.layers):
            p = (
                model.parts.readout.logits(torch.tensor(found[kind].layers[layer]))
                .double()
                .softmax(-1)
            )
            bits = -(p * p.log2()).sum(-1).detach().numpy()
            np.testing.assert_allclose(made.values[layer, 1:], bits[:-1], rtol=1e-3)
        assert made.attrs["long_name"].endswith("outputs")
        assert "adds to the residual stream" in made.attrs["definition"]


@pytest.mark.parametrize("kind", ["tuned", "jacobian"])
def test_single_outputs_are_read_without_the_constant_of_a_jacobian_lens(tiny, lenses, kind):
    folder, result = lenses[kind]
    ids = random_ids(tiny, texts=1, length=9)[0]
    found = Parts("mlp")
    for _ in read(tiny, [ids], [[found]]):
        pass
    run = Run(at="mlp", lens=f"{kind}:{folder}")
    made = lg.trace(tiny, ids=ids, measures=["lens_entropy"], run=run)["lens_entropy"]
    tensors = result.lens.tensors
    for layer in range(tiny.layers - 1):
        x = torch.tensor(found.layers[layer])
        if kind == "tuned":
            x = x + x @ tensors["weights"][layer].T + tensors["biases"][layer]
        else:
            x = x @ tensors["jacobians"][layer].T
        p = tiny.parts.readout.logits(x).double().softmax(-1)
        bits = -(p * p.log2()).sum(-1).detach().numpy()
        np.testing.assert_allclose(made.values[layer, 1:], bits[:-1], rtol=1e-3)


def test_outputs_that_are_not_what_is_added_are_refused_by_name(tiny):
    for model_type, said in (("gemma2", "gemma2"), ("mamba", "attention output of the model 'Mam")):
        with pytest.raises(LayergramError, match=said):
            lg.trace(
                zoo.model(model_type),
                ids=list(range(2, 12)),
                measures=["divergence"],
                run=Run(at="attention"),
            )
    with pytest.raises(LayergramError, match="settling_depth of MLP outputs"):
        lg.trace(tiny, TEXT, measures=["settling_depth"], run=Run(at="mlp"))
    possible = unsupported_measures(tiny, Source(TEXT), run=Run(at="mlp"))
    assert "settling_depth" in possible
    assert "divergence" not in possible
