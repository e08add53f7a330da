"""What a role map is compared with: every control finds what is planted for it, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from layergram.answers.judge import Row
from layergram.experiments.roles.comparisons import comparisons, nested_by_role
from layergram.experiments.roles.controls import filled, ngrams
from layergram.experiments.roles.examples import Examples
from layergram.features.answer_scores import SCORES
from layergram.probes import Evaluation, compare

COUNT, LAYERS, WIDTH = 160, 4, 6
ROLES = ["last_q", "exact_answer_first", "exact_answer_last"]
ONCE = Evaluation(permutations=0, partitions=3)
CLASSES = ("calm texts", "angry texts")
ANGRY = np.arange(COUNT) % 2 == 0


def row(at, *, question="What?", exact="Paris", tokens=3):
    return Row(
        id=str(at),
        sample=0,
        group=str(at),
        question=question,
        accepted=("Paris",),
        reply=exact,
        right=True,
        exact=exact,
        extractor="alias",
        exact_chars=(0, len(exact)),
        exact_tokens=(5, 4 + tokens),
        prompt_tokens=5,
        roles={},
        ended="stop",
        ids=tuple(range(5 + tokens)),
        texts=(),
    )


ROWS = [row(at) for at in range(COUNT)]


def states_of(planted):
    """Noise, with the class planted: (name of array, index) -> size."""
    random = np.random.default_rng(0)
    states = xr.Dataset(
        {
            "features": (
                ("example", "layer", "role", "feature"),
                random.normal(size=(COUNT, LAYERS, len(ROLES), WIDTH)).astype(np.float32),
            ),
            "scores": (("example", "score"), random.normal(size=(COUNT, len(SCORES)))),
            "attention_previous": (
                ("example", "attention_layer", "head"),
                random.normal(size=(COUNT, LAYERS - 1, 2)).astype(np.float32),
            ),
        },
        coords={
            "layer": range(LAYERS),
            "role": ROLES,
            "score": list(SCORES),
            "attention_layer": range(1, LAYERS),
        },
    )
    for (name, *at), size in planted.items():
        states[name].values[(slice(None), *at)] += size * ANGRY
    return states


def compared(planted, *, rows=None, fresh=None):
    examples = Examples("set", rows or ROWS, ANGRY, CLASSES)
    states = states_of(planted)
    evaluation = examples.evaluate(states["features"], ONCE)
    if fresh is not None:
        fresh = examples.evaluate(states_of(fresh)["features"], ONCE)
    by_role = nested_by_role(examples, states["features"], ONCE)
    lines = comparisons(examples, states, evaluation, fresh, by_role, ONCE)
    return evaluation, {line.name: line for line in lines}


BEST = {("features", 2, 2, 0): 2.5}  # layer 2, exact_answer_last


def test_the_probe_is_above_controls_that_know_nothing():
    evaluation, lines = compared(BEST, fresh={})
    assert lines["chosen_cell"].auroc > 0.85
    for name in ("surface", "all_scores", "random_weights", "rauq", "previous_attention"):
        assert lines[name].low < 0.55 and lines[name].gain_low > 0.1, name
    for name in ("letters", "question_ngrams"):  # all texts are the same
        assert lines[name].text == "no feature varies" and not lines[name].gain_text
    assert lines["best_cell"].about == "layer 2, exact_answer_last"
    assert 0.6 < lines["layer_ensemble"].auroc < lines["chosen_cell"].auroc
    assert "ranks angry texts above calm texts" in evaluation["auroc"].attrs["definition"]


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("surface", {("features", 0, 0, 0): 1.2, ("features", 0, 2, 1): 1.2}),
        ("all_scores", {("scores", 0): -1.2, ("scores", 7): -1.2}),
        ("previous_attention", {("attention_previous", 1, 1): -2.0}),
        ("rauq", {("scores", SCORES.index("rauq")): 2.0}),
        ("logprob_mean", {("scores", 0): -2.0}),
    ],
)
def test_a_control_finds_what_is_planted_for_it(name, planted):
    _, lines = compared(planted)
    assert lines[name].auroc > 0.8 and lines[name].low > 0.7
    if name in ("surface", "all_scores"):  # together more than the best of them alone
        single = max(lines[one].auroc for one in SCORES)
        assert name == "surface" or lines[name].auroc > single + 0.02


def test_words_give_the_class_away():
    words = ["is it a cold sea?", "is it a warm lake?"]
    rows = [row(at, question=words[at % 2], exact="ab"[at % 2]) for at in range(COUNT)]
    _, lines = compared(BEST, rows=rows)
    for name in ("letters", "question_ngrams"):
        assert lines[name].auroc == 1.0 and lines[name].gain < 0
    lengths = [replace(one, ids=one.ids + (0,) * (at % 2)) for at, one in enumerate(rows)]
    assert compared({}, rows=lengths)[1]["surface"].auroc > 0.95


def test_the_claim_is_the_difference_of_two_nested_choices():
    def claim(planted):
        states = states_of(planted)["features"]
        return compare(
            *nested_by_role(Examples("set", ROWS, ANGRY, CLASSES), states, ONCE).values()
        )

    difference = claim(BEST)
    assert difference.low > 0.15 and difference.partitions.size == 3
    assert claim({("features", 1, 0, 0): 2.5}).high < -0.15
    none = claim({("features", 1, 0, 0): 2.5, ("features", 2, 2, 0): 2.5})
    assert none.low < 0 < none.high


def test_ngrams_tell_words_apart_and_nothing_else():
    found = ngrams(["Paris", "Rome", "Paris"])
    np.testing.assert_array_equal(found[0], found[2])
    assert abs(found[0] - found[1]).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert ngrams(["", ""]) is None


def test_what_is_missing_is_a_column_of_its_own():
    values = filled(np.array([[1, np.nan, np.nan], [2, 3, 4]]))
    assert values.tolist() == [[1, 0, 0, 1], [2, 3, 4, 0]]
