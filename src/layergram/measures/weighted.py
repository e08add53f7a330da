"""Measures of attention that weigh what is attended to by the size of what a head takes from it."""

from __future__ import annotations

import torch

from layergram.engine.reducers import KeyMeans, KeySums
from layergram.engine.views import ValuesView
from layergram.measures.registry import measure

KOBAYASHI = (
    "Kobayashi et al. (2020), Attention is Not Only a Weight: Analyzing Transformers with Vector "
    "Norms"
)
NOT_DIRECTION = (
    "A norm has no direction: what several heads write, or one head takes from several tokens, can "
    "cancel out, and what the model makes of it later is not in it."
)


@measure(
    "values",
    long_name="norm of the weighted value received",
    units="1",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    reducer=KeyMeans,
    pooling="max",
    caveat=NOT_DIRECTION + " The norm is that of the output projection, before the layer "
    "multiplies or norms what it adds: layers are comparable only where it does neither.",
    references=KOBAYASHI,
    missing="no query can see the token",
)
def attention_value_norm(view: ValuesView) -> KeySums:
    """Mean size of what heads take from a token, over the tokens that can see it.

    (1/n_j) Σ_i ‖A[l, h, i, j] v[l, h, j] W_O[l, h]‖, with n_j the number of queries i that can see
    key j, v the value of the head (its bias included) and W_O the head's rows of the output
    projection, in the units of the model's own activations.
    """
    return KeySums(view.received * view.value_norms, view.counts)


@measure(
    "values",
    long_name="share of value-weighted attention received",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="reads",
    reducer=KeyMeans,
    pooling="max",
    caveat=NOT_DIRECTION + " A head that writes next to nothing counts as much as any other.",
    references=KOBAYASHI,
    missing="no query can see the token",
)
def attention_value_share(view: ValuesView) -> KeySums:
    """Mean share of what a head takes from all tokens that it takes from this one.

    (1/n_j) Σ_i s[l, h, i, j] with s = ‖A v W_O‖ divided by its sum over the keys that query i can
    see: attention received, but with each weight times the norm of what it weighs. What a sink of
    its own takes does not count.
    """
    norms = view.value_norms
    taken = torch.bmm(view.parts, norms[..., None])[..., 0]
    inverse = torch.where(taken > 0, 1 / taken, 0)  # a query that takes nothing shares nothing
    shares = torch.bmm(inverse[:, None], view.parts)[:, 0] * norms
    return KeySums(shares, view.counts)
