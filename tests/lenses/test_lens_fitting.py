"""Fitting: planted maps are found, errors are as stated, what cannot be fitted is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from lens_cases import FAST, TEXT, random_ids, silent, states

import layergram as lg
from layergram.engine.gradients import pull_back
from layergram.engine.lens import LogitLens, TunedLens
from layergram.errors import LayergramError
from layergram.experiments.lenses.jacobian import jacobian
from layergram.experiments.lenses.moments import moments_of
from layergram.experiments.lenses.options import LensOptions
from layergram.experiments.lenses.pieces import cut
from tiny_llama import write_folder


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


def test_around_the_mean_streams_a_jacobian_lens_of_affine_layers_is_exact(affine):
    model, onward, offset = affine
    ids = random_ids(model, texts=20, length=20)
    other = states(model, random_ids(model, texts=1, length=30, seed=9)[0])
    around, zero = (
        lg.fit_lens(model, "jacobian", ids, options=replace(FAST, around=name))
        for name in ("mean", "zero")
    )
    assert set(zero.lens.tensors) == {"jacobians"}
    assert torch.equal(zero.lens.tensors["jacobians"], around.lens.tensors["jacobians"])
    assert zero.lens.digest != around.lens.digest
    assert "around the mean streams" in around.sentences[0]
    assert "around zero" in zero.sentences[0]
    for layer, (matrix, shift) in enumerate(zip(onward, offset, strict=True), start=1):
        h = other[layer - 1]
        made, published = (one.lens.of(model).transform(h, layer) for one in (around, zero))
        np.testing.assert_allclose(made, other[-1], atol=1e-4)
        np.testing.assert_allclose(published, h @ matrix.T, atol=1e-4)
        np.testing.assert_allclose(published + shift, made, atol=1e-4)
    middle = around.summary["middle"]
    assert middle["fitted"] < 1e-6 < middle["logit"] and middle["low"] > 0


def test_the_constant_is_that_of_the_mean_streams_of_the_tokens_that_count(tiny):
    lengths = (50, 8, 23, 90, 64, 50, 12, 31)
    ids = [random_ids(tiny, texts=1, length=n, seed=n)[0] for n in lengths]
    lens = lg.fit_lens(tiny, "jacobian", ids, options=replace(FAST, length=70)).lens
    fitted = cut(tiny, ids, length=70, held_out=0.2, seed=0).fitted
    assert len(set(map(len, fitted))) > 3
    streams = torch.cat(
        [states(tiny, list(ids))[:, min(16, len(ids) // 4) : -1] for ids in fitted], dim=1
    )
    means = streams.double().mean(1)
    for layer in (1, 2):
        moved = lens.tensors["jacobians"][layer - 1].double() @ means[layer - 1]
        np.testing.assert_allclose(
            lens.tensors["offsets"][layer - 1], means[-1] - moved, rtol=1e-4, atol=1e-5
        )


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


def test_too_few_texts_are_refused(tiny):
    with pytest.raises(LayergramError, match="2 texts of 8 tokens or more"):
        lg.fit_lens(tiny, "tuned", [TEXT, TEXT, "a"])


def test_what_cannot_be_fitted_is_refused_before_any_work(tiny, tmp_path, capsys):
    texts = [TEXT * 40] * 8
    with pytest.raises(LayergramError, match="to read a lens around"):
        LensOptions(around="median")
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


def test_the_model_writes_its_own_texts(tiny):
    from layergram.experiments.lenses.pieces import own_texts

    first, second = (own_texts(tiny, number=3, tokens=12, seed=1) for _ in range(2))
    assert first == second
    assert len(set(first)) == 3
