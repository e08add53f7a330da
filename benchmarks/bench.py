"""What layergram costs beside the least that the same work can cost, as ratios.

    python benchmarks/bench.py            every row; writes benchmarks/RESULTS.md
    python benchmarks/bench.py --quick    the short texts only, printed

A ratio is that of two medians over interleaved runs in one process (whole processes for start-up
times), so that other work on the machine meets both sides. Absolute times are not kept: they say
more about the machine than about the code. The model is the embedded one, on the CPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import xarray as xr

import layergram as lg
from layergram import figures, maps, words
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES
from layergram.tracing import trace

PAGE = Path(__file__).with_name("RESULTS.md")
SENTENCE = "The layers of a model write into one stream and read from it again. "
Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: what was done.
        floor: what it is compared with.
        ratio: cost over the floor's, or seconds of processor time where there is no floor.
        spread: the smallest and largest of the single runs.
        goal: what the ratio should be at most; NaN for other ways to do the same.
    """

    work: str
    floor: str
    ratio: float
    spread: tuple[float, float]
    goal: float = float("nan")


def interleaved(works: Mapping[str, Work], runs: int) -> dict[str, np.ndarray]:
    """Seconds [run] of each work, one after the other in every run, after one run for nothing."""
    for work in works.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            found[name].append(time.perf_counter() - began)
    return {name: np.array(taken) for name, taken in found.items()}


def row(
    work: str, floor: str, cost: np.ndarray, least: np.ndarray, goal: float = float("nan")
) -> Row:
    """A ratio of medians, with the spread of the ratios of single runs."""
    single = cost / least
    ratio = float(np.median(cost) / np.median(least))
    return Row(work, floor, ratio, (float(single.min()), float(single.max())), goal)


def attention(model: Model, tokens: int, runs: int) -> Iterator[Row]:
    """Attention received beside the plain forward pass."""
    ids = model.tokenizer(SENTENCE * tokens)["input_ids"][:tokens]
    given = torch.tensor([ids])
    taken = interleaved(
        {
            "plain": lambda: model.network(given, logits_to_keep=1),
            "ours": lambda: trace(model, ids=ids, measures=["attention_received"]),
        },
        runs,
    )
    goal = 1.25 if tokens <= 512 else 1.5
    work = f"attention received, {tokens} tokens"
    yield row(work, "plain forward pass", taken["ours"], taken["plain"], goal)


def lens(model: Model, tokens: int, runs: int) -> Iterator[Row]:
    """Lens measures beside the products of all layers with the unembedding."""
    ids = model.tokenizer(SENTENCE * tokens)["input_ids"][:tokens]
    given = torch.tensor([ids])
    readout = model.parts.readout
    hidden = model.network(given, output_hidden_states=True).hidden_states[1:]

    def products() -> None:
        for h in hidden:
            readout.unembedding(h[0])

    def naive() -> None:
        final = readout.unembedding(hidden[-1][0]).log_softmax(-1)
        for h in hidden[:-1]:
            log_q = readout.logits(h[0]).log_softmax(-1)
            log_m = (0.5 * (final.exp() + log_q.exp())).log()
            parts = ((one.exp() * (one - log_m)).sum(-1) for one in (final, log_q))
            sum(parts)

    asked = {"divergence": ["divergence"], "settling depth": ["settling_depth"]}
    taken = interleaved(
        {
            "plain": lambda: model.network(given, logits_to_keep=1),
            "products": products,
            "naive": naive,
            "default": lambda: trace(model, ids=ids, measures=DEFAULT_MEASURES),
            **{
                name: (lambda own=own: trace(model, ids=ids, measures=own))
                for name, own in asked.items()
            },
        },
        runs,
    )
    floor = "products with the unembedding"
    for name, goal in (("divergence", 1.15), ("settling depth", 0.45)):
        cost = taken[name] - taken["plain"]
        yield row(f"{name}, {tokens} tokens", floor, cost, taken["products"], goal)
    yield row(f"divergence, naive loop, {tokens} tokens", floor, taken["naive"], taken["products"])
    both = taken["plain"] + taken["products"]
    work = f"default measures, {tokens} tokens"
    yield row(work, "forward pass and products", taken["default"], both, 1.4)


def plain_side(columns: int, goal: float) -> Iterator[Row]:
    """Words and picture of one map, in seconds of processor time."""
    draws = np.random.default_rng(0)
    values = np.clip(draws.normal(0.5, 0.1, (30, columns)), 0, 1)
    array = maps.make(values, ("layer", "token"), measure="divergence", units="bit")

    def both(array: xr.DataArray) -> None:
        words.describe(array)
        figures.paint(figures.plan(array))

    both(array)
    taken = []
    for _ in range(3):
        began = time.process_time()
        both(array)
        taken.append(time.process_time() - began)
    work = f"describe and draw 30 × {columns}, seconds"
    yield Row(work, "none", statistics.median(taken), (min(taken), max(taken)), goal)


def start_up(runs: int) -> Iterator[Row]:
    """Whole processes from a cold start: the floor is what nobody can do without."""
    folder = tempfile.mkdtemp()
    load = "import torch, transformers; from layergram.models.load import load; load('smollm2')"
    command = [sys.executable, "-m", "layergram"]
    drawn = [str(Path(folder) / "divergence.nc"), "-o", str(Path(folder) / "again.png")]
    calls = {
        "floor": [sys.executable, "-c", "import torch, transformers"],
        "loaded": [sys.executable, "-c", load],
        "map": [*command, "map", "The capital of France is Paris.", "-q", "-o", folder],
        "help": [*command, "--help"],
        "import": [sys.executable, "-c", "import layergram"],
        "python": [sys.executable, "-c", ""],
        "draw": [*command, "draw", *drawn, "-q"],
    }
    works = {
        name: (lambda call=call: subprocess.run(call, check=True, stdout=subprocess.DEVNULL))
        for name, call in calls.items()
    }
    taken = interleaved(works, runs)
    floor = "import torch, transformers"
    yield row("map of 7 tokens, all written", f"{floor}, load", taken["map"], taken["loaded"], 1.6)
    for name in ("help", "import", "draw"):
        yield row(name, floor, taken[name], taken["floor"])


def rows(*, quick: bool) -> Iterator[Row]:
    """All rows of the table."""
    model = lg.load("smollm2", device="cpu")
    with torch.inference_mode():
        for tokens in (512,) if quick else (512, 2048, 4096):
            yield from attention(model, tokens, 3 if quick else 5)
        for tokens in (192,) if quick else (192, 512):
            yield from lens(model, tokens, 3 if quick else 7)
    for columns, goal in ((60, 1.0), (4096, 3.0)):
        yield from plain_side(columns, goal)
    yield from start_up(1 if quick else 3)


def line(one: Row) -> str:
    """One row in Markdown."""
    low, high = one.spread
    goal = "" if np.isnan(one.goal) else f"≤ {one.goal:g}"
    return f"| {one.work} | {one.floor} | {one.ratio:.2f} | {low:.2f}–{high:.2f} | {goal} |"


def head() -> str:
    """The table's head, with what it was measured with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "numpy"))
    return (
        "# What layergram costs\n\n"
        "Made by `make bench`. A number is a ratio of medians over interleaved runs: the work over "
        "its floor (seconds of processor time where the floor is `none`); the range is that of "
        "single runs.\n\n"
        f"{packages}; {platform.machine()}, {torch.get_num_threads()} threads on "
        f"{os.cpu_count()} processors; {time.strftime('%Y-%m-%d')}.\n\n"
        "| work | floor | ratio | single runs | goal |\n| --- | --- | --- | --- | --- |\n"
    )


def main() -> None:
    """Measure and print; write the page where everything was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    text = head()
    print(text, end="", flush=True)
    for one in rows(quick=given.quick):
        text += line(one) + "\n"
        print(line(one), flush=True)
    if not given.quick:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
