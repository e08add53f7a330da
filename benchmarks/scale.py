"""What does not depend on the model: planning many examples, and opening what many have left.

    python benchmarks/scale.py

Timed are the plan of 100,000 short texts, less that of the 16 that its probe reads, and
``xarray.open_zarr`` of the arrays of 10,000 examples, with the labels of all of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import xarray as xr
from texts import ROOT

import layergram as lg
from layergram.storage.folder import RunFolder
from layergram.storage.stage import run_stage

TEXTS, PROBED, EXAMPLES = 100_000, 16, 10_000
sys.path.insert(0, str(ROOT / "tests" / "storage"))


def planned(model: lg.Model, texts: list[str]) -> float:
    """Seconds of a plan."""
    began = time.perf_counter()
    lg.plan(lg.average_maps, model, texts, measures=["residual_norm"])
    return time.perf_counter() - began


def opened(folder: Path) -> float:
    """Seconds to open the arrays of many examples and to read their labels."""
    from stages import arrays_of, arrays_stage

    stage = arrays_stage(items=[f"question {at}" for at in range(EXAMPLES)], shard_size=500)
    with RunFolder(folder) as run:
        run_stage(stage, arrays_of, run)
    began = time.perf_counter()
    found = xr.open_zarr(folder / "states" / "residual" / "arrays.zarr")
    assert len(found["example"].values) == EXAMPLES
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    model = lg.load("smollm2", device="cpu")
    texts = [f"{at} and {at + 1} are numbers." for at in range(TEXTS)]
    planned(model, texts[:PROBED])  # what is imported and tried once
    few, all_of_them = planned(model, texts[:PROBED]), planned(model, texts)
    print(f"plan of {TEXTS:,} texts: {all_of_them:.1f} s, of {PROBED} {few:.1f} s")
    with tempfile.TemporaryDirectory() as home:
        print(f"arrays of {EXAMPLES:,} examples opened in {opened(Path(home)):.2f} s")


if __name__ == "__main__":
    main()
