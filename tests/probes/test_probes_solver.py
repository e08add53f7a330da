"""The solver reaches scikit-learn's optimum, for every problem and shape of the features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from layergram.probes import logistic as solver
from layergram.probes.logistic import logistic


def data(n, d, *, seed=0, sep=1.0, stretch=1.0):
    """Correlated features on scales from 1/stretch to stretch, with an offset; labels they show."""
    generator = np.random.default_rng(seed)
    wrong = generator.random(n) < 0.4
    wrong[:2] = [True, False]
    features = generator.normal(size=(n, d)) @ generator.normal(size=(d, d)) / d**0.5
    features[:, 0] += sep * wrong
    features = features * np.geomspace(1 / stretch, stretch, d) + generator.normal(size=d)
    return features.astype(np.float32), wrong


def reference(features, wrong, rows, *, c, scale):
    """scikit-learn's margins for all rows and its coefficients for the features as given."""
    features = features.astype(np.float64)
    scaler = StandardScaler(with_mean=scale == "standard", with_std=scale == "standard")
    scaler.fit(features[rows])
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000)
    model.fit(scaler.transform(features[rows]), wrong[rows])
    spread = scaler.scale_ if scale == "standard" else 1.0
    return model.decision_function(scaler.transform(features)), model.coef_[0] / spread


def newton(features, wrong, rows, *, c):
    """Coefficients and intercept of one unscaled problem, by damped Newton steps in float64."""
    x = np.c_[features[rows].astype(np.float64), np.ones(rows.sum())]
    sign, penalty = 2.0 * wrong[rows] - 1, np.r_[np.ones(features.shape[1]), 0]

    def loss(w):
        return c * np.logaddexp(0, -sign * (x @ w)).sum() + (penalty * w**2).sum() / 2

    w = np.zeros(x.shape[1])
    for _ in range(500):
        missed = 1 / (1 + np.exp(np.clip(sign * (x @ w), -700, 700)))
        slope = penalty * w - c * x.T @ (sign * missed)
        hessian = np.diag(penalty + 1e-12) + c * (x.T * (missed * (1 - missed))) @ x
        step, share = np.linalg.solve(hessian, slope), 1.0
        while loss(w - share * step) > loss(w) and share > 1e-9:
            share /= 2
        w = w - share * step
        if np.abs(share * step).max() < 1e-10 * np.abs(w).max():
            break
    return w


def solve(features, wrong, trained, **options):
    labels = np.repeat(wrong[None], len(trained), axis=0)
    return logistic(
        torch.as_tensor(features), torch.as_tensor(labels), torch.as_tensor(trained), **options
    )


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize(("n", "d"), [(150, 10), (120, 90), (100, 200), (80, 300)])
@pytest.mark.parametrize("c", [0.01, 1.0])
def test_every_fold_is_at_the_optimum_of_scikit_learn(n, d, c, scale):
    features, wrong = data(n, d, stretch=10.0)
    folds = np.arange(n) % 5
    trained = np.stack([folds != fold for fold in range(5)])
    fits = solve(features, wrong, trained, c=c, scale=scale)
    assert fits.converged.all()
    for fold in range(5):
        margins, weights = reference(features, wrong, trained[fold], c=c, scale=scale)
        spread = features[trained[fold]].std(0) if scale == "standard" else 1.0
        off = np.linalg.norm((fits.weights[fold].numpy() - weights) * spread)
        assert off < 1e-3 * np.linalg.norm(weights * spread)
        held_out = ~trained[fold]
        ours = roc_auc_score(wrong[held_out], fits.log_odds[fold][held_out])
        assert ours == pytest.approx(roc_auc_score(wrong[held_out], margins[held_out]), abs=0.002)
        assert np.abs(fits.log_odds[fold].numpy() - margins).max() < 2e-3 * np.abs(margins).max()


def test_many_features_whose_deviation_depends_on_the_fold_and_rows_that_come_twice():
    generator = np.random.default_rng(0)
    features, wrong = data(100, 250, stretch=10.0)
    for feature in range(0, 250, 25):  # one row has nearly all of a feature's variance
        features[generator.integers(100), feature] = 40.0 * np.abs(features[:, feature]).max()
    features[50:70], wrong[50:70] = features[30:50], wrong[30:50]
    features[:, 3] = 7.0
    trained = np.stack([np.arange(100) % 5 != fold for fold in range(5)])
    fits = solve(features, wrong, trained)
    assert fits.converged.all()
    for fold in range(5):
        _, weights = reference(features, wrong, trained[fold], c=1.0, scale="standard")
        spread = features[trained[fold]].std(0)
        off = np.linalg.norm((fits.weights[fold].numpy() - weights) * spread)
        assert off < 1e-3 * np.linalg.norm(weights * spread)


@pytest.mark.parametrize(
    ("stretch", "kind"), [(1.0, torch.float32), (30.0, torch.float32), (100.0, torch.float64)]
)
def test_problems_of_several_rounds_end_at_the_optimum(stretch, kind, monkeypatch):
    features, wrong = data(300, 250, sep=3.0, stretch=stretch)
    trained = np.stack([np.arange(300) % 5 != fold for fold in range(5)])
    kinds, renewed = [], solver._preconditioner

    def watched(problems, pull):
        kinds.append(problems.features.dtype)
        return renewed(problems, pull)

    monkeypatch.setattr(solver, "_preconditioner", watched)
    fits = solve(features, wrong, trained, scale="none")
    assert kinds[0] == kind
    assert len(kinds) > 1
    assert fits.converged.all()
    for fold in range(5):
        expected = newton(features, wrong, trained[fold], c=1.0)[:-1]
        off = np.linalg.norm(fits.weights[fold].numpy() - expected)
        assert off < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("value", [3e3, 1e5])
@pytest.mark.parametrize("seed", range(4))
def test_rare_huge_numbers_do_not_throw_the_line_search(seed, value):
    generator = np.random.default_rng(seed)
    wrong = generator.random(80) < 0.5
    wrong[:2] = [True, False]
    features = generator.normal(size=(80, 6))
    features[generator.integers(0, 80, 3), generator.integers(0, 6, 3)] = value
    trained = np.stack([np.arange(80) % 4 != fold for fold in range(4)])
    fits = solve(features.astype(np.float32), wrong, trained, scale="none")
    assert fits.converged.all()
    for fold in range(4):
        expected = newton(features.astype(np.float32), wrong, trained[fold], c=1.0)[:-1]
        off = np.linalg.norm(fits.weights[fold].numpy() - expected)
        assert off < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize(("spread", "c"), [(1e-6, 1.0), (1e-4, 1.0), (1.0, 1e-6), (1.0, 1.0)])
def test_weak_coefficients_are_as_near_as_strong_ones(spread, c):
    for seed in range(4):
        generator = np.random.default_rng(seed)
        features = (generator.normal(size=(80, 5)) * spread).astype(np.float32)
        wrong = generator.random(80) < 0.5
        fits = solve(features, wrong, np.ones((1, 80), bool), scale="none", c=c)
        expected = newton(features, wrong, np.ones(80, bool), c=c)[:-1]
        assert fits.converged.all()
        off = np.linalg.norm(fits.weights[0].numpy() - expected)
        assert off < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("seed", range(25))
def test_a_line_search_that_rounding_spoils_does_not_spoil_the_next(seed):
    """Features so weak that float32 cannot tell how far to go: directions must not collapse."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(30, 200))
    features = (generator.normal(size=(n, 20)) * 1e-6).astype(np.float32)
    wrong = generator.random(n) < 0.5
    trained = np.stack([*(np.arange(n) % 5 != fold for fold in range(5)), np.arange(n) % 5 != 0])
    labels = np.stack([*[wrong] * 5, generator.permutation(wrong)])
    fits = logistic(*(torch.as_tensor(a) for a in (features, labels, trained)), scale="none")
    assert fits.weights.isfinite().all() and fits.log_odds.isfinite().all()


def test_problems_without_anything_to_learn_are_done_at_once():
    balanced = np.arange(20) % 2 == 0
    fits = solve(np.full((20, 3), 2.0, np.float32), balanced, np.ones((1, 20), bool))
    assert fits.converged.all() and not fits.weights.any() and not fits.bias.any()
    features, wrong = data(20, 3)
    features[10:] = 1.0
    wrong[10:] = balanced[10:]
    trained = np.stack([np.arange(20) >= 10, np.arange(20) < 20])
    both = solve(features, wrong, trained)
    assert both.converged.all() and both.weights[1].any()
    alone = solve(features, wrong, trained[1:])
    assert (both.weights[1] - alone.weights[0]).norm() < 2e-3 * alone.weights[0].norm()


def test_the_features_given_stay_as_they_are():
    features, wrong = data(60, 8)
    kept = features.astype(np.float64)
    solve(kept, wrong, np.ones((1, 60), bool))
    assert (kept == features).all()


def test_the_coefficients_give_the_margins():
    features, wrong = data(100, 20)
    fits = solve(features, wrong, np.ones((1, 100), bool))
    margins = features.astype(np.float64) @ fits.weights[0].numpy() + fits.bias[0].item()
    assert np.abs(margins - fits.log_odds[0].numpy()).max() < 1e-4


def test_problems_do_not_touch_each_other():
    features, wrong = data(100, 20)
    trained = np.stack([np.arange(100) % 5 != fold for fold in range(5)])
    together = solve(features, wrong, trained)
    alone = solve(features, wrong, trained[2:3])
    size = alone.weights.norm()
    assert (together.weights[2] - alone.weights[0]).norm() < 1e-3 * size


def test_rows_outside_a_training_do_not_count():
    features, wrong = data(100, 20)
    trained = (np.arange(100) < 60)[None]
    before = solve(features, wrong, trained, scale="none")
    features[60:] *= -3
    after = solve(features, ~wrong ^ (np.arange(100) < 60), trained, scale="none")
    assert (before.weights - after.weights).norm() < 1e-3 * before.weights.norm()


def test_a_constant_feature_has_no_weight():
    features, wrong = data(60, 5)
    features[:, 1] = 7.0
    features[:50, 2] = 0.0  # constant where it is trained
    fits = solve(features, wrong, (np.arange(60) < 50)[None])
    assert fits.weights[0, 1] == 0
    assert abs(fits.weights[0, 2]) < 1e-3
    assert fits.converged.all()


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("width", [3, 80])
def test_constant_features_leave_the_base_rate(width, scale):
    wrong = np.arange(40) % 4 == 0
    fits = solve(np.full((40, width), 7.0, np.float32), wrong, np.ones((1, 40), bool), scale=scale)
    assert not fits.weights.any()
    assert torch.sigmoid(fits.bias[0]).item() == pytest.approx(0.25, abs=1e-3)


def test_what_is_not_reached_is_said(monkeypatch):
    features, wrong = data(80, 10)
    monkeypatch.setattr(solver, "STEPS", 2)
    assert not solve(features, wrong, np.ones((1, 80), bool)).converged.any()


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(20, 60),
    d=st.integers(1, 80),
    c=st.sampled_from([1e-4, 0.1, 1.0, 100.0]),
    sep=st.sampled_from([0.0, 1.0, 20.0]),
)
def test_no_problem_is_left_short_of_its_optimum(seed, n, d, c, sep):
    """The penalty makes the objective so convex that the slope's length bounds the distance."""
    features, wrong = data(n, d, seed=seed, sep=sep, stretch=30.0)
    fits = solve(features, wrong, np.ones((1, n), bool), c=c)
    x = features.astype(np.float64)
    spread = np.maximum(x.std(0), 1e-9)
    scaled = (x - x.mean(0)) / spread
    weights = fits.weights[0].numpy() * spread
    margins = x @ fits.weights[0].numpy() + fits.bias[0].item()
    missed = wrong - 1 / (1 + np.exp(-margins))
    slope = weights - c * scaled.T @ missed
    assert fits.converged.all()
    assert np.linalg.norm(slope) < 2e-3 * np.linalg.norm(weights) + 1e-4 * (c * n) ** 0.5
    assert abs(missed.sum()) < 1e-2 * n
