"""Two cross-fitted scores are compared on the same examples, in the same folds."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes import Evaluation, compare, cross_fit, evaluate, out_of_fold
from layergram.statistics.auroc import auroc

ROLES = ["last_q", "exact_answer_last"]
ONCE = Evaluation(permutations=0, partitions=1)


def sample(n=160, *, first=0.6, second=1.4, shared=1.5, seed=0):
    """Two sets of 6 features whose noise agrees, with effects of their own."""
    generator = np.random.default_rng(seed)
    wrong = generator.permutation(n) < n // 2
    noise = shared * generator.normal(size=(n, 1, 6))
    values = noise + generator.normal(size=(n, 2, 6))
    values[:, 0] += first * wrong[:, None]
    values[:, 1] += second * wrong[:, None]
    return values.astype(np.float32), wrong


def fitted(values, wrong, which, evaluation=None):
    groups = np.arange(wrong.size)
    return cross_fit(values[:, which], wrong, groups=groups, evaluation=evaluation)


def test_a_cell_of_a_map_is_what_its_features_give_alone():
    values, wrong = sample()
    features = xr.DataArray(
        values[:, None], dims=("example", "layer", "role", "feature"), coords={"role": ROLES}
    ).assign_coords(layer=[7])
    result = evaluate(features, wrong, groups=np.arange(wrong.size), evaluation=ONCE)
    cell = out_of_fold(result, {"layer": 7, "role": "exact_answer_last"})
    alone = fitted(values, wrong, 1, ONCE)
    assert (cell.folds == alone.folds).all()
    assert cell.scores == pytest.approx(alone.scores, abs=1e-3)
    assert cell.auroc.value == pytest.approx(float(result.auroc[0, 1]), abs=1e-9)
    assert cell.auroc.interval(0.95)[0] == pytest.approx(float(result.low[0, 1]), abs=1e-6)
    chosen = out_of_fold(result)
    assert chosen.auroc.value == float(result.nested_auroc)
    assert chosen.auroc.value == pytest.approx(float(result.chosen_auroc), abs=1e-9)
    assert compare(cell, alone).value == pytest.approx(0, abs=1e-3)
    assert compare(cell, fitted(values, wrong, 0)).partitions.size == 1
    with pytest.raises(LayergramError, match="layer"):
        out_of_fold(result, {"layer": 8, "role": "last_q"})


def test_what_both_find_hard_does_not_count():
    values, wrong = sample(first=1.2, second=2.4, shared=4.0)
    first, second = (fitted(values, wrong, which) for which in (1, 0))
    found = compare(first, second)
    apart = np.hypot(first.auroc.error, second.auroc.error)
    assert found.value == pytest.approx(first.auroc.value - second.auroc.value)
    assert (found.high - found.low) / 2 < 0.8 * 1.96 * apart
    assert found.partitions.size == 5 and np.ptp(found.partitions) > 0
    assert found.partitions.mean() == pytest.approx(found.value)
    turned = compare(second, first)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_partitions_differ_and_their_mean_varies_less():
    values, wrong = sample(first=0.3)
    first = fitted(values, wrong, 0)
    assert len(np.unique(first.folds, axis=0)) == 5
    assert (first.folds[0] == fitted(values, wrong, 0, ONCE).folds[0]).all()
    assert first.auroc.value == pytest.approx(first.auroc.parts.mean())


def test_plain_scores_are_compared_on_the_examples_that_have_them():
    values, wrong = sample()
    first = fitted(values, wrong, 1)
    score = values[:, 0].mean(1).astype(float)
    score[:20] = np.nan
    found = compare(first, score)
    assert found.examples == wrong.size - 20
    by_fold = [auroc(score, wrong, folds, np.arange(wrong.size)).value for folds in first.folds]
    assert found.second == pytest.approx(np.mean(by_fold))


@pytest.mark.parametrize("effect", [0.0, 0.5])
def test_the_interval_of_a_difference_covers_the_truth(effect):
    """120 samples of probes on 3 features; the truth is the mean over samples of their size."""
    estimates = []
    for seed in range(120):
        values, wrong = sample(100, first=0.5, second=0.5 + effect, seed=seed)
        found = compare(fitted(values, wrong, 1, ONCE), fitted(values, wrong, 0, ONCE))
        estimates.append((found.value, found.low, found.high))
    value, low, high = np.array(estimates).T
    covered = ((low <= value.mean()) & (value.mean() <= high)).mean()
    error = (0.95 * 0.05 / 120) ** 0.5
    assert 0.92 - 3 * error <= covered <= min(1, 0.99 + 3 * error)


def test_other_examples_or_folds_are_not_compared():
    values, wrong = sample()
    first = fitted(values, wrong, 0)
    for other in (
        fitted(values[:-1], wrong[:-1], 1),
        fitted(values, ~wrong, 1),
        fitted(values, wrong, 1, Evaluation(seed=5)),
    ):
        with pytest.raises(LayergramError, match="the same examples in the same folds"):
            compare(first, other)
    with pytest.raises(LayergramError, match="too few"):
        compare(first, np.full(wrong.size, np.nan))
