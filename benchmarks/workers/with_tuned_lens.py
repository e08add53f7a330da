"""The lens by tuned-lens: its logit lens and its divergence, layer by layer."""

from __future__ import annotations

import argparse
import sys

import torch
from plain import LN2, Texts, main, mean_divergence, network_of
from serve import Prepare, Work
from torch import Tensor

# tuned-lens takes any TransformerLens that it finds for version 1
sys.modules["transformer_lens"] = None  # type: ignore[assignment]

from tuned_lens.nn.lenses import LogitLens  # noqa: E402
from tuned_lens.stats.distance import js_divergence  # noqa: E402


def works(given: argparse.Namespace, texts: Texts) -> dict[str, Prepare]:
    """The lens."""
    network = network_of(given)
    unembed = LogitLens.from_model(network)

    def lens(tokens: int) -> Work:
        ids = texts.first(tokens)

        def work() -> Tensor:
            with torch.inference_mode():
                found = network(
                    input_ids=ids, use_cache=False, output_hidden_states=True, logits_to_keep=1
                )
                states = found.hidden_states[1:]
                # the last of them is normed already, which the lens would do again
                log_p = network.lm_head(states[-1][0]).log_softmax(-1)
                rows = [
                    js_divergence(log_p, unembed.forward(h[0], layer).log_softmax(-1)) / LN2
                    for layer, h in enumerate(states[:-1])
                ]
            return mean_divergence([*rows, torch.zeros_like(rows[0])])

        return work

    return {"lens": lens}


if __name__ == "__main__":
    main(works)
