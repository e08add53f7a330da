"""Measures of mixtures of experts: how a layer's router spreads a token over its experts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layergram.engine.views import RouterView
from layergram.measures.registry import measure

SHAZEER = "Shazeer et al. (2017), Outrageously Large Neural Networks"
NOT_ROLES = (
    "It says how sure the router is, not what its experts do; routers are trained to use all "
    "experts about equally often, which pulls their numbers together."
)


@measure(
    "router",
    long_name="entropy of the router",
    units="bit",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    caveat=NOT_ROLES + " The largest possible entropy depends on the number of experts.",
    references=SHAZEER,
)
def router_entropy(view: RouterView) -> Tensor:
    """Entropy of the router's distribution over all experts, before any are chosen.

    −Σ_e p[t, l](e) log2 p[t, l](e), from 0 (one expert only) to log2 of the number of experts;
    p is the softmax of the router's numbers over all experts. Where a model scores experts one by
    one (with a sigmoid, as DeepSeek-V3 does), p is the scores divided by their sum. Biases that
    only decide which experts are chosen do not count; nor do experts that all tokens share.

    Returns:
        [token]; NaN in layers without experts.
    """
    return torch.special.entr(view.shares).sum(-1) / math.log(2)


@measure(
    "router",
    long_name="largest routing weight",
    units="1",
    valid_min=0.0,
    valid_max=None,
    alignment="reads",
    caveat=NOT_ROLES + " Models make their weights in different ways (divided by their sum or not, "
    "times a factor): compare layers and tokens of one model.",
    references=SHAZEER,
)
def router_weight(view: RouterView) -> Tensor:
    """Weight of the expert that counts most for a token, as the model uses it.

    max_e w[t, l, e] over the chosen experts, of the weights that their outputs are multiplied with
    (in Llama 4: their inputs). At most 1 where the weights of a token sum to 1, and 1 where one
    expert is chosen so.

    Returns:
        [token]; NaN in layers without experts.
    """
    return view.weights.amax(-1)
