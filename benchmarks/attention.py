"""Time and memory of attention received, beside the plain forward pass of the same tokens.

    python benchmarks/attention.py 512 2048 4096

Times are the ratio of medians of runs that take turns in one process, with the smallest and the
largest ratio of one turn; memory is the difference of the peaks of two processes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from memory import peak_mib

from layergram.engine.run import CHUNK, read
from layergram.measures import MEASURES
from layergram.models.load import load

MEASURE = "attention_received"


def ratios(tokens: int, *, turns: int, chunk: int) -> tuple[float, list[float]]:
    """Seconds of the plain forward pass, and the ratio of the medians, the least, the largest."""
    model = load("smollm2", device="cpu")
    sentence = "The layers of a model write into one stream and read from it again. "
    ids = model.tokenizer(sentence * (tokens // 15 + 1))["input_ids"][:tokens]

    def plain() -> None:
        with torch.inference_mode():
            model.network(input_ids=torch.tensor([ids]), use_cache=False, logits_to_keep=1)

    def measured() -> None:
        record = MEASURES[MEASURE]
        collector = record.reducer(record.reduction({}, layers=model.layers, heads="mean"))
        for _ in read(model, [ids], [[collector]], chunk=chunk):
            pass
        collector.values(tokens)

    taken = [(_seconds(plain), _seconds(measured)) for _ in range(turns + 1)][1:]
    floors, own = zip(*taken, strict=True)
    each = [mine / floor for floor, mine in taken]
    middle = statistics.median(own) / statistics.median(floors)
    return statistics.median(floors), [middle, min(each), max(each)]


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each length."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tokens", nargs="+", type=int)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(2)
    for tokens in given.tokens:
        seconds, (middle, least, most) = ratios(tokens, turns=given.turns, chunk=given.chunk)
        line = f"{tokens:6} tokens  plain {seconds:6.2f} s  x {middle:.2f} ({least:.2f}-{most:.2f})"
        if given.memory:
            plain, own = (peak_mib(tokens, measures=names) for names in ((), (MEASURE,)))
            line += f"  plain {plain:.0f} MiB, {own - plain:+.0f} MiB"
        print(line, flush=True)


if __name__ == "__main__":
    main()
