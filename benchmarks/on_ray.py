"""A run over texts on Ray beside the same run in one process, with as many cores.

    python benchmarks/on_ray.py --rounds 3

Two workers on Ray with one thread each take turns with one process of two threads. Timed are whole
commands by the clock, with Ray's start and end, and the shards alone: from the first result to the
last. The texts are paragraphs of the project's pages, as often as asked. Printed is the time on Ray
over the local one, round by round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from texts import ROOT

import layergram as lg

LOCAL = lg.Execution()
ON_RAY = lg.Execution(on="ray", workers=2, threads=1)


def paragraphs(number: int) -> list[str]:
    """So many paragraphs of 60 to 120 words from the pages, again from the first if need be."""
    pages = "\n\n".join(page.read_text(encoding="utf-8") for page in sorted(ROOT.glob("docs/*.md")))
    found = [part for part in pages.split("\n\n") if 60 <= len(part.split()) <= 120]
    return [found[at % len(found)] for at in range(number)]


def timed(model: lg.Model, texts: list[str], where: lg.Execution, out: Path) -> tuple[float, float]:
    """Seconds of a whole run, and of its shards from the first that is done to the last."""
    moments = []

    def note(done: int, total: int) -> None:
        moments.append(time.perf_counter())

    began = time.perf_counter()
    lg.average_maps(
        model, texts, measures=["residual_norm"], out=out, execution=where, progress=note
    )
    return time.perf_counter() - began, moments[-1] - moments[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    model = lg.load("smollm2", device="cpu")
    texts = paragraphs(given.texts)
    shares: dict[str, list[float]] = {"whole run": [], "shards alone": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as home:
            local = timed(model, texts, LOCAL, Path(home) / "local")
            on_ray = timed(model, texts, ON_RAY, Path(home) / "ray")
        print(f"local {local[0]:.1f} s, {local[1]:.1f} s; Ray {on_ray[0]:.1f} s, {on_ray[1]:.1f} s")
        for name, ours, theirs in zip(shares, on_ray, local, strict=True):
            shares[name].append(ours / theirs)
    for name, found in shares.items():
        each = ", ".join(f"{share:.2f}" for share in found)
        print(f"{name}: on Ray {statistics.median(found):.2f} of the local time ({each}); goal 1.2")


if __name__ == "__main__":
    main()
