"""How much the lens costs, as a ratio to the bare products of all layers with the unembedding.

    OMP_NUM_THREADS=2 python benchmarks/lens.py 192 512

For each number of tokens, the medians of two ratios over interleaved runs in one process, and their
range: a trace of the divergence less the plain forward pass, over the products alone; and a trace
of the default measures over the forward pass and the products together.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from layergram.models.load import load
from layergram.tracing import DEFAULT_MEASURES, trace

SENTENCE = "The layers of a model write into one stream and read from it again. "


def seconds(work: Callable[[], object]) -> float:
    """How long the work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread(ratios: list[float]) -> str:
    """The median of some ratios, and their range."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Print the two ratios for each number of tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", type=int, nargs="+")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    model = load("smollm2", device="cpu")
    weight = model.network.get_output_embeddings().weight
    for tokens in given.tokens:
        ids = model.tokenizer(SENTENCE * tokens)["input_ids"][:tokens]
        with torch.inference_mode():
            batch = torch.tensor([ids])
            hidden = model.network(batch, output_hidden_states=True).hidden_states[1:]

            def products() -> None:
                for h in hidden:  # noqa: B023
                    h[0] @ weight.T

            works: dict[str, Callable[[], object]] = {
                "forward": lambda: model.network(batch, logits_to_keep=1),  # noqa: B023
                "products": products,
                "divergence": lambda: trace(model, ids=ids, measures=["divergence"]),  # noqa: B023
                "default": lambda: trace(model, ids=ids, measures=DEFAULT_MEASURES),  # noqa: B023
            }
            for work in works.values():
                work()
            runs = [{k: seconds(work) for k, work in works.items()} for _ in range(given.runs)]
        lens = [(run["divergence"] - run["forward"]) / run["products"] for run in runs]
        default = [run["default"] / (run["forward"] + run["products"]) for run in runs]
        print(f"{tokens} tokens: divergence {spread(lens)}, default measures {spread(default)}")


if __name__ == "__main__":
    main()
