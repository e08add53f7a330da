"""How large a value is once a head has written it to the residual stream: the norm of v W_O.

A head's output is the sum of the values it attends to, each times its weight, and the output
projection is linear: the weight times the norm of v W_O is what the head takes from a key. That a
model's heads are built so is tried out on a few tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from layergram.errors import LayergramError
from layergram.models.attention_blocks import Attention
from layergram.models.attribution import Write, is_matrix, near
from layergram.models.hooks import capture_attention
from layergram.models.locate import watched
from layergram.models.parts import Call, Parts


@dataclass(frozen=True)
class HeadWrites:
    """How long the values of each layer's heads become in the output projection.

    Attributes:
        factors: for each layer R [heads, r, d_value] with ‖R v‖ = ‖v W_O‖ for the rows W_O of a
            head, r the smaller of d_value and d; ``None`` for a layer without attention.
    """

    factors: tuple[Tensor | None, ...]

    def norms(self, layer: int, values: Tensor) -> Tensor:
        """The norms [heads, keys] in float32 of values [groups, keys, d_value].

        Args:
            layer: number of the layer, from 1.
            values: of the groups of heads that share them, in the order of the heads.
        """
        factor = self.factors[layer - 1]
        assert factor is not None, "a layer that shows attention has an output projection"
        groups = len(values)
        shared = factor.to(values.device).unflatten(0, (groups, -1))
        written = values.float()[:, None] @ shared.mT
        return written.norm(dim=-1).flatten(0, 1)


def head_writes_of(network: Any, parts: Parts, ids: Tensor, *, name: str) -> HeadWrites:
    """Find how every head writes values, and try it out on the tokens ``ids`` [1, n].

    Raises:
        LayergramError: with the layer and the reason, where a model is built another way.
    """
    if parts.way != "interface":
        raise _refused(name, "a model that keeps the values of its attention to itself")
    with torch.inference_mode(mode=False), torch.no_grad():
        calls, summed = _watched_attention(network, parts, ids)
        return HeadWrites(
            tuple(
                None if heads == 0 else _factor(parts, layer, calls, summed.get(layer), name)
                for layer, heads in enumerate(parts.heads, start=1)
            )
        )


def _watched_attention(
    network: Any, parts: Parts, ids: Tensor
) -> tuple[dict[nn.Module, Call], dict[int, Tensor]]:
    """The last call of each module, and each layer's weighted sums of values, head by head."""
    summed: dict[int, Tensor] = {}

    def hook_of(layer: int) -> Callable[[Attention], None]:
        def hook(seen: Attention) -> None:
            assert seen.values is not None
            heads, groups = seen.weights.shape[1], seen.values.shape[1]
            if heads % groups == 0:
                values = seen.values.repeat_interleave(heads // groups, dim=1).float()
                summed[layer] = (seen.weights.float() @ values).transpose(1, 2).flatten(2)

        return hook

    modules = enumerate(parts.attention, start=1)
    hooks = {module: hook_of(layer) for layer, module in modules if module is not None}
    with (
        watched(network, keep=torch.clone) as calls,
        capture_attention(network, hooks, way=parts.way) as extra,
    ):
        network(input_ids=ids, use_cache=False, **extra)
    return {call.module: call for call in calls}, summed


def _factor(
    parts: Parts, layer: int, calls: dict[nn.Module, Call], made: Tensor | None, name: str
) -> Tensor:
    """R of one layer, checked number by number."""
    projection = parts.projections[layer - 1]
    if projection is None or not is_matrix(calls[projection]):
        raise _refused(name, f"a layer {layer} whose output projection is not known")
    read = calls[projection].input
    if read is None or made is None or read.shape != made.shape or not near(made, read):
        raise _refused(
            name, f"a layer {layer} that changes its weighted values before it projects them"
        )
    rows = Write(projection, 1.0, None).matrix.unflatten(0, (parts.heads[layer - 1], -1))
    factor: Tensor = torch.linalg.qr(rows.cpu().mT, mode="r").R  # not every device has one
    return factor.to(rows.device)


def _refused(name: str, why: str) -> LayergramError:
    return LayergramError(
        f"value-weighted attention of the model '{name}'",
        got=why,
        do="take a measure of the attention weights, such as attention_received",
    )
