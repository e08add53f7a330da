"""Settling: the first layer near the final prediction, mostly without the whole vocabulary.

A lower bound of the divergence, made of the logits of few tokens, shows for most layers that they
lie above a threshold (:func:`least_divergence`). The divergence of the others is computed exactly,
up to the layer at which a position settles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from layergram.engine.prediction import IN_CACHE

SHARE, FEWEST = 16, 64
"""The bound reads one in so many tokens of the vocabulary, but not fewer than these."""

MARGIN = 1e-4
"""Bits by which a bound must be above a threshold; float32 rounds the sums by a tenth of it."""

STEPS = 4
"""Steps towards the best λ; fewer make the bound weaker, and no less true."""

LARGEST = 1e6
"""Largest λ."""


class Settled(NamedTuple):
    """When positions settle, and how that is known of the layers before the last one.

    Attributes:
        layers: [threshold, token] as floats, the first layer with a divergence of at most the
            threshold; the last layer where there is no other, NaN where a divergence is.
        certified: [token], how many layers are known by their bound alone to lie above.
        exact: [token], how many were computed. Nothing has to be known of the others.
    """

    layers: Tensor
    certified: Tensor
    exact: Tensor


def count_cells(parts: Iterable[Settled], layers: int) -> dict[str, int]:
    """Cells before the last layer: certified, computed exactly, and those that did not matter."""
    certified = exact = cells = 0
    for part in parts:
        certified += int(part.certified.sum())
        exact += int(part.exact.sum())
        cells += (layers - 1) * len(part.exact)
    return {
        "cells_certified": certified,
        "cells_exact": exact,
        "cells_not_needed": cells - certified - exact,
    }


def bits(nats: Tensor) -> Tensor:
    """Jensen–Shannon divergences in bits, 0 to 1."""
    return (nats / math.log(2)).clamp(0, 1)


def likely_tokens(p: Tensor) -> Tensor:
    """The tokens [S] that the rows of p [n, V] together hold likeliest."""
    vocabulary = p.shape[1]
    return p.sum(0).topk(min(vocabulary, max(FEWEST, vocabulary // SHARE))).indices


def least_divergence(p: Tensor, logits: Tensor, off: Tensor) -> tuple[Tensor, Tensor]:
    """A lower bound of the Jensen–Shannon divergence from p, and a guess at it.

    Let S be some tokens, and q the distribution whose logits on S are known within δ.

    **Merging.** The divergence does not grow when outcomes are merged. So that of p and q is at
    least that of their masses on each token of S and on the rest of the vocabulary together.

    **Masses.** A sum over S is at most the sum over the vocabulary, so for every token i of S
    q_i ≤ u_i = exp(l_i − ln Σ_S exp(l) + 2δ). For the rest take u = ∞.

    **Least.** The divergence is Σ h(p_i, q_i) with h(p, q) = ½ p ln(2p / (p + q)) +
    ½ q ln(2q / (p + q)), which is convex in q with the slope ½ ln(2q / (p + q)). For any λ ≥ 1 let
    s = ½ ln(2λ / (1 + λ)): the slope at q = λp, whatever p is. So h(p, q) − s q falls until q = λp
    and rises after it. For all q ≤ u it is at least h(p, u) − s u where u < λp (the tokens C), and
    at least h(p, λp) − s λp = ½ p ln(2 / (1 + λ)) elsewhere. The q_i add up to 1. So with U and P,
    the sums of u and p over C, the divergence is at least

        Σ_C h(p_i, u_i) + ½ (1 − P) ln(2 / (1 + λ)) + ½ (1 − U) ln(2λ / (1 + λ)).

    This holds for every λ. It is most at λ = (1 − U) / (1 − P), which Newton's steps from 1 come
    near.

    Args:
        p: [n, S], probabilities of the tokens, above 0.
        logits: [..., n, S] of the other distribution.
        off: δ [..., n], how far each of its logits may be off at most.

    Returns:
        The bound and the guess, both [..., n] in bits. The guess takes q = u, and 0 for the rest.
    """
    log_u = logits - (logits.logsumexp(-1) - 2 * off)[..., None]
    u = log_u.exp()
    above = torch.ones_like(off)
    for step in range(STEPS + 1):
        lower = (u < above[..., None] * p).to(u.dtype)
        mass_u, mass_p = (u * lower).sum(-1), (p * lower).sum(-1)
        if step < STEPS:
            above = ((1 - mass_u) / (1 - mass_p).clamp(min=1 / LARGEST)).clamp(1, LARGEST)
    s = p + u
    twice = log_u.mul_(u).add_(p.log().mul_(p)).sub_(s.log().sub_(math.log(2)).mul_(s))
    share = 2 / (1 + above)
    bound = (
        (twice * lower).sum(-1) + (1 - mass_p) * share.log() + (1 - mass_u) * (share * above).log()
    )
    guess = twice.sum(-1) + (1 - p.sum(-1)).clamp(min=0) * math.log(2)
    return bound / math.log(4), guess / math.log(4)


def bounds(p: Tensor, logits: Tensor, off: Tensor) -> tuple[Tensor, Tensor]:
    """The same for several layers, [layer, n], a few rows at a time in cache.

    Args:
        p: [n, S].
        logits: [layer, n, S].
        off: [layer, n].
    """
    layers, n, tokens = logits.shape
    few = max(1, IN_CACHE // (layers * tokens)) if p.device.type == "cpu" else n
    found = []
    for a in range(0, n, few):
        rows = slice(a, a + few)
        found.append(least_divergence(p[rows], logits[:, rows], off[:, rows]))
    least, guess = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    return least, guess


def settle(
    least: Tensor,
    guess: Tensor,
    thresholds: Sequence[float],
    divergence: Callable[[Tensor, Tensor], Tensor],
) -> Settled:
    """The first layers with a divergence of at most each threshold, the last one at the latest.

    Cells up to the layer at which a position is likely to settle are computed together, unless
    their bound certifies that they lie above; where none is near, the search goes on from there.

    Args:
        least: [layer, n], lower bounds in bits for all layers before the last; −∞ for none.
        guess: [layer, n], what the divergences are likely to be.
        thresholds: in bits.
        divergence: places in ``least`` (from 0), and positions -> exact divergences in bits.
    """
    exact = torch.full_like(least, torch.nan)
    known = torch.zeros_like(least, dtype=torch.bool)
    places = torch.arange(len(least), device=least.device)[:, None]
    while True:
        asked = torch.zeros_like(known)
        ends = []
        for g in thresholds:
            ends.append(end := _first(exact <= g))
            unknown = (places < end) & ~known & ~(least > g + MARGIN)
            asked |= unknown & (places <= _first(unknown & (guess <= g)))
        if not asked.any():
            break
        positions, layers = asked.T.nonzero(as_tuple=True)
        exact[layers, positions] = divergence(layers, positions)
        known |= asked
    first = torch.stack(ends)
    needed = places <= first.amax(0)
    settled = torch.where((known & exact.isnan()).any(0), torch.nan, first + 1.0)
    return Settled(settled, (needed & ~known).sum(0), known.sum(0))


def _first(cells: Tensor) -> Tensor:
    """For each column of [layer, n] the place of its first true cell, or the number of layers."""
    return torch.cat([cells, cells.new_ones(1, cells.shape[1])]).int().argmax(0)
