"""Proofs of the ways to attend in blocks (:mod:`layergram.models.attention_blocks`).

Every call of the model's attention function in one pass is computed anew both ways and compared
with the function itself: with its own queries, and with queries so long that softmax is sharp and
a soft cap bites, which short random queries would not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from layergram.models.attention_blocks import (
    Attend,
    Attention,
    AttentionCall,
    AttentionHook,
    Kept,
    own_in_blocks,
    softmax_in_blocks,
    whole,
)
from layergram.models.hooks import capture_attention
from layergram.models.parts import Parts, Proof

LIMIT = 1e-5
"""Largest difference of a weight, or of an output relative to the largest one."""

QUERIES = 3
"""Queries of a block while it is tried out, so that a short text has several."""

SCORE = 60.0
"""Bound of the scores that the queries are made longer for."""

STATEMENTS = {
    "blocks": "the model's attention function gives the same for a block of queries at a time",
    "softmax": "attention is the softmax of scaled products and a mask",
}


def prove_ways(network: Any, parts: Parts, ids: Tensor) -> Iterator[Proof]:
    """The proofs ``blocks`` and ``softmax``, from one pass over tokens ids [1, n]."""
    if parts.way != "interface" or not any(parts.heads):
        note = "read in chunks of fewer tokens instead: the model keeps its attention to itself"
        yield from (Proof(name, text, "absent", note=note) for name, text in STATEMENTS.items())
        return
    off = {"blocks": 0.0, "softmax": 0.0}

    def attend(call: AttentionCall, hook: AttentionHook | None, kept: Kept) -> Tensor:
        longest = call.query.norm(dim=-1).max() * call.key.norm(dim=-1).max()
        scaling = call.options.get("scaling") or call.query.shape[-1] ** -0.5
        for factor in (1.0, SCORE / (float(longest) * scaling)):
            tried = replace(call, query=call.query * factor)
            for name, way in (("blocks", own_in_blocks), ("softmax", softmax_in_blocks)):
                if not off[name] > LIMIT:
                    off[name] = max(off[name], _deviation(tried, way))
        return whole(call, hook, kept)

    with torch.no_grad(), capture_attention(network, {}, way=parts.way, attend=attend) as extra:
        network(input_ids=ids, use_cache=False, **extra)
    instead = {
        "blocks": "read in chunks of fewer tokens instead",
        "softmax": "the model's own attention function is called instead",
    }
    for name, text in STATEMENTS.items():
        near = off[name] <= LIMIT
        note = "" if near else f"{instead[name]}: numbers differ"
        yield Proof(name, text, "proved" if near else "absent", off[name], LIMIT, note)


def _deviation(call: AttentionCall, way: Attend) -> float:
    """Largest difference of weights, and of outputs relative to the largest; inf if it fails."""
    if not call.divisible:
        return float("inf")
    output, weights = call.run()
    made = torch.zeros_like(weights)

    def hook(seen: Attention) -> None:
        queries, keys = seen.weights.shape[2:]
        a, b = seen.first_query, seen.first_key
        made[:, :, a : a + queries, b : b + keys] = seen.weights

    try:
        again = way(call, hook, Kept(most=QUERIES))
    except (TypeError, ValueError, RuntimeError, IndexError):
        return float("inf")
    size = max(1.0, float(output.abs().max()))
    return max(float((made - weights).abs().max()), float((again - output).abs().max()) / size)
