"""Taps: attention weights, head outputs and residual streams of one forward pass, layer by layer.

All live in context managers and are gone after them, also after an exception. Attention is seen
by one of two ways, found once per model (:mod:`layergram.models.locate`):

* ``interface``: the model looks its attention function up by name. The name ``eager`` is pointed at
  a function of ours that calls the eager function of the module's own file and hands the weights
  on. The name stays ``eager`` because some models do more than look it up (a sparse layer masks
  keys for ``eager`` and leaves it to the function for names that it does not know).
* ``output``: the model computes its attention itself and returns the weights when it is asked to
  (``output_attentions``). They are taken out of the module's output and not kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

if TYPE_CHECKING:
    from layergram.models.locate import Anatomy

EAGER = "eager"


@dataclass(frozen=True)
class Attention:
    """What one attention module did with one chunk.

    Attributes:
        weights: [heads, queries, keys]; rows sum to 1, or less where the layer has sinks. The
            last key is the last query's own position.
        visible: [queries, keys], which keys the mask lets a query see; ``None`` where the module
            is given no mask and plain causality holds.
        output: [1, queries, heads, values]: the heads' outputs before the output projection, or
            ``None`` where the module does not show them.
    """

    weights: Tensor
    visible: Tensor | None
    output: Tensor | None


Listener = Callable[[Attention], Tensor | None]
"""Called with what an attention module did; may return other head outputs to go on with."""

# Who listens to a module's next call. Some modules call the function twice, with the same weights
# and other values: the first call takes the listener, the next forward pass brings it back.
_listeners: WeakKeyDictionary[nn.Module, Listener] = WeakKeyDictionary()


def _tapped_attention(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    eager = sys.modules[type(module).__module__].eager_attention_forward  # type: ignore[attr-defined]
    output, weights = eager(module, *args, **kwargs)
    listener = _listeners.pop(module, None)
    if listener is None:
        return output, weights
    mask = kwargs.get("attention_mask", args[3] if len(args) > 3 else None)
    edited = listener(Attention(weights[0], _visible(mask, weights), output))
    return (output if edited is None else edited), None


def _visible(mask: Tensor | None, weights: Tensor) -> Tensor | None:
    if mask is None:
        return None
    keys = weights.shape[-1]
    seen = mask[0, 0, -weights.shape[-2] :, :keys]
    return seen if seen.dtype == torch.bool else seen > torch.finfo(seen.dtype).min / 2


_tapped: list[object] = []


@contextmanager
def _eager_tapped() -> Iterator[None]:
    """The name ``eager`` leads to :func:`_tapped_attention` until the last such block ends."""
    mark = object()
    _tapped.append(mark)
    AttentionInterface.register(EAGER, _tapped_attention)
    try:
        yield
    finally:
        _tapped.remove(mark)
        if not _tapped:
            AttentionInterface._global_mapping.pop(EAGER)


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
            stack.enter_context(attention_implementation(network, EAGER))
            stack.enter_context(_eager_tapped())
            for module, listener in listeners.items():
                hook = _bring_back(listener)
                stack.callback(module.register_forward_pre_hook(hook).remove)
                stack.callback(_listeners.pop, module, None)
            yield {}
        else:
            stack.enter_context(attention_implementation(network, EAGER))
            for module, listener in listeners.items():
                handle = module.register_forward_hook(_output_hook(listener))
                stack.callback(handle.remove)
            yield {"output_attentions": True}


def _bring_back(listener: Listener) -> Callable[..., None]:
    def hook(module: nn.Module, args: Any) -> None:
        _listeners[module] = listener

    return hook


def _output_hook(listener: Listener) -> Callable[..., Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        place = weights_place(output)
        if place is None:
            return output
        weights = output[place][0]
        listener(Attention(weights, _within_reach(weights), None))
        return type(output)([*output[:place], None, *output[place + 1 :]])

    return hook


def _within_reach(weights: Tensor) -> Tensor:
    """Which keys a query can see [queries, keys], read off weights whose mask is not shown.

    Keys from the first that any head gives a weight above zero, up to the query itself.
    """
    queries, keys = weights.shape[-2:]
    begun = (weights > 0).any(0).cumsum(-1) > 0
    return begun.tril(keys - queries)


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


@contextmanager
def hear_heads(anatomy: Anatomy) -> Iterator[list[Tensor | None]]:
    """A list that holds, after each forward pass, what every layer's heads hand on.

    One entry per layer: [n, tokens, heads, d_head], the input of the layer's output projection,
    split into its heads (the query heads, where several share keys and values); heads and d_head
    may differ from layer to layer. ``None`` where a layer has no separate head outputs. Opened
    inside an edit (:mod:`layergram.models.edits`) it shows the edited outputs.
    """
    heard: list[Tensor | None] = [None] * len(anatomy.layers)

    def hook_of(layer: int, heads: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            heard[layer] = args[0].unflatten(-1, (heads, -1))

        return hook

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        heard[:] = [None] * len(heard)

    with ExitStack() as stack:
        first = anatomy.layers[0].register_forward_pre_hook(before, with_kwargs=True)
        stack.callback(first.remove)
        of_layers = zip(anatomy.projections, anatomy.heads, strict=True)
        for layer, (projection, heads) in enumerate(of_layers):
            if projection is not None:
                hook = hook_of(layer, heads)
                stack.callback(projection.register_forward_pre_hook(hook).remove)
        yield heard
        heard[:] = [None] * len(heard)


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
