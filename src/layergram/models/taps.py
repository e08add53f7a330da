"""Taps: see the attention weights and the residual streams of one forward pass, layer by layer.

Both live in context managers and are gone after them, also after an exception. Attention is seen
by one of two ways, found once per model (:mod:`layergram.models.anatomy`):

* ``interface``: the model looks its attention function up by name. The name is pointed at a
  function of ours that calls the eager function of the module's own file and hands the weights on.
* ``output``: the model computes its attention itself and returns the weights when it is asked to
  (``output_attentions``). They are taken out of the module's output and not kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

TAP = "layergram"


@dataclass(frozen=True)
class Attention:
    """What one attention module did with one chunk.

    Attributes:
        weights: [heads, queries, keys]; rows sum to 1, or less where the layer has sinks. The
            last key is the last query's own position.
        visible: [queries, keys], which keys the mask lets a query see; ``None`` where the module
            shows no mask and plain causality holds.
        output: [1, queries, heads, values]: the heads' outputs before the output projection, or
            ``None`` where the module does not show them.
    """

    weights: Tensor
    visible: Tensor | None
    output: Tensor | None


Listener = Callable[[Attention], Tensor | None]
"""Called with what an attention module did; may return other head outputs to go on with."""

_listeners: WeakKeyDictionary[nn.Module, Listener] = WeakKeyDictionary()


def _tapped_attention(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    eager = sys.modules[type(module).__module__].eager_attention_forward  # type: ignore[attr-defined]
    output, weights = eager(module, *args, **kwargs)
    listener = _listeners.get(module)
    if listener is not None:
        mask = kwargs.get("attention_mask", args[3] if len(args) > 3 else None)
        edited = listener(Attention(weights[0], _visible(mask, weights), output))
        output = output if edited is None else edited
    return output, None


def _visible(mask: Tensor | None, weights: Tensor) -> Tensor | None:
    if mask is None:
        return None
    keys = weights.shape[-1]
    seen = mask[0, 0, -weights.shape[-2] :, :keys]
    return seen if seen.dtype == torch.bool else seen > torch.finfo(seen.dtype).min / 2


AttentionInterface.register(TAP, _tapped_attention)
AttentionMaskInterface.register(TAP, eager_mask)


@contextmanager
def attention_implementation(network: nn.Module, name: str) -> Iterator[None]:
    """Every configuration inside the network names this attention function until the block ends."""
    configs = {id(m.config): m.config for m in network.modules() if hasattr(m, "config")}
    before = [
        (config, config._attn_implementation_internal)
        for config in configs.values()
        if hasattr(config, "_attn_implementation_internal")
    ]
    try:
        for config, _ in before:
            config._attn_implementation_internal = name
        yield
    finally:
        for config, old in before:
            config._attn_implementation_internal = old


@contextmanager
def hear_attention(
    network: nn.Module, listeners: Mapping[nn.Module, Listener], *, way: str
) -> Iterator[dict[str, Any]]:
    """Call each attention module's listener at every forward pass inside the block.

    Args:
        network: the model.
        listeners: attention module -> listener.
        way: ``interface`` or ``output``.

    Yields:
        Keyword arguments that the forward pass needs for it.
    """
    with ExitStack() as stack:
        if way == "interface":
            stack.enter_context(attention_implementation(network, TAP))
            for module, listener in listeners.items():
                _listeners[module] = listener
                stack.callback(_listeners.pop, module, None)
            yield {}
        else:
            stack.enter_context(attention_implementation(network, "eager"))
            for module, listener in listeners.items():
                handle = module.register_forward_hook(_output_hook(listener))
                stack.callback(handle.remove)
            yield {"output_attentions": True}


def _output_hook(listener: Listener) -> Callable[..., Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        place = weights_place(output)
        if place is None:
            return output
        listener(Attention(output[place][0], None, None))
        return type(output)([*output[:place], None, *output[place + 1 :]])

    return hook


def weights_place(output: Any) -> int | None:
    """Where in a module's output tuple the attention weights [1, heads, queries, keys] are."""
    if not isinstance(output, tuple | list):
        return None
    for place, item in enumerate(output):
        if place and isinstance(item, Tensor) and item.ndim == 4 and item.shape[0] == 1:
            return place
    return None


@contextmanager
def hear_residual(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """A list that holds, after each forward pass, the residual streams h[0]..h[L], each [1, n, d].

    h[0] is what the first layer reads, h[l] what layer l hands on, none of them normed.
    """
    streams: list[Tensor] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        streams.clear()
        streams.append(first_tensor(args) if args else kwargs["hidden_states"])

    def after(module: nn.Module, args: Any, output: Any) -> None:
        streams.append(first_tensor(output))

    with ExitStack() as stack:
        stack.callback(layers[0].register_forward_pre_hook(before, with_kwargs=True).remove)
        for layer in layers:
            stack.callback(layer.register_forward_hook(after).remove)
        yield streams
        streams.clear()


def first_tensor(value: Any) -> Tensor:
    """The tensor itself, or the first one of a tuple."""
    return value if isinstance(value, Tensor) else next(v for v in value if isinstance(v, Tensor))


def listen_once(
    network: Any, ids: Tensor, modules: Iterable[nn.Module], *, way: str
) -> dict[nn.Module, Tensor]:
    """The attention weights [heads, n, n] of those modules that show any, from one forward pass."""
    heard: dict[nn.Module, Tensor] = {}

    def listener_of(module: nn.Module) -> Listener:
        return lambda seen: heard.__setitem__(module, seen.weights)

    listeners = {module: listener_of(module) for module in modules}
    with torch.no_grad(), hear_attention(network, listeners, way=way) as extra:
        network(input_ids=ids, use_cache=False, **extra)
    return heard
