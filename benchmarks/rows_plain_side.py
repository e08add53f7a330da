"""Rows 8 and 9: words and pictures of a map, and whole processes from a cold start."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from peers import Setting
from timing import Budget, Do, Row, interleaved

from layergram import figures, maps, words

LOAD = "import torch, transformers; from layergram.models.load import load; load('smollm2')"
GOALS = {60: (0.5, 1.0), 4096: (1.5, 3.0)}


def rows(setting: Setting) -> Iterator[Row]:
    """Processor time of both, then the processes."""
    for columns, (without, with_draws) in GOALS.items():
        yield from _both(columns, without, with_draws, runs=3 if setting.quick else 7)
    yield from _processes(1 if setting.quick else 3)


def _both(columns: int, without: float, with_draws: float, *, runs: int) -> Iterator[Row]:
    values = np.clip(np.random.default_rng(0).normal(0.5, 0.1, (30, columns)), 0, 1)
    array = maps.make(values, ("layer", "token"), measure="divergence", units="bit")
    # a map that carries p-values is not compared with drawn ones
    p_values = (("layer", "token"), np.random.default_rng(1).random(values.shape))
    maps_by_null = {
        "without surrogates": array.assign_coords(p_value=p_values),
        "with surrogates": array,
    }

    def work(array: xr.DataArray) -> dict[str, float]:
        began = time.process_time()
        words.describe(array)
        figures.paint(figures.plan(array))
        return {"cpu": time.process_time() - began}

    works: dict[str, Do] = {name: partial(work, one) for name, one in maps_by_null.items()}
    taken = interleaved(works, Budget(runs, 60), clock="cpu")
    for name, goal in zip(works, (without, with_draws), strict=True):
        found = taken.times[name]
        yield Row(
            8,
            f"describe and draw 30 × {columns:,}, {name}",
            "layergram",
            value=taken.median(name),
            spread=(min(found), max(found)),
            goal=goal,
            unit="s of the processor",
        )


def _processes(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "layergram"]
        drawn = [str(Path(folder) / "divergence.nc"), "-o", str(Path(folder) / "again.png")]
        calls = {
            "import torch, transformers, load": [sys.executable, "-c", LOAD],
            "map": [*command, "map", "The capital of France is Paris.", "-q", "-o", folder],
            "python": [sys.executable, "-c", ""],
            "help": [*command, "--help"],
            "import": [sys.executable, "-c", "import layergram"],
            "draw": [*command, "draw", *drawn, "-q"],
        }
        taken = interleaved(
            {name: partial(_run, call) for name, call in calls.items()}, Budget(runs)
        )
    load = "import torch, transformers, load"
    yield Row(
        9,
        "map of 7 tokens, all written",
        "layergram",
        f"{load} the model",
        goal=1.6,
        **taken.ratio("map", {load: 1.0}),
    )
    for name, text, goal in (
        ("help", "layergram --help", 0.3),
        ("import", "import layergram", 0.1),
        ("draw", "layergram draw", 2.0),
    ):
        found = [
            own - bare for own, bare in zip(taken.times[name], taken.times["python"], strict=False)
        ]
        yield Row(
            9,
            f"{text}, from a cold start",
            "layergram",
            value=float(np.median(found)),
            spread=(min(found), max(found)),
            goal=goal,
            unit="s beyond python itself",
        )


def _run(call: list[str]) -> dict[str, float]:
    began = time.perf_counter()
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return {"wall": time.perf_counter() - began}
