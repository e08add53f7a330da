"""How often intervals and tests hold, on made-up data whose truth is known.

    python benchmarks/statistics/simulate.py                    all settings, as Markdown tables
    python benchmarks/statistics/simulate.py --only nested      settings of kinds with this word
    python benchmarks/statistics/simulate.py --quick            few repetitions, fixed seed

The tables of docs/statistics.md are what this prints. Every setting has random numbers of its own,
made from the seed and its name, so that it gives the same alone and among others.
"""

from __future__ import annotations

import argparse
import zlib
from datetime import date
from pathlib import Path
from sys import path

import numpy as np
import torch

path.insert(0, str(Path(__file__).parent))

from settings import (
    Outcome,
    Setting,
    highest_covers_one_half,
    no_difference_is_found,
    of_difference,
    of_grouped_scores,
    of_nested,
    of_probes,
    of_score_difference,
    of_scores,
    p_is_above,
    p_of_maps_is_above,
    region_has_the_best,
)

SCORES = "AUROC of scores"
GROUPED = "AUROC of scores in groups"
NEAR_ONE = "AUROC near 1"
PROBES = "AUROC of cross-fitted probes"
NESTED = "nested choice"
DIFFERENCE = "paired difference"
TOGETHER = "all cells at once"
P_VALUES = "p-values"

SETTINGS = [
    *(
        Setting(SCORES, f"{few}:{many}, {folds} folds, AUROC {truth}", draw, 2000, quick)
        for few, many, folds, truth, quick in (
            (50, 50, 5, 0.5, 0),
            (50, 50, 5, 0.8, 300),
            (100, 300, 5, 0.8, 0),
            (50, 50, 10, 0.8, 300),
            (50, 50, 20, 0.8, 300),
            (10, 200, 5, 0.5, 0),
            (10, 200, 5, 0.8, 300),
            (10, 200, 5, 0.95, 300),
            (10, 200, 10, 0.8, 300),
            (10, 200, 10, 0.95, 300),
            (12, 200, 10, 0.8, 0),
            (20, 100, 20, 0.8, 300),
        )
        for draw in [of_scores(few, many, truth, folds)]
    ),
    *(
        Setting(
            NEAR_ONE,
            f"{few}:{many}, AUROC {truth}, sd of training {training}",
            of_scores(few, many, truth, 5, training=training),
            2000,
            quick,
        )
        for few, many, truth, training, quick in (
            (20, 60, 0.98, 0.0, 0),
            (20, 60, 0.98, 0.006, 300),
            (53, 370, 0.98, 0.0, 300),
            (53, 370, 0.98, 0.006, 300),
            (53, 370, 0.995, 0.0, 0),
            (53, 370, 0.995, 0.003, 300),
        )
    ),
    *(
        Setting(
            GROUPED,
            f"{groups} groups of {size}, AUROC {truth}, noise {shared} and labels {agree} shared",
            of_grouped_scores(groups, size, truth, shared, agree),
            1000,
            quick,
        )
        for groups, size, truth, shared, agree, quick in (
            (40, 5, 0.8, 0.6, 0.3, 100),
            (100, 10, 0.8, 0.8, 0.5, 0),
            (30, 10, 0.9, 0.6, 0.5, 100),
            (60, 3, 0.7, 0.9, 0.9, 0),
            (20, 10, 0.7, 0.6, 0.6, 0),
        )
    ),
    Setting(PROBES, "n = 100, 64 features, no effect, 1:4", of_probes(100, 64, 0.0, 0.2), 400, 0),
    Setting(PROBES, "n = 100, 64 features, effect, 1:1", of_probes(100, 64, 1.2, 0.5), 400, 0),
    Setting(PROBES, "n = 210, 32 features, 10:200", of_probes(210, 32, 1.5, 0.0477), 400, 0),
    Setting(
        PROBES,
        "n = 210, 32 features, 10:200, 10 folds",
        of_probes(210, 32, 1.5, 0.0477, 10),
        200,
        0,
    ),
    Setting(PROBES, "n = 240, 64 features, near 1", of_probes(240, 64, 3.5, 0.4), 300, 0),
    Setting(NESTED, "n = 80, no effect", of_nested(80, 0.0), 150, 0),
    Setting(NESTED, "n = 80, effect", of_nested(80, 1.2), 150, 0),
    Setting(NESTED, "n = 80, no effect, one partition", of_nested(80, 0.0, which="chosen"), 150, 0),
    Setting(NESTED, "n = 80, effect, one partition", of_nested(80, 1.2, which="chosen"), 150, 0),
    Setting(
        DIFFERENCE, "scores, 50:50, .8 − .8", of_score_difference(50, 50, (0.8, 0.8), 5), 1000, 200
    ),
    Setting(
        DIFFERENCE,
        "scores, 10:200, .9 − .7, 10 folds",
        of_score_difference(10, 200, (0.9, 0.7), 10),
        1000,
        200,
    ),
    Setting(
        DIFFERENCE,
        "scores, 53:370, .98 − .9",
        of_score_difference(53, 370, (0.98, 0.9), 5),
        1000,
        200,
    ),
    Setting(DIFFERENCE, "probes, n = 100, none", of_difference(100, (0.6, 0.6)), 80, 0),
    Setting(DIFFERENCE, "probes, n = 100, some", of_difference(100, (1.0, 0.5)), 80, 0),
    Setting(
        DIFFERENCE,
        "probes, n = 150, 40 features, 1:4",
        of_difference(150, (0.5, 0.3), width=40, share=0.2),
        60,
        0,
    ),
    Setting(TOGETHER, "highest of 10 cells of noise, n = 80", highest_covers_one_half(80), 150, 0),
    Setting(
        TOGETHER,
        "region has the best of 6 cells, n = 100",
        region_has_the_best(100, [[0.2, 0.4], [0.6, 0.8], [0.9, 1.0]]),
        150,
        0,
    ),
    Setting(
        TOGETHER,
        "region has the best of 10 nearly equal cells, n = 80",
        region_has_the_best(80, [[0.6] * 5, [0.6] * 4 + [0.65]]),
        150,
        0,
    ),
    Setting(TOGETHER, "4 differences, none true, n = 100", no_difference_is_found(100), 150, 0),
    *(
        Setting(
            P_VALUES,
            f"p of a map without effect > {alpha}",
            p_is_above(alpha),
            300,
            quick,
            least=1 - alpha,
            most=1 - alpha,
        )
        for alpha, quick in ((0.05, 100), (0.1, 0), (0.5, 100))
    ),
    Setting(
        P_VALUES,
        "p of three maps without effect > 0.05",
        p_of_maps_is_above(0.05),
        80,
        0,
        least=0.95,
        most=0.95,
    ),
]


def outcomes(setting: Setting, repetitions: int, *, seed: int = 0) -> list[Outcome]:
    """What came of many data sets of a setting."""
    generator = np.random.default_rng([seed, zlib.crc32(setting.name.encode())])
    return [setting.draw(generator) for _ in range(repetitions)]


def coverage(found: list[Outcome]) -> tuple[float, float]:
    """The share of intervals that cover the truth, and their mean width."""
    low, high, value, truth = np.array(found).T
    truth = np.where(np.isnan(truth), value.mean(), truth)
    share = float(((low <= truth) & (truth <= high)).mean())
    return share, float((high - low).mean())


def monte_carlo_error(setting: Setting, repetitions: int) -> float:
    """Standard error of the share that holds, where it is the share that should."""
    nominal = setting.least if setting.least == setting.most else 0.95
    return float((nominal * (1 - nominal) / repetitions) ** 0.5)


def row(setting: Setting, *, quick: bool) -> str:
    """A row of a table."""
    repetitions = setting.quick if quick else setting.repetitions
    found = outcomes(setting, repetitions)
    share, width = coverage(found)
    error = monte_carlo_error(setting, repetitions)
    wide = "" if np.isnan(found[0].value) else f"{width:.3f}"
    return f"| {setting.name} | {share:.3f} ± {error:.3f} | {wide} | {repetitions} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="a word of the kind or the setting")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{date.today()}, intervals of 95 %")
    chosen = [
        setting
        for setting in SETTINGS
        if given.only in f"{setting.kind} {setting.name}" and (setting.quick or not given.quick)
    ]
    for kind in dict.fromkeys(setting.kind for setting in chosen):
        print(f"\n### {kind[0].upper()}{kind[1:]}\n")
        print("| setting | holds in | mean width | repetitions |")
        print("| --- | --- | --- | --- |")
        for setting in chosen:
            if setting.kind == kind:
                print(row(setting, quick=given.quick), flush=True)


if __name__ == "__main__":
    main()
