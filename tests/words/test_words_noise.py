"""Noise gets no story: at most 5 % of descriptions say that anything stands out; effects are."""

import nulls
import numpy as np
import pytest

from layergram import maps, words
from layergram.errors import LayergramError
from layergram.words.limits import STATED_FALSE_ALARM

NULLS = {
    "cells": lambda rng: nulls.token_map(nulls.series(rng, 0.0)),
    "AR(1) of 0.5": lambda rng: nulls.token_map(nulls.series(rng, 0.5)),
    "AR(1) of 0.9": lambda rng: nulls.token_map(nulls.series(rng, 0.9)),
    "random walk": lambda rng: nulls.token_map(nulls.series(rng, 1.0)),
    "exponential": lambda rng: nulls.token_map(rng.exponential(size=nulls.SHAPE)),
}


def most(times):
    """The stated share of so many, and three standard errors."""
    share = STATED_FALSE_ALARM
    return share * times + 3 * np.sqrt(times * share * (1 - share))


@pytest.mark.parametrize("kind", NULLS)
def test_noise_is_said_to_show_nothing(kind):
    rng = np.random.default_rng(11)
    claimed = sum(nulls.claims(NULLS[kind](rng)) for _ in range(30))
    assert claimed <= most(30)


def test_auroc_of_labels_without_meaning_shows_nothing():
    rng = np.random.default_rng(3)
    arrays = [nulls.auroc_map(rng, layers=4, roles=5, permutations=39) for _ in range(8)]
    assert sum(map(nulls.claims, arrays)) <= most(8)
    assert all("p holds for" in words.facts(array).null for array in arrays)


@pytest.fixture(scope="module")
def random_maps(tmp_path_factory):
    from tiny_llama import write_folder

    folder = tmp_path_factory.mktemp("random") / "llama"
    write_folder(folder, layers=12)
    return list(nulls.random_model_maps(folder, range(5)))


def test_maps_of_random_weights_show_nothing(random_maps):
    assert sum(map(nulls.claims, random_maps)) <= most(len(random_maps))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("what", ["column", "block"])
def test_planted_effects_are_found(correlation, what):
    rng = np.random.default_rng(5)
    found = sum(nulls.claims(nulls.planted(rng, correlation, what)) for _ in range(20))
    assert found >= 0.9 * 20 - 3 * np.sqrt(20 * 0.9 * 0.1)


def test_what_was_planted_is_named():
    values = nulls.series(np.random.default_rng(2), 0.5)
    values[:, 5] += 4
    text = words.describe(maps.make(values, ("layer", "token"), measure="amount"))
    line = next(line for line in text.splitlines() if "departs from the other tokens" in line)
    assert line.startswith("- Position 5 departs")
    assert "Null: noise as smooth as this map" in text


def test_a_course_that_all_columns_share_is_counted_and_not_tested():
    rng = np.random.default_rng(0)
    values = np.linspace(-3, 3, 24)[:, None] + 0.2 * rng.normal(size=(24, 16))
    found = words.facts(maps.make(values, ("layer", "token"), measure="amount"))
    assert not found.inference
    assert "trend" in {fact.kind for fact in found.numbers}
    assert "one map cannot decide it" in found.null


def test_one_cell_far_above_all_others_departs():
    values = np.random.default_rng(0).uniform(0, 1, (20, 12))
    values[7, 3] = 9.0
    text = words.describe(maps.make(values, ("layer", "token"), measure="amount"))
    assert "Position 3 departs from the other tokens at layer 8: 9.0, against" in text


@pytest.mark.parametrize("dims", [("layer",), ("layer", "head"), ("function", "layer", "head")])
def test_what_cannot_be_tested_is_said_not_to_be(dims):
    values = np.random.default_rng(4).uniform(0, 1, (12, 12, 12)[: len(dims)])
    coords = {"function": [f"F{at}" for at in range(12)]} if "function" in dims else {}
    found = words.facts(maps.make(values, dims, measure="noise", coords=coords))
    assert not found.inference and found.null.startswith("Nothing was tested")


def test_units_decide_where_there_are_any():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(9, 10, 12))
    coords = {"role": [f"r{at}" for at in range(12)]}

    def described(values):
        array = maps.make(values, ("example", "layer", "role"), measure="x", coords=coords)
        return words.facts(array)

    nothing = described(values)
    assert "9 examples, whose signs were flipped" in nothing.null
    values[:, :, 4] += 2
    assert described(values).inference[0].coordinates["role"] == ["r4"]


def test_units_of_noise_show_nothing():
    rng = np.random.default_rng(8)
    coords = {"role": [f"r{at}" for at in range(8)]}
    arrays = [
        maps.make(rng.normal(size=(10, 9, 8)), ("example", "layer", "role"), measure="x",
                  coords=coords)
        for _ in range(30)
    ]  # fmt: skip
    assert sum(map(nulls.claims, arrays)) <= most(30)


def control_maps(rng, many=20):
    return [nulls.token_map(nulls.series(rng, 0.8)) for _ in range(many)]


def test_controls_of_the_same_kind_leave_nothing():
    rng = np.random.default_rng(1)
    claimed = 0
    for _ in range(20):
        array, *controls = control_maps(rng)
        claimed += bool(words.facts(array, controls=controls).inference)
    assert claimed <= most(20)


def test_what_no_control_shows_stands_out():
    array, *controls = control_maps(np.random.default_rng(1))
    array = array.copy(data=array.values / 100)
    array[4, 7] = 5.0
    found = words.facts(array, controls=controls)
    assert found.inference[0].coordinates == {"layer": [5], "token": [7]}
    text = words.describe(array, controls=controls)
    assert "19 models with random weights on the same text" in text


def test_controls_have_to_be_many_and_of_the_same_shape():
    array, *controls = control_maps(np.random.default_rng(1))
    with pytest.raises(LayergramError, match="19 or more"):
        words.describe(array, controls=controls[:18])
    with pytest.raises(LayergramError, match="same text and shape"):
        words.describe(array, controls=[*controls[:18], controls[18][1:]])
    p_values = array.assign_coords(p_value=(array.dims, np.ones(array.shape)))
    with pytest.raises(LayergramError, match="decide what stands out"):
        words.describe(p_values, controls=controls)
