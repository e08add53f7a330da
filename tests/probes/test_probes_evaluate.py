"""The map of an evaluation: what is planted is found, what is not is not, and nothing leaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes import Evaluation, evaluate, map_of, published_recipe
from layergram.probes.crossfit import Rows, crossfit, trainings
from layergram.probes.logistic import logistic

QUICK = Evaluation(permutations=99)
ROLES = ["last_q", "exact_answer_last", "-1"]


def grid(n=150, *, planted=2.5, seed=0):
    """4 layers × 3 roles × 12 features of noise, and a planted one at 2, exact_answer_last."""
    generator = np.random.default_rng(seed)
    wrong = generator.random(n) < 0.4
    values = generator.normal(size=(n, 4, 3, 12)).astype(np.float32)
    values[:, 2, 1, 3] += planted * wrong
    features = xr.DataArray(
        values,
        dims=("example", "layer", "role", "feature"),
        coords={"layer": [0, 1, 2, 3], "role": ROLES},
    )
    return features, wrong


def test_the_planted_cell_is_found_and_noise_is_not():
    features, wrong = grid()
    found = evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)
    assert (found.best_layer.item(), found.best_role.item()) == (2, "exact_answer_last")
    cell = {"layer": 2, "role": "exact_answer_last"}
    assert 0.9 < found.auroc.sel(cell) < 1
    assert found.low.sel(cell) < found.auroc.sel(cell) < found.high.sel(cell)
    assert found.p_value.sel(cell) == found.p_map == 0.01
    noise = found.p_value.where(found.auroc < found.auroc.sel(cell))
    assert float(noise.min()) > 0.05
    assert found.p_map_shuffled > 0.05
    assert abs(found.auroc_shuffled.mean() - 0.5) < 0.05
    assert (found.chosen_layer == 2).all() and (found.chosen_role == "exact_answer_last").all()
    assert found.chosen_auroc.item() == pytest.approx(found.auroc.sel(cell).item())
    assert found.chosen_low.item() == pytest.approx(found.low.sel(cell).item())


def test_the_best_of_noise_is_not_reported_as_an_effect():
    """The highest cell of a map of noise is above chance; chosen inside the folds it is not."""
    highest, honest = [], []
    for seed in range(6):
        features, wrong = grid(n=80, planted=0.0, seed=seed)
        found = evaluate(
            features, wrong, groups=np.arange(80), evaluation=Evaluation(permutations=0)
        )
        highest.append(found.auroc.max().item())
        honest.append(found.chosen_auroc.item())
    assert np.mean(highest) > 0.58
    assert abs(np.mean(honest) - 0.5) < 0.06


def test_a_cell_is_what_a_loop_over_scikit_learn_gives():
    features, wrong = grid()
    evaluation = Evaluation(permutations=0, seed=4)
    found = evaluate(features, wrong, groups=np.arange(150), evaluation=evaluation)
    folds = found.example_fold.values
    for place in [(0, 0), (2, 1), (3, 2)]:
        values = features.values[:, place[0], place[1]]
        parts, pairs = [], []
        for fold in range(5):
            out = folds == fold
            model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=10_000))
            model.fit(values[~out], wrong[~out])
            parts.append(roc_auc_score(wrong[out], model.decision_function(values[out])))
            pairs.append(wrong[out].sum() * (~wrong[out]).sum())
        expected = np.average(parts, weights=pairs)
        assert found.auroc.values[place] == pytest.approx(expected, abs=0.002)


def test_the_result_holds_checked_maps():
    features, wrong = grid()
    found = evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)
    made = map_of(found)
    assert maps.cell_coordinates(made) == ["low", "high", "p_value"]
    assert made.attrs["null_value"] == 0.5 and made.attrs["measure"] == "auroc"
    assert maps.options_of(made)["permutations"] == 99
    shuffled = map_of(found, "auroc_shuffled")
    assert maps.cell_coordinates(shuffled) == ["p_value"]
    assert (shuffled.p_value.values == found.p_value_shuffled.values).all()
    assert maps.cell_coordinates(map_of(published_recipe(features, wrong))) == ["low", "high"]
    with pytest.raises(LayergramError, match="did you mean 'auroc'"):
        map_of(found, "auroc_")


def test_an_evaluation_is_the_same_again_and_follows_its_seed():
    features, wrong = grid()
    evaluations = [Evaluation(seed=seed, permutations=9) for seed in (0, 0, 1)]
    first, again, other = (
        evaluate(features, wrong, groups=np.arange(150), evaluation=evaluation)
        for evaluation in evaluations
    )
    assert (first.auroc.values == again.auroc.values).all()
    assert (first.p_value.values == again.p_value.values).all()
    assert (first.auroc.values != other.auroc.values).any()


# --- who is counted ---------------------------------------------------------------------------


def test_samples_of_one_question_never_help_each_other():
    """Features that name their question, and labels of questions drawn by a coin."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    wrong = generator.random(60)[groups] < 0.5
    names = generator.normal(size=(60, 30))
    features = names[groups][:, None, None] + 0.1 * generator.normal(size=(300, 1, 1, 30))
    honest = evaluate(features, wrong, groups=groups, evaluation=QUICK)
    leaking = evaluate(features, wrong, groups=np.arange(300), evaluation=QUICK)
    assert leaking.chosen_auroc > 0.9
    assert honest.chosen_low < 0.5 < honest.chosen_high
    assert honest.p_map > 0.05


def test_examples_without_a_role_are_left_out_of_its_cells():
    features, wrong = grid()
    features[:40, :, 1] = np.nan
    found = evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)
    counts = found.counts.sel(label="positive examples").values.tolist()
    assert counts == [wrong.sum(), wrong[40:].sum(), wrong.sum()]
    assert found.counts.sum("label").values.tolist() == [150, 110, 150]
    assert np.isnan(found.score.values[:40]).all() and np.isfinite(found.score.values[40:]).all()
    everywhere = evaluate(
        features.isel(role=[0, 2]), wrong, groups=np.arange(150), evaluation=QUICK
    )
    assert (everywhere.auroc.values == found.auroc.isel(role=[0, 2]).values).all()
    rows = Rows(wrong[40:], found.example_fold.values[40:], np.arange(110))
    values = torch.tensor(features.values[40:, 2, 1])
    (alone,) = crossfit(values, [rows], Evaluation())
    assert found.auroc.values[2, 1] == alone.auroc.value


def test_a_role_too_few_have_is_missing_with_its_reason():
    features, wrong = grid()
    features[12:, :, 1] = np.nan
    features[:, 0] = np.nan
    found = evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)
    assert np.isnan(found.auroc.values[:, 1]).all() and np.isnan(found.auroc.values[0]).all()
    assert np.isfinite(found.auroc.values[1:, [0, 2]]).all()
    assert "fewer than 10" in map_of(found).attrs["missing"]
    assert np.isnan(published_recipe(features, wrong).auroc.values[0]).all()


def test_baselines_stand_on_the_same_folds_and_rows():
    features, wrong = grid()
    generator = np.random.default_rng(1)
    features[:30, :, 1] = np.nan
    good = wrong + 0.5 * generator.normal(size=150)
    found = evaluate(
        features,
        wrong,
        groups=np.arange(150),
        evaluation=QUICK,
        baselines={"good": good, "same": -good, "noise": generator.normal(size=150)},
    )
    rows, folds = np.arange(150) >= 30, found.example_fold.values
    parts = [roc_auc_score(wrong[i], good[i]) for i in (rows & (folds == f) for f in range(5))]
    pairs = [wrong[i].sum() * (~wrong[i]).sum() for i in (rows & (folds == f) for f in range(5))]
    at = found.baseline_auroc.sel(baseline="good").item()
    assert at == pytest.approx(np.average(parts, weights=pairs))
    assert found.baseline_auroc.sel(baseline="same") == pytest.approx(1 - at)
    assert (found.gain == found.chosen_auroc - found.baseline_auroc).all()
    assert found.gain_low.sel(baseline="noise") > 0
    assert (found.gain_low < found.gain).all() and (found.gain < found.gain_high).all()


@pytest.mark.parametrize("share", [0.08, 0.92])
def test_a_rare_class_is_no_obstacle(share):
    generator = np.random.default_rng(2)
    wrong = np.arange(200) < 200 * share
    features = generator.normal(size=(200, 1, 1, 5)) + 2 * wrong[:, None, None, None]
    found = evaluate(features, wrong, groups=np.arange(200), evaluation=QUICK)
    assert found.chosen_auroc > 0.95


def test_features_on_disk_are_read_layer_by_layer(tmp_path):
    features, wrong = grid()
    half = np.memmap(tmp_path / "f", dtype=np.float16, mode="w+", shape=features.shape)
    half[:] = features.values
    seen = []
    found = evaluate(
        half, wrong, groups=np.arange(150), evaluation=QUICK, progress=lambda *at: seen.append(at)
    )
    whole = evaluate(np.asarray(half, np.float32), wrong, groups=np.arange(150), evaluation=QUICK)
    assert (found.auroc.values == whole.auroc.values).all()
    assert seen == [(done, 12) for done in range(1, 13)]
    assert found.role.values.tolist() == ["0", "1", "2"]


# --- intervals --------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_of_probes_cover_the_truth():
    """240 data sets of Gaussian classes, where the true AUROC of a trained probe is known.

    There are almost as many features as groups, and the two examples of a group share half of
    their noise.
    """
    n, d, apart = 100, 40, 1.5
    generator = np.random.default_rng(5)
    groups = np.repeat(np.arange(n // 2), 2)
    covered, naive = 0, 0
    folds = groups % 5
    for _ in range(240):
        wrong = (generator.random(n // 2) < 0.45)[groups]
        noise = generator.normal(size=(n // 2, d))[groups] + generator.normal(size=(n, d))
        values = noise / 2**0.5
        values[:, 0] += apart * wrong
        features = torch.tensor(values).float()
        rows = Rows(wrong, folds, groups)
        (cell,) = crossfit(features, [rows], Evaluation())
        trained = torch.tensor(trainings(folds, 5)[0][:5])
        weights = logistic(features, torch.tensor(wrong).expand(5, n), trained).weights.numpy()
        each = norm.cdf(apart * weights[:, 0] / (2 * (weights**2).sum(1)) ** 0.5)
        truth = cell.auroc.weights @ each
        low, high = cell.auroc.interval(0.95)
        covered += low <= truth <= high
        naive += abs(cell.auroc.value - truth) <= 1.96 * np.sqrt((cell.auroc.influence**2).sum())
    assert 0.92 <= covered / 240 <= 0.98
    assert naive / 240 < 0.9  # folds taken as independent claim too much


# --- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"wrong": np.arange(150) < 9}, "9 wrong and 141 right"),
        ({"wrong": np.ones(150, bool)}, "150 wrong and 0 right"),
        ({"wrong": np.ones(149, bool)}, r"shape \(149,\)"),
        ({"wrong": np.arange(150)}, "other than true and false"),
        ({"groups": np.zeros(150)}, "1 groups"),
        ({"groups": np.zeros(10)}, "groups of 150 examples"),
        ({"baselines": {"length": [1.0]}}, "'length'"),
        ({"features": np.full((150, 2, 2, 3), np.nan)}, "only NaN"),
        ({"features": np.zeros((150, 2, 3))}, r"shape \(150, 2, 3\)"),
        ({"features": np.zeros((150, 2, 2, 3), int)}, "int64"),
        ({"features": np.zeros((150, 0, 2, 3))}, r"shape \(150, 0, 2, 3\)"),
        ({"features": grid()[0].rename(role="site")}, "site"),
        ({"features": grid()[0].rename(feature="number")}, "example, layer, role, number"),
        ({"features": grid()[0].transpose("feature", ...)}, "feature, example, layer, role"),
        ({"labels": ("wrong", "wrong")}, "two named 'wrong'"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(change, words):
    features, wrong = grid()
    request = {"features": features, "wrong": wrong, "groups": np.arange(150), **change}
    request = {"labels": ("right", "wrong"), "evaluation": QUICK, **request}
    with pytest.raises(LayergramError, match=words):
        evaluate(request.pop("features"), request.pop("wrong"), **request)


def test_features_that_are_not_finite_are_refused_with_their_place():
    features, wrong = grid()
    features[7, 1, 2, 0] = np.inf
    with pytest.raises(LayergramError, match=r"layer 1, role '-1'[^$]*example 7"):
        evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)
    features[7, 1, 2, 0] = np.nan
    with pytest.raises(LayergramError, match="example 7 has the role at some layers"):
        evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)


def test_no_role_with_enough_examples_is_refused():
    features, wrong = grid()
    values = features.values
    for role in range(3):
        values[np.arange(150) % 15 != role, :, role] = np.nan
    with pytest.raises(LayergramError, match="no role that enough examples have"):
        evaluate(features, wrong, groups=np.arange(150), evaluation=QUICK)


@pytest.mark.parametrize(
    "options",
    [{"folds": 2}, {"c": 0}, {"c": np.inf}, {"permutations": -1}, {"level": 1.0},
     {"scale": "robust"}, {"device": "warp"}, {"device": "cuda:99"}],
)  # fmt: skip
def test_impossible_options_are_refused(options):
    with pytest.raises(LayergramError, match=next(iter(options))):
        Evaluation(**options)
