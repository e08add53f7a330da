"""Measures of what attention heads hand on."""

from __future__ import annotations

from torch import Tensor

from layergram.engine.views import HeadsView
from layergram.measures.registry import measure


@measure(
    "heads",
    long_name="direct logit attribution",
    units="logit",
    valid_min=None,
    valid_max=None,
    null_value=0.0,
    alignment="predicts",
    pool="sum",
    caveat="Only the direct way counts, from the head along the residual stream to the "
    "unembedding: what later layers make of a head's output is not in it, nor are the biases. The "
    "sizes that norms divide by are held at their actual values, though the head had its part in "
    "them.",
    references="Elhage et al. (2021), A Mathematical Framework for Transformer Circuits; "
    "Wang et al. (2022), Interpretability in the Wild",
)
def head_logit_attribution(view: HeadsView) -> Tensor:
    """Logits that a head adds by itself to the token that follows, against the mean token.

    (x[l, h] W_O[l, h]) passed through the final norm with its divisor held at the actual stream,
    times W_U[next] − mean of W_U and the model's scale of logits, before a soft cap; x is the
    head's output before the output projection. Where a norm stands between the projection and the
    residual stream, its divisor is held too. The sum over all heads, embedding, MLPs and biases is
    the centred logit.

    Returns:
        [head, position]; NaN where no token follows.
    """
    return (view.outputs * view.towards).sum(-1).T
