"""Measures of where a query's attention goes in the end: through all layers, and by token role."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergram.engine.rollout import Mixing, Rollout
from layergram.engine.views import AttentionView
from layergram.measures.attention import NOT_IMPORTANCE
from layergram.measures.options import Query
from layergram.measures.registry import measure


@measure(
    "attention",
    long_name="attention rollout from the query",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    reducer=Rollout,
    pooling="max",
    resolvers={"query": Query()},
    requires="attention in every layer",
    caveat="Rollout takes heads together, gives attention and residual stream one half each "
    "whatever their sizes are, and knows neither values nor MLPs: it says where weights lead, not "
    "what the answer needs. The first token often collects attention that heads do not need "
    "elsewhere (an attention sink), in every layer anew.",
    references="Abnar & Zuidema (2020), Quantifying Attention Flow in Transformers",
    missing="a token after the query",
)
def attention_rollout(
    view: AttentionView, *, query: str | tuple[int, ...] | range = "last"
) -> Mixing:
    """Share of the chosen query's state after the last layer that leads back to each token.

    The row of the query in R_L · … · R_l, with R_l = ½ (mean_h A[l, h] + I) and its rows divided
    by their sums where a layer has sinks: cell (l, j) is what leads back to token j as it enters
    layer l, and a row sums to 1. Layer 1 is the rollout of the whole model, down to its input.
    The mean over the queries where several are chosen. The attention of all layers is kept until
    the end, 2 · L · T² bytes for T tokens; texts for which this is above 256 MiB (about 2,050
    tokens at 32 layers) are refused. Averages over many texts read so many together as stay below.

    Args:
        view: one layer of one chunk.
        query: positions of the chosen queries; ``"last"`` for the last token there is; a range
            for the tokens of an ``"answer"``.
    """
    return Mixing(view.weights.mean(0), query)


@measure(
    "derived",
    source="attention_from",
    axis="role",
    long_name="attention mass from the query",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    resolvers={"query": Query()},
    caveat=NOT_IMPORTANCE + " A role of many tokens can get much by their number alone.",
    missing="the query can see no token of the role",
)
def attention_role_mass(values: np.ndarray, roles: Sequence[str]) -> np.ndarray:
    """Attention weight that the chosen query gives to all tokens of each role together.

    Σ over the tokens j of a role of A[l, h, q, j], with the mean over the queries q where several
    are chosen; with query="answer" over all tokens of the answer. Every token has one role: the
    first token; what the chat template adds; the prompt, or the text where there is no answer; the
    exact answer, of a stored answer that says where it is; the rest of the answer. The roles of a
    layer sum to 1, or less where it has sinks.

    Args:
        values: attention from the query [layer, …, token].
        roles: the role of each token.

    Returns:
        [layer, …, role], the roles in the order of their first tokens.

    Example:
        >>> attention_role_mass(np.array([[0.5, 0.25, 0.25]]), ["first token", "text", "text"])
        array([[0.5, 0.5]])
    """
    columns = []
    for role in dict.fromkeys(roles):
        own = values[..., [at for at, one in enumerate(roles) if one == role]]
        known = ~np.isnan(own)
        columns.append(np.where(known.any(-1), np.where(known, own, 0).sum(-1), np.nan))
    return np.stack(columns, axis=-1)
