"""Noise gets no story: maps of random numbers are claimed to show something hardly ever."""

from collections import Counter

import numpy as np
import pytest

from layergram import maps, words
from layergram.words.limits import STATED_FALSE_ALARM

SHAPES = {(8, 20): 10, (15, 4): 10, (15, 3): 10, (32, 32): 3, (30, 60): 2}
NO_CLAIMS = ("Not a claim", "The map's own")
CLAIMS = {k.name for k in words.registry().values() if not k.chance.startswith(NO_CLAIMS)}


def drawn(kind, rng, shape):
    if kind == "uniform":
        return rng.uniform(0, 1, shape)
    if kind == "normal":
        return np.clip(rng.normal(0.5, 0.2, shape), 0, 1)
    return rng.exponential(1.0, shape)


def test_token_maps_of_noise():
    rng = np.random.default_rng(11)
    claimed, total = Counter(), 0
    for kind in ("uniform", "normal", "exponential"):
        for shape, times in SHAPES.items():
            for _ in range(times):
                array = maps.make(drawn(kind, rng, shape), ("layer", "token"), measure="attention")
                claimed.update({fact.kind for fact in words.facts(array)} & CLAIMS)
                total += 1
    assert all(times <= STATED_FALSE_ALARM * total for times in claimed.values()), claimed


@pytest.mark.parametrize(
    ("dims", "shape"),
    [
        (("layer",), (30,)),
        (("token",), (60,)),
        (("function", "layer", "head"), (8, 12, 12)),
        (("layer", "head", "token"), (10, 3, 16)),
    ],
)
def test_other_maps_of_noise(dims, shape):
    rng = np.random.default_rng(4)
    claimed, total = Counter(), 20
    for _ in range(total):
        array = maps.make(rng.uniform(0, 1, shape), dims, measure="noise")
        claimed.update({fact.kind for fact in words.facts(array)} & CLAIMS)
    assert all(times <= STATED_FALSE_ALARM * total for times in claimed.values()), claimed


def test_noise_is_said_to_show_nothing():
    array = maps.make(
        np.random.default_rng(0).uniform(0, 1, (12, 12)), ("layer", "token"), measure="noise"
    )
    text = words.describe(array)
    assert "No layer stands out from what chance would show." in text
    assert "Nothing stands out from what chance would show." in text
