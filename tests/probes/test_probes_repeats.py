"""The nested choice and the highest cell in several partitions into folds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from layergram.probes import Evaluation, compare, cross_fit, evaluate, out_of_fold
from layergram.probes.crossfit import assign_partitions
from layergram.probes.ridge import RIDGE, ridge_without_pairs
from layergram.statistics.folds import grouped_folds

NAMES = ("right answers", "wrong answers")
FIVE = Evaluation(permutations=0)


def drawn(seed, n=80, layers=4, roles=3, width=8):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, layers, roles, width)), generator.permutation(n) < 0.4 * n


@pytest.mark.parametrize(("n", "d"), [(60, 8), (90, 60), (40, 80)])
def test_a_ridge_probe_without_two_folds_needs_no_fit(n, d):
    """The closed form, by rows and by features, against probes that were really fitted."""
    generator = np.random.default_rng(0)
    features, y = generator.normal(size=(n, d)), generator.permutation(n) < n // 3
    several = np.stack([grouped_folds(y, np.arange(n), folds=4, seed=seed) for seed in (0, 1)])
    x = (features - features.mean(0)) / features.std(0)
    penalty = RIDGE * (x**2).sum() / n + 1e-3
    expected = np.zeros((2, 4, 4))
    for at, folds in enumerate(several):
        for f, g in ((f, g) for f in range(4) for g in range(4) if f != g):
            rows, out = (folds != f) & (folds != g), folds == g
            centre, level = x[rows].mean(0), y[rows].mean()
            gram = (x[rows] - centre).T @ (x[rows] - centre) + penalty * np.eye(d)
            weights = np.linalg.solve(gram, (x[rows] - centre).T @ (y[rows] - level))
            expected[at, f, g] = roc_auc_score(y[out], (x[out] - centre) @ weights)
    found = ridge_without_pairs(torch.as_tensor(features).float(), y, several)
    assert found == pytest.approx(expected.sum(2) / 3, abs=1e-6)


def test_rows_with_the_same_features_are_not_told_apart_by_their_own_labels():
    """As in the embeddings of a role where nearly all answers have one of a few tokens."""
    generator = np.random.default_rng(0)
    kinds = generator.normal(size=(7, 576))
    of_row = np.minimum(generator.geometric(0.9, 1500), 7) - 1
    y, folds = generator.random(1500) < 0.5, generator.integers(0, 4, 1500)
    found = ridge_without_pairs(torch.as_tensor(kinds[of_row]).float(), y, folds[None])[0]
    assert found == pytest.approx(0.5, abs=0.05)  # the labels were drawn


def test_partitions_are_those_of_every_other_evaluation():
    features, wrong = drawn(0)
    features[:, 2, 1, 0] += 1.5 * wrong
    result = evaluate(features, wrong, groups=np.arange(80), evaluation=FIVE)
    rows = assign_partitions(wrong, np.arange(80), NAMES, FIVE)
    assert (result.partition_fold.values[0] == result.example_fold.values).all()
    assert (result.partition_fold.values[1:] == rows.repeats).all()
    cell = cross_fit(features[:, 2, 1], wrong, groups=np.arange(80), evaluation=FIVE)
    best = (int(result.best_layer), result.best_role.item())
    assert best == (2, "1")
    assert result.best_auroc_of_partition.values == pytest.approx(cell.auroc.parts, abs=2e-3)
    assert result.chosen_auroc_of_partition.values[0] == float(result.chosen_auroc)
    assert result.chosen_auroc_of_partition.mean() == pytest.approx(float(result.nested_auroc))
    assert compare(out_of_fold(result), cell).partitions.size == 5


def test_one_partition_is_the_maps():
    features, wrong = drawn(1)
    once = Evaluation(permutations=0, partitions=1)
    result = evaluate(features, wrong, groups=np.arange(80), evaluation=once)
    assert result.sizes["partition"] == 1
    assert float(result.nested_auroc) == float(result.chosen_auroc)
    ends = [
        float(result[f"{name}_{end}"]) for end in ("low", "high") for name in ("nested", "chosen")
    ]
    assert ends[0] == pytest.approx(ends[1]) and ends[2] == pytest.approx(ends[3])


def test_the_choice_is_nested_in_every_partition():
    """Of maps of noise the mean of what is chosen is one half, though the highest cell is above."""
    nested, best, covered = [], [], 0
    for seed in range(25):
        features, wrong = drawn(seed)
        result = evaluate(features, wrong, groups=np.arange(80), evaluation=FIVE)
        nested.append(result.chosen_auroc_of_partition.values)
        best.append(result.best_auroc_of_partition.values)
        covered += result.nested_low <= 0.5 <= result.nested_high
    by_partition = np.array(nested).mean(0)
    assert np.abs(by_partition - 0.5).max() < 3 * 0.1 / 25**0.5
    assert np.mean(best) > 0.6
    assert covered >= 25 * 0.92 - 3 * (25 * 0.95 * 0.05) ** 0.5
    assert np.std(nested, axis=1).mean() > 0.01


def test_examples_without_a_role_stay_without_a_score():
    features, wrong = drawn(2, n=120)
    features[:30, :, 1] = np.nan
    features[:, 2, 1, 0] += 3 * wrong
    result = evaluate(features, wrong, groups=np.arange(120), evaluation=FIVE)
    assert result.best_role.item() == "1"
    scored = np.isfinite(result.nested_scores.values)
    assert not scored[:, :30].any() and scored[:, 30:].all()
    assert (result.chosen_auroc_of_partition > 0.9).all()
