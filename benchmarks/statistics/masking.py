"""False alarms and power of the rank test of masking: ``python benchmarks/statistics/masking.py``.

A model is made up, of 30 layers with 9 heads each. Losing a head hurts in proportion to its norm,
most in the first layers, and not every function alike. A set hurts by what its heads do together,
and by something of its own that no head predicts: so sets differ among themselves as they do in a
real model, by 1.1 to 2.4 times the error over main questions. In the place of own heads stands one
more random set of the same layers; with an effect, a set that hurts its own function more.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from layergram.interventions.masking import random_heads
from layergram.interventions.rank_test import RankTest, rank_test

LAYERS, HEADS, FUNCTIONS = 30, 9, 8
RATIOS = (1.1, 1.9, 2.4)
EFFECTS = (1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class World:
    """What masking does in a made-up model.

    Attributes:
        ratio: spread of sets over the standard error of a mean over main questions.
        effect: by how many spreads of sets own heads hurt their own function more.
        planted: how many functions have such heads.
        draws: random sets per function.
        size: heads per set.
    """

    ratio: float
    effect: float = 0.0
    planted: int = FUNCTIONS
    draws: int = 39
    size: int = 20


def simulated(world: World, seed: int) -> RankTest:
    """One run of the test on a model and steps of its own."""
    generator = np.random.default_rng(seed)
    heads = [(layer, head) for layer in range(1, LAYERS + 1) for head in range(HEADS)]
    loud = generator.lognormal(sigma=0.5, size=len(heads))
    norms = {head: float(norm) for head, norm in zip(heads, loud, strict=True)}
    early = np.array([1 + 3 * (layer <= 3) for layer, _ in heads])
    hurts = loud[:, None] * early[:, None] * generator.gamma(2, size=(len(heads), FUNCTIONS))
    place = {head: at for at, head in enumerate(heads)}
    weights = generator.dirichlet(np.ones(LAYERS))  # functions choose from different layers
    table = []
    for function in range(FUNCTIONS):
        layers = np.repeat(generator.permutation(weights), HEADS) / HEADS
        chosen = generator.choice(len(heads), world.size, replace=False, p=layers)
        own = [heads[at] for at in chosen]
        sets = [own, *random_heads(own, norms, draws=world.draws, seed=[seed, function])]
        means = -np.stack([hurts[[place[head] for head in each]].sum(0) for each in sets])
        means += means.std() * generator.normal(size=means.shape)
        spread = means.std(0)
        if function < world.planted:
            means[0, function] -= world.effect * spread[function]
        # each set is measured on the same main questions, with an error that no other set shares
        table.append(means + spread / world.ratio * generator.normal(size=means.shape))
    return rank_test(np.array(table), range(FUNCTIONS))


def shares(world: World, repetitions: int) -> tuple[float, float, float]:
    """Share of p ≤ 0.05, of p over all functions ≤ 0.05, and of runs with any of the latter."""
    found = [simulated(world, seed) for seed in range(repetitions)]
    kept = slice(0, world.planted)
    p = np.stack([one.p[kept] for one in found]) <= 0.05
    family = np.stack([one.p_family[kept] for one in found]) <= 0.05
    return float(p.mean()), float(family.mean()), float(family.any(1).mean())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    count = parser.parse_args().repetitions
    print("no effect: sd of sets / SE | p <= .05 per function | any p over all <= .05 in a run")
    for ratio in RATIOS:
        each, _, any_ = shares(World(ratio), count)
        error = np.sqrt(0.05 * 0.95 / count)
        print(f"{ratio} | {each:.3f} | {any_:.3f} (Monte Carlo error {error:.3f})")
    print("one function with an effect, in spreads of sets | found by p | by p over all functions")
    for effect in EFFECTS:
        each, family, _ = shares(World(1.9, effect, planted=1), count)
        print(f"{effect} | {each:.2f} | {family:.2f}")


if __name__ == "__main__":
    main()
