"""How long the probes of a whole map take, against a loop over scikit-learn, in one run.

    python benchmarks/probes.py                         31 layers × 15 roles, 1,000 × 576
    python benchmarks/probes.py --width 4096 --layers 3 --roles 3
    python benchmarks/probes.py --features states.npy --wrong wrong.npy

Both sides train one probe per cell and fold, on the same folds. The loop has one thread, which is
faster for it than several; the batched solver is timed with one, in processor time, which other
work disturbs less than the clock, and then with all cores, as ``evaluate`` uses them, by the clock
and with the time that its processes take to start. The loop is timed on every so many cells and its
time extrapolated to the whole map; the solver is timed on every cell, some layers at a time in
turns with the loop, so that both meet the same machine. Last comes all of ``evaluate``: pairs of
folds, shuffled control, permutations and intervals.

Features made here have the spectrum of a residual stream: a few directions that carry most of the
variance, and a long tail.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from layergram.probes import Evaluation, evaluate
from layergram.probes.cores import on_cores
from layergram.probes.logistic import logistic
from layergram.statistics.auroc import auroc
from layergram.statistics.folds import grouped_folds

TURNS = 5


def made(path: Path, examples: int, layers: int, roles: int, width: int) -> tuple[Any, Any]:
    """Features on the disk, in float16, and labels that a third of the cells show."""
    generator = np.random.default_rng(0)
    wrong = generator.random(examples) < 0.45
    shape = (examples, layers, roles, width)
    features = np.memmap(path, dtype=np.float16, mode="w+", shape=shape)
    spectrum = np.arange(1, width + 1) ** -0.6
    for layer in range(layers):
        mixing = (spectrum[:, None] * generator.normal(size=(width, width))).astype(np.float32)
        for role in range(roles):
            values = generator.normal(size=(examples, width)).astype(np.float32)
            values[:, min(40, width - 1)] += 1.5 * wrong * ((layer + role) % 3 == 0)
            features[:, layer, role] = values @ mixing
    return features, wrong


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work gives, and its seconds: of the processor, and by the clock."""
    processor, clock = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - processor, time.perf_counter() - clock


def cell_of(features: Any, place: tuple[int, int]) -> Any:
    """The numbers of one cell [example, feature], as the solver takes them."""
    return np.asarray(features[:, place[0], place[1]], dtype=np.float32)


def by_loop(values: Any, wrong: Any, folds: Any, scale: str) -> Any:
    """Out-of-fold log odds by scikit-learn, with its defaults and enough iterations."""
    scores = np.empty(len(wrong))
    for fold in np.unique(folds):
        out = folds == fold
        steps = [StandardScaler()] if scale == "standard" else []
        model = make_pipeline(*steps, LogisticRegression(max_iter=100_000))
        model.fit(values[~out], wrong[~out])
        scores[out] = model.decision_function(values[out])
    return scores


def by_layergram(place: Any, values: Any, wrong: Any, folds: Any, scale: str) -> Any:
    """The place of the cell, and out-of-fold log odds by the batched solver."""
    trained = torch.as_tensor(folds != np.unique(folds)[:, None])
    labels = torch.as_tensor(wrong).expand(trained.shape)
    fits = logistic(torch.as_tensor(values), labels, trained, scale=scale)
    return place, fits.log_odds.numpy()[folds, np.arange(len(wrong))]


def compare(features: Any, wrong: Any, sample: int, scale: str) -> None:
    """Time both sides, and print them with the largest difference of AUROC."""
    examples, layers, roles, _ = features.shape
    groups = np.arange(examples)
    folds = grouped_folds(wrong, groups, folds=5, seed=0)
    every = [divmod(at, roles) for at in range(layers * roles)]
    sampled = set(every[:: max(1, len(every) // sample)])
    loop, alone, shared = np.zeros(2), np.zeros(2), np.zeros(2)
    worst = 0.0
    for some in np.array_split(range(layers), min(layers, TURNS)):
        cells = {place: cell_of(features, place) for place in every if place[0] in some}
        calls = [(place, values, wrong, folds, scale) for place, values in cells.items()]
        for seconds, size in ((alone, 0), (shared, 5 * features.size)):
            ours, *taken = timed(
                lambda calls=calls, size=size: dict(on_cores(by_layergram, calls, size=size))
            )
            seconds += taken
        for place in sampled & set(cells):
            with threadpool_limits(1):
                scores, *taken = timed(
                    lambda values=cells[place]: by_loop(values, wrong, folds, scale)
                )
            loop += taken
            areas = [auroc(one, wrong, folds, groups).value for one in (ours[place], scores)]
            worst = max(worst, abs(areas[0] - areas[1]))
    loop *= len(every) / len(sampled)
    print(f"scale {scale}, AUROC differ by {worst:.1e} at most")
    print(
        f"  scikit-learn, from {len(sampled)} cells: {loop[0]:.1f} s ({loop[1]:.1f} s by the clock)"
    )
    print(f"  batched, one core:  {alone[0]:.1f} s, factor {loop[0] / alone[0]:.1f}")
    print(f"  batched, all cores: {shared[1]:.1f} s by the clock, factor {loop[1] / shared[1]:.1f}")


def main() -> None:
    """Run the comparison that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=31)
    parser.add_argument("--roles", type=int, default=15)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument(
        "--sample", type=int, default=31, help="cells that scikit-learn is timed on"
    )
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--features", help="an .npy file [example, layer, role, feature]")
    parser.add_argument("--wrong", help="an .npy file [example]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.features:
            features = np.load(options.features, mmap_mode="r")
            wrong = np.load(options.wrong)
        else:
            sizes = (options.examples, options.layers, options.roles, options.width)
            features, wrong = made(Path(folder) / "features", *sizes)
        examples, layers, roles, width = features.shape
        print(f"{layers} × {roles} cells × 5 folds, n = {examples}, d = {width}", end="")
        print(f", {torch.get_num_threads()} cores")
        for scale in ("standard", "none"):
            compare(features, wrong, options.sample, scale)
        evaluation = Evaluation(permutations=options.permutations)
        groups = np.arange(examples)
        _, _, clock = timed(lambda: evaluate(features, wrong, groups=groups, evaluation=evaluation))
        print(f"evaluate, {options.permutations} permutations, all controls: {clock:.0f} s")


if __name__ == "__main__":
    main()
