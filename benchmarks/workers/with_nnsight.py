"""The same maps by nnsight: values of the modules, saved out of a trace."""

from __future__ import annotations

import argparse

import nnsight
import torch
from nnsight import LanguageModel
from plain import Texts, divergence, main, mean_divergence, mean_of, network_of, received
from serve import Prepare, Work
from torch import Tensor
from transformers import AutoTokenizer


def works(given: argparse.Namespace, texts: Texts) -> dict[str, Prepare]:
    """Lens and attention."""
    network = network_of(given)
    model = LanguageModel(network, tokenizer=AutoTokenizer.from_pretrained(given.folder))

    def lens(tokens: int) -> Work:
        ids = texts.first(tokens)

        def work() -> Tensor:
            with torch.no_grad():
                with model.trace(ids, logits_to_keep=1):
                    states = nnsight.save([layer.output[0] for layer in model.model.layers])
                log_p = network.lm_head(network.model.norm(states[-1])).log_softmax(-1)
                rows = [
                    divergence(log_p, network.lm_head(network.model.norm(h)).log_softmax(-1))
                    for h in states
                ]
                return mean_divergence(rows)

        return work

    def attention(tokens: int) -> Work:
        ids = texts.first(tokens)

        def work() -> Tensor:
            network.set_attn_implementation("eager")
            try:
                with torch.no_grad(), model.trace(ids, logits_to_keep=1):
                    rows = nnsight.save(
                        [received(layer.self_attn.output[1]) for layer in model.model.layers]
                    )
            finally:
                network.set_attn_implementation("sdpa")
            return mean_of(rows)

        return work

    return {"lens": lens, "attention": attention}


if __name__ == "__main__":
    main(works)
