"""What the MLP or the attention of every layer adds to the residual stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from layergram.errors import LayergramError
from layergram.models.hooks import first_tensor
from layergram.models.model import Model


@contextmanager
def capture_parts(model: Model, kind: str) -> Iterator[list[Tensor]]:
    """A list that holds, after each forward pass, one part's output of every layer [n, tokens, d].

    Args:
        model: the model.
        kind: ``mlp`` or ``attention_output``.

    Raises:
        LayergramError: if a layer has no such part.
    """
    attention = model.parts.attention
    parts = attention if kind == "attention_output" else [*map(_mlp, model.parts.layers, attention)]
    lacking = [str(layer) for layer, part in enumerate(parts, start=1) if part is None]
    if lacking:
        raise LayergramError(
            f"the {kind.replace('_output', '')} output of the model '{model.name}'",
            got=f"no such part in layer {', '.join(lacking[:5])}",
            allowed="a model with one in every layer",
            do="take the residual stream",
        )
    outputs: list[Tensor] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        outputs.clear()

    def after(module: nn.Module, args: Any, output: Any) -> None:
        outputs.append(first_tensor(output))

    with ExitStack() as stack:
        first = model.parts.layers[0].register_forward_pre_hook(before, with_kwargs=True)
        stack.callback(first.remove)
        for part in parts:
            if part is not None:
                stack.callback(part.register_forward_hook(after).remove)
        yield outputs
        outputs.clear()


def _mlp(layer: nn.Module, attention: nn.Module | None) -> nn.Module | None:
    """The last part of a layer that has a weight matrix and is not its attention."""
    parts = [
        part
        for part in layer.children()
        if attention not in list(part.modules()) and any(p.ndim > 1 for p in part.parameters())
    ]
    return parts[-1] if parts else None
