"""Which measures a model and a text can have, why not the others, and why cells are missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layergram.errors import LayergramError
from layergram.measures.registry import MEASURES, Measure
from layergram.models.model import Model
from layergram.tokens import Tokens

ATTENTION = ("attention", "values")
"""Families whose views are made of attention weights."""

EVERY_LAYER = "attention in every layer"

MOST_KEPT = 256 * 2**20
"""Bytes of a text that a measure may keep until the end, where they grow with its length squared"""


def unsupported_by(model: Model, record: Measure) -> LayergramError | None:
    """The error of a measure that the model cannot have; ``None`` where it can."""
    if record.source:
        return unsupported_by(model, MEASURES[record.source])
    if record.family in ATTENTION and not model.has_attention:
        return LayergramError(
            f"{record.name} of the model '{model.name}'",
            got=f"an architecture ({model.model_type}) whose layers show no attention weights",
            allowed=", ".join(
                r.name for r in MEASURES.values() if r.family not in ATTENTION and not r.per_head
            ),
            do="choose among these measures",
        )
    if record.requires == EVERY_LAYER and not all(model.parts.heads):
        without = [str(layer) for layer, n in enumerate(model.parts.heads, start=1) if n == 0]
        return LayergramError(
            f"{record.name} of the model '{model.name}'",
            got=f"no attention weights in layer {', '.join(without)}",
            allowed="a model that shows attention weights in every layer",
            do="take attention_from, layer by layer",
        )
    needed = {"heads": "attribution", "values": "head_writes", "router": "routers"}
    try:
        if record.family in needed:
            getattr(model, needed[record.family])
    except LayergramError as error:
        return error
    return None


def unsupported(
    model: Model, given: Tokens, record: Measure, options: Mapping[str, Any], *, room: int
) -> LayergramError | None:
    """The error of a measure that the model or the text cannot have; ``None`` where they can.

    Args:
        model: the model.
        given: the text, or the prompt.
        record: of the measure.
        options: what was asked for.
        room: most tokens of the answer that will follow; 0 for a text.
    """
    prompted = room > 0
    for name, resolver in record.resolvers.items():
        if name not in options:
            try:
                resolver.resolve(resolver.default, given, prompted=prompted)
            except LayergramError as error:
                return error
    answered = prompted or "answer" in given.parts
    if record.requires == "repeats" and not answered and not _repeats(given.ids):
        return LayergramError(
            f"{record.name} of the model '{model.name}'",
            got="a text in which no token occurs again at a distance of two or more",
            do="give a longer text, or one that repeats itself",
        )
    longest = len(given) + room
    kept = record.reducer.kept_bytes(model.layers, longest)
    if kept > MOST_KEPT:
        most = math.isqrt(MOST_KEPT * longest**2 // kept)
        return LayergramError(
            f"{record.name} of {longest:,} tokens",
            got=f"{kept / 2**20:,.0f} MiB of attention to keep for {model.layers} layers",
            allowed=f"at most {MOST_KEPT // 2**20} MiB, about {most:,} tokens"
            + (", the longest answer included" if prompted else ""),
            do="take a shorter text or answer, or attention_from, layer by layer",
        )
    return unsupported_by(model, record)


def why_missing(model: Model, record: Measure, array: np.ndarray) -> str | None:
    """Why a map has NaN cells, from its values; ``None`` if it has none."""
    if not np.isnan(array).any():
        return None
    reasons = []
    if record.alignment == "predicts":
        reasons.append("nothing predicts the first token")
    if record.per_head:
        without = [str(layer) for layer, n in enumerate(model.parts.heads, start=1) if n == 0]
        if without:
            reasons.append(f"no attention weights in layer {', '.join(without)}")
        counts = {n for n in model.parts.heads if n}
        if array.ndim == 3 and len(counts) > 1:
            reasons.append("not all layers have as many heads")
    if record.family == "router":
        dense = [str(layer) for layer, one in enumerate(model.routers, start=1) if one is None]
        reasons.append(f"no experts in layer {', '.join(dense)}")
    if record.missing:
        reasons.append(record.missing)
    return "; ".join(reasons)


def _repeats(ids: Sequence[int]) -> bool:
    """Whether some token has been there before, and what followed it too."""
    first: dict[int, int] = {}
    return any(first.setdefault(token, at) < at - 1 for at, token in enumerate(ids))
