"""The same maps by TransformerLens: a bridge to the transformers model, and its hooks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from plain import Texts, divergence, main, mean_divergence, mean_of, received
from serve import Prepare, Work
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge


def works(given: argparse.Namespace, texts: Texts) -> dict[str, Prepare]:
    """Lens and attention."""
    bridge = TransformerBridge.boot_transformers(given.folder, device=given.device)

    def rows_of(ids: Tensor, point: str, reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
        found: list[Tensor] = []

        def hook(value: Tensor, hook: Any) -> None:
            found.append(reduce(value))

        with torch.inference_mode():
            bridge.run_with_hooks(
                ids, return_type=None, fwd_hooks=[(lambda name: name.endswith(point), hook)]
            )
        return found

    def lens(tokens: int) -> Work:
        ids = texts.first(tokens)

        def work() -> Tensor:
            states = rows_of(ids, "hook_resid_post", lambda h: h)
            with torch.inference_mode():
                log_p = bridge.unembed(bridge.ln_final(states[-1]))[0].log_softmax(-1)
                rows = [
                    divergence(log_p, bridge.unembed(bridge.ln_final(h))[0].log_softmax(-1))
                    for h in states
                ]
            return mean_divergence(rows)

        return work

    def attention(tokens: int) -> Work:
        ids = texts.first(tokens)
        return lambda: mean_of(rows_of(ids, "hook_pattern", received))

    return {"lens": lens, "attention": attention}


if __name__ == "__main__":
    main(works)
