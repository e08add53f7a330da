"""Attention in blocks of queries: the weights of a block are used at once and never kept.

The weights of a block are needed twice: for the heads' outputs, and for whoever looks at them. A
block is chosen so small that its scores [heads, queries, keys] stay in the processor's cache in
between. There are three ways to attend, and :mod:`layergram.models.load` proves which of them a
model can go:

* :func:`softmax_in_blocks`: softmax of scaled products plus the mask, by ourselves; keys and values
  that heads share are not copied for each, and the softmax happens in place in one kept buffer;
* :func:`own_in_blocks`: the model's own function (sinks, soft caps), a block at a time;
* :func:`whole`: the model's own function, all queries of the chunk at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

SCORES = {"cpu": 2**20}
"""Scores of one block of our own softmax, per kind of device."""

SCORES_ELSEWHERE = 2**26
"""The same on other devices, which are slow to start on a block and quick to go through it."""

QUERIES = {"cpu": 64}
"""Largest number of queries of a block of our own softmax: scores of later keys are in vain."""

OWN_QUERIES = 256
"""Queries of a block of the model's own function, which copies the keys for each block."""

MASKS = 4
"""Masks whose blocks are remembered in a forward pass; models have one or two."""


class Sight:
    """Which keys a block's queries can see. Layers that share a mask share it.

    Attributes:
        visible: [n, queries, keys].
    """

    def __init__(self, visible: Tensor) -> None:
        self.visible = visible
        self._rows: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = {}

    def of(self, row: int, queries: int, keys: int) -> tuple[Tensor, Tensor]:
        """The first queries and keys of a sequence [queries, keys], and how many see each [keys]"""
        place = row, queries, keys
        if place not in self._rows:
            visible = self.visible[row, :queries, :keys]
            self._rows[place] = visible, visible.sum(0)
        return self._rows[place]


@dataclass(frozen=True)
class Attention:
    """What one attention module did with a block of the queries of one chunk of n sequences.

    Attributes:
        parts: [n, heads, queries, keys], in proportion to the weights. Gone when the hook ends.
        totals: [n, heads, queries], what the parts of a query are divided by to get its weights,
            which sum to 1, or less where the layer has sinks; ``None`` where parts are weights.
        sight: which keys the mask lets a query see; ``None`` where the module is given no mask and
            plain causality holds.
        output: [n, queries, heads, values]: the heads' outputs before the output projection, or
            ``None`` where the module does not show them.
        first_query: place of the first query in the chunk.
        first_key: place of the first key among all keys.
        keys: how many keys there are in all; the last is the chunk's last query's own position.
        values: [n, groups, all keys, d_value], where the module shows them.
    """

    parts: Tensor
    totals: Tensor | None
    sight: Sight | None
    output: Tensor | None
    first_query: int
    first_key: int
    keys: int
    values: Tensor | None = None

    @property
    def visible(self) -> Tensor | None:
        """[n, queries, keys], which keys the mask lets a query see, or ``None``."""
        return None if self.sight is None else self.sight.visible

    @cached_property
    def weights(self) -> Tensor:
        """[n, heads, queries, keys]."""
        return self.parts if self.totals is None else self.parts / self.totals[..., None]


AttentionHook = Callable[[Attention], Tensor | None]
"""Called with what an attention module did with a block.

It may return other head outputs for the model to go on with.
"""


@dataclass(frozen=True)
class AttentionCall:
    """One call of a model's attention function.

    Attributes:
        module: the attention module.
        own: the function of the module's file, which returns outputs and weights.
        query: [n, heads, queries, d].
        key: [n, groups, keys, d].
        value: [n, groups, keys, values].
        mask: what is added to the scores [n or 1, heads or 1, queries, keys], or ``None``.
        options: further arguments.
    """

    module: nn.Module
    own: Callable[..., tuple[Tensor, Tensor]]
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    options: Mapping[str, Any]

    @property
    def divisible(self) -> bool:
        """Whether there is a mask that says, for every query and key, what is added."""
        shape = (self.query.shape[2], self.key.shape[2])
        mask = self.mask
        return mask is not None and mask.is_floating_point() and mask.shape[2:] == shape

    def part(self, block: Block) -> AttentionCall:
        """The same with the queries and keys of a block."""
        assert self.mask is not None
        queries, keys = block.queries, block.keys
        return replace(
            self,
            query=self.query[:, :, queries],
            key=self.key[:, :, keys],
            value=self.value[:, :, keys],
            mask=self.mask[:, :, queries, keys],
        )

    def run(self) -> tuple[Tensor, Tensor]:
        """Outputs [n, queries, heads, values] and weights of the model's own function."""
        call = self.query, self.key, self.value, self.mask
        return self.own(self.module, *call, **self.options)


@dataclass(frozen=True)
class Block:
    """Queries of a chunk, and the keys from the first that any can see to the last one's own.

    Attributes:
        queries: their places in the chunk.
        keys: the places of the keys; all others are hidden from them.
        masked: place of the first key that the mask hides from any of them, or weighs.
        sight: which keys each can see.
    """

    queries: slice
    keys: slice
    masked: int
    sight: Sight


@dataclass
class Kept:
    """What calls of one capture share: a buffer on each device, and the blocks of the masks.

    Attributes:
        most: largest number of queries of a block, where fewer are wanted.
    """

    most: int | None = None
    buffers: dict[torch.device, Tensor] = field(default_factory=dict)
    plans: dict[Any, tuple[Tensor, list[Block]]] = field(default_factory=dict)

    def buffer(self, like: Tensor, size: int) -> Tensor:
        """So many numbers of the type and on the device of a tensor, with any values."""
        kept = self.buffers.get(like.device)
        if kept is None or kept.numel() < size or kept.dtype != like.dtype:
            kept = self.buffers[like.device] = like.new_empty(size)
        return kept[:size]

    def blocks(self, mask: Tensor, n: int, size: int) -> list[Block]:
        """The blocks of at most ``size`` queries of a mask for n sequences."""
        size = min(size, self.most or size)
        place = mask.data_ptr(), mask.shape, mask.stride(), n, size
        if place not in self.plans:
            while len(self.plans) >= MASKS:
                del self.plans[next(iter(self.plans))]
            firsts = range(0, mask.shape[2], size)
            # the mask is kept with them so that no other one can take its place in memory
            self.plans[place] = mask, [_block(mask, n, a, a + size) for a in firsts]
        return self.plans[place][1]

    def forget(self) -> None:
        """Let go of the masks."""
        self.plans.clear()


Attend = Callable[[AttentionCall, AttentionHook | None, Kept], Tensor]
"""Makes the outputs [n, queries, heads, values] of a call, and hands each block to the hook."""


def whole(call: AttentionCall, hook: AttentionHook | None, kept: Kept) -> Tensor:
    """By the model's own function, all queries of the chunk at once."""
    output, weights = call.run()
    if hook is None:
        return output
    seen = None if call.mask is None else visible_keys(call.mask, weights)
    sight = None if seen is None else Sight(seen)
    edited = hook(Attention(weights, None, sight, output, 0, 0, weights.shape[-1], call.value))
    return output if edited is None else edited


def own_in_blocks(call: AttentionCall, hook: AttentionHook | None, kept: Kept) -> Tensor:
    """By the model's own function, a block of queries at a time."""
    if not call.divisible:
        return whole(call, hook, kept)
    outputs = []
    assert call.mask is not None
    for block in kept.blocks(call.mask, len(call.query), OWN_QUERIES):
        output, weights = call.part(block).run()
        outputs.append(_handed_on(hook, call, block, weights, None, output))
    return torch.cat(outputs, dim=1)


def softmax_in_blocks(call: AttentionCall, hook: AttentionHook | None, kept: Kept) -> Tensor:
    """As softmax(scaling · q kᵀ + mask) v in float32, a block of queries at a time, in place."""
    if not call.divisible or call.query.dtype != torch.float32:
        return own_in_blocks(call, hook, kept)
    mask = call.mask
    assert mask is not None
    n, heads, queries, width = call.query.shape
    groups = call.key.shape[1]
    scaling = call.options.get("scaling")
    query = call.query * (width**-0.5 if scaling is None else scaling)
    key, value = call.key.flatten(0, 1), call.value.flatten(0, 1)
    output = query.new_empty(n, queries, heads, value.shape[-1])
    kind = query.device.type
    most = SCORES.get(kind, SCORES_ELSEWHERE) // (n * heads * key.shape[1])
    size = min(max(8, most // 8 * 8), QUERIES.get(kind, queries))
    for block in kept.blocks(mask, n, size):
        own, keys = query[:, :, block.queries], block.keys
        shape = (n, heads, own.shape[2], keys.stop - keys.start)
        parts = kept.buffer(query, torch.Size(shape).numel()).view(shape)
        rows = parts.view(n * groups, -1, shape[-1])  # the heads of a group one under another
        torch.bmm(own.reshape(n * groups, -1, width), key[:, keys].mT, out=rows)
        parts[..., block.masked - keys.start :] += mask[
            ..., block.queries, block.masked : keys.stop
        ]
        rows.sub_(rows.amax(-1, keepdim=True)).exp_()
        totals = rows.sum(-1, keepdim=True)
        made = torch.bmm(rows, value[:, keys]).div_(totals).view(*shape[:3], -1).transpose(1, 2)
        output[:, block.queries] = _handed_on(
            hook, call, block, parts, totals.view(shape[:3]), made
        )
    return output


def _handed_on(
    hook: AttentionHook | None,
    call: AttentionCall,
    block: Block,
    parts: Tensor,
    totals: Tensor | None,
    output: Tensor,
) -> Tensor:
    """The outputs of a block, or what the hook makes of them."""
    if hook is None:
        return output
    first, keys = block.queries.start, block.keys.start
    seen = Attention(parts, totals, block.sight, output, first, keys, call.key.shape[2], call.value)
    edited = hook(seen)
    return output if edited is None else edited


def visible_keys(mask: Tensor, weights: Tensor) -> Tensor:
    """Which keys a query can see [n, queries, keys], from a mask [n or 1, 1, queries, keys]."""
    n, _, queries, keys = weights.shape
    return _seen(mask[:, 0, -queries:, :keys]).expand(n, -1, -1)


def _seen(mask: Tensor) -> Tensor:
    return mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2


def _block(mask: Tensor, n: int, first: int, end: int) -> Block:
    own = mask[:, :, first:end]
    seen = _seen(own[:, 0])
    columns = seen.any(0).any(0).nonzero()[:, 0]
    # queries that see nothing are padding: whatever they get is not looked at
    start, stop = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, mask.shape[3])
    stop = max(stop, mask.shape[3] - mask.shape[2] + first + own.shape[2])
    weighed = (own[..., start:stop] != 0).flatten(0, 2).any(0).nonzero()[:, 0]
    masked = start + int(weighed[0]) if len(weighed) else stop
    visible = seen[..., start:stop].expand(n, -1, -1)
    queries = slice(first, first + own.shape[2])
    return Block(queries, slice(start, stop), masked, Sight(visible))
