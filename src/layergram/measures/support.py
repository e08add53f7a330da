"""Which measures a model and a text can have, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layergram.errors import LayergramError
from layergram.measures.registry import MEASURES, Measure
from layergram.models.model import Model
from layergram.tokens import Tokens


def unsupported_by(model: Model, record: Measure) -> LayergramError | None:
    """The error of a measure that the model cannot have; ``None`` where it can."""
    if record.family == "attention" and not model.has_attention:
        return LayergramError(
            f"{record.name} of the model '{model.name}'",
            got=f"an architecture ({model.model_type}) whose layers show no attention weights",
            allowed=", ".join(r.name for r in MEASURES.values() if not r.per_head),
            do="choose among these measures",
        )
    if record.family == "heads":
        try:
            _ = model.attribution
        except LayergramError as error:
            return error
    return None


def unsupported(
    model: Model, given: Tokens, record: Measure, options: Mapping[str, Any], *, prompted: bool
) -> LayergramError | None:
    """The error of a measure that the model or the text cannot have; ``None`` where they can."""
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
    return unsupported_by(model, record)


def _repeats(ids: Sequence[int]) -> bool:
    """Whether some token has been there before, and what followed it too."""
    first: dict[int, int] = {}
    return any(first.setdefault(token, at) < at - 1 for at, token in enumerate(ids))
