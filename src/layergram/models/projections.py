"""Which module of a layer is its attention's output projection: it reads the heads side by side.

Most models have it inside the attention module, some (BERT and its kin) right behind it. Where the
attention function is looked up by name, what was found is tried out: heads that are silenced where
attention puts them out have to be silent, and no other, in the projection's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from layergram.models.hooks import Attention, capture_attention
from layergram.models.parts import Call


def output_projections(
    network: Any,
    ids: Tensor,
    calls: Sequence[Call],
    attention: Sequence[nn.Module | None],
    heads: Sequence[int],
    *,
    way: str,
) -> tuple[nn.Module | None, ...]:
    """The output projection of each layer's attention; ``None`` where there is none.

    Args:
        network: the model.
        ids: tokens [1, n] to try it out on.
        calls: the module calls of one forward pass, in the order in which they ended.
        attention: attention module of each layer, or ``None``.
        heads: number of query heads of each layer.
        way: how attention is captured (:mod:`layergram.models.hooks`).
    """
    found = [
        None if module is None else _candidate(calls, module, count)
        for module, count in zip(attention, heads, strict=True)
    ]
    if way == "interface":
        kept = _reading_heads(network, ids, attention, found, heads)
        found = [
            projection if holds else None for projection, holds in zip(found, kept, strict=True)
        ]
    return tuple(found)


def _candidate(calls: Sequence[Call], attention: nn.Module, heads: int) -> nn.Module | None:
    """The last matrix inside that reads something made inside; else the one that reads its output.

    What reads the same as the attention module itself makes queries, keys or values.
    """
    own = next(call for call in calls if call.module is attention)
    inside = set(attention.modules()) - {attention}
    made_inside = [c for c in calls if c.module in inside and not _same(c.input, own.input)]
    behind = [c for c in calls if c.module not in inside and _same(c.input, own.output)]
    for call in (*reversed(made_inside), *behind):
        weight = getattr(call.module, "weight", None)
        if weight is not None and call.input is not None and call.output is not None:
            fits = weight.ndim == 2 and call.input.shape[-1] % heads == 0
            return call.module if fits else None
    return None


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape and bool(torch.equal(a, b))


def _reading_heads(
    network: Any,
    ids: Tensor,
    attention: Sequence[nn.Module | None],
    projections: Sequence[nn.Module | None],
    heads: Sequence[int],
) -> list[bool]:
    """Whether each projection's input is silent in all heads but the last if these are silenced."""
    inputs: dict[nn.Module, Tensor] = {}

    def silence(seen: Attention) -> Tensor | None:
        if seen.output is None:
            return None
        return torch.cat([torch.zeros_like(seen.output[:, :, :-1]), seen.output[:, :, -1:]], dim=2)

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        inputs[module] = args[0]

    with ExitStack() as stack:
        for projection in projections:
            if projection is not None:
                stack.callback(projection.register_forward_pre_hook(hook).remove)
        hooks = {module: silence for module in attention if module is not None}
        with torch.no_grad(), capture_attention(network, hooks, way="interface") as extra:
            network(input_ids=ids, use_cache=False, **extra)
    return [
        projection is not None and _last_alone(inputs[projection].unflatten(-1, (count, -1)))
        for projection, count in zip(projections, heads, strict=True)
    ]


def _last_alone(outputs: Tensor) -> bool:
    loud = outputs.abs().amax(dim=(0, 1, 3)) > 0
    return bool(loud[-1]) and not bool(loud[:-1].any())
