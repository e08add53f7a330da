"""What a lens is fitted on: pieces of texts, those that it is tried on set apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from layergram.engine.sampling import Sampling, Stream, generate, seed_of
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.tokens import encode

Ids = tuple[int, ...]
FEWEST = 4
"""Texts that a lens can be fitted on and tried on others."""

SHORTEST = 8
"""Tokens of the shortest piece that is read."""

OWN_TEXTS, OWN_TOKENS = 192, 160
"""How many texts the model writes itself where none are given, and their tokens."""


@dataclass(frozen=True)
class Pieces:
    """Texts cut into pieces that are read by themselves.

    Attributes:
        fitted: what the lens is fitted on.
        choosing: what its penalty and its steps are chosen on.
        held_out: the pieces of each text that has no part in the fit.
        digest: of all texts.
    """

    fitted: Sequence[Ids]
    choosing: Sequence[Ids]
    held_out: Sequence[Sequence[Ids]]
    digest: str

    @property
    def tokens(self) -> int:
        """Tokens that the lens is fitted on."""
        return sum(map(len, self.fitted))


def own_texts(
    model: Model, *, number: int = OWN_TEXTS, tokens: int = OWN_TOKENS, seed: int = 0
) -> list[Ids]:
    """Texts that the model writes from nothing at temperature 1: samples of what it was made for.

    Args:
        model: the model.
        number: how many texts.
        tokens: largest length of each, where the model's context has room for it.
        seed: of the draws.

    Raises:
        LayergramError: for a model whose tokenizer has no token that begins or ends a text.
    """
    tokenizer = model.tokenizer
    first = next(
        (one for one in (tokenizer.bos_token_id, *model.stop_ids) if one is not None), None
    )
    if first is None:
        raise LayergramError(
            f"texts of the model '{model.name}' itself",
            got="a tokenizer without a token that begins a text",
            do="give texts",
        )
    if model.context is not None:
        tokens = min(tokens, model.context - 1)
    sampling = Sampling(tokens, 1.0, 1.0, 0)
    streams = [Stream(sampling, seed=seed_of(seed, "own text", at)) for at in range(number)]
    return generate(model, [[first]] * number, streams, batch=64)


def cut(
    model: Model, texts: Iterable[str | Sequence[int]], *, length: int, held_out: float, seed: int
) -> Pieces:
    """The texts in pieces of at most ``length`` tokens, split by text.

    Args:
        model: the model whose tokens they become.
        texts: texts, or token ids.
        length: tokens of a piece.
        held_out: share of the texts that the fit does not see; as many choose its penalty.
        seed: of the split.

    Raises:
        LayergramError: for too few texts of 8 tokens or more, and for pieces that are longer than
            the model's context.
    """
    if model.context is not None and length > model.context:
        raise LayergramError(
            f"length = {length}",
            got=f"a context of {model.context} tokens in the model '{model.name}'",
            allowed=f"at most {model.context}",
        )
    every = []
    for text in texts:
        ids = encode(model.tokenizer, text).ids if isinstance(text, str) else tuple(text)
        model.check_ids(ids)
        own = [tuple(ids[a : a + length]) for a in range(0, len(ids), length)]
        if kept := [piece for piece in own if len(piece) >= SHORTEST]:
            every.append(kept)
    if len(every) < FEWEST:
        raise LayergramError(
            "to fit a lens",
            got=f"{len(every)} texts of {SHORTEST} tokens or more",
            allowed=f"at least {FEWEST}",
            do="give more or longer texts",
        )
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed)).tolist()
    aside = max(1, round(held_out * len(every)))
    shuffled = [every[at] for at in order]
    flat: Any = [[piece for text in some for piece in text] for some in (
        shuffled[2 * aside :], shuffled[aside : 2 * aside])]  # fmt: skip
    digest = digest_of([list(map(list, text)) for text in every])
    return Pieces(flat[0], flat[1], shuffled[:aside], digest)
