"""Tables of settling depths against plain numpy, scipy and scikit-learn, on planted answers."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from layergram import maps
from layergram.answers.judge import Row
from layergram.experiments.depth.pipeline import DeepAnswer
from layergram.experiments.depth.report import MOST_SINGLE, accuracy_by_depth
from layergram.experiments.depth.selection import METHODS, selection_table
from layergram.experiments.depth.table import score_table, scores_of
from layergram.statistics.bootstrap import Bootstrap


def answer(question, sample, depths, *, right, exact, certainty=1.0, log_prob=-1.0):
    ids = tuple(range(3 + len(depths)))
    row = Row(
        *(question, sample, question, "?", ("1",), exact, right, exact, "number", None, None, 3),
        *({}, "stop", ids, ()),
    )
    return DeepAnswer(row, {0.5: np.array(depths)}, log_prob, 2.0, certainty, {})


def planted(questions=60, samples=6):
    """Answers that are right more often the more of their tokens settle at layer 9 or 10."""
    random = np.random.default_rng(0)
    found = []
    for q in range(questions):
        for sample in range(samples):
            share = random.random()
            depths = np.where(random.random(random.integers(20, 70)) < share, 9, 3)
            right = random.random() < 0.2 + 0.6 * share
            exact = "1" if right else str(random.integers(2, 5))
            found.append(
                answer(
                    *(f"q{q}", sample, depths),
                    right=right,
                    exact=exact,
                    certainty=random.normal(),
                    log_prob=-random.exponential(),
                )
            )
    return found


def test_statistics_equal_pandas_scipy_and_scikit_learn_and_intervals_hold_them():
    answers = planted()
    right = np.array([a.row.right for a in answers])
    scores = scores_of(answers, (0.5,), 9)
    bootstrap = Bootstrap([a.row.id for a in answers], resamples=100)
    table = score_table(scores, right, bootstrap).set_index("score")
    expected = {
        "dtr_0.5": [np.mean(a.depths[0.5] >= 9) for a in answers],
        "tokens": [len(a.depths[0.5]) for a in answers],
        "reverse_tokens": [-len(a.depths[0.5]) for a in answers],
        "log_prob": [a.log_prob for a in answers],
        "negative_perplexity": [-np.exp(-a.log_prob) for a in answers],
        "self_certainty": [a.self_certainty for a in answers],
    }
    for name, values in expected.items():
        line = table.loc[name]
        assert line["auroc"] == pytest.approx(roc_auc_score(right, values))
        assert line["point_biserial"] == pytest.approx(stats.pointbiserialr(right, values)[0])
        assert line["auroc_low"] < line["auroc"] < line["auroc_high"]
        frame = pd.DataFrame({"score": np.array(values, float), "right": right.astype(float)})
        if frame["score"].is_unique:
            bins = frame.groupby(pd.qcut(frame["score"], 5, labels=False)).mean()
            assert line["r"] == pytest.approx(stats.pearsonr(bins["score"], bins["right"])[0])
    dtr = table.loc["dtr_0.5"]
    assert dtr["r"] > 0.9 and dtr["auroc_low"] > 0.55
    assert table.loc["negative_entropy", "note"] == "all answers have the same score"


@pytest.mark.parametrize(("answers", "kept"), [(100, 100), (3 * MOST_SINGLE, MOST_SINGLE)])
def test_the_map_of_bins_carries_the_mean_ratios_and_the_single_answers(tmp_path, answers, kept):
    random = np.random.default_rng(1)
    ratios = random.permutation(np.linspace(0, 1, answers))
    right = random.random(answers) < 0.2 + 0.6 * ratios
    bootstrap = Bootstrap([str(at % 20) for at in range(answers)], resamples=20)
    made = accuracy_by_depth(ratios, right, bootstrap, {})
    array = maps.read(maps.write(made, tmp_path / "map.nc"))
    bins = pd.DataFrame({"ratio": ratios, "right": right}).groupby(pd.qcut(ratios, 5, labels=False))
    np.testing.assert_allclose(array["bin_score"], bins["ratio"].mean())
    np.testing.assert_allclose(array, bins["right"].mean())
    single = json.loads(array.attrs["answer_scores"])
    assert single["answers"] == answers
    assert len(single["right"]) + len(single["wrong"]) == kept
    assert abs(len(single["right"]) / kept - right.mean()) <= 1 / kept
    for found, own in ((single["right"], ratios[right]), (single["wrong"], ratios[~right])):
        assert found == sorted(found)
        assert set(found) <= set(np.round(own, 4))
        np.testing.assert_allclose(
            np.quantile(found, [0.1, 0.5, 0.9]), np.quantile(own, [0.1, 0.5, 0.9]), atol=0.01
        )


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_right_or_all_wrong_give_no_number_and_the_reason(right):
    answers = [answer(f"q{q}", 1, [1, 2, q % 4], right=right, exact="1") for q in range(20)]
    bootstrap = Bootstrap([a.row.id for a in answers], resamples=20)
    table = score_table(scores_of(answers, (0.5,), 2), np.full(20, right), bootstrap)
    assert table[["r", "auroc", "point_biserial"]].isna().all().all()
    word = "right" if right else "wrong"
    assert set(table["note"]) == {f"all answers are {word}: nothing to correlate"}


def test_each_way_of_choosing_votes_and_pays_as_planted():
    def of(depth, tokens, certainty, right):
        exact = "1" if right else "2"
        return [depth] * tokens, right, exact, certainty

    samples = [  # the deep half is right, the long half and the certain half are wrong
        of(9, 60, 0.0, True),
        of(9, 55, 0.1, True),
        of(3, 80, 0.8, False),
        of(3, 70, 0.9, False),
        of(3, 90, 0.7, False),
        of(9, 40, 0.2, True),
    ]
    answers = [
        answer(f"q{q}", at, depths, right=right, exact=exact, certainty=certainty)
        for q in range(3)
        for at, (depths, right, exact, certainty) in enumerate(samples)
    ]
    table = selection_table(answers, g=0.5, least=9, draws=400, resamples=50, seed=0)
    own = table[table["n"] == 6].set_index("method")
    assert list(own.index) == list(METHODS)
    right = own["accuracy"].to_dict()
    assert right["think"] == 1 and right["shortest"] == 1
    assert right["longest"] == 0 and right["self_certainty"] == 0
    assert right["mean"] == 0.5
    assert right["cons"] == pytest.approx(0.5, abs=0.05)  # three votes against three
    assert own["tokens"].to_dict() == {
        "think": 60 + 55 + 40 + 3 * 50,
        "cons": 395,
        "mean": pytest.approx(395 / 6),
        "longest": 395,
        "shortest": 60 + 55 + 40 + 3 * 60,
        "self_certainty": 395,
    }
    half = table[table["n"] == 3].set_index("method")
    assert half.loc["mean", "accuracy"] == pytest.approx(0.5, abs=0.05)
    assert half.loc["cons", "tokens"] == pytest.approx(395 / 2, rel=0.03)
