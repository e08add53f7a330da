"""A saved probe drawn over a text, token by token, beside what the words alone tell."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
import xarray as xr

from layergram import maps
from layergram.engine.run import read
from layergram.engine.views import PartView, ResidualView
from layergram.errors import LayergramError
from layergram.features.hidden_states import VIEWS
from layergram.models.model import Model
from layergram.probes import Probe
from layergram.probes.word_baseline import Words
from layergram.statistics.arrays import Values
from layergram.token_sources import check_text
from layergram.tokens import Tokens, encode


def probe_over(probe: Probe, model: Model, text: str) -> xr.Dataset:
    """How likely a text is of the probe's positive class, as seen at each of its tokens.

    Args:
        probe: of this model; of labelled texts or of answers.
        model: the model that reads the text.
        text: the text; it is read as it is, without a chat template.

    Returns:
        ``probe`` [layer, token], one row, the probability by the hidden state at each token; and,
        for probes of labelled texts, ``words`` [token], the probability by a classifier of word
        n-grams that has read the text up to and including the token.

    Raises:
        LayergramError: for a probe of another model, or an empty or too long text.
    """
    check_model(probe, model)
    check_text(text)
    tokens = encode(model.tokenizer, text)
    model.check_length(len(tokens))
    made = probe.provenance
    where = str(made["where"])
    states = _States(where, probe.layer)
    for _ in read(model, [tokens.ids], [(states,)]):
        pass
    positive = list(made["classes"])[1]  # the positive class is named last
    seen = probe.probability(np.concatenate(states.found))
    found = {
        "probe": _map(
            seen[None],
            ("layer", "token"),
            tokens,
            "probe",
            long_name=f"probability of {positive}",
            layer=[probe.layer],
            definition=f"Probability of {positive} by a linear probe on the hidden state at this "
            f"token, trained at the token role {probe.role}.",
            caveat=f"The probe was trained and calibrated at {probe.role}; at other tokens its "
            "numbers can be compared with each other, and are no calibrated probabilities.",
            **model.provenance(),
        )
    }
    if "words" in made:
        found["words"] = _map(
            _by_words(Words(**made["words"]), tokens),
            ("token",),
            tokens,
            "words",
            long_name=f"probability of {positive} by the words alone",
            definition="Probability by a logistic regression on the words and pairs of words of "
            "the text up to and including this token; it knows nothing of the model.",
            caveat="It was trained on whole texts, and has only read the beginning here.",
        )
    return xr.Dataset(found)


def check_model(probe: Probe, model: Model) -> None:
    """Refuse a probe of another model."""
    made = probe.provenance
    if made.get("revision") != model.revision:
        raise LayergramError(
            f"the prediction of a probe of '{made.get('model')}' ({made.get('revision')})",
            got=f"'{model.name}' ({model.revision})",
            do="name the probe's own model, or train a probe on this one",
        )


class _States:
    """Collects the states of every token at one layer."""

    def __init__(self, where: str, layer: int) -> None:
        self.needs = (VIEWS[where],)
        self.layer = layer if where == "residual" else layer - 1
        self.found: list[Values] = []

    def take(self, view: ResidualView | PartView) -> None:
        """Keep the states of this chunk."""
        states: torch.Tensor = view.layers[self.layer]
        self.found.append(states.float().cpu().numpy())


def _by_words(words: Words, tokens: Tokens) -> Values:
    odds = np.array([words.log_odds(tokens.text[:end]) for end in tokens.char_end])
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -500, 500))))


def _map(
    values: Values,
    dims: tuple[str, ...],
    tokens: Tokens,
    measure: str,
    *,
    layer: list[int] | None = None,
    **attributes: Any,
) -> xr.DataArray:
    places: dict[Hashable, Any] = {
        "token_text": ("token", np.array(tokens.texts, dtype=object)),
        "token_id": ("token", np.array(tokens.ids)),
        "char_start": ("token", np.array(tokens.char_start)),
        "char_end": ("token", np.array(tokens.char_end)),
        "part": ("token", np.array(tokens.parts, dtype=object)),
    }
    return maps.make(
        values.astype(np.float32),
        dims,
        measure=measure,
        coords=places if layer is None else {**places, "layer": layer},
        units="1",
        valid_min=0.0,
        valid_max=1.0,
        alignment="reads",
        text=tokens.text,
        **attributes,
    )
