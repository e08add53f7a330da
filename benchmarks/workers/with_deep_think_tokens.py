"""The divergence by deep-think-tokens, which leaves out the norm before unembedding."""

from __future__ import annotations

import argparse

import torch
from deep_think_tokens import add_deep_thinking_tokens_hooks
from plain import LN2, Texts, main, network_of
from serve import Prepare, Work
from torch import Tensor


def works(given: argparse.Namespace, texts: Texts) -> dict[str, Prepare]:
    """The lens, in bit as the others."""
    network = network_of(given)
    tracker = add_deep_thinking_tokens_hooks(network)

    def lens(tokens: int) -> Work:
        ids = texts.first(tokens)

        def work() -> Tensor:
            tracker.clear()
            with torch.inference_mode():
                network(input_ids=ids, use_cache=False, logits_to_keep=1)
            rows = torch.cat(list(tracker.collect().values()))
            return rows[:, :-1].sum(0).mean() / (LN2 * (len(rows) + 1))

        return work

    return {"lens": lens}


if __name__ == "__main__":
    main(works)
