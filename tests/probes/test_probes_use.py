"""Probes in use: kept in files, asked about new answers, moved to other sets, choosing answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes import (
    ERROR_TYPES,
    Evaluation,
    calibration,
    choose,
    cross_fit,
    error_types,
    evaluate,
    fit,
    generalisation,
    load_probe,
    out_of_fold,
    probe_types,
)
from layergram.statistics.intervals import wilson


def drawn(n, d=30, *, apart=1.0, seed=0):
    generator = np.random.default_rng(seed)
    wrong = generator.random(n) < 0.3
    features = generator.normal(size=(n, d)) * 5 + 40
    features[:, 0] += 5 * apart * wrong
    return features, wrong


# --- one probe --------------------------------------------------------------------------------


def test_a_probability_is_kept_by_new_answers():
    """Of new answers that get about p, about the share p is wrong; its own log odds claim more."""
    features, wrong = drawn(250, d=60, apart=1.5, seed=10)
    probe = fit(features, wrong, groups=np.arange(250))
    new, truth = drawn(20_000, d=60, apart=1.5, seed=1)
    told = probe.probability(new)
    for low, high in [(0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8)]:
        inside = (told >= low) & (told < high)
        assert inside.sum() > 300
        assert truth[inside].mean() == pytest.approx(told[inside].mean(), abs=0.12)
    boasted = 1 / (1 + np.exp(-probe.score(new)))
    assert abs(boasted - truth).mean() < abs(told - truth).mean()  # surer of itself, and
    assert ((boasted - truth) ** 2).mean() > ((told - truth) ** 2).mean()  # more wrong


def test_a_probe_that_sees_nothing_says_the_base_rate():
    features, wrong = drawn(300, d=4, apart=0.0, seed=3)
    probe = fit(features, wrong, groups=np.arange(300))
    assert probe.probability(features) == pytest.approx(wrong.mean(), abs=0.12)


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_a_probe_comes_back_from_its_file(tmp_path, scale):
    features, wrong = drawn(100)
    features[:5] = np.nan
    probe = fit(
        features,
        wrong,
        groups=[f"q{i}" for i in range(100)],
        labels=("right", "wrong"),
        evaluation=Evaluation(scale=scale, c=0.5),
        layer=17,
        role="exact_answer_last",
        provenance={"model": "smollm2", "questions": "capitals"},
    )
    back = load_probe(probe.save(tmp_path / "deep" / "probe.npz"))
    assert (back.layer, back.role) == (17, "exact_answer_last")
    assert back.provenance == probe.provenance
    assert back.provenance["model"] == "smollm2" and back.provenance["options"]["c"] == 0.5
    counts = {"right": int((~wrong[5:]).sum()), "wrong": int(wrong[5:].sum())}
    assert back.provenance["classes"] == counts
    told = back.probability(features)
    assert np.isnan(told[:5]).all()
    assert (told[5:] == probe.probability(features)[5:]).all()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["probe.npz"]


def test_a_file_that_is_no_probe_is_refused(tmp_path):
    good, wrong = drawn(60)
    path = fit(good, wrong, groups=np.arange(60)).save(tmp_path / "p.npz")
    whole = path.read_bytes()
    for data in (whole[:200], b"", b"text", whole[:-30]):
        path.write_bytes(data)
        with pytest.raises(LayergramError, match="not a probe"):
            load_probe(path)
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(LayergramError, match="not a probe"):
        load_probe(path)
    np.savez(path, about=np.array([{}], dtype=object))
    with pytest.raises(LayergramError, match="not a probe"):
        load_probe(path)
    with pytest.raises(LayergramError, match="no such file"):
        load_probe(tmp_path / "other.npz")
    with pytest.raises(LayergramError, match=r"Allowed: \.npz"):
        load_probe(tmp_path / "p.pkl")


def test_a_failed_write_leaves_the_old_probe(tmp_path, monkeypatch):
    features, wrong = drawn(60)
    probe = fit(features, wrong, groups=np.arange(60))
    path = probe.save(tmp_path / "p.npz")
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(LayergramError, match="No space left"):
        probe.save(path)
    assert path.read_bytes() == before


def test_a_probe_of_another_model_is_refused():
    features, wrong = drawn(60)
    probe = fit(features, wrong, groups=np.arange(60), layer=3)
    with pytest.raises(LayergramError, match="30 features, those of layer 3"):
        probe.probability(np.zeros((2, 31)))
    with pytest.raises(LayergramError, match=r"\[example, feature\]"):
        fit(np.zeros(60), wrong, groups=np.arange(60))
    with pytest.raises(LayergramError, match="infinite"):
        fit(np.full((60, 2), np.inf), wrong, groups=np.arange(60))
    with pytest.raises(LayergramError, match="5 wrong and 55 right"):
        fit(features, np.arange(60) < 5, groups=np.arange(60), labels=("right", "wrong"))


# --- several sets -----------------------------------------------------------------------------


def test_a_probe_generalises_to_sets_that_show_it_the_same_way():
    generator = np.random.default_rng(0)

    def shown(at):
        wrong = np.arange(150) % 2 == 0
        features = generator.normal(size=(150, 8))
        features[:, at] += 2 * wrong
        return features, wrong, np.arange(150)

    found = generalisation({"a": shown(0), "b": shown(0), "c": shown(1)})
    assert maps.cell_coordinates(found) == ["low", "high"]
    high = found.values > 0.8
    assert high.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert found.sel(train="a", test="c") == pytest.approx(0.5, abs=0.15)
    assert (found.low < found).all() and (found < found.high).all()


def test_the_diagonal_is_not_tested_on_what_it_was_trained_on():
    generator = np.random.default_rng(0)
    noise = {
        name: (generator.normal(size=(40, 60)), np.arange(40) % 2 == 0, np.arange(40))
        for name in ("a", "b")
    }
    assert abs(np.diag(generalisation(noise).values) - 0.5).max() < 0.25


def test_the_interval_of_another_set_has_the_error_of_training():
    """Small sets of many features: what is trained on other examples gives other probes."""
    values, ends = [], []
    for seed in range(25):
        generator = np.random.default_rng(seed)

        def shown(n, generator=generator):
            wrong = generator.permutation(n) < n // 2
            return generator.normal(size=(n, 30)) + 0.3 * wrong[:, None], wrong, np.arange(n)

        found = generalisation({"few": shown(60), "many": shown(200)})
        cell = found.sel(train="few", test="many")
        values.append(float(cell))
        ends.append((float(cell.low), float(cell.high)))
    low, high = np.array(ends).T
    covered = ((low <= np.mean(values)) & (np.mean(values) <= high)).mean()
    assert covered >= 0.92 - 3 * (0.95 * 0.05 / 25) ** 0.5


def test_where_a_set_chose_the_cell_its_nested_choice_stands_on_the_diagonal():
    features, wrong = drawn(120, d=6)
    groups = np.arange(120)
    result = evaluate(
        features.reshape(120, 3, 1, 2), wrong, groups=groups, evaluation=Evaluation(permutations=0)
    )
    sets = {"a": (features[:, :2], wrong, groups), "b": (features[:, 2:4], wrong, groups)}
    found = generalisation(sets, nested={"a": out_of_fold(result)})
    assert found.sel(train="a", test="a") == result.nested_auroc
    assert found.low.sel(train="a", test="a") == result.nested_low
    assert found.sel(train="b", test="b") != result.nested_auroc


def test_a_probability_is_tested_on_folds_that_did_not_calibrate_it():
    features, wrong = drawn(1500, d=10, apart=1.5, seed=3)
    once = {"groups": np.arange(1500), "evaluation": Evaluation(partitions=1)}
    found = calibration(cross_fit(features, wrong, **once))
    new, truth = drawn(20_000, d=10, apart=1.5, seed=4)
    probe = fit(features, wrong, groups=np.arange(1500))
    assert found.brier == pytest.approx(((probe.probability(new) - truth) ** 2).mean(), abs=0.02)
    assert found.brier < found.brier_base_rate
    assert ((found.low <= found.predicted) & (found.predicted <= found.high)).sum() >= 4
    assert found.examples.sum() == 1500 and (np.diff(found.predicted) > 0).all()
    noise = calibration(cross_fit(features[:, 1:], wrong, **once))
    assert noise.brier == pytest.approx(float(noise.brier_base_rate), abs=0.01)


def test_a_saved_probe_says_how_well_its_probabilities_hold(tmp_path):
    features, wrong = drawn(200, apart=1.5)
    probe = fit(features, wrong, groups=np.arange(200))
    kept = load_probe(probe.save(tmp_path / "p.npz")).provenance["calibration"]
    assert kept["brier"] < kept["brier_base_rate"]
    assert [row["examples"] for row in kept["reliability"]] == [40] * 5


def test_sets_that_do_not_fit_are_refused():
    features, wrong = drawn(60)
    one = (features, wrong, np.arange(60))
    with pytest.raises(LayergramError, match="1 sets"):
        generalisation({"a": one})
    with pytest.raises(LayergramError, match="30 features of 'a', 29 features of 'b'"):
        generalisation({"a": one, "b": (features[:, 1:], wrong, np.arange(60))})
    with pytest.raises(LayergramError, match=r"'b'[^$]*labels \(59,\)"):
        generalisation({"a": one, "b": (features, wrong[1:], np.arange(60))})
    none = (features, np.zeros(60, bool), np.arange(60))
    with pytest.raises(LayergramError, match="Got: 0 wrong of 'b' and 60 right of 'b'"):
        generalisation({"a": one, "b": none}, labels=("right", "wrong"))


# --- choosing an answer -----------------------------------------------------------------------


def test_each_way_of_choosing_is_what_it_says():
    questions = ["p"] * 4 + ["q"] * 4
    answers = ["x", "x", "y", "z", "u", "u", "v", "v"]
    right = [0, 0, 1, 0, 1, 1, 0, 0]
    trust = [0.1, 0.2, 0.9, 0.3, 0.2, 0.6, 0.6, np.nan]
    found = choose(questions, answers, right, trust, greedy={"p": True, "q": False})
    accuracy = dict(
        zip(found.strategy.values.tolist(), found.accuracy.values.tolist(), strict=True)
    )
    assert accuracy == {
        "greedy": 0.5,
        "random": (0.25 + 0.5) / 2,
        "majority": (0.0 + 0.5) / 2,  # u and v are as frequent
        "probe": (1.0 + 0.5) / 2,  # a right and a wrong one get 0.6
        "possible": 1.0,
    }
    assert found.gain.sel(strategy="random") == pytest.approx(0.75 - 0.375)
    assert found.gain.sel(strategy="probe") == 0


def test_a_question_the_probe_cannot_judge_is_left_out_everywhere():
    found = choose([1, 1, 2, 2], list("abab"), [1, 1, 0, 0], [0.5, 0.4, np.nan, np.nan])
    assert (found.attrs["questions"], found.attrs["left_out"]) == (1, 1)
    assert (found.accuracy == 1).all()


def test_the_gain_of_a_useful_probe_is_clear_and_of_a_blind_one_is_not():
    generator = np.random.default_rng(0)
    questions = np.repeat(np.arange(200), 10)
    right = generator.random(2000) < 0.4
    answers = np.where(right, 0, generator.integers(1, 30, 2000))
    useful = choose(questions, answers, right, right + generator.normal(size=2000))
    blind = choose(questions, answers, right, generator.normal(size=2000))
    assert useful.gain_low.sel(strategy="random") > 0.1
    at = {"strategy": "random"}
    assert blind.gain_low.sel(at) < 0 < blind.gain_high.sel(at)


def test_intervals_of_an_accuracy_cover_the_truth():
    generator = np.random.default_rng(0)
    for truth, draw in [
        (0.7, lambda: (generator.random(60) < 0.7).astype(float)),
        (0.95, lambda: (generator.random(60) < 0.95).astype(float)),
        (0.4, lambda: generator.binomial(10, generator.beta(2, 3, 60)) / 10),
    ]:
        ends = [wilson(draw(), 0.95) for _ in range(1000)]
        assert 920 <= sum(low <= truth <= high for low, high in ends) <= 980


def test_samples_that_do_not_fit_are_refused():
    with pytest.raises(LayergramError, match="2 questions, 1 answers"):
        choose([1, 1], ["a"], [1, 0], [0.1, 0.2])
    with pytest.raises(LayergramError, match="none for 1 questions, such as 2"):
        choose([1, 2], ["a", "b"], [1, 0], [0.1, 0.2], greedy={1: True})
    with pytest.raises(LayergramError, match="no sample with a probability"):
        choose([1, 2], ["a", "b"], [1, 0], [np.nan, np.nan])


# --- types of error ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "clusters", "refused", "types"),
    [
        (30, [], 0, {"B1"}),
        (15, [1] * 15, 0, {"B2", "E2"}),
        (20, [10], 0, {"B2"}),
        (16, [14], 0, {"B2", "D"}),
        (0, [30], 0, {"C1"}),
        (0, [20] + [1] * 10, 0, {"C1", "E1"}),
        (10, [20], 0, {"C2"}),
        (5, [5] * 5, 0, set()),
        (6, [6, 6, 6, 6], 0, {"D"}),
        (0, [1] * 30, 0, {"E1"}),
        (1, [2] * 9 + [11], 0, {"E2"}),
        (1, [2] * 8 + [13], 0, {"E2"}),
        (1, [3] * 7 + [8], 0, set()),
        (0, [], 30, {"A"}),
        (10, [5], 15, {"A", "D"}),
        (15, [], 15, {"B2", "C2", "D"}),  # not more refusals than right answers
        (0, [20], 10, {"C1"}),
    ],
)
def test_types_of_error_are_those_of_their_definition(right, clusters, refused, types):
    assert right + sum(clusters) + refused == 30
    assert error_types(right, clusters, refused=refused) == types


@given(st.integers(0, 30), st.lists(st.integers(1, 30), max_size=12), st.integers(0, 30))
def test_types_exclude_each_other_where_they_must(right, clusters, refused):
    if right + sum(clusters) + refused == 0:
        return
    types = error_types(right, clusters, refused=refused)
    assert types <= set(ERROR_TYPES)
    for pair in ({"B1", "B2"}, {"C1", "C2"}, {"E1", "E2"}, {"A", "C1"}, {"A", "C2"}, {"B1", "A"}):
        assert not pair <= types


def test_no_samples_have_no_type():
    with pytest.raises(LayergramError, match="0 right"):
        error_types(0, [])
    with pytest.raises(LayergramError, match="-1 right"):
        error_types(-1, [4])


def test_a_probe_for_each_type_and_none_for_rare_ones():
    generator = np.random.default_rng(0)
    at = np.arange(120) % 3
    features = generator.normal(size=(120, 10))
    features[:, 0] += 3 * (at == 0)
    features[:6] = np.nan
    sorts = [frozenset({"B1", "D"}), frozenset({"C1"}), frozenset()]
    types = [sorts[i] if n != 50 else frozenset({"E1"}) for n, i in enumerate(at)]
    found = probe_types(features, types, groups=np.arange(120))
    assert found.examples.sel(type=["B1", "D", "C1", "E1"]).values.tolist() == [38, 38, 38, 1]
    assert found.auroc.sel(type="B1") == found.auroc.sel(type="D") > 0.9
    assert found.low.sel(type="C1") < found.auroc.sel(type="C1") < found.high.sel(type="C1")
    assert np.isnan(found.auroc.sel(type=["A", "E1"])).all()
    with pytest.raises(LayergramError, match="types of 119"):
        probe_types(features, types[1:], groups=np.arange(120))
