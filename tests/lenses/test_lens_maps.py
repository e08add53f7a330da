"""Maps, averages and depths through fitted lenses, and what they say of the lens."""

from __future__ import annotations

import numpy as np
import pytest
from lens_cases import TEXT, random_ids, states

import layergram as lg
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.recipe import Run, recipe


def test_a_map_through_a_lens_equals_numpy(tiny, lenses):
    ids = random_ids(tiny, texts=1, length=12, seed=4)[0]
    h = states(tiny, ids).double()
    final = tiny.parts.readout.logits(h[-1].float()).double().softmax(-1)
    for kind, (folder, result) in lenses.items():
        run = Run(lens=f"{kind}:{folder}", chunk=5)
        found = lg.trace(tiny, ids=ids, measures=["lens_kl"], run=run)["lens_kl"].values
        for layer in (1, 2):
            tensors = {name: one[layer - 1].double() for name, one in result.lens.tensors.items()}
            x = h[layer - 1]
            if kind == "tuned":
                x = x + x @ tensors["weights"].T + tensors["biases"]
            else:
                x = x @ tensors["jacobians"].T + tensors["offsets"]
            p = tiny.parts.readout.logits(x.float()).double().softmax(-1)
            bits = (final * (final / p).log2()).sum(-1).numpy()
            np.testing.assert_allclose(found[layer - 1, 1:], bits[:-1], rtol=1e-3, atol=1e-5)


def test_a_map_says_which_lens_it_was_read_through(tiny, lenses):
    folder, result = lenses["tuned"]
    run = Run(lens=f"tuned:{folder}")
    made = lg.trace(tiny, TEXT, measures=["divergence", "settling_depth", "residual_norm"], run=run)
    attrs = made["divergence"].attrs
    assert attrs["lens"] == f"tuned lens {result.lens.digest}"
    assert attrs["long_name"].endswith(", tuned lens")
    assert "affine map" in attrs["caveat"]
    assert "affine map" in made["settling_depth"].attrs["caveat"]
    assert "lens" not in made["residual_norm"].attrs
    assert recipe(made["divergence"]).run.lens == run.lens
    assert "tuned lens" in lg.describe(made["divergence"])
    usual = lg.trace(tiny, TEXT, measures=["divergence"])["divergence"].attrs
    assert "lens" not in usual
    assert "norm and the unembedding that were trained for the last one" in usual["caveat"]


def test_averages_are_read_through_the_lens(tiny, lenses, tmp_path):
    folder, result = lenses["jacobian"]
    run = Run(lens=f"jacobian:{folder}")
    texts = [TEXT, "The capital of France is Paris, and the sum of 8 and 5 is 13."]
    mean = lg.average_maps(
        tiny, texts, measures=["divergence"], by="whole", run=run, out=tmp_path / "averages"
    ).maps["divergence"]
    single = [
        lg.trace(tiny, text, measures=["divergence"], run=run)["divergence"] for text in texts
    ]
    values = np.concatenate([one.values[:, 1:] for one in single], axis=1).mean(1)
    np.testing.assert_allclose(mean.values[:, 0], values, atol=1e-6)
    assert mean.attrs["lens"] == f"Jacobian lens {result.lens.digest}"
    with pytest.raises(LayergramError, match="results of another run"):
        lg.average_maps(tiny, texts, measures=["divergence"], by="whole", out=tmp_path / "averages")


def test_depths_are_read_through_the_lens(tiny, lenses):
    lens = f"tuned:{lenses['tuned'][0]}"
    answers = lg.AnswerOptions(samples=2, max_new_tokens=6)
    options = lg.DepthOptions(answers, (0.2,), lens=lens, draws=2, resamples=2)
    result = lg.depth(tiny, lg.questions("arithmetic").first(3), options=options)
    assert "affine map" in result.maps["settling_depths"].attrs["caveat"]
    for answer, record in zip(result.answers, result.records["answers"], strict=True):
        made = lg.trace(
            tiny,
            answer=record,
            measures=["settling_depth"],
            options={"g": 0.2},
            run=Run(lens=lens),
        )["settling_depth"]
        expected = made.values[answer.row.prompt_tokens :]
        np.testing.assert_array_equal(answer.depths[0.2], expected)


def test_the_command_fits_and_the_map_reads(tiny_llama_folder, tmp_path, capsys):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n\n".join(f"{number}. {TEXT}" for number in range(8)))
    out = tmp_path / "lens"
    common = ["--model", str(tiny_llama_folder), "--device", "cpu"]
    fit = ["fit-lens", "tuned", "--texts", str(texts), "--steps", "2", "--rows", "8"]
    assert main([*fit, *common, "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "held-out text the mean" in said
    assert f"--lens tuned:{out}" in said
    maps = tmp_path / "maps"
    arguments = ["map", TEXT, "--measure", "divergence", "--lens", f"tuned:{out}", "-o", str(maps)]
    assert main([*arguments, *common]) == 0
    made = lg.read(maps / "divergence.nc")
    assert "tuned lens" in made.attrs["lens"]
    outputs = ["map", TEXT, "--at", "attention", "-o", str(maps / "attention")]
    assert main([*outputs, *common]) == 0
    assert "attention outputs" in lg.read(maps / "attention" / "divergence.nc").attrs["long_name"]


def test_a_wrong_lens_is_named_as_it_was_typed(tiny_llama_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["map", TEXT, "--model", str(tiny_llama_folder), "--lens"]
    for asked, says in (
        ("foo", "--lens foo"),
        ("tuned:", "--lens tuned:"),
        ("tuned:a", "the tuned lens in 'a'"),
    ):
        assert main([*words, asked]) == 2
        assert capsys.readouterr().err.startswith(f"Asked for: {says}\n")
