"""Batches: which sequences go through the model together, and one forward pass of theirs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from layergram.errors import LayergramError
from layergram.models.model import Model

BATCH_TOKENS = 2048
"""Largest number of tokens in one forward pass of several sequences."""


def by_length(lengths: Sequence[int], *, size: int, mixed: bool = True) -> list[list[int]]:
    """Batches of places, the longest first; all of one length unless ``mixed``.

    Example:
        >>> by_length([3, 9, 9, 4], size=2), by_length([3, 9, 9, 4], size=2, mixed=False)
        ([[1, 2], [3, 0]], [[1, 2], [3], [0]])
    """
    order = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
    batches: list[list[int]] = []
    for at in order:
        full = not batches or len(batches[-1]) == size
        if full or (not mixed and lengths[batches[-1][0]] != lengths[at]):
            batches.append([])
        batches[-1].append(at)
    return batches


def read_batches(
    model: Model, lengths: Sequence[int], *, size: int, chunk: int, mixed: bool
) -> list[list[int]]:
    """Sequences that are read together, by their places, at most :data:`BATCH_TOKENS` a pass."""
    widest = max(lengths, default=1)
    if model.chunks:
        widest = min(widest, chunk)
    return by_length(lengths, size=max(1, min(size, BATCH_TOKENS // widest)), mixed=mixed)


def forward(
    model: Model, ids: Tensor, *, cache: Any, keep: bool, extra: dict[str, Any]
) -> tuple[Tensor, Any]:
    """One forward pass of ids [n, tokens] against the cache, without a mask.

    Sequences are padded on the right, and causal layers never see what comes later.

    Returns:
        The logits [n, V] after the last token, and the cache (``None`` unless it is to be kept).
    """
    options: dict[str, Any] = dict(extra)
    if cache is not None:
        options["past_key_values"] = cache
    if model.keeps_logits:
        options["logits_to_keep"] = 1
    out = model.network(input_ids=ids, use_cache=keep, **options)
    return out.logits[:, -1], out.past_key_values if keep else None


def masked_logits(model: Model, ids: Tensor, mask: Tensor, *, cache: Any) -> tuple[Tensor, Any]:
    """Logits [n, V] after ids [n, tokens] that are padded on the left, and the cache.

    Args:
        model: the model.
        ids: what is new.
        mask: [n, all tokens so far], 0 at padding.
        cache: of what came before.
    """
    options: dict[str, Any] = {"use_cache": model.chunks, "attention_mask": mask}
    if model.keeps_logits:
        options["logits_to_keep"] = 1
    if cache is not None:
        options["past_key_values"] = cache
    if "position_ids" in inspect.signature(model.network.forward).parameters:
        options["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    out = model.network(input_ids=ids, **options)
    return out.logits[:, -1], out.past_key_values if model.chunks else None


def padded_right(ids: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Sequences [n, longest] filled up with 0 on the right."""
    given = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.long)
    for row, own in zip(given, ids, strict=True):
        row[: len(own)] = torch.tensor(own, dtype=torch.long)
    return given.to(device)


def not_finite(model: Model, what: str) -> LayergramError:
    """The error for logits that are NaN or infinite; ``what`` says which."""
    kind = str(model.dtype).removeprefix("torch.")
    return LayergramError(
        f"maps of the model '{model.name}'",
        got=f"{what}: NaN, because numbers leave the range of {kind}",
        allowed="finite logits",
        do="load the model with dtype 'float32' or 'bfloat16'",
        exit_code=1,
    )
