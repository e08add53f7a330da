"""How much the lens costs, as a ratio to the bare products of all layers with the unembedding.

    OMP_NUM_THREADS=2 python benchmarks/lens.py 192 512

For each number of tokens, over interleaved runs in one process: the lens with the divergence of all
layers, from streams that are there, over the products alone; and a trace of the default measures
over the plain forward pass and the products together. Printed are the ratio of the medians, and of
the fastest runs, which a busy machine disturbs less. On a machine that others use, the processor
time of one thread says more than the wall (``OMP_NUM_THREADS=1``, ``--clock cpu``).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from layergram.engine.lens_views import LensReader, LensRow
from layergram.measures import MEASURES
from layergram.models.load import load
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES
from layergram.tracing import trace

SENTENCE = "The layers of a model write into one stream and read from it again. "


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """How long the work takes."""
    began = clock()
    work()
    return clock() - began


def works(model: Model, ids: list[int]) -> dict[str, Callable[[], object]]:
    """The pieces of work that are timed, by name."""
    batch = torch.tensor([ids])
    weight = model.network.get_output_embeddings().weight
    states = model.network(batch, output_hidden_states=True, logits_to_keep=1).hidden_states
    reader, record = LensReader(model, None), MEASURES["divergence"]
    next_ids = torch.tensor([*ids[1:], -1])

    def products() -> None:
        for h in states[1:]:
            h[0] @ weight.T

    def divergence() -> None:
        reducer = record.reducer(record.reduction({}, layers=model.layers, heads="mean"))
        for start in range(0, len(ids), 256):
            here = slice(start, start + 256)
            row = LensRow(0, next_ids[here], [reducer])
            reader.hand_on([h[:, here] for h in states], start, [row])
        reducer.values(len(ids))

    return {
        "forward": lambda: model.network(batch, logits_to_keep=1),
        "products": products,
        "divergence": divergence,
        "default": lambda: trace(model, ids=ids, measures=DEFAULT_MEASURES),
    }


def main() -> None:
    """Print the ratios for each number of tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", type=int, nargs="+")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    given = parser.parse_args()
    clock = CLOCKS[given.clock]
    model = load("smollm2", device="cpu")
    for tokens in given.tokens:
        ids = model.tokenizer(SENTENCE * tokens)["input_ids"][:tokens]
        with torch.inference_mode():
            timed = works(model, ids)
            runs = [
                {k: seconds(work, clock) for k, work in timed.items()}
                for _ in range(given.runs + 1)
            ]
        for name, over in (("divergence", ["products"]), ("default", ["forward", "products"])):
            medians, fastest = (
                of(run[name] for run in runs[1:])  # the first run warms up
                / sum(of(run[floor] for run in runs[1:]) for floor in over)
                for of in (statistics.median, min)
            )
            print(
                f"{tokens} tokens, {name} over {' + '.join(over)}: {medians:.2f} of the medians, "
                f"{fastest:.2f} of the fastest",
                flush=True,
            )


if __name__ == "__main__":
    main()
