"""AUROC, intervals, folds and p-values do what their definitions promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from layergram.errors import LayergramError
from layergram.probes.crossfit import Evaluation, assign_folds
from layergram.probes.ridge import RIDGE, ridge_statistics
from layergram.statistics.auroc import Auroc, auroc, fold_covariance
from layergram.statistics.correlation import rank_correlation
from layergram.statistics.folds import grouped_folds, numbered
from layergram.statistics.permutation import p_values, shuffles

NAMES = ("other functions", "Retrieval")


def one_fold(n):
    return np.zeros(n, dtype=int)


# --- AUROC ------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(6, 40), st.booleans())
def test_auroc_is_that_of_scikit_learn(seed, n, tied):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, n).astype(float) if tied else generator.normal(size=n)
    positive = np.arange(n) % 3 == 0
    found = auroc(scores, positive, one_fold(n), np.arange(n))
    assert found.value == pytest.approx(roc_auc_score(positive, scores))


@given(st.integers(0, 1000), st.booleans())
def test_the_error_is_that_of_delong(seed, tied):
    """By brute force over all pairs, as the paper writes it."""
    generator = np.random.default_rng(seed)
    n = 30
    scores = generator.integers(0, 5, n).astype(float) if tied else generator.normal(size=n)
    positive = generator.permutation(n) < 11
    pairs = np.array(
        [[1.0 if p > q else 0.5 if p == q else 0.0 for q in scores[~positive]]
         for p in scores[positive]]
    )  # fmt: skip
    by_positive, by_negative = pairs.mean(1), pairs.mean(0)
    variance = by_positive.var(ddof=1) / 11 + by_negative.var(ddof=1) / 19
    found = auroc(scores, positive, one_fold(n), np.arange(n))
    assert found.error == pytest.approx(variance**0.5)


def test_folds_are_never_compared():
    scores = np.array([0.0, 1.0, 10.0, 11.0])
    positive = np.array([False, True, False, True])
    folds = np.array([0, 0, 1, 1])
    assert auroc(scores, positive, folds, np.arange(4)).value == 1.0
    assert auroc(scores, positive, one_fold(4), np.arange(4)).value == 0.75


def test_a_fold_counts_by_its_pairs():
    scores = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    positive = np.array([False, True, False, True, True])
    found = auroc(scores, positive, np.array([0, 0, 1, 1, 1]), np.arange(5))
    assert found.parts.tolist() == [1.0, 0.0]
    assert found.value == pytest.approx(1 / 3)


def test_rows_given_twice_in_a_group_give_no_more_certainty():
    generator = np.random.default_rng(0)
    positive = np.arange(60) % 2 == 0
    scores = generator.normal(size=60) + positive
    once = auroc(scores, positive, one_fold(60), np.arange(60))
    twice = auroc(
        np.tile(scores, 2), np.tile(positive, 2), one_fold(120), np.tile(np.arange(60), 2)
    )
    apart = auroc(np.tile(scores, 2), np.tile(positive, 2), one_fold(120), np.arange(120))
    assert twice.value == pytest.approx(once.value)
    assert twice.error == pytest.approx(once.error)
    assert apart.error < 0.75 * once.error


def test_missing_scores_are_left_out():
    scores = np.array([0.1, np.nan, 0.4, 0.35, 0.8])
    positive = np.array([False, True, False, True, True])
    found = auroc(scores, positive, one_fold(5), np.arange(5))
    assert found.value == 0.75
    assert found.smaller == 2


@pytest.mark.parametrize("flip", [False, True])
def test_a_perfect_score_still_has_an_interval(flip):
    positive = np.arange(40) < 20
    found = auroc((positive ^ flip).astype(float), positive, one_fold(40), np.arange(40))
    low, high = found.interval(0.95)
    assert found.value == (0.0 if flip else 1.0)
    assert (low, high) == ((0.0, pytest.approx(0.168, abs=1e-3)) if flip else
                           (pytest.approx(0.832, abs=1e-3), 1.0))  # fmt: skip


def test_one_class_has_no_auroc():
    found = auroc(np.arange(4.0), np.ones(4, bool), one_fold(4), np.arange(4))
    assert np.isnan(found.value)
    assert np.isnan(found.interval(0.95)).all()


@pytest.mark.parametrize(("separation", "together"), [(0.0, 1), (1.2, 1), (1.2, 4), (3.0, 1)])
def test_intervals_of_a_score_cover_the_truth(separation, together):
    """95 % intervals of 1,000 samples; the questions of a group share half of their noise."""
    generator = np.random.default_rng(1)
    from statistics import NormalDist

    truth = NormalDist().cdf(separation / 2**0.5)
    groups = np.repeat(np.arange(120 // together), together)
    covered = 0
    for _ in range(1000):
        positive = np.arange(120) % 3 == 0
        noise = generator.normal(size=120)
        if together > 1:
            shared = generator.normal(size=groups.max() + 1)[groups]
            noise = (noise + shared) / 2**0.5
        low, high = auroc(noise + separation * positive, positive, one_fold(120), groups).interval(
            0.95
        )
        covered += low <= truth <= high
    assert 920 <= covered <= 980


def stratified(positive, folds, generator):
    """Examples in folds with like shares of both classes, quickly."""
    found = np.empty(positive.size, dtype=int)
    for side in (positive, ~positive):
        found[side] = (generator.permutation(side.sum()) + generator.integers(folds)) % folds
    return found


@pytest.mark.parametrize(("few", "many", "folds"), [(10, 200, 10), (10, 200, 5), (20, 100, 20)])
def test_a_fold_may_have_a_single_example_of_a_class(few, many, folds):
    """Coverage of 400 samples at AUROC .8; each fold's own mean has no deviation from itself."""
    generator = np.random.default_rng(2)
    positive = np.arange(few + many) < few
    covered = 0
    for _ in range(400):
        scores = generator.normal(size=positive.size) + 2**0.5 * norm.ppf(0.8) * positive
        inside = stratified(positive, folds, generator)
        low, high = auroc(scores, positive, inside, np.arange(positive.size)).interval(0.95)
        covered += low <= 0.8 <= high
    error = (0.95 * 0.05 / 400) ** 0.5
    assert 0.92 - 3 * error <= covered / 400 <= 0.99 + 3 * error


@pytest.mark.parametrize("flip", [False, True])
def test_an_error_of_training_near_the_end_of_the_scale_does_not_reach_the_other_end(flip):
    """0.9997 (0.00 to 1.00) is no interval; and nothing jumps where the end is reached."""
    ends = []
    for value in (0.99, 0.9997, 1 - 1e-7, 1.0):
        area = Auroc(1 - value if flip else value, np.ones(5), np.ones(5) / 5, np.zeros(9), 53,
                     fold_covariance=0.01**2)  # fmt: skip
        low, high = area.interval(0.95)
        ends.append(1 - high if flip else low)
    exact = 0.025 ** (1 / 53)
    assert ends == pytest.approx([exact] * 4, abs=0.03)
    assert ends[2] == pytest.approx(ends[3], abs=1e-5)


def test_few_groups_widen_the_interval_by_students_t():
    generator = np.random.default_rng(0)
    positive = np.arange(60) < 30
    groups = np.where(positive, np.arange(60) // 10, np.arange(60))
    area = auroc(generator.normal(size=60), positive, one_fold(60), groups)
    outer = area.interval(0.95)[int(area.value >= 0.5)]
    stretched = area.error / area.value / (1 - area.value)
    assert area.smaller == 3
    assert abs(logit(outer) - logit(area.value)) == pytest.approx(4.3027 * stretched, rel=1e-4)
    one_group = auroc(generator.normal(size=60), positive, one_fold(60), np.maximum(groups, 2))
    assert np.isnan(one_group.interval(0.95)).all()


def gains(*pairs):
    """What three folds lose without each other: (f, g) and (g, f), for each pair of folds."""
    gain = np.full((3, 3), np.nan)
    for (f, g), (to_first, to_second) in zip([(0, 1), (0, 2), (1, 2)], pairs, strict=True):
        gain[f, g], gain[g, f] = to_first, to_second
    return float(fold_covariance(gain, np.full(3, 1 / 3)))


def test_what_folds_give_each_other_adds_to_the_variance():
    assert gains((0.1, 0.1), (-0.1, -0.1), (0.0, 0.0)) == pytest.approx(4 / 9 * 0.1 * 0.1)


def test_what_only_one_of_two_folds_gains_adds_nothing():
    assert gains((0.1, -0.1), (-0.1, 0.1), (0.0, 0.0)) == 0


def test_what_more_examples_bring_to_every_fold_is_no_error():
    assert gains((0.1, 0.1), (0.1, 0.1), (0.1, 0.1)) == pytest.approx(0, abs=1e-12)
    assert gains((0.12, 0.12), (0.08, 0.08), (0.1, 0.1)) < 0.001


# --- folds ------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(3, 6), st.integers(12, 40))
def test_no_group_is_ever_in_two_folds(seed, folds, count):
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), generator.integers(1, 6, count))
    groups = generator.permutation(groups)
    wrong = generator.random(groups.size) < 0.5
    try:
        found = assign_folds(
            wrong, numbered(groups), NAMES, Evaluation(folds=folds, seed=seed)
        ).folds
    except LayergramError as error:
        assert "in one of them" in error.got or "of the rarest class" in error.got
        return
    assert (found == grouped_folds(wrong, groups, folds=folds, seed=seed)).all()
    assert all(np.unique(found[groups == group]).size == 1 for group in range(count))
    assert set(found) == set(range(folds))
    for fold in range(folds):
        assert wrong[found == fold].any() and not wrong[found == fold].all()


def test_folds_have_like_shares_of_a_class():
    wrong = np.arange(500) % 10 == 0
    found = grouped_folds(wrong, np.arange(500), folds=5, seed=3)
    assert [int(wrong[found == fold].sum()) for fold in range(5)] == [10] * 5


def test_folds_follow_the_seed_alone():
    wrong = np.arange(60) % 2 == 0
    again = [grouped_folds(wrong, np.arange(60), folds=5, seed=seed) for seed in (0, 0, 1)]
    assert (again[0] == again[1]).all()
    assert (again[0] != again[2]).any()


def test_groups_may_have_names():
    assert numbered(["Paris", "Rome", "Paris"]).tolist() == [0, 1, 0]


def test_folds_of_several_classes_have_like_shares_of_each():
    classes = np.arange(90) % 3
    found = grouped_folds(classes, np.arange(90) // 2, folds=5, seed=0)
    counts = [np.bincount(classes[found == fold], minlength=3).tolist() for fold in range(5)]
    assert np.ptp(counts, axis=0).max() <= 2


@pytest.mark.parametrize(
    ("groups", "wrong", "words"),
    [
        (np.arange(40) // 20, np.arange(40) % 2 == 0, "2 groups"),
        (np.arange(40), np.arange(40) < 4, "4 examples of the rarest class"),
        (np.arange(40) // 8, np.arange(40) < 16, "0 Retrieval and 8 other functions in one of"),
    ],
)
def test_folds_that_cannot_be_are_refused(groups, wrong, words):
    with pytest.raises(LayergramError, match=words):
        assign_folds(wrong, groups, NAMES, Evaluation())


# --- shuffles ---------------------------------------------------------------------------------


def test_shuffles_keep_folds_groups_and_roles():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    folds = (groups % 4).astype(int)
    present = np.repeat(generator.random((40, 2)) < 0.5, 3, axis=0)
    wrong = generator.random(120) < 0.4
    found = shuffles(wrong, groups, count=50, seed=1, folds=folds, present=present)
    assert (found != wrong).any(1).all()
    for fold in range(4):
        assert (found[:, folds == fold].sum(1) == wrong[folds == fold].sum()).all()
    kinds = {}
    for group in range(40):
        members = groups == group
        key = (group % 4, present[members][0].tobytes())
        kinds.setdefault(key, []).append(members)
    for alike in kinds.values():
        before = sorted(wrong[members].tolist() for members in alike)
        for shuffle in found:
            assert sorted(shuffle[members].tolist() for members in alike) == before


def test_shuffles_of_several_classes_keep_groups_together():
    groups = np.array([0, 0, 1, 2, 2, 3, 4, 4])
    labels = 10 * groups + np.arange(8)
    for found in shuffles(labels, groups, count=20, seed=0):
        assert sorted(found) == sorted(labels)
        for group in range(5):
            source = found[groups == group]
            assert (source == labels[groups == source[0] // 10]).all()


def test_every_order_of_labels_is_as_likely():
    wrong = np.array([True, True, False, False])
    found = shuffles(wrong, np.arange(4), count=6000, seed=0)
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert counts.size == 6
    assert np.abs(counts - 1000).max() < 150


# --- permutation ------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [0.0, 100.0], ids=["spread", "one direction"])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (400, 100), (150, 100), (40, 120)])
def test_held_out_ridge_needs_no_second_fit(n, d, shared):
    """The closed form against ridge regressions really fitted without the fold."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(n, d)) + shared * generator.normal(size=(n, 1))
    labels = generator.random((3, n)) < 0.5
    folds = generator.permutation(np.arange(n) % 4)
    x = (features - features.mean(0)) / features.std(0)
    penalty = RIDGE * (x**2).sum() / n + 1e-3
    expected = []
    for y in labels.astype(float):
        predicted = np.empty(n)
        for fold in range(4):
            rows, out = folds != fold, folds == fold
            centre, level = x[rows].mean(0), y[rows].mean()
            gram = (x[rows] - centre).T @ (x[rows] - centre) + penalty * np.eye(d)
            weights = np.linalg.solve(gram, (x[rows] - centre).T @ (y[rows] - level))
            predicted[out] = level + (x[out] - centre) @ weights
        between = balance = within = freedom = 0.0
        for fold in range(4):
            high = predicted[(folds == fold) & (y == 1)]
            low = predicted[(folds == fold) & (y == 0)]
            share = high.size * low.size / (high.size + low.size)
            between += share * (high.mean() - low.mean())
            balance += share
            within += high.size * high.var() + low.size * low.var()
            freedom += high.size + low.size - 2
        expected.append(between / (within / freedom * balance) ** 0.5)
    found = ridge_statistics(torch.as_tensor(features).float(), labels, folds)
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_constant_features_and_one_class_have_no_strength():
    labels = np.stack([np.arange(20) % 2 == 0, np.ones(20, bool)])
    folds = np.arange(20) // 4
    assert (ridge_statistics(torch.full((20, 3), 4.2), labels, folds) == 0).all()
    assert ridge_statistics(torch.randn(20, 3), labels, folds)[1] == 0


def test_a_feature_that_is_the_label_is_stronger_than_any_shuffle():
    generator = np.random.default_rng(0)
    wrong = generator.random(40) < 0.5
    labels = np.stack([wrong, *(generator.permutation(wrong) for _ in range(50))])
    t = ridge_statistics(torch.as_tensor(wrong[:, None]).float(), labels, np.arange(40) % 4)
    assert np.isfinite(t).all()
    assert t[0] > 10 * np.abs(t[1:]).max()


def test_p_values_are_uniform_without_an_effect():
    """150 maps of noise, of 2 cells, with 99 shuffles; questions of two samples each.

    Kolmogorov's distance stays under its 99.9 % point, 1.95 / √150; a step of 1/100 is added.
    """
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(24), 2)
    found = []
    for seed in range(150):
        wrong = np.repeat(generator.random(24) < 0.5, 2) ^ (generator.random(48) < 0.2)
        question = generator.normal(size=(24, 2, 6)).repeat(2, axis=0)
        features = torch.as_tensor(question + generator.normal(size=(48, 2, 6))).float()
        folds = grouped_folds(wrong, groups, folds=3, seed=seed)
        labels = np.vstack([wrong, shuffles(wrong, groups, count=99, seed=seed, folds=folds)])
        strength = np.stack([ridge_statistics(features[:, c], labels, folds) for c in range(2)])
        found.append(p_values(strength[:, 0], strength[:, 1:].max(0)).min())
    steps = np.sort(found)
    distance = np.abs(steps - np.arange(1, 151) / 150).max()
    assert distance < 1.95 / 150**0.5 + 0.01


# --- rank correlation -------------------------------------------------------------------------


def test_rank_correlation_leaves_out_what_one_map_lacks():
    from scipy.stats import spearmanr

    one, other = np.random.default_rng(0).normal(size=(2, 5, 8)).round(1)
    one[0, 0] = other[3, 3] = np.nan
    both = np.isfinite(one) & np.isfinite(other)
    assert rank_correlation(one, other) == pytest.approx(
        spearmanr(one[both], other[both]).statistic
    )
    assert np.isnan(rank_correlation([1.0, 1.0], [1.0, 2.0]))
    assert np.isnan(rank_correlation([np.nan], [1.0]))
