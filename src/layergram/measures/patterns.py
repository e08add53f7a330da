"""Measures of what attention heads look at: the token before, the first one, what came next."""

from __future__ import annotations

import torch
from torch import Tensor

from layergram.engine.views import AttentionView
from layergram.errors import LayergramError
from layergram.measures.options import Context
from layergram.measures.registry import measure

NOT_USE = (
    "The weight says where a head looks, not what it takes from there or whether the model uses "
    "it: only an edit of the head shows that."
)
RESTS = (
    " Heads that find nothing of their own to look at often rest on the first token (an attention "
    "sink): a low value can mean a head that had no occasion."
)


@measure(
    "attention",
    long_name="attention to the previous token",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    caveat=NOT_USE,
    references="Clark et al. (2019), What Does BERT Look At?",
    missing="no previous token, or out of sight",
)
def attention_previous(view: AttentionView) -> Tensor:
    """Attention weight that a token gives to the token right before it.

    A[l, h, i, i − 1]. A head with values near 1 hands every token its predecessor. NaN at the
    first token, and where the mask hides the previous one.

    Returns:
        [head, query].
    """
    return _weight_on(view, _queries(view) - 1)


@measure(
    "attention",
    long_name="attention to the first token",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    caveat="A head that rests on the first token does little there: the values it reads are often "
    "near zero. Which token stands first, and whether it marks the beginning of a text, decides "
    "how strong the sink is.",
    references="Xiao et al. (2024), Efficient Streaming Language Models with Attention Sinks",
    missing="the first token itself, or one that cannot see it",
)
def attention_first(view: AttentionView) -> Tensor:
    """Attention weight that a token gives to the first token of the sequence.

    A[l, h, i, 0] for i > 0. NaN at the first token, which has nothing else to look at, and where
    a sliding window has left the first token behind.

    Returns:
        [head, query].
    """
    queries = _queries(view)
    weight = _weight_on(view, torch.zeros_like(queries))
    return torch.where(queries > 0, weight, torch.nan)


DISTANCE = "Vig & Belinkov (2019), Analyzing the Structure of Attention in a Transformer LM"
FAR = (
    "A mean hides its parts: half of the weight on the first token and half on the previous one "
    "gives the same distance as all of it in the middle."
)


@measure(
    "attention",
    long_name="attention distance",
    units="token",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    caveat=FAR + " Later tokens can look further back.",
    references=DISTANCE,
    missing="a query without any weight on tokens",
)
def attention_distance(view: AttentionView) -> Tensor:
    """Mean number of tokens between a token and what it attends to.

    Σ_j A[l, h, i, j] (i − j) / Σ_j A[l, h, i, j], from 0 (the token itself) to i (the first
    token); what a sink of its own takes does not count.

    Returns:
        [head, query].
    """
    keys = torch.arange(view.weights.shape[2], device=view.weights.device) + view.first_key
    back = (_queries(view)[:, None] - keys).clamp(min=0)
    return (view.weights * back).sum(-1) / view.weights.sum(-1)


@measure(
    "attention",
    long_name="attention distance as a share of the largest possible",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    caveat=FAR,
    references=DISTANCE,
    missing="a query that sees one token only, or has no weight on any",
)
def attention_distance_normalised(view: AttentionView) -> Tensor:
    """Mean distance of a token's attention, as a share of that to the furthest token it can see.

    The attention distance divided by i − j₀, with j₀ the first token that query i can see: 0 looks
    at itself, 1 at the far end; the same weight on all tokens gives one half. NaN for a query that
    sees one token.

    Returns:
        [head, query].
    """
    furthest = _queries(view) - view.first_key - view.visible.int().argmax(1)
    share = attention_distance(view) / furthest
    return torch.where(furthest > 0, share.clamp(max=1), torch.nan)  # above 1 is rounding


@measure(
    "attention",
    long_name="induction score",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    requires="repeats",
    caveat=NOT_USE + RESTS + " In a text of few repeated tokens the score rests on few queries.",
    references="Olsson et al. (2022), In-context Learning and Induction Heads: prefix matching",
    missing="a token that has not been there before, or not in sight",
)
def attention_induction(view: AttentionView) -> Tensor:
    """Attention weight on the tokens that followed earlier occurrences of the current token.

    Σ A[l, h, i, j] over the j < i in sight with token[j − 1] = token[i]: near 1 for a head that
    finds what came next the last time. NaN for a token without an earlier occurrence whose
    follower it can see. The token itself never counts as a follower, so that a head that looks at
    itself does not pass for induction in a row of equal tokens.

    Returns:
        [head, query].
    """
    queries = _queries(view)
    keys = torch.arange(view.weights.shape[2], device=view.weights.device) + view.first_key
    before = view.ids[(keys - 1).clamp(min=0)]
    follows = (before == view.ids[queries][:, None]) & (keys > 0) & (keys < queries[:, None])
    follows &= view.visible
    weight = (view.weights * follows).sum(-1)
    return torch.where(follows.any(1), weight.clamp(max=1), torch.nan)


@measure(
    "attention",
    long_name="lookback ratio",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    resolvers={"context": Context()},
    caveat="The first token belongs to the context and often collects attention that heads do not "
    "need elsewhere, which raises the ratio. " + NOT_USE,
    references="Chuang et al. (2024), Lookback Lens (arXiv:2407.07071)",
    missing="tokens up to the end of the context, or out of sight of it",
)
def attention_lookback(
    view: AttentionView, *, context: str | int | tuple[int, int] = "prompt"
) -> Tensor:
    """Share of a token's attention per token that goes to the context, against newer tokens.

    a / (a + b) with a the mean weight per token of the context and b that per token after it, up
    to the token itself, both over the tokens in sight: 1 looks at the context only, one half
    makes no difference between the two. NaN for tokens up to the end of the context.

    Args:
        view: one layer of one chunk.
        context: first position of the context and the one after its last; the number of tokens
            that a text begins with; a piece of the text; or the ``"prompt"`` before an answer.

    Returns:
        [head, query].
    """
    if not isinstance(context, tuple):
        raise LayergramError(
            f"the lookback ratio with the context {context!r}",
            got="a context without positions",
            allowed="(first position, position after the last)",
        )
    first, end = context
    queries = _queries(view)
    keys = torch.arange(view.weights.shape[2], device=view.weights.device) + view.first_key
    old = view.visible & (keys >= first) & (keys < end)
    new = view.visible & (keys >= end) & (keys <= queries[:, None])
    a = (view.weights * old).sum(-1) / old.sum(1)
    b = (view.weights * new).sum(-1) / new.sum(1)
    return torch.where(queries >= end, a / (a + b), torch.nan)


def _queries(view: AttentionView) -> Tensor:
    """Positions of the view's queries [query]."""
    return torch.arange(view.weights.shape[1], device=view.weights.device) + view.start


def _weight_on(view: AttentionView, keys: Tensor) -> Tensor:
    """The weight [head, query] of each query on one key, NaN where it cannot see it."""
    at = (keys - view.first_key).clamp(min=0)[:, None]
    seen = view.visible.gather(1, at)[:, 0] & (keys >= view.first_key) & (keys >= 0)
    weight = view.weights.gather(2, at.expand(len(view.weights), -1, -1))[..., 0]
    return torch.where(seen, weight, torch.nan)
