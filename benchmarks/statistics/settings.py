"""The settings of the simulations: data whose truth is known, and what has to hold of it.

Every setting draws one data set from a generator and gives what came of it: the interval, the
estimate and the truth. Where the truth of a trained probe has no formula it is NaN, and the mean of
the estimates stands for it, which are unbiased as they come from examples that had no part in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import norm

from layergram.probes import (
    Evaluation,
    OutOfFold,
    compare,
    cross_fit,
    difference_map,
    evaluate,
    evaluate_each,
    region,
)
from layergram.probes.crossfit import Rows, crossfit, trainings
from layergram.probes.logistic import logistic
from layergram.probes.ridge import ridge_statistics
from layergram.statistics.auroc import auroc
from layergram.statistics.folds import grouped_folds
from layergram.statistics.permutation import p_values, shuffles

QUICK = Evaluation(permutations=0)
ONCE = Evaluation(permutations=0, partitions=1)
PERMUTED = Evaluation(permutations=99, partitions=1)


class Outcome(NamedTuple):
    """What came of one data set; of a test, whether it held (``low`` to ``high`` is −1 to 0)."""

    low: float
    high: float
    value: float
    truth: float


@dataclass(frozen=True)
class Setting:
    """A simulation.

    Attributes:
        kind: what is tested, the heading of its table.
        name: the setting in words.
        draw: one data set.
        repetitions: of the full form.
        quick: of the form that tests run; 0 leaves it out.
        least: the share in which it has to hold, but for Monte Carlo error.
        most: the share above which it is wider than it need be.
    """

    kind: str
    name: str
    draw: Callable[[np.random.Generator], Outcome]
    repetitions: int
    quick: int
    least: float = 0.92
    most: float = 0.99


def held(true: bool) -> Outcome:
    """The outcome of a test: covered, where it held."""
    return Outcome(-1.0, 0.0, np.nan, 0.0 if true else 1.0)


def stratified(positive, folds, generator):
    """Examples in folds with like shares of both classes, quickly."""
    found = np.empty(positive.size, dtype=np.intp)
    for side in (positive, ~positive):
        found[side] = (generator.permutation(side.sum()) + generator.integers(folds)) % folds
    return found


def of_scores(few, many, truth, folds, *, training=0.0):
    """Scores of two normal classes; ``training`` moves the truth of a whole data set."""

    def draw(generator):
        positive = np.arange(few + many) < few
        moved = min(truth + training * generator.normal(), 1 - 1e-6)
        apart = 2**0.5 * norm.ppf(moved)
        scores = generator.normal(size=positive.size) + apart * positive
        inside = stratified(positive, folds, generator)
        area = auroc(scores, positive, inside, np.arange(positive.size))
        area = replace(area, fold_covariance=training**2)
        return Outcome(*area.interval(0.95), area.value, truth)

    return draw


def of_grouped_scores(groups, size, truth, shared, agree, positive=0.3):
    """Scores that share noise within a group, and labels that agree within it."""

    def draw(generator):
        common = generator.normal(size=groups)
        likely = norm.cdf(
            (norm.ppf(positive) + agree**0.5 * generator.normal(size=groups)) / (1 - agree) ** 0.5
        )
        member = np.repeat(np.arange(groups), size)
        labels = generator.random(member.size) < likely[member]
        noise = shared**0.5 * common[member]
        noise = noise + (1 - shared) ** 0.5 * generator.normal(size=member.size)
        scores = noise + 2**0.5 * norm.ppf(truth) * labels
        seed = int(generator.integers(2**31))
        folds = grouped_folds(labels, member, folds=5, seed=seed)
        area = auroc(scores, labels, folds, member)
        return Outcome(*area.interval(0.95), area.value, truth)

    return draw


def of_probes(n, width, effect, share, folds=5):
    """A probe on Gaussian features; the truth is that of the probes that were trained."""

    def draw(generator):
        labels = generator.permutation(n) < round(share * n)
        means = np.zeros(width)
        means[:4] = effect / 2
        values = torch.as_tensor(
            generator.normal(size=(n, width)) + labels[:, None] * means
        ).float()
        inside = stratified(labels, folds, generator)
        rows = Rows(labels, inside, np.arange(n))
        (cell,) = crossfit(values, [rows], Evaluation(folds=folds))
        trained = torch.as_tensor(trainings(inside, folds)[0][:folds])
        fits = logistic(values, torch.as_tensor(labels).expand(folds, -1), trained)
        weights = fits.weights.numpy()
        each = norm.cdf(weights @ means / (2 * (weights**2).sum(1)) ** 0.5)
        truth = float(cell.auroc.weights @ each)
        return Outcome(*cell.auroc.interval(0.95), cell.auroc.value, truth)

    return draw


def map_features(generator, n, layers, roles, width, effect, share=0.4):
    """A map whose layers are like their neighbours, its effect strongest in the middle."""
    labels = generator.permutation(n) < round(share * n)
    values = generator.normal(size=(n, roles, width))
    planes = []
    for layer in range(layers):
        values = 0.8 * values + 0.6 * generator.normal(size=values.shape)
        near = effect * np.exp(-((layer - layers / 2) ** 2) / (layers**2 / 8))
        plane = values.copy()
        plane[..., 0] += near * labels[:, None] * np.where(np.arange(roles) == 1, 1.0, 0.6)
        planes.append(plane)
    return np.stack(planes, axis=1), labels


def of_nested(n, effect, *, layers=5, roles=2, width=8, which="nested"):
    """The nested choice: over five partitions (``nested``), or in the map's own (``chosen``)."""
    evaluation = QUICK if which == "nested" else ONCE

    def draw(generator):
        features, labels = map_features(generator, n, layers, roles, width, effect)
        found = evaluate(features, labels, groups=np.arange(n), evaluation=evaluation)
        low, high, value = (float(found[f"{which}_{end}"]) for end in ("low", "high", "auroc"))
        return Outcome(low, high, value, 0.5 if effect == 0 else np.nan)

    return draw


def of_difference(n, effects, *, shared=1.0, width=6, evaluation=QUICK, share=0.5):
    """Two sets of features whose noise agrees."""

    def draw(generator):
        labels = generator.permutation(n) < round(share * n)
        noise = shared * generator.normal(size=(n, width))
        sides = []
        for effect in effects:
            values = noise + generator.normal(size=(n, width)) + effect * labels[:, None]
            sides.append(cross_fit(values, labels, groups=np.arange(n), evaluation=evaluation))
        found = compare(*sides)
        truth = 0.0 if effects[0] == effects[1] else np.nan
        return Outcome(found.low, found.high, found.value, truth)

    return draw


def of_score_difference(few, many, truths, folds, agree=0.6):
    """Two scores without training, whose noise agrees."""

    def draw(generator):
        labels = np.arange(few + many) < few
        inside = stratified(labels, folds, generator)
        noise = generator.normal(size=labels.size)
        apart = [2**0.5 * norm.ppf(truth) for truth in truths]
        scores = [
            agree**0.5 * noise
            + (1 - agree) ** 0.5 * generator.normal(size=labels.size)
            + size * labels
            for size in apart
        ]
        first, second = (
            OutOfFold(
                labels,
                np.arange(labels.size),
                inside[None],
                each[None],
                np.zeros((1, folds, folds)),
            )
            for each in scores
        )
        found = compare(first, second)
        return Outcome(found.low, found.high, found.value, truths[0] - truths[1])

    return draw


def region_has_the_best(n, effects):
    """Whether the region has the cell with the largest effect (cells × features of noise)."""
    planted = np.asarray(effects)

    def draw(generator):
        labels = generator.permutation(n) < n // 2
        features = generator.normal(size=(n, *planted.shape, 8))
        features[..., 0] += planted * labels[:, None, None]
        found = evaluate(features, labels, groups=np.arange(n), evaluation=ONCE)
        return held(bool(region(found).values.flat[planted.argmax()]))

    return draw


def no_difference_is_found(n, layers=4, roles=2):
    """Whether a map of differences between cells that are equally good has no cell without 0."""

    def draw(generator):
        features, labels = map_features(generator, n, layers, roles, 8, 0.0, share=0.5)
        features[..., 0] += labels[:, None, None]
        found = evaluate(features, labels, groups=np.arange(n), evaluation=ONCE)
        limits = difference_map(found, at={"role": "0"}).sel(role="1")
        return held(bool(((limits.low <= 0) & (limits.high >= 0)).all()))

    return draw


def highest_covers_one_half(n, layers=5, roles=2):
    """Whether the interval of a noise map's highest cell, for all cells at once, has one half."""

    def draw(generator):
        features, labels = map_features(generator, n, layers, roles, 8, 0.0)
        found = evaluate(features, labels, groups=np.arange(n), evaluation=ONCE)
        return Outcome(float(found.best_low), float(found.best_high), float(found.best_auroc), 0.5)

    return draw


def p_is_above(alpha, *, groups=40, size=2, permutations=99):
    """Whether the smallest p of a map of two cells without effect is above ``alpha``."""

    def draw(generator):
        member = np.repeat(np.arange(groups), size)
        labels = np.repeat(generator.permutation(groups) < groups // 3, size)
        features = generator.normal(size=(groups, 2, 6))[member]
        features = torch.as_tensor(features + generator.normal(size=features.shape)).float()
        seed = int(generator.integers(2**31))
        folds = grouped_folds(labels, member, folds=5, seed=seed)
        drawn = shuffles(labels, member, count=permutations, seed=seed, folds=folds)
        every = np.vstack([labels, drawn])
        t = np.stack([ridge_statistics(features[:, cell], every, folds) for cell in range(2)])
        return held(p_values(t[:, 0], t[:, 1:].max(0)).min() > alpha)

    return draw


def p_of_maps_is_above(alpha, *, groups=40, size=2):
    """Whether the smallest p of the maps of three classes, without effect, is above ``alpha``."""

    def draw(generator):
        member = np.repeat(np.arange(groups), size)
        kinds = np.repeat(generator.permutation(groups) % 3, size)
        features = generator.normal(size=(groups, 2, 1, 6))[member]
        features = features + generator.normal(size=features.shape)
        found = evaluate_each(
            features,
            {str(kind): kinds == kind for kind in range(3)},
            groups=member,
            evaluation=replace(PERMUTED, seed=int(generator.integers(2**31))),
            p_over="maps",
        )
        return held(min(float(each["p_map"]) for each in found.values()) > alpha)

    return draw
