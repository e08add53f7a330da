"""False alarms and power of importance: ``python benchmarks/statistics/importance.py``.

Heads of made-up steps carry no information on their function, or a few of them do. Probes of all
heads are trained and explained as ``layergram heads`` does it, and compared with 20 trainings on
shuffled labels. Printed is how often any head is called important that carries nothing: in a set
without information, a set where every head is constant but one, and beside informed heads of the
same and of other layers.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import xarray as xr

from layergram.datasets.steps import FUNCTIONS
from layergram.experiments.heads.all_heads_probe import Training, joint_probes
from layergram.experiments.heads.importance import importance_p_values, labelled
from layergram.features.head_outputs import with_layer_mean
from layergram.statistics.folds import grouped_folds

CLASSES, LAYERS, HEADS, WIDTH = 4, 4, 3, 8
INFORMED = ((1, 0), (2, 2))  # layer from 0, head


@dataclass(frozen=True)
class Share:
    """Share of runs in which any head of a kind is called important.

    Attributes:
        uninformed: heads that carry nothing, in layers without information.
        beside: heads that carry nothing, in the layer of one that does.
        informed: of the informed heads, the share that is found.
    """

    uninformed: float
    beside: float
    informed: float


def run(effect: float, seed: int, *, steps: int = 240, layer_mean: bool = True) -> Share:
    """One set of steps: which heads of a kind are called important."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(steps // 2), 2)
    classes = generator.integers(CLASSES, size=steps)
    values = generator.normal(size=(steps, LAYERS, HEADS, WIDTH)).astype(np.float32)
    values[:, 0, 0] = 3.0  # a head that always says the same
    for layer, head in INFORMED:
        values[:, layer, head] += effect * generator.normal(size=(CLASSES, WIDTH))[classes]
    coords = {"layer": range(1, LAYERS + 1), "head": range(HEADS)}
    alone = xr.DataArray(values, dims=("example", "layer", "head", "feature"), coords=coords)
    features = with_layer_mean(alone) if layer_mean else alone
    known = labelled([FUNCTIONS[c] for c in classes], [f"{g:04d}" for g in groups])
    folds = grouped_folds(known.classes, known.groups, folds=3, seed=0)
    training = Training(rate=1e-3, epochs=20, seed=seed)
    joint = joint_probes(features, known.classes, folds, training=training)
    p = importance_p_values(joint, features, known, training=training)
    called = (p <= 0.05).any(0)
    informed = np.zeros((LAYERS, HEADS), dtype=bool)
    for layer, head in INFORMED:
        informed[layer, head] = effect > 0
    beside = informed.any(1, keepdims=True) & ~informed
    rest = ~informed & ~beside
    return Share(
        float(called[rest].any()),
        float(called[beside].any()),
        float(called[informed].mean()) if effect else np.nan,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100)
    count = parser.parse_args().repetitions
    print("effect | layer's mean | any uninformed head | any beside an informed one | power")
    for effect, layer_mean in ((0.0, True), (0.5, True), (0.5, False), (1.0, True), (1.0, False)):
        found = [run(effect, seed, layer_mean=layer_mean) for seed in range(count)]
        numbers = [
            np.nanmean([getattr(one, name) for one in found]) if effect or name != "informed" else 0
            for name in ("uninformed", "beside", "informed")
        ]
        print(f"{effect} | {layer_mean} | " + " | ".join(f"{n:.3f}" for n in numbers), flush=True)


if __name__ == "__main__":
    main()
