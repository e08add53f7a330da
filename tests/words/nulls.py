"""Maps without any effect, of six kinds, and maps with a planted one."""

from __future__ import annotations

import numpy as np

from layergram import maps, words
from layergram.probes import Evaluation, evaluate
from layergram.probes.results import map_of

SHAPE = (24, 16)
TEXT = "The capital of France is Paris, and the sum of 8 and 5 is 13. A layer reads it."
MEASURES = ("divergence", "lens_rank", "lens_entropy", "attention_received", "residual_norm")


def series(rng, correlation, shape=SHAPE):
    """An AR(1) series down each column; a random walk for a correlation of 1."""
    new = np.sqrt(1 - correlation**2) if correlation < 1 else 1.0
    values = rng.normal(size=shape)
    for row in range(1, len(values)):
        values[row] = correlation * values[row - 1] + new * values[row]
    return values


def token_map(values):
    """Any numbers as a map of layers and tokens between 0 and 1."""
    return maps.make(1 / (1 + np.exp(-values)), ("layer", "token"), measure="attention")


def planted(rng, correlation, what):
    """Smooth noise with one column, or one block of 4 × 4 cells, three standard deviations up."""
    values = series(rng, correlation)
    if what == "column":
        values[:, rng.integers(SHAPE[1])] += 3
    else:
        row, column = rng.integers(0, [SHAPE[0] - 4, SHAPE[1] - 4])
        values[row : row + 4, column : column + 4] += 3
    return maps.make(values, ("layer", "token"), measure="amount")


def auroc_map(rng, *, examples=60, layers=10, roles=7, permutations=99):
    """AUROC of made-up features whose labels mean nothing; neighbouring layers are alike."""
    features = np.stack([series(rng, 0.8, (layers, roles * 6)) for _ in range(examples)])
    features = features.reshape(examples, layers, roles, 6)
    options = Evaluation(permutations=permutations, seed=int(rng.integers(2**31)))
    labels = rng.permutation(np.arange(examples) % 2 == 0)
    return map_of(evaluate(features, labels, groups=np.arange(examples), evaluation=options))


def random_model_maps(folder, seeds):
    """Maps of a llama with 12 layers and random weights, one set for each seed."""
    import layergram as lg
    from layergram.experiments.roles.controls import random_weights

    model = lg.load(str(folder), device="cpu")
    for seed in seeds:
        traced = lg.trace(random_weights(model, seed=seed), TEXT, measures=list(MEASURES))
        yield from (traced[name] for name in MEASURES)


def claims(array):
    """Whether a description of the map says that anything stands out."""
    return bool(words.facts(array).inference)
