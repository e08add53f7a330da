"""Where the attention of a model is: its modules, heads, key/value groups, output projections.

The output projection of attention reads the heads side by side. Most models have it inside the
attention module, some (BERT and its kin) right behind it. Heads that are silenced where attention
puts them out have to be silent, and no other, in its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from layergram.models.attention_blocks import Attention
from layergram.models.hooks import attention_once, capture_attention, weights_place
from layergram.models.parts import Call

NO_CACHE = (TypeError, ValueError, RuntimeError, AttributeError, IndexError)
"""What a model raises that cannot read against its cache."""


def find_attention(
    network: nn.Module, ids: Tensor, layers: list[nn.Module]
) -> tuple[str, tuple[nn.Module | None, ...], tuple[int, ...]]:
    """Which way the attention can be captured, with each layer's module and number of heads."""
    for way in ("interface", "output"):
        if way == "interface":
            candidates = [m for layer in layers for m in layer.modules()]
        else:
            candidates = _modules_with_weights(network, ids, layers)
        shown = attention_once(network, ids, candidates, way=way)
        heads = {module: weights.shape[1] for module, weights in shown.items()}
        if heads:
            found = tuple(
                next((m for m in layer.modules() if m in heads), None) for layer in layers
            )
            return way, found, tuple(heads[m] if m is not None else 0 for m in found)
    return "interface", (None,) * len(layers), (0,) * len(layers)


def find_kv_groups(network: nn.Module, ids: Tensor, heads: Sequence[int]) -> tuple[int, ...] | None:
    """The keys and values that each query head uses, read off the cache of two tokens.

    So many of a layer's heads in a row share one.
    """
    try:
        with torch.no_grad():
            cache = network(input_ids=ids[:, :2], use_cache=True).past_key_values
    except NO_CACHE:
        return None
    shared = set()
    for layer, count in zip(getattr(cache, "layers", ()), heads, strict=False):
        keys = getattr(layer, "keys", None)
        if count and isinstance(keys, Tensor) and keys.ndim == 4 and count % keys.shape[1] == 0:
            shared.add((count, keys.shape[1]))
        elif count:
            return None
    ((count, groups),) = shared if len(shared) == 1 else {(1, 1)}
    return None if groups == count else tuple(head * groups // count for head in range(count))


def _modules_with_weights(
    network: nn.Module, ids: Tensor, layers: list[nn.Module]
) -> list[nn.Module]:
    """The innermost module of each layer that returns attention weights when asked to."""
    innermost: dict[nn.Module, nn.Module] = {}
    with ExitStack() as stack:
        for layer in layers:

            def hook(module: nn.Module, args: Any, out: Any, layer: nn.Module = layer) -> None:
                if weights_place(out) is not None:
                    innermost.setdefault(layer, module)

            for module in layer.modules():
                stack.callback(module.register_forward_hook(hook).remove)
        with torch.no_grad(), capture_attention(network, {}, way="output") as extra:
            network(input_ids=ids, use_cache=False, **extra)
    return list(innermost.values())


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
    made_inside = [c for c in calls if c.module in inside and not same(c.input, own.input)]
    behind = [c for c in calls if c.module not in inside and same(c.input, own.output)]
    for call in (*reversed(made_inside), *behind):
        weight = getattr(call.module, "weight", None)
        if weight is not None and call.input is not None and call.output is not None:
            fits = weight.ndim == 2 and call.input.shape[-1] % heads == 0
            return call.module if fits else None
    return None


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether both are there, of one shape, and equal in every number."""
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
