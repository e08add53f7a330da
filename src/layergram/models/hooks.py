"""Hooks: attention weights, head outputs and residual streams of a forward pass, layer by layer.

All live in context managers and are gone after them, also after an exception. Attention is
captured in one of two ways, found once per model (:mod:`layergram.models.locate`):

* ``interface``: the model looks its attention function up by name. The name ``eager`` is pointed at
  a function of ours that calls the eager function of the module's own file and hands the weights
  on. The name stays ``eager`` because some models do more than look it up (a sparse layer masks
  keys for ``eager`` and leaves it to the function for names that it does not know).
* ``output``: the model computes its attention itself and returns the weights when it is asked to
  (``output_attentions``). They are taken out of the module's output and not kept.

Several captures may be open at a time, on one model or many, and end in any order. Each sees only
the forward passes that are given its keyword arguments, and what a pass changes in the process (the
name ``eager``, the attention function that a configuration names) is restored when it ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from layergram.models.attention_blocks import (
    Attend,
    Attention,
    AttentionCall,
    AttentionHook,
    Kept,
    Sight,
    whole,
)
from layergram.models.parts import Parts

EAGER = "eager"
CAPTURED_BY = "captured_by"


@dataclass(frozen=True)
class _Pass:
    """A forward pass under way: the capture that it belongs to, and the hooks still to call."""

    mark: object
    waiting: dict[nn.Module, AttentionHook]
    attend: Attend
    kept: Kept


# of this thread; other threads run passes of their own
_current: ContextVar[_Pass | None] = ContextVar("_current", default=None)


@contextmanager
def capture_attention(
    network: nn.Module,
    hooks: Mapping[nn.Module, AttentionHook],
    *,
    way: str,
    attend: Attend = whole,
) -> Iterator[dict[str, Any]]:
    """Call each attention module's hook in the forward passes that are given what this yields.

    Args:
        network: the model.
        hooks: attention module -> hook.
        way: ``interface`` or ``output``.
        attend: how attention is computed (:mod:`layergram.models.attention_blocks`); a hook is
            called once for each block that it makes.

    Yields:
        Keyword arguments for the forward pass. A pass without them is not captured.
    """
    mark, kept = object(), Kept()
    configs = {id(m.config): m.config for m in network.modules() if hasattr(m, "config")}

    def begin(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        if kwargs.get(CAPTURED_BY) is not mark:
            return None
        for config in configs.values():
            if hasattr(config, "_attn_implementation_internal"):
                undo.enter_context(_replaced(vars(config), "_attn_implementation_internal", EAGER))
        if way == "interface":
            functions = AttentionInterface._global_mapping
            undo.enter_context(_replaced(functions, EAGER, _captured_attention))
        undo.callback(_current.set, _current.get())
        _current.set(_Pass(mark, dict(hooks), attend, kept))
        return args, {name: value for name, value in kwargs.items() if name != CAPTURED_BY}

    def end(module: nn.Module, args: Any, output: Any) -> None:
        current = _current.get()
        if current is not None and current.mark is mark:
            kept.forget()
            undo.close()

    with ExitStack() as stack, ExitStack() as undo:
        stack.callback(network.register_forward_pre_hook(begin, with_kwargs=True).remove)
        stack.callback(network.register_forward_hook(end, always_call=True).remove)
        if way == "interface":
            yield {CAPTURED_BY: mark}
        else:
            for module, hook in hooks.items():
                handle = module.register_forward_hook(_output_hook(hook, mark))
                stack.callback(handle.remove)
            yield {CAPTURED_BY: mark, "output_attentions": True}


_MISSING = object()
_replacements: dict[tuple[int, str], tuple[int, Any]] = {}
_lock = Lock()


@contextmanager
def _replaced(values: dict[str, Any], key: str, value: Any) -> Iterator[None]:
    """The key has this value until the last of all such blocks ends, in whatever order they end."""
    place = id(values), key
    with _lock:
        count, before = _replacements.get(place, (0, values.get(key, _MISSING)))
        _replacements[place] = count + 1, before
        values[key] = value
    try:
        yield
    finally:
        with _lock:
            count, before = _replacements.pop(place)
            if count > 1:
                _replacements[place] = count - 1, before
            elif before is _MISSING:
                del values[key]
            else:
                values[key] = before


def _captured_attention(
    module: nn.Module, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    own = sys.modules[type(module).__module__].eager_attention_forward  # type: ignore[attr-defined]
    current = _current.get()
    if current is None or len(args) > 4:
        return own(module, *args, **kwargs)  # type: ignore[no-any-return]
    # some modules call this twice, with the same weights and other values: the first call counts
    hook = current.waiting.pop(module, None)
    names = ("query", "key", "value", "attention_mask")
    options = {**dict(zip(names, args, strict=False)), **kwargs}
    query, key, value, mask = (options.pop(name, None) for name in names)
    call = AttentionCall(module, own, query, key, value, mask, options)
    return current.attend(call, hook, current.kept), None


def _output_hook(hook: AttentionHook, mark: object) -> Callable[..., Any]:
    def after(module: nn.Module, args: Any, output: Any) -> Any:
        current, place = _current.get(), weights_place(output)
        if current is None or current.mark is not mark or place is None:
            return output
        weights = output[place]
        sight = Sight(_within_reach(weights))
        hook(Attention(weights, None, sight, None, 0, 0, weights.shape[-1]))
        return type(output)([*output[:place], None, *output[place + 1 :]])

    return after


def _within_reach(weights: Tensor) -> Tensor:
    """Which keys a query can see [n, queries, keys], read off weights whose mask is not shown.

    Keys from the first that any head gives a weight above zero, up to the query itself.
    """
    queries, keys = weights.shape[-2:]
    begun = (weights > 0).any(1).cumsum(-1) > 0
    return begun.tril(keys - queries)


def weights_place(output: Any) -> int | None:
    """Where in a module's output tuple the attention weights [n, heads, queries, keys] are."""
    if not isinstance(output, tuple | list):
        return None
    for place, item in enumerate(output):
        if place and isinstance(item, Tensor) and item.ndim == 4:
            return place
    return None


@contextmanager
def capture_residual(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """A list that holds, after each forward pass, the residual streams h[0]..h[L].

    Each is [n, tokens, d]: h[0] is what the first layer reads, h[l] what layer l hands on, none of
    them normed.
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
def capture_heads(parts: Parts) -> Iterator[list[Tensor | None]]:
    """A list that holds, after each forward pass, what every layer's heads hand on.

    One entry per layer: [n, tokens, heads, d_head], the input of the layer's output projection,
    split into its heads (the query heads, where several share keys and values); heads and d_head
    may differ from layer to layer. ``None`` where a layer has no separate head outputs. Opened
    inside an edit (:mod:`layergram.models.edits`) it shows the edited outputs.
    """
    outputs: list[Tensor | None] = [None] * len(parts.layers)

    def hook_of(layer: int, heads: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            outputs[layer] = args[0].unflatten(-1, (heads, -1))

        return hook

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        outputs[:] = [None] * len(outputs)

    with ExitStack() as stack:
        first = parts.layers[0].register_forward_pre_hook(before, with_kwargs=True)
        stack.callback(first.remove)
        of_layers = zip(parts.projections, parts.heads, strict=True)
        for layer, (projection, heads) in enumerate(of_layers):
            if projection is not None:
                hook = hook_of(layer, heads)
                stack.callback(projection.register_forward_pre_hook(hook).remove)
        yield outputs
        outputs[:] = [None] * len(outputs)


def first_tensor(value: Any) -> Tensor:
    """The tensor itself, or the first one of a tuple."""
    return value if isinstance(value, Tensor) else next(v for v in value if isinstance(v, Tensor))


def attention_once(
    network: Any, ids: Tensor, modules: Iterable[nn.Module], *, way: str
) -> dict[nn.Module, Tensor]:
    """The attention weights [n, heads, tokens, tokens] of those modules that show any, in one pass.

    Args:
        network: the model.
        ids: tokens [n, tokens].
        modules: which modules.
        way: ``interface`` or ``output``.
    """
    weights: dict[nn.Module, Tensor] = {}

    def hook_of(module: nn.Module) -> AttentionHook:
        return lambda seen: weights.__setitem__(module, seen.weights)

    hooks = {module: hook_of(module) for module in modules}
    with torch.no_grad(), capture_attention(network, hooks, way=way) as extra:
        network(input_ids=ids, use_cache=False, **extra)
    return weights
