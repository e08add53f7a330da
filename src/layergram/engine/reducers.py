"""Reducers: from the values of chunks to the values of a whole sequence.

Each is made of a function of one view, and keeps one number per layer, head and token, or fewer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layergram.engine.settling import Settled, count_cells

Values = npt.NDArray[np.float32]
MOST_CELLS = 20_000
"""Cells of a map up to which each has its likeliest tokens, beyond that one alone."""


@dataclass(frozen=True)
class Reduction:
    """What a reducer is made from.

    Attributes:
        function: view -> values, as the reducer's docstring says.
        needs: the kind of view.
        layers: number of layers of the model.
        heads: ``"mean"`` for one value per layer, ``"each"`` for one per head.
        pool: what the heads of a layer come to together: ``"mean"``, or their ``"sum"``.
        most_cells: number of cells, layers times tokens, up to which the likeliest tokens of each
            are kept where the function gives them; 0 for none.
    """

    function: Callable[[Any], Any]
    needs: str
    layers: int
    heads: str = "mean"
    pool: str = "mean"
    most_cells: int = MOST_CELLS

    def pooled(self, values: Tensor) -> Tensor:
        """[head, …] as it is for ``heads="each"``, else [1, …]."""
        if self.heads == "each":
            return values
        return values.sum(0, keepdim=True) if self.pool == "sum" else values.mean(0, keepdim=True)


class Reducer(ABC):
    """A collector that ends in values for every token, made of one :class:`Reduction`.

    A class that lacks :meth:`take` or :meth:`values` cannot be made an object of, so that nothing
    is read for it.

    Attributes:
        per_head: whether heads can be kept apart, where the views have any.
        revises: whether a later chunk changes the values of the tokens before it.
    """

    per_head: ClassVar[bool] = True
    revises: ClassVar[bool] = False

    def __init__(self, reduction: Reduction) -> None:
        self.reduction, self.needs = reduction, (reduction.needs,)

    @abstractmethod
    def take(self, view: Any) -> None:
        """Reduce one view."""

    @abstractmethod
    def values(self, tokens: int) -> Values:
        """[layer, head, token] with NaN where there is no value."""

    @staticmethod
    def kept_bytes(layers: int, tokens: int) -> int:
        """Bytes kept of a text that grow with the square of its length; 0 for most reducers."""
        return 0

    def token_ids(self, tokens: int) -> npt.NDArray[np.int64] | None:
        """[layer, token], a token of the vocabulary for each value; ``None`` for most reducers."""
        return None

    def top_tokens(self, start: int) -> tuple[npt.NDArray[np.int64], Values] | None:
        """Ids and values [layer, token, rank] of the likeliest tokens, from a position on.

        ``None`` for most reducers, and where there are too many cells to keep them.
        """
        return None

    def counted(self) -> dict[str, int]:
        """What was counted on the way, by name; nothing for most reducers."""
        return {}


class QueryColumns(Reducer):
    """Keeps the columns of each chunk's own tokens: the function gives [token] or [head, token]."""

    def __init__(self, reduction: Reduction) -> None:
        super().__init__(reduction)
        self.parts: list[list[Tensor]] = [[] for _ in range(reduction.layers)]

    def take(self, view: Any) -> None:
        """Reduce one view and append its columns."""
        values = self.reduction.function(view)
        rows = values if values.ndim == 2 else values[None]
        self.parts[view.layer - 1].append(self.reduction.pooled(rows))

    def values(self, tokens: int) -> Values:
        """[layer, head, token] with NaN at layers that gave nothing."""
        _join(self.parts)
        return _stacked([own[0] if own else None for own in self.parts], tokens)


class LayerColumns(QueryColumns):
    """Keeps the columns of all layers at once: the function gives [layer, token]."""

    def take(self, view: Any) -> None:
        """Reduce one view and append its columns."""
        for own, row in zip(self.parts, self.reduction.function(view), strict=True):
            own.append(row[None])


@dataclass(frozen=True)
class NamedTokens:
    """One value per token of a view, and the token of the vocabulary that it belongs to.

    Attributes:
        values: [token].
        ids: [token], int64.
        top_values: [token, rank], the values of the likeliest tokens in their order, or ``None``.
        top_ids: [token, rank], int64, the likeliest tokens, or ``None``.
    """

    values: Tensor
    ids: Tensor
    top_values: Tensor | None = None
    top_ids: Tensor | None = None


class TokenColumns(QueryColumns):
    """Keeps the columns of each chunk, and their ids: the function gives :class:`NamedTokens`.

    The likeliest tokens are kept as well, if it gives them, up to ``most_cells`` of the reduction.
    """

    def __init__(self, reduction: Reduction) -> None:
        super().__init__(reduction)
        self.ids: list[list[Tensor]] = [[] for _ in range(reduction.layers)]
        self.ranked: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(reduction.layers)]
        self._keeps_ranked = reduction.most_cells > 0

    def take(self, view: Any) -> None:
        """Reduce one view and append its columns."""
        named: NamedTokens = self.reduction.function(view)
        self.parts[view.layer - 1].append(named.values[None])
        self.ids[view.layer - 1].append(named.ids)
        if self._keeps_ranked:
            self._rank(view.layer - 1, named)

    def _rank(self, at: int, named: NamedTokens) -> None:
        """Keep the likeliest tokens of one layer, or from too many cells on those of none."""
        if named.top_ids is None or named.top_values is None:
            self._keeps_ranked = False
            return
        self.ranked[at].append((named.top_ids, named.top_values))
        tokens = sum(len(ids) for ids, _ in self.ranked[at])
        if self.reduction.layers * tokens > self.reduction.most_cells:
            self._keeps_ranked, self.ranked = False, []

    def top_tokens(self, start: int) -> tuple[npt.NDArray[np.int64], Values] | None:
        """Ids and values [layer, token, rank] of the tokens from a position on, of all layers."""
        if not self._keeps_ranked:
            return None
        made = [[torch.cat(part) for part in zip(*own, strict=True)] for own in self.ranked]
        self.ranked = [[(ids, values)] for ids, values in made]
        ids, values = (torch.stack([own[at][start:] for own in made]).cpu() for at in (0, 1))
        return ids.numpy(), values.float().numpy()

    def token_ids(self, tokens: int) -> npt.NDArray[np.int64]:
        """[layer, token], −1 where there is no value."""
        found = np.full((len(self.ids), tokens), -1, dtype=np.int64)
        _join(self.ids)
        for row, parts in zip(found, self.ids, strict=True):
            if parts:
                known = parts[0].cpu().numpy()
                row[: len(known)] = known
        return found


class SettledColumns(Reducer):
    """Keeps the settling depth of each token: the function gives :class:`Settled`."""

    def __init__(self, reduction: Reduction) -> None:
        super().__init__(reduction)
        self.parts: list[Settled] = []

    def take(self, view: Any) -> None:
        """Append the depths of one view."""
        self.parts.append(self.reduction.function(view))

    def values(self, tokens: int) -> Values:
        """[1, 1, token]: one value for all layers."""
        return _stacked([torch.cat([part.layers for part in self.parts], dim=-1)], tokens)

    def counted(self) -> dict[str, int]:
        """How many cells before the last layer were certified, were computed, and did not matter.

        A cell that a bound has certified cannot be the one at which the token settles.
        """
        return count_cells(self.parts, self.reduction.layers)


@dataclass(frozen=True)
class KeySums:
    """What the queries of a view give to its keys.

    Attributes:
        sums: [head, key], summed over queries.
        counts: [key], how many queries could see the key.
        divisor: how many queries were summed over, of all of which the mean is taken, also for keys
            that they cannot see; ``None`` for the mean over those that can.
        replaces: whether this view takes the place of the ones before it.
    """

    sums: Tensor
    counts: Tensor
    divisor: int | None = None
    replaces: bool = False


class KeyMeans(Reducer):
    """Adds up what each chunk's queries give to the keys, and divides by how many could.

    The function gives :class:`KeySums`; the value of a key is the sum divided by the count (or by
    the sum of the divisors), NaN where the count is 0.
    """

    revises = True

    def __init__(self, reduction: Reduction) -> None:
        super().__init__(reduction)
        self.sums: list[Tensor | None] = [None] * reduction.layers
        self.counts: list[Tensor | None] = [None] * reduction.layers
        self.divisors: list[int | None] = [None] * reduction.layers

    def take(self, view: Any) -> None:
        """Reduce one view and add it up."""
        part: KeySums = self.reduction.function(view)
        at, end = view.layer - 1, view.first_key + len(view.visible[0])
        if part.divisor is not None:
            self.divisors[at] = (self.divisors[at] or 0) + part.divisor
        if part.replaces:
            self.sums[at] = self.counts[at] = None
        sums = self.reduction.pooled(part.sums)
        self.sums[at] = _added(self.sums[at], sums, view.first_key, end)
        self.counts[at] = _added(self.counts[at], part.counts[None], view.first_key, end)

    def values(self, tokens: int) -> Values:
        """[layer, head, token] with NaN where no query could see the key."""
        means = [
            None
            if s is None or c is None
            else torch.where(c > 0, s / (c if divisor is None else max(divisor, 1)), torch.nan)
            for s, c, divisor in zip(self.sums, self.counts, self.divisors, strict=True)
        ]
        return _stacked(means, tokens)


class Averages:
    """Sums and counts of a function's finite values over the tokens of each block of a sequence.

    Args:
        reduction: the function gives [head, token]; its heads are kept.
        tokens: length of the sequence.
        block: tokens per block.
        heads: largest number of heads of a layer.

    Attributes:
        sums: [block, layer, head].
        counts: [block, layer, head].
    """

    def __init__(self, reduction: Reduction, *, tokens: int, block: int, heads: int) -> None:
        self.reduction, self.block, self.needs = reduction, block, (reduction.needs,)
        shape = (-(-tokens // block), reduction.layers, heads)
        self.sums, self.counts = np.zeros(shape), np.zeros(shape)

    def take(self, view: Any) -> None:
        """Add up the values [head, token] of one view."""
        values: Tensor = self.reduction.function(view).float().cpu()
        blocks = ((torch.arange(values.shape[1]) + view.start) // self.block).numpy()
        finite = values.isfinite()
        for total, part in ((self.sums, values.nan_to_num()), (self.counts, finite)):
            own = total[:, view.layer - 1, : len(values)]
            np.add.at(own, blocks, part.double().numpy().T)


def _added(total: Tensor | None, part: Tensor, start: int, end: int) -> Tensor:
    """``total`` with ``part`` added onto the columns ``start``..``end``, grown to hold them."""
    part = part.float() if part.device.type == "mps" else part.double()  # MPS has no doubles
    if total is None:
        total = part.new_zeros(part.shape[0], 0)
    if end > total.shape[1]:
        total = torch.nn.functional.pad(total, (0, end - total.shape[1]))
    total[:, start:end] += part
    return total


def _join(layers: Sequence[list[Tensor]]) -> None:
    """The parts of each layer become one, which is as fast as asked for after every token."""
    for parts in layers:
        if len(parts) > 1:
            parts[:] = [torch.cat(parts, dim=-1)]


def _stacked(layers: Sequence[Tensor | None], tokens: int) -> Values:
    heads = max(part.shape[0] for part in layers if part is not None)
    values = np.full((len(layers), heads, tokens), np.nan, dtype=np.float32)
    for row, part in zip(values, layers, strict=True):
        if part is not None:
            row[: part.shape[0], : part.shape[1]] = part.float().cpu().numpy()
    return values
