"""Generate in batches: the ids that a model goes on with after each of several prompts.

Prompts of a batch are padded on the left and read at once; each step feeds one token per prompt
against the cache. A prompt's ids do not depend on its company: drawing has a seed per prompt, and
padding is used only where :func:`padding_is_exact` has shown that it changes nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from layergram.models.model import Model

SLACK = 1e-3
"""Largest change of a log-probability that padding may make, in nats."""


def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    *,
    most: int,
    seeds: Sequence[int | None],
    temperature: float = 1.0,
) -> list[tuple[int, ...]]:
    """The ids that follow each prompt, the stopping token included where one was reached.

    Args:
        model: the model.
        prompts: the ids of each prompt; of one length, unless padding is exact for this model.
        most: largest number of new ids per prompt.
        seeds: for each prompt the seed of its draws, or ``None`` to take the likeliest token.
        temperature: of the draws.
    """
    stops = set(model.stop_ids)
    drawers = [_Drawer(seed, temperature) for seed in seeds]
    found: list[list[int]] = [[] for _ in prompts]
    batch = _Batch(model, prompts)
    with torch.inference_mode():
        logits = batch.read()
        for _ in range(most):
            picked = [drawers[i].pick(row) for i, row in zip(batch.alive, logits, strict=True)]
            for i, token in zip(batch.alive, picked, strict=True):
                found[i].append(token)
            if len(found[batch.alive[0]]) == most or not batch.go_on(picked, stops):
                break
            logits = batch.read()
    return [_cut(ids, stops) for ids in found]


def _cut(ids: list[int], stops: set[int]) -> tuple[int, ...]:
    end = next((at for at, token in enumerate(ids, start=1) if token in stops), len(ids))
    return tuple(ids[:end])


class _Drawer:
    """Picks the tokens of one answer, from a random stream of its own."""

    def __init__(self, seed: int | None, temperature: float) -> None:
        self.temperature = temperature
        self.random = None if seed is None else torch.Generator().manual_seed(seed)

    def pick(self, logits: Tensor) -> int:
        if self.random is None:
            return int(logits.argmax())
        p = torch.softmax(logits.double().cpu() / self.temperature, dim=-1)
        up_to = torch.rand((), generator=self.random, dtype=torch.float64) * p.sum()
        token = int(torch.searchsorted(p.cumsum(-1), up_to))
        return min(token, len(p) - 1)


class _Batch:
    """Prompts that are read together, and what the model keeps of them."""

    def __init__(self, model: Model, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.alive = list(range(len(prompts)))
        longest = max(map(len, prompts))
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        self.ids, self.mask = ids.to(model.device), mask.to(model.device)
        self.padded = bool((mask == 0).any())
        self.takes = set(inspect.signature(model.network.forward).parameters)
        self.ended: set[int] = set()
        self.cache: Any = None

    def read(self) -> Tensor:
        """The logits [n, V] after what was taken up: at first the prompts, then one token each."""
        options: dict[str, Any] = {"use_cache": self.model.chunks}
        if self.model.keeps_logits:
            options["logits_to_keep"] = 1
        if self.cache is not None:
            options["past_key_values"] = self.cache
        if self.padded:
            options["attention_mask"] = self.mask
            if "position_ids" in self.takes:
                positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
                options["position_ids"] = positions[:, -self.ids.shape[1] :]
        out = self.model.network(input_ids=self.ids, **options)
        self.cache = out.past_key_values if self.model.chunks else None
        return out.logits[:, -1].float()

    def go_on(self, picked: Sequence[int], stops: set[int]) -> bool:
        """Take up the picked tokens, and let go of the finished prompts once they are many."""
        new = torch.tensor(picked, device=self.ids.device)[:, None]
        self.mask = torch.cat([self.mask, torch.ones_like(new)], dim=1)
        self.ids = new if self.cache is not None else torch.cat([self.ids, new], dim=1)
        self.ended |= {i for i, token in zip(self.alive, picked, strict=True) if token in stops}
        left = [at for at, i in enumerate(self.alive) if i not in self.ended]
        if not left:
            return False
        if 2 * len(left) <= len(self.alive) and self._can_let_go():
            keep = torch.tensor(left, device=self.ids.device)
            self.ids, self.mask = self.ids[keep], self.mask[keep]
            if self.cache is not None:
                self.cache.batch_select_indices(keep)
            self.alive = [self.alive[at] for at in left]
        return True

    def _can_let_go(self) -> bool:
        return self.cache is None or type(self.cache).__name__ == "DynamicCache"


def padding_is_exact(model: Model, prompts: Sequence[Sequence[int]]) -> bool:
    """Whether prompts of unlike length may share a batch: tried out on the shortest and longest.

    The shortest is read beside the longest, padded, for two steps; its log-probabilities have to
    be those it has by itself, up to rounding.
    """
    short, long = min(prompts, key=len), max(prompts, key=len)
    if len(short) == len(long):
        return True
    alone, beside = _two_steps(model, [short]), _two_steps(model, [short, long])
    return bool((alone - beside).abs().max() <= SLACK)


def _two_steps(model: Model, prompts: Sequence[Sequence[int]]) -> Tensor:
    with torch.inference_mode():
        batch = _Batch(model, prompts)
        first = batch.read()
        batch.go_on([int(prompts[0][0])] * len(prompts), set())
        second = batch.read()
    return torch.stack([torch.log_softmax(logits[0], -1) for logits in (first, second)])
