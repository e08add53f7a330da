"""Lenses in files: every bit is kept, published ones are read, others are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from lens_cases import TEXT
from safetensors.torch import save_file

import layergram as lg
import zoo
from layergram.cli import main
from layergram.engine.lens_choice import open_lens
from layergram.engine.lens_files import FILE, FittedLens, read_lens
from layergram.errors import LayergramError
from layergram.recipe import Run


@pytest.mark.parametrize("kind", ["tuned", "jacobian"])
def test_files_keep_every_bit_and_the_last_layer_is_the_models_own(tiny, lenses, kind):
    folder, result = lenses[kind]
    again = read_lens(kind, folder)
    assert again.about == json.loads(json.dumps(result.lens.about))
    assert again.digest == result.lens.digest
    for name, tensor in result.lens.tensors.items():
        assert torch.equal(again.tensors[name], tensor)
    lens = again.of(tiny)
    h = torch.randn(3, 32)
    assert torch.equal(lens.transform(h, tiny.layers), h)
    assert torch.equal(lens.logits(h), tiny.parts.readout.logits(h))
    assert not torch.equal(lens.transform(h, 1), h)
    bits = lg.trace(tiny, TEXT, measures=["divergence"], run=Run(lens=f"{kind}:{folder}"))
    assert (bits["divergence"].isel(layer=-1).fillna(0) == 0).all()
    assert {"lens.safetensors", "divergence_lowered.nc", "layers.csv"} <= {
        path.name for path in folder.iterdir()
    }


def test_a_lens_of_another_model_is_refused(lenses, tmp_path, capsys, tiny_llama_folder):
    folder, result = lenses["tuned"]
    other = zoo.model("gpt2")
    with pytest.raises(LayergramError, match="layers of width"):
        open_lens(other, f"tuned:{folder}")
    altered = FittedLens("tuned", result.lens.tensors, {**result.lens.about, "revision": "abc"})
    with pytest.raises(LayergramError, match="revision abc"):
        altered.of(lg.load(str(tiny_llama_folder), device="cpu"))
    with pytest.raises(LayergramError, match="a tuned lens"):
        read_lens("jacobian", folder)
    wrong = lenses["jacobian"][0]
    for lens, said in (
        (f"tuned:{wrong}", "a jacobian lens"),
        ("tuned:nowhere", "no lens there"),
        ("tuned", "tuned:PATH"),
        ("guess:this", "logit, tuned:PATH, jacobian:PATH"),
    ):
        arguments = ["map", TEXT, "--model", str(tiny_llama_folder), "--lens", lens]
        assert main([*arguments, "-o", str(tmp_path / "maps")]) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(LayergramError, match="without the final norm"):
        lg.trace(
            lg.load(str(tiny_llama_folder)), TEXT, run=Run(lens=f"tuned:{folder}", norm="none")
        )


def test_a_jacobian_lens_without_a_constant_is_kept_so(tiny, lenses, tmp_path):
    usual = lenses["jacobian"][1].lens
    plain = FittedLens("jacobian", {"jacobians": usual.tensors["jacobians"]}, usual.about)
    plain.save(tmp_path, tiny)
    again = read_lens("jacobian", tmp_path)
    assert set(again.tensors) == {"jacobians"} and again.digest == plain.digest != usual.digest
    said = {}
    for name, folder in (("plain", tmp_path), ("usual", lenses["jacobian"][0])):
        run = Run(lens=f"jacobian:{folder}")
        said[name] = lg.trace(tiny, TEXT, measures=["divergence"], run=run)["divergence"]
    assert said["plain"].attrs["caveat"].endswith("So is what is constant.")
    assert "constant" not in said["usual"].attrs["caveat"]
    wrong = {**usual.tensors, "offsets": torch.zeros(2, 5)}
    with pytest.raises(LayergramError, match="layers of width"):
        FittedLens("jacobian", wrong, usual.about).of(tiny)


def test_a_torn_file_is_no_lens(lenses, tmp_path):
    whole = (lenses["tuned"][0] / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LayergramError, match="no such lens"):
        read_lens("tuned", tmp_path)


def test_published_lenses_are_read(tiny, tmp_path):
    """The translator of number i reads what layer i + 1 reads; Jacobians are numbered from 0."""
    random = torch.Generator().manual_seed(0)
    state = {}
    for at in range(tiny.layers):
        state[f"{at}.weight"] = torch.randn(32, 32, generator=random)
        state[f"{at}.bias"] = torch.randn(32, generator=random)
    torch.save(state, tmp_path / "params.pt")
    config = {"base_model_name_or_path": "tiny", "d_model": 32, "num_hidden_layers": tiny.layers}
    (tmp_path / "config.json").write_text(json.dumps(config))
    h = torch.randn(4, 32, generator=random)
    lens = open_lens(tiny, f"tuned:{tmp_path}").lens
    expected = h + h @ state["2.weight"].T + state["2.bias"]
    np.testing.assert_allclose(lens.transform(h, 2), expected, rtol=1e-5)

    jacobians = {at: torch.randn(32, 32, generator=random).half() for at in range(tiny.layers - 1)}
    kept = {"J": jacobians, "n_prompts": 7, "source_layers": [0, 1], "d_model": 32}
    torch.save(kept, tmp_path / "lens.pt")
    lens = open_lens(tiny, f"jacobian:{tmp_path / 'lens.pt'}").lens
    np.testing.assert_allclose(lens.transform(h, 2), h @ jacobians[1].float().T, rtol=1e-5)
    torch.save({**kept, "J": {1: jacobians[1]}}, tmp_path / "lens.pt")
    with pytest.raises(LayergramError, match="not of all but the last"):
        open_lens(tiny, f"jacobian:{tmp_path / 'lens.pt'}")


def test_a_published_file_cannot_run_code(tiny, tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"J": Trap()}, tmp_path / "lens.pt")
    with pytest.raises(LayergramError, match="no such lens"):
        open_lens(tiny, f"jacobian:{tmp_path / 'lens.pt'}")


@pytest.mark.parametrize("metadata", ["5", "[]", '{"schema": 1, "kind": "tuned"}'])
def test_any_file_that_is_no_lens_is_refused(tiny, tmp_path, metadata):
    numbers = {"weights": torch.zeros(()), "biases": torch.zeros(())}
    save_file(numbers, tmp_path / FILE, metadata={"layergram": metadata})
    with pytest.raises(LayergramError, match="lens"):
        open_lens(tiny, f"tuned:{tmp_path}")
    with pytest.raises(LayergramError, match="no lens there"):
        open_lens(tiny, "tuned:~no-such-user/lens")
