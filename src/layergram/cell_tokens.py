"""The tokens of the vocabulary that belong to cells of a map of the lens, as coordinates."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np

from layergram.engine.reducers import Reducer
from layergram.maps.build import storable
from layergram.tokens import decode

CELLS = ("layer", "token")
Coordinates = dict[Hashable, Any]


class CellTokens:
    """Names the tokens of cells in the maps of one trace.

    Each token is decoded once, and the likeliest tokens of each column are written once.

    Args:
        tokenizer: of the model.
        reducers: by measure; those with token ids name tokens.
        predicts: the measures whose cells belong to the token after the one that was read.
    """

    def __init__(
        self, tokenizer: Any, reducers: Mapping[str, Reducer], *, predicts: Collection[str]
    ) -> None:
        self._tokenizer, self._reducers, self._predicts = tokenizer, reducers, predicts
        self._known = {-1: ""}
        self._written: dict[str, list[list[str]]] = {}  # by measure: [column][layer]

    def coordinates(self, firsts: Mapping[str, int], *, tokens: int) -> dict[str, Coordinates]:
        """The coordinates of the columns of maps, by measure.

        Args:
            firsts: position of the first column, by measure.
            tokens: how many have been read.

        Returns:
            ``top_token_id`` (int64) and ``top_token_text``, [layer, tokens - first], for every
            measure: its own where it names tokens, else those of the last measure that does; empty
            where none does. ``top_tokens``, [layer, tokens - first], texts, for a measure whose own
            reducer keeps the likeliest tokens.
        """
        every = {first: self._likeliest(first, tokens) for first in set(firsts.values())}
        found = {}
        for name, first in firsts.items():
            last: Coordinates = next(reversed(every[first].values()), {})
            found[name] = every[first].get(name, last) | self._ranked(name, first, tokens)
        return found

    def _likeliest(self, first: int, tokens: int) -> dict[str, Coordinates]:
        """The likeliest token of each cell, of the measures that name one."""
        found: dict[str, Coordinates] = {}
        for name, reducer in self._reducers.items():
            ids = reducer.token_ids(tokens)
            if ids is None:
                continue
            if name in self._predicts:
                ids = np.concatenate([np.full_like(ids[:, :1], -1), ids[:, :-1]], axis=1)
            ids = ids[:, first:]
            texts = np.array([[self._text(one) for one in row] for row in ids.tolist()])
            found[name] = {"top_token_id": (CELLS, ids), "top_token_text": (CELLS, texts)}
        return found

    def _ranked(self, name: str, first: int, tokens: int) -> Coordinates:
        """The likeliest tokens of each cell, of a measure that keeps them."""
        later = name in self._predicts
        written = self._written.setdefault(name, [])
        reducer = self._reducers.get(name)
        kept = None if reducer is None else reducer.top_tokens(max(0, len(written) - later))
        if kept is None:  # too many cells by now, or none for this measure
            del self._written[name]
            return {}
        ids, values = kept
        if later and not written:
            written.append([""] * len(ids))
        for column in range(tokens - len(written)):
            cells = zip(ids[:, column].tolist(), values[:, column].tolist(), strict=True)
            written.append([self._list(*cell) for cell in cells])
        texts = np.array(written[first:tokens]).T
        return {"top_tokens": (CELLS, texts, {"measure": name})}

    def _list(self, ids: list[int], values: list[float]) -> str:
        """Tokens and their probabilities as a reader sees them."""
        return ", ".join(
            f"{json.dumps(storable(self._text(one)), ensure_ascii=False)} {value:.1%}"
            for one, value in zip(ids, values, strict=True)
        )

    def _text(self, one: int) -> str:
        if one not in self._known:
            self._known[one] = decode(self._tokenizer, [one])
        return self._known[one]
