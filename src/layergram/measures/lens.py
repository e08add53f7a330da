"""Measures of the lens: what each layer would predict, and when it has made up its mind."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layergram.engine.lens import JacobianLens
from layergram.engine.lens_choice import LensChoice
from layergram.engine.lens_request import check_lens_request
from layergram.engine.reducers import NamedTokens, TokenColumns
from layergram.engine.settling import Settled, bits
from layergram.engine.views import LensView, SettlingView
from layergram.errors import LayergramError
from layergram.measures.registry import MEASURES, Measure, measure
from layergram.recipe import Run

LENS = (
    "The lens reads the residual stream of every layer with the norm and the unembedding that were "
    "trained for the last one: what it cannot read there may be written in another form."
)
TUNED = (
    "The tuned lens reads every layer through an affine map that was fitted to predict what the "
    "model predicts in the end: it can know of later layers what the stream itself does not say, "
    "and holds for texts like those that it was fitted on."
)
JACOBIAN = (
    "The Jacobian lens reads every layer by what a change of its stream changes in the final one, "
    "averaged over texts: what depends on the text at hand or is not linear is left out."
)
CAVEATS = {"logit": LENS, "tuned": TUNED, "jacobian": JACOBIAN}
NAMES = {"logit": "logit lens", "tuned": "tuned lens", "jacobian": "Jacobian lens"}
TOP = 5
OUTPUTS = {"attention": "attention", "mlp": "MLP"}
NOSTALGEBRAIST = "nostalgebraist (2020), Interpreting GPT: the logit lens"
THINK_DEEP = "Think Deep, Not Just Long (arXiv:2602.13517)"


@measure(
    "lens",
    long_name="Jensen–Shannon divergence from the final layer",
    units="bit",
    valid_min=0.0,
    valid_max=1.0,
    alignment="predicts",
    final_value=0.0,
    caveat=LENS,
    references=f"{THINK_DEEP}, Eq. 2, with the final norm before the unembedding",
)
def divergence(view: LensView) -> Tensor:
    """Jensen–Shannon divergence between the prediction of a layer and that of the last layer.

    D[t, l] = H(m) − ½H(p_L) − ½H(p_l) with m = ½(p_L + p_l) and logarithms of base 2, 0..1: 0 where
    the layer predicts exactly what the model does in the end, 1 where the two have nothing in
    common.

    Returns:
        [position].
    """
    return bits(view.prediction.divergence(view.final))


@measure(
    "lens",
    long_name="Kullback–Leibler divergence of the final layer from the lens",
    units="bit",
    valid_min=0.0,
    valid_max=None,
    alignment="predicts",
    final_value=0.0,
    caveat=LENS,
    references="Belrose et al. (2023), Eliciting Latent Predictions with the Tuned Lens",
)
def lens_kl(view: LensView) -> Tensor:
    """Bits lost by believing a layer's prediction where the model goes by that of the last layer.

    KL(p_L ‖ p_l) = Σ_v p_L(v) log2(p_L(v) / p_l(v)), 0 where the two agree, without an upper bound.

    Returns:
        [position].
    """
    return (view.prediction.kl_from(view.final) / math.log(2)).clamp(min=0)


@measure(
    "lens",
    long_name="entropy of the lens",
    units="bit",
    valid_min=0.0,
    valid_max=None,
    alignment="predicts",
    caveat=LENS,
    references=NOSTALGEBRAIST,
)
def lens_entropy(view: LensView) -> Tensor:
    """Entropy of a layer's prediction of the next token.

    −Σ_v p[t, l](v) log2 p[t, l](v), from 0 (one token is certain) to log2 of the vocabulary's size.

    Returns:
        [position].
    """
    return view.prediction.entropy.clamp(min=0) / math.log(2)


@measure(
    "lens",
    long_name="probability of the token that follows",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="predicts",
    caveat=LENS,
    references=NOSTALGEBRAIST,
)
def lens_probability(view: LensView) -> Tensor:
    """Probability that a layer gives to the token that really follows.

    Returns:
        [position]; NaN where no token follows.
    """
    log_p = view.prediction.log_p_of(view.next_ids.clamp(min=0))
    return torch.where(view.next_ids >= 0, log_p.exp(), torch.nan)


@measure(
    "lens",
    long_name="rank of the token that follows",
    units="1",
    valid_min=1.0,
    valid_max=None,
    alignment="predicts",
    caveat=LENS,
    references=NOSTALGEBRAIST,
)
def lens_rank(view: LensView) -> Tensor:
    """Rank of the token that really follows among a layer's predictions.

    1 is the likeliest token of the vocabulary; tokens exactly as likely share the better rank.

    Returns:
        [position]; NaN where no token follows.
    """
    rank = view.prediction.rank(view.next_ids.clamp(min=0))
    return torch.where(view.next_ids >= 0, rank.float(), torch.nan)


@measure(
    "lens",
    long_name="probability of the likeliest token",
    units="1",
    valid_min=0.0,
    valid_max=1.0,
    alignment="predicts",
    reducer=TokenColumns,
    caveat=LENS,
    references=NOSTALGEBRAIST,
)
def lens_token(view: LensView) -> NamedTokens:
    """Probability of the token that a layer holds likeliest to follow, with that token.

    p[t, l](v) at its largest over the vocabulary, 0..1. The map names the token of each cell in its
    coordinates ``top_token_id`` and ``top_token_text`` over (layer, token): −1 and an empty text
    where nothing is predicted; up to 20,000 cells ``top_tokens`` has the five likeliest, each with
    its probability. Of tokens exactly as likely, any one is named.

    Returns:
        values and ids, both [position], and those of the five likeliest tokens [position, 5].
    """
    here = view.prediction
    top = here.logits.topk(min(TOP, here.logits.shape[-1]), -1)
    p = (top.values - here.peak[:, None] - here.log_total[:, None]).exp()
    return NamedTokens(p[:, 0], top.indices[:, 0], p, top.indices)


def _deep_thinking(
    depth: np.ndarray, *, layers: int, over: np.ndarray, rho: float, g: float
) -> dict[str, Any]:
    """The deep-thinking ratio: share of the tokens in ``over`` settling at ceil(ρ·L) or later."""
    least = math.ceil(rho * layers - 1e-9)  # 0.7 · 10 is 7, whatever floats say
    counted = depth[over & ~np.isnan(depth)]
    if counted.size == 0:
        return {}
    return {
        "deep_thinking_ratio": float(np.mean(counted >= least)),
        "deep_thinking_layer": least,
        "deep_thinking_tokens": int(counted.size),
    }


def _settled(view: SettlingView, *, g: float, rho: float) -> Settled:
    """The settling depths of a block without the divergences of all its cells."""
    return view.settle((g,))


@measure(
    "derived",
    source="divergence",
    direct=_settled,
    long_name="settling depth",
    units="layer",
    valid_min=1.0,
    valid_max=None,
    alignment="predicts",
    caveat=LENS + " A token counts as settled from the first layer that comes near the final "
    "prediction, even if a later layer moves away again.",
    references=f"{THINK_DEEP}, Eqs. 3–5",
    summary=_deep_thinking,
)
def settling_depth(values: np.ndarray, *, g: float = 0.5, rho: float = 0.85) -> np.ndarray:
    """First layer at which the divergence from the final prediction has been at most g.

    c[t] = min{l : min over j ≤ l of D[t, j] ≤ g}, L for a token that never settles. The
    deep-thinking ratio is the share of tokens with c[t] ≥ ceil(ρ·L).

    Where no measure of the lens is asked for, most divergences are not computed: a lower bound
    shows that they are above g (:func:`layergram.engine.settling.least_divergence`). The depths are
    the same. The map's attributes count the cells before the last layer: ``cells_certified`` by the
    bound, ``cells_exact`` computed, and ``cells_not_needed``, above the depth.

    Args:
        values: divergence [layer, token], bits.
        g: threshold, bits.
        rho: share of the layers below which a token is shallow; used by the ratio.

    Returns:
        [token], 1..L; NaN where the divergence is.

    Example:
        >>> settling_depth(np.array([[0.9, 0.2], [0.4, 0.8], [0.0, 0.0]]))
        array([2., 1.])
    """
    below = np.minimum.accumulate(values, axis=0) <= g
    below[-1] = True
    return np.where(np.isnan(values).any(0), np.nan, below.argmax(0) + 1.0)


def lens_caveat(choice: LensChoice) -> str:
    """What to keep in mind of what is read through a lens."""
    without = isinstance(choice.lens, JacobianLens) and choice.lens.offsets is None
    return CAVEATS[choice.kind] + (" So is what is constant." if without else "")


def through_lens(record: Measure, choice: LensChoice, long_name: str) -> dict[str, Any]:
    """The attributes of a map that depend on which lens it was read through.

    Args:
        record: of the measure.
        choice: the lens.
        long_name: of the map, with the usual lens.
    """
    plain = {"long_name": long_name, "definition": record.definition, "caveat": record.caveat}
    if not is_lens_measure(record) or choice.is_usual:
        return plain
    output = OUTPUTS.get(choice.at)
    read = "" if output is None else f" of {output} outputs"
    plain["long_name"] += f", {NAMES[choice.kind]}{read}"
    plain["caveat"] = record.caveat.replace(LENS, lens_caveat(choice))
    if output is not None:
        plain["definition"] += (
            f" The lens reads what the {output} of the layer adds to the residual stream."
        )
        plain["caveat"] += " The final norm makes a small output as large as a great one."
    if choice.digest:
        plain["lens"] = f"{NAMES[choice.kind]} {choice.digest}"
    return plain


def is_lens_measure(record: Measure) -> bool:
    """Whether a measure, or what it is made from, is read through a lens."""
    own = MEASURES[record.name]
    return (MEASURES[own.source] if own.source else own).family == "lens"


def unsupported_at(record: Measure, at: str) -> LayergramError | None:
    """The error of a settling depth of single outputs; ``None`` for what can be had of them.

    It is about streams that come to an end at the model's own prediction.
    """
    if at == "residual" or not MEASURES[record.name].source or not is_lens_measure(record):
        return None
    return LayergramError(
        f"{record.name} of {OUTPUTS[at]} outputs",
        got="a measure of how the residual stream settles",
        allowed=", ".join(name for name, one in MEASURES.items() if one.family == "lens"),
        do="choose among these, or read the residual stream",
    )


def check_reading(records: Iterable[Measure], run: Run) -> None:
    """Refuse measures that cannot be read as a run says, before a model is loaded.

    Args:
        records: of the measures.
        run: how the texts would be read: its lens, norm, and what the lens reads.

    Raises:
        LayergramError: for a lens that cannot be had
            (:func:`layergram.engine.lens_request.check_lens_request`), or a settling depth of
            single outputs.
    """
    check_lens_request(run.lens, norm=run.norm)
    for record in records:
        error = unsupported_at(record, run.at)
        if error is not None:
            raise error
