"""Row 6: a grid of probes beside a loop over scikit-learn, and a plain solver beside the own one.

    python benchmarks/rows_probes.py 576 --cells 12

Every side trains one probe per cell and fold, on the same folds, with one thread, and is timed in
processor time: first a cell by one side, then the same cell by the others. Several BLAS threads
make the loop much slower on matrices of this size, so it is given one. Features have the spectrum
of a residual stream: a few directions that carry most of the variance, and a long tail.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from newton import newton
from peers import Setting
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info
from timing import Row, Taken

from layergram.probes.logistic import logistic
from layergram.statistics.auroc import auroc
from layergram.statistics.folds import grouped_folds

EXAMPLES, LAYERS, ROLES = 1000, 31, 9
GOALS = {576: 10.0, 4096: 4.0}
CELLS = {576: 24, 4096: 6}
Values = np.ndarray[Any, Any]


def made(cells: int, width: int) -> Iterator[tuple[Values, Values]]:
    """Features [example, feature] of some cells and the labels, which a third of them show."""
    random = np.random.default_rng(0)
    wrong = random.random(EXAMPLES) < 0.45
    spectrum = np.arange(1, width + 1) ** -0.6
    for cell in range(cells):
        mixing = (spectrum[:, None] * random.normal(size=(width, width))).astype(np.float32)
        values = random.normal(size=(EXAMPLES, width)).astype(np.float32)
        values[:, min(40, width - 1)] += 1.5 * wrong * (cell % 3 == 0)
        yield values @ mixing, wrong


def by_loop(values: Values, wrong: Values, folds: Values) -> Values:
    """Out-of-fold log odds by scikit-learn, with its defaults and enough iterations."""
    scores = np.empty(len(wrong))
    for fold in np.unique(folds):
        out = folds == fold
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100_000))
        model.fit(values[~out], wrong[~out])
        scores[out] = model.decision_function(values[out])
    return scores


def batched(log_odds: Callable[..., torch.Tensor]) -> Callable[..., Values]:
    """A solver of several problems at once, as out-of-fold log odds of one cell."""

    def solve(values: Values, wrong: Values, folds: Values) -> Values:
        trained = torch.as_tensor(folds != np.unique(folds)[:, None])
        labels = torch.as_tensor(wrong).expand(trained.shape)
        found = log_odds(torch.as_tensor(values), labels, trained)
        return found.numpy()[folds, np.arange(len(wrong))]

    return solve


SIDES = {
    "layergram": batched(lambda *given: logistic(*given).log_odds),
    "newton": batched(newton),
    "loop": by_loop,
}


def measure(width: int, cells: int) -> dict[str, Any]:
    """Processor seconds by side and cell, and how far the AUROC of each is from the loop's."""
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    off = dict.fromkeys(SIDES, 0.0)
    groups = np.arange(EXAMPLES)
    for number, (values, wrong) in enumerate(made(cells + 1, width)):
        folds = grouped_folds(wrong, groups, folds=5, seed=0)
        areas = {}
        for side, solve in SIDES.items():
            began = time.process_time()
            scores = solve(values, wrong, folds)
            if number:  # the first cell warms up
                times[side].append(time.process_time() - began)
            areas[side] = auroc(scores, wrong, folds, groups).value
        off = {side: max(off[side], abs(areas[side] - areas["loop"])) for side in SIDES}
    blas = sorted(
        {f"{one['internal_api']} {one.get('architecture', '')}" for one in threadpool_info()}
    )
    return {"times": times, "off": off, "blas": ", ".join(blas)}


def alone(width: int, cells: int) -> dict[str, Any]:
    """The same in a process that has one thread from its start."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, str(Path(__file__)), str(width), "--cells", str(cells)]
    done = subprocess.run(
        command, env={**os.environ, **limits}, check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(setting: Setting) -> Iterator[Row]:
    """Core against core, at the width of the embedded model and at that of a large one."""
    for width, goal in GOALS.items():
        if setting.quick and width > 576:
            break
        cells = 3 if setting.quick else CELLS[width]
        found = alone(width, cells)
        taken = Taken(found["times"])
        text = f"probes of {LAYERS} layers × {ROLES} roles × 5 folds, 1,000 × {width}"
        note = f"{cells} cells timed, with {found['blas']}; AUROC differ by {{:.1g}} at most"
        ratio = taken.ratio("loop", {"layergram": 1.0})
        own = note.format(found["off"]["layergram"])
        yield Row(
            6,
            text,
            "layergram",
            "scikit-learn loop over its time, one core each",
            goal=goal,
            at_least=True,
            note=own,
            **ratio,
        )
        yield Row(
            6,
            text,
            "plain batched Newton on the dual",
            "layergram's own solver",
            note=note.format(found["off"]["newton"]),
            **taken.ratio("newton", {"layergram": 1.0}),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("width", type=int)
    parser.add_argument("--cells", type=int, default=12)
    given = parser.parse_args()
    print(json.dumps(measure(given.width, given.cells)))
