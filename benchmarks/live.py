"""Tokens per second of a live run, as a share of transformers' plain ``generate``.

    OMP_NUM_THREADS=2 python benchmarks/live.py --tokens 64 --rounds 5

A live run measures each token and makes the events that a reader gets (without sending them). Each
round generates as many tokens three times: plainly, with the divergence, and with attention
received. The prompt is not timed: the time runs from the first new token to the last. Printed are
the medians over the rounds, and the shares round by round. ``--clock cpu`` counts the processor
time of the process instead, which says more on a machine that others use (``OMP_NUM_THREADS=1``).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers.generation.streamers import BaseStreamer

from layergram.app.history import History
from layergram.app.live import run_events
from layergram.app.requests import RunRequest
from layergram.models.load import load
from layergram.models.model import Model

PROMPT = "Explain in a few sentences why the sky is blue and sunsets are red."
KINDS = {"divergence": ["divergence"], "attention": ["attention_received"]}
GOALS = {"divergence": 0.4, "attention": 0.8}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Times(BaseStreamer):
    """When each token came."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.at = clock, []

    def put(self, value: torch.Tensor) -> None:
        """Take one token, or the prompt."""
        self.at.append(self.clock())

    def end(self) -> None:
        """Nothing follows."""


def rate(at: list[float]) -> float:
    """Tokens per second between the first new token and the last."""
    return (len(at) - 1) / (at[-1] - at[0])


def plain(model: Model, tokens: int, clock: Callable[[], float]) -> float:
    """Tokens per second of plain generate."""
    ids = torch.tensor([model.format_prompt(PROMPT).ids], device=model.device)
    times = Times(clock)
    with torch.inference_mode():
        model.network.generate(
            ids, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, streamer=times
        )
    return rate(times.at[1:])  # the prompt is put first


def live(model: Model, measures: list[str], tokens: int, clock: Callable[[], float]) -> float:
    """Tokens per second of a live run."""
    asked = RunRequest(prompt=PROMPT, measures=measures, max_new_tokens=tokens)
    at = []
    with tempfile.TemporaryDirectory() as folder:
        for event in run_events(model, asked, History(Path(folder)), lambda: False):
            if event["event"] == "columns":
                at.append(clock())
    return rate(at[1:])  # the prompt comes first


def main() -> None:
    """Print the rates and their shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    asked = parser.parse_args()
    model, clock = load("smollm2", device="cpu"), CLOCKS[asked.clock]
    plain(model, 4, clock)
    rates: dict[str, list[float]] = {"plain": [], **{kind: [] for kind in KINDS}}
    for _ in range(asked.rounds):
        rates["plain"].append(plain(model, asked.tokens, clock))
        for kind, measures in KINDS.items():
            rates[kind].append(live(model, measures, asked.tokens, clock))
    print(f"plain generate: {statistics.median(rates['plain']):.1f} tokens per second")
    for kind, goal in GOALS.items():
        shares = [one / other for one, other in zip(rates[kind], rates["plain"], strict=True)]
        told = " ".join(f"{share:.0%}" for share in shares)
        print(
            f"live with {kind}: {statistics.median(rates[kind]):.1f}, "
            f"{statistics.median(shares):.0%} of it ({told}); the goal is {goal:.0%}"
        )


if __name__ == "__main__":
    main()
