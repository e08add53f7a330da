"""How often descriptions say that something stands out: in noise, and where something does.

Prints the table of docs/words.md. One thread, about ten minutes: ``python words.py [TIMES]``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import xarray as xr

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "words")]

import nulls  # noqa: E402

from tiny_llama import write_folder  # noqa: E402


def told(arrays: Iterable[xr.DataArray]) -> tuple[float, int]:
    """Share of descriptions that name anything, and how many there are."""
    found = [nulls.claims(array) for array in arrays]
    return float(np.mean(found)), len(found)


def line(name: str, share: float, times: int) -> str:
    """One line of the table, with the Monte Carlo standard error."""
    error = np.sqrt(max(share * (1 - share), 1 / times) / times)
    return f"| {name} | {share:.3f} | {error:.3f} | {times} |"


def random_models(seeds: int) -> list[xr.DataArray]:
    """Five maps of each random-weight model of 12 layers."""
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), layers=12)
        return list(nulls.random_model_maps(Path(folder), range(seeds)))


def main(times: int) -> None:
    """Print the table, line by line."""
    rng = np.random.default_rng(0)
    drawn: dict[str, Callable[[], xr.DataArray]] = {
        f"noise, correlation {correlation:g}": (
            lambda correlation=correlation: nulls.token_map(nulls.series(rng, correlation))
        )
        for correlation in (0.0, 0.5, 0.9, 1.0)
    }
    drawn["exponential noise"] = lambda: nulls.token_map(rng.exponential(size=nulls.SHAPE))
    print(
        "| maps | descriptions that name anything | error | maps drawn |\n| --- | --- | --- | --- |"
    )
    for name, draw in drawn.items():
        print(line(name, *told(draw() for _ in range(times))), flush=True)
    print(line("random-weight models, five measures", *told(random_models(times // 5))), flush=True)
    aurocs = (nulls.auroc_map(rng, layers=6, roles=6) for _ in range(times // 3))
    print(line("AUROC maps, labels permuted", *told(aurocs)), flush=True)
    for what in ("column", "block"):
        for correlation in (0.0, 0.5, 0.9, 1.0):
            found = told(nulls.planted(rng, correlation, what) for _ in range(times))
            name = f"{what} three standard deviations up, correlation {correlation:g}"
            print(line(name, *found), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
