"""Fitted lenses: planted maps are found, files keep every bit, other models are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import layergram as lg
import zoo
from layergram.cli import main
from layergram.engine.contributions import check_contributions
from layergram.engine.gradients import pull_back
from layergram.engine.lens import LogitLens, TunedLens
from layergram.engine.lens_choice import open_lens
from layergram.engine.lens_files import FILE, FittedLens, read_lens
from layergram.engine.run import read
from layergram.errors import LayergramError
from layergram.experiments.lenses.jacobian import jacobian
from layergram.experiments.lenses.moments import moments_of
from layergram.experiments.lenses.options import LensOptions
from layergram.experiments.lenses.pieces import cut
from layergram.recipe import Run, recipe
from layergram.token_sources import Source
from layergram.tracing import unsupported_measures
from tiny_llama import write_folder

torch.set_num_threads(1)

TEXT = "A layer reads what the layers before it wrote; a head moves it between tokens. Pack my box."
FAST = LensOptions(length=32, held_out=0.2, steps=3, rows=16, rounds=2)


def silent(stage, done, total):
    pass


def random_ids(model, *, texts, length, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(2, model.vocabulary, (texts, length), generator=random).tolist()


def states(model, ids):
    """Streams h[0..L] [L + 1, tokens, d] by transformers alone, the last one before the norm."""
    kept = []
    hooks = [
        layer.register_forward_hook(
            lambda module, args, out: kept.append(out if isinstance(out, torch.Tensor) else out[0])
        )
        for layer in model.parts.layers
    ]
    with torch.no_grad():
        model.network(input_ids=torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return torch.stack([one[0] for one in kept])


def test_pulled_back_directions_are_finite_differences(tiny):
    """The mean over tokens of vᵀ Σ_t′ ∂h[t′, L] / ∂h[t, l], by moving each stream a little."""
    model = tiny
    ids = random_ids(model, texts=1, length=7)[0]
    where = torch.tensor([[False, False, True, True, True, True, False]])
    random = torch.Generator().manual_seed(1)
    v, u = torch.randn(2, model.parts.width, generator=random)
    (made,) = pull_back(model, torch.tensor([ids]), [v[None]], where)
    for layer in (1, 2):
        total = 0.0
        for t in range(2, 6):
            ends = []
            for step in (1e-3, -1e-3):

                def nudge(module, args, out, t=t, step=step):
                    h = (out if isinstance(out, torch.Tensor) else out[0]).clone()
                    h[0, t] += step * u
                    return h if isinstance(out, torch.Tensor) else (h, *out[1:])

                hook = model.parts.layers[layer - 1].register_forward_hook(nudge)
                ends.append(states(model, ids)[-1].double())
                hook.remove()
            total += float(((ends[0] - ends[1])[where[0]] @ v.double()).sum()) / 2e-3
        assert float(made[layer - 1, 0] @ u) == pytest.approx(total / 4, rel=2e-3, abs=1e-3)
    assert all(parameter.grad is None for parameter in model.network.parameters())


def without_mixing(model, *, slope=0.3, seed=3):
    """The tiny llama with layers h + M_l h + c_l: each MLP is replaced by an affine map."""
    random = torch.Generator().manual_seed(seed)
    maps = []
    for layer in model.parts.layers:
        width = model.parts.width
        matrix = slope * torch.randn(width, width, generator=random) / width**0.5
        shift = 0.1 * torch.randn(width, generator=random)
        maps.append((matrix, shift))

        def forward(hidden_states, *args, matrix=matrix, shift=shift, **kwargs):
            return hidden_states + hidden_states @ matrix.T + shift

        layer.forward = forward
    return maps


@pytest.fixture
def affine(tiny_llama_folder):
    """A model of affine layers, and what carries the stream after each layer to the final one."""
    model = lg.load(str(tiny_llama_folder), device="cpu")
    maps = without_mixing(model)
    onward, offset = [torch.eye(32)], [torch.zeros(32)]
    for matrix, shift in reversed(maps[1:]):
        offset.insert(0, offset[0] + onward[0] @ shift)
        onward.insert(0, onward[0] @ (torch.eye(32) + matrix))
    return model, onward[:-1], offset[:-1]


def test_the_jacobian_of_affine_layers_is_exact(affine):
    model, onward, _ = affine
    pieces = cut(model, random_ids(model, texts=8, length=20), length=20, held_out=0.2, seed=0)
    found = jacobian(model, pieces, FAST, silent)
    for made, matrix in zip(found.mean, onward, strict=True):
        np.testing.assert_allclose(made, matrix, atol=2e-5)
    assert float(found.error.max()) < 1e-4


def test_the_error_of_a_jacobian_is_that_of_its_mean(tiny):
    """Two fits on different draws differ by as much as their stated errors say."""
    ids = random_ids(tiny, texts=300, length=16)
    pieces = cut(tiny, ids, length=16, held_out=0.05, seed=0)
    fits = [jacobian(tiny, pieces, replace(FAST, rounds=4, seed=seed), silent) for seed in (1, 2)]
    for layer in range(tiny.layers - 1):
        a, b = (fit.mean[layer] for fit in fits)
        apart = float((a - b).norm() / ((a.norm() + b.norm()) / 2))
        stated = float((fits[0].error[layer] ** 2 + fits[1].error[layer] ** 2) ** 0.5)
        assert 0.75 < apart / stated < 1.3, (layer, apart, stated)


def test_a_planted_affine_map_is_recovered_and_the_divergence_falls(affine):
    model, onward, offset = affine
    ids = random_ids(model, texts=40, length=30)
    result = lg.fit_lens(model, "tuned", ids, options=replace(FAST, steps=0))
    lens = result.lens.of(model)
    h = states(model, random_ids(model, texts=1, length=30, seed=9)[0])
    for layer, (matrix, shift) in enumerate(zip(onward, offset, strict=True), start=1):
        made = lens.transform(h[layer - 1], layer)
        np.testing.assert_allclose(made, h[-1], atol=2e-2)
        np.testing.assert_allclose(made, h[layer - 1] @ matrix.T + shift, atol=2e-2)
    middle = result.summary["middle"]
    assert middle["fitted"] < 0.01 * middle["logit"]
    assert middle["low"] > 0


def test_descent_lowers_the_loss_of_a_lens_that_starts_from_nothing(tiny):
    from layergram.experiments.lenses import tuned as module

    ids = random_ids(tiny, texts=60, length=24)
    pieces = cut(tiny, ids, length=24, held_out=0.1, seed=0)
    options = replace(FAST, steps=40, rows=64, rate=3e-3)
    weights, biases = torch.zeros(2, 32, 32), torch.zeros(2, 32)
    scale = moments_of(tiny, pieces.fitted).scale().float()
    moved = module._descent(tiny, pieces.fitted, options, (weights, biases, scale), silent)

    def loss(lens):
        h = states(tiny, random_ids(tiny, texts=1, length=24, seed=5)[0])
        final = tiny.parts.readout.logits(h[-1]).log_softmax(-1)
        with torch.no_grad():
            own = lens.logits(lens.transform(h[0], 1)).log_softmax(-1)
        return float((final.exp() * (final - own)).sum(-1).mean())

    readout = tiny.parts.readout
    assert loss(TunedLens(readout, *moved)) < 0.9 * loss(LogitLens(readout))
    assert all(parameter.grad is None for parameter in tiny.network.parameters())


def test_a_fit_is_the_same_again(tiny, tmp_path):
    ids = random_ids(tiny, texts=12, length=20)
    for kind in ("tuned", "jacobian"):
        first, second = (lg.fit_lens(tiny, kind, ids, options=FAST).lens for _ in range(2))
        other = lg.fit_lens(tiny, kind, ids, options=replace(FAST, seed=1)).lens
        assert first.digest == second.digest != other.digest


@pytest.fixture(scope="module")
def lenses(tiny, tmp_path_factory):
    """Both lenses of the tiny llama, fitted on random tokens, in folders by kind."""
    root = tmp_path_factory.mktemp("lenses")
    ids = random_ids(tiny, texts=12, length=20)
    return {
        kind: (root / kind, lg.fit_lens(tiny, kind, ids, options=FAST, out=root / kind))
        for kind in ("tuned", "jacobian")
    }


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
                x = x @ tensors["jacobians"].T
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


def test_too_few_texts_are_refused(tiny):
    with pytest.raises(LayergramError, match="2 texts of 8 tokens or more"):
        lg.fit_lens(tiny, "tuned", [TEXT, TEXT, "a"])


def test_what_cannot_be_fitted_is_refused_before_any_work(tiny, tmp_path, capsys):
    texts = [TEXT * 40] * 8
    with pytest.raises(LayergramError, match="at most 512"):
        lg.fit_lens(tiny, "tuned", texts, options=LensOptions(length=513))
    folder = tmp_path / "one"
    write_folder(folder, layers=1)
    for kind in ("tuned", "jacobian"):
        with pytest.raises(LayergramError, match="a model of one layer"):
            lg.fit_lens(lg.load(str(folder)), kind, [TEXT] * 8)


def test_one_held_out_text_has_no_interval(tiny, tmp_path):
    result = lg.fit_lens(
        tiny, "tuned", [TEXT, TEXT[9:], TEXT[5:], TEXT[7:]], options=FAST, out=tmp_path
    )
    written = "".join(result.sentences) + (tmp_path / "summary.json").read_text()
    assert "On 1 held-out text the" in written and "of layer 2 from" in written
    assert "One text gives no interval" in written
    assert "nan" not in written.lower() and "-0.000" not in written


@pytest.mark.parametrize("metadata", ["5", "[]", '{"schema": 1, "kind": "tuned"}'])
def test_any_file_that_is_no_lens_is_refused(tiny, tmp_path, metadata):
    numbers = {"weights": torch.zeros(()), "biases": torch.zeros(())}
    save_file(numbers, tmp_path / FILE, metadata={"layergram": metadata})
    with pytest.raises(LayergramError, match="lens"):
        open_lens(tiny, f"tuned:{tmp_path}")
    with pytest.raises(LayergramError, match="no lens there"):
        open_lens(tiny, "tuned:~no-such-user/lens")


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


def test_the_model_writes_its_own_texts(tiny):
    from layergram.experiments.lenses.pieces import own_texts

    first, second = (own_texts(tiny, number=3, tokens=12, seed=1) for _ in range(2))
    assert first == second
    assert len(set(first)) == 3
