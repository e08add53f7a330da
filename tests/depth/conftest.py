"""A model whose depths differ."""

import pytest
import torch

from layergram.models.load import load


@pytest.fixture(scope="module")
def five_layers(tmp_path_factory):
    """A tiny llama of 5 layers whose last ones change its mind."""
    from tiny_llama import write_folder

    folder = tmp_path_factory.mktemp("five") / "model"
    write_folder(folder, layers=5)
    model = load(str(folder), device="cpu")
    with torch.no_grad():
        for layer in model.network.model.layers:
            layer.mlp.down_proj.weight.mul_(40)
        model.network.lm_head.weight.mul_(20)
    return model
