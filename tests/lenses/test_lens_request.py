"""A lens that cannot be had is refused before the weights of a model are read."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

import layergram as lg
from layergram.cli import main
from layergram.engine.lens_files import FILE
from layergram.engine.lens_request import check_lens_request
from layergram.errors import LayergramError
from layergram.recipe import Run

TEXT = "Pack my box with five dozen jugs."


@pytest.fixture
def unloadable(tiny_llama_folder, tmp_path):
    """A model whose weights cannot be read: whoever tries says so in another message."""
    folder = shutil.copytree(tiny_llama_folder, tmp_path / "model")
    for file in folder.glob("*.safetensors"):
        file.write_bytes(b"no weights")
    return folder


@pytest.fixture
def lenses(tmp_path):
    """Files that are lenses by everything but their numbers, and files that are none."""
    home = tmp_path / "lenses"
    for name in ("jacobian", "torn", "lacking", "published"):
        (home / name).mkdir(parents=True)
    about = {"layergram": json.dumps({"schema": 1, "kind": "jacobian"})}
    save_file({"jacobians": torch.zeros(2, 4, 4)}, home / "jacobian" / FILE, metadata=about)
    (home / "torn" / FILE).write_bytes((home / "jacobian" / FILE).read_bytes()[:40])
    save_file({"other": torch.zeros(2)}, home / "lacking" / FILE, metadata=about)
    torch.save({"1.weight": torch.zeros(4, 4)}, home / "published" / "params.pt")
    (home / "published" / "config.json").write_text('{"num_hidden_layers": 3}')
    return home


WRONG = [
    ("tuned:nowhere", "no lens there"),
    ("tuned:jacobian", "a jacobian lens"),
    ("jacobian:torn", "no such lens"),
    ("jacobian:lacking", "no jacobians"),
    ("tuned:published", "2.weight"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_commands_refuse_a_lens_before_weights(
    asked, said, lenses, unloadable, tmp_path, capsys, monkeypatch
):
    (lenses / "texts.txt").write_text(f"{TEXT}\n\n{TEXT}")
    monkeypatch.chdir(lenses)
    for words in (["map", TEXT], ["map", "--texts", "texts.txt"], ["depth", "arithmetic"]):
        assert main([*words, "--lens", asked, "--model", str(unloadable), "-o", "out"]) == 2
        assert said in capsys.readouterr().err
    assert not (lenses / "out").exists()


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_calls_refuse_a_lens_before_weights(asked, said, lenses, unloadable, monkeypatch):
    monkeypatch.chdir(lenses)
    for call in (lg.trace, lg.stream):
        with pytest.raises(LayergramError, match=said):
            call(str(unloadable), TEXT, measures=["divergence"], run=Run(lens=asked))


def test_what_does_not_go_together_is_refused_before_weights(lenses, unloadable, capsys, tmp_path):
    common = ["--model", str(unloadable), "-o", str(tmp_path / "out")]
    settling = ["map", TEXT, "--measure", "settling_depth", "--at", "mlp"]
    assert main([*settling, *common]) == 2
    assert "settling_depth of MLP outputs" in capsys.readouterr().err
    fitted = ["map", TEXT, "--lens", f"jacobian:{lenses / 'jacobian'}", "--norm", "none"]
    assert main([*fitted, *common]) == 2
    assert "without the final norm" in capsys.readouterr().err


def test_a_good_request_says_which_lens_it_is(lenses):
    path = str(lenses / "jacobian")
    assert check_lens_request(f"jacobian:{path}") == ("jacobian", path)
    assert check_lens_request("logit", norm="none") == ("logit", "")
