"""Gradients: how directions of the final residual stream look from the streams below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from layergram.engine.batch import forward
from layergram.models.hooks import capture_residual, first_tensor
from layergram.models.model import Model


def pull_back(
    model: Model,
    ids: Tensor,
    directions: Sequence[Tensor],
    where: Tensor,
) -> list[Tensor]:
    """Directions of the final stream pulled back through the network, several for one forward pass.

    Args:
        model: the model, with the edits that are in force.
        ids: tokens [n, tokens], padded on the right.
        directions: one or more tensors [n, d], a direction for each sequence.
        where: [n, tokens], which tokens count, as places of the final stream and of those below.

    Returns:
        For each of ``directions`` the gradients [L − 1, n, d] in float32 with respect to the
        streams after the layers 1 to L − 1: the mean over the tokens t in ``where`` of
        Σ_t′ vᵀ ∂h[t′, L] / ∂h[t, l], over the tokens t′ ≥ t in ``where``.
    """
    found = []
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        capture_residual(model.parts.layers) as streams,
        _leaf_below(model.parts.layers[0]),
    ):
        forward(model, ids, cache=None, keep=False, extra={})
        *below, last = streams[1:]
        for at, each in enumerate(directions, start=1):
            placed = each.to(last)[:, None, :] * where.to(last)[:, :, None]
            made = torch.autograd.grad(last, below, placed, retain_graph=at < len(directions))
            found.append(torch.stack([_mean(one, where).to(last.device) for one in made]))
    return found


def _mean(gradient: Tensor, where: Tensor) -> Tensor:
    """The mean [n, d] in float32 of a gradient [n, tokens, d] over the tokens that count."""
    counts = where.to(gradient.device, torch.float32)
    return torch.einsum("ntd,nt->nd", gradient.float(), counts / counts.sum(1, keepdim=True))


@contextmanager
def _leaf_below(layer: nn.Module) -> Iterator[None]:
    """What the first layer reads is where the graph begins, whatever the parameters require."""

    def hook(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        if args:
            leaf = first_tensor(args).detach().requires_grad_()
            return tuple(leaf if one is first_tensor(args) else one for one in args), kwargs
        leaf = kwargs["hidden_states"].detach().requires_grad_()
        return args, {**kwargs, "hidden_states": leaf}

    handle = layer.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
