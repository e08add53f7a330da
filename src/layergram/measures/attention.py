"""Measures of attention: who is attended to, and how widely."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layergram.engine.reducers import KeyMeans, KeySums
from layergram.engine.views import AttentionView
from layergram.measures.options import Query
from layergram.measures.registry import measure

NOT_IMPORTANCE = (
    "Attention is where a head looks, not what it takes from there or what the answer needs: "
    "a large weight is no proof of importance. The first token often collects attention that "
    "heads do not need elsewhere (an attention sink) and dominates the scale."
)


@measure(
    "attention",
    long_name="attention received",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    reducer=KeyMeans,
    pooling="max",
    caveat=NOT_IMPORTANCE,
    missing="no query can see the token",
)
def attention_received(view: AttentionView) -> KeySums:
    """Mean attention weight that a token gets from the tokens that can see it.

    r[l, h, j] = (1/n_j) Σ_i A[l, h, i, j], with n_j the number of queries i whose mask lets them
    see key j (T − j in a causal layer, fewer in a sliding window). Without n_j the map would show
    little more than that early tokens are seen by more.
    """
    return KeySums(view.received, view.counts)


@measure(
    "attention",
    long_name="attention from the query",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    reducer=KeyMeans,
    pooling="max",
    caveat=NOT_IMPORTANCE,
    missing="the query cannot see the token",
    resolvers={"query": Query()},
)
def attention_from(
    view: AttentionView, *, query: str | tuple[int, ...] | range = "last"
) -> KeySums:
    """Attention weight that the chosen query gives to each token.

    A[l, h, q, j], with the mean over the queries q of a span where several are chosen; a query of
    the span that cannot see token j counts with weight 0. NaN where no query of the span can.

    Args:
        view: one layer of one chunk.
        query: positions of the chosen queries; ``"last"`` for the last token there is; a range
            for the tokens of an ``"answer"``.
    """
    if isinstance(query, str):
        return KeySums(view.weights[:, -1], view.visible[-1].int(), replaces=True)
    size = view.weights.shape[1]
    if isinstance(query, range):
        rows = list(range(max(0, query.start - view.start), size))
    else:
        rows = [q - view.start for q in query if 0 <= q - view.start < size]
    # the mean is over the whole span, so a query that cannot see the key still counts
    return KeySums(view.weights[:, rows].sum(1), view.visible[rows].sum(0), divisor=len(rows))


WIDE = (
    "A high entropy can be many small weights or the lack of anything to look at; "
    "later tokens can see more tokens, and so can spread wider."
)


@measure(
    "attention",
    long_name="attention entropy",
    units="bit",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    caveat=WIDE,
)
def attention_entropy(view: AttentionView) -> Tensor:
    """Entropy of a query's attention weights.

    −Σ_j A[l, h, i, j] log2 A[l, h, i, j], 0 to log2 of the number of tokens the query can see
    (where a layer has sinks, weights that sum to less than 1 can come to 0.06 bit more at a query
    that sees two tokens, and to 0.53 bit at one that sees one).

    Returns:
        [head, query].
    """
    return torch.special.entr(view.weights).sum(-1) / math.log(2)


@measure(
    "attention",
    long_name="normalised attention entropy",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    caveat=WIDE.split(";")[0] + ".",
    missing="a query that sees one token only has no spread",
)
def attention_entropy_normalised(view: AttentionView) -> Tensor:
    """Entropy of a query's attention weights as a share of the largest possible.

    −Σ_j a_j log2 a_j / log2 n_i with a_j = A[l, h, i, j] / Σ_j A[l, h, i, j], so that what a sink
    takes does not count, and n_i the number of tokens query i can see; NaN for a query that sees
    one.

    Returns:
        [head, query].
    """
    seen = view.visible.sum(1)
    weights = view.weights / view.weights.sum(-1, keepdim=True)
    entropy = torch.special.entr(weights).sum(-1) / torch.log(seen.float())
    return torch.where(seen > 1, entropy.clamp(max=1), torch.nan)  # above 1 is rounding
