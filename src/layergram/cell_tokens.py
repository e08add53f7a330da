"""The tokens of the vocabulary that belong to cells of a map of the lens, as coordinates."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import numpy as np

from layergram.engine.reducers import Reducer
from layergram.maps.build import storable
from layergram.tokens import decode

CELLS = ("layer", "token")
MOST_TOPPED = 20_000
"""Cells of a map up to which every cell names the five likeliest tokens, not one alone."""


class CellTokens:
    """Names the tokens of cells; each token is decoded once, each column is written once.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known = {-1: ""}
        self._tops: list[list[str]] = []  # of each column that has been written

    def coordinates(
        self, reducer: Reducer, *, tokens: int, first: int, predicts: bool
    ) -> dict[Hashable, Any]:
        """The coordinates of columns; none for the maps of most reducers.

        Args:
            reducer: of the measure.
            tokens: that have been read.
            first: position of the first column.
            predicts: whether a cell belongs to the token after the one that was read.
        """
        ids = reducer.token_ids(tokens)
        if ids is None:
            return {}
        if predicts:
            ids = np.concatenate([np.full_like(ids[:, :1], -1), ids[:, :-1]], axis=1)
        ids = ids[:, first:]
        texts = np.array([[self._text(one) for one in row] for row in ids.tolist()])
        found: dict[Hashable, Any] = {
            "top_token_id": (CELLS, ids),
            "top_token_text": (CELLS, texts),
        }
        if len(ids) * tokens <= MOST_TOPPED:
            self._write(reducer, len(ids), tokens, predicts=predicts)
            found["top_tokens"] = (CELLS, np.array(self._tops[first:tokens]).T)
        return found

    def _write(self, reducer: Reducer, layers: int, tokens: int, *, predicts: bool) -> None:
        """Write the columns that have come since the last time."""
        if predicts and not self._tops:
            self._tops.append([""] * layers)
        if tokens <= len(self._tops):
            return
        ids, values = reducer.top_tokens(len(self._tops) - predicts)
        for column in range(tokens - len(self._tops)):
            self._tops.append(
                [
                    ", ".join(
                        f"{json.dumps(storable(self._text(one)), ensure_ascii=False)} {p:.1%}"
                        for one, p in zip(own, shares, strict=True)
                    )
                    for own, shares in zip(
                        ids[:, column].tolist(), values[:, column].tolist(), strict=True
                    )
                ]
            )

    def _text(self, one: int) -> str:
        if one not in self._known:
            self._known[one] = decode(self._tokenizer, [one])
        return self._known[one]
