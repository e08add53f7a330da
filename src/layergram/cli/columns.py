"""``--columns``: what the columns of a file are called."""

from __future__ import annotations

from collections.abc import Sequence

from layergram.errors import LayergramError


def columns_of(pairs: Sequence[str] | None) -> dict[str, str]:
    """Field -> column, of texts such as ``question=prompt,answer=target``.

    Raises:
        LayergramError: for a piece without ``=``.

    Example:
        >>> columns_of(["question=prompt, answer=target"])
        {'question': 'prompt', 'answer': 'target'}
    """
    told = {}
    for pair in (pair for text in pairs or [] for pair in text.split(",")):
        field, equals, column = pair.partition("=")
        if not equals:
            raise LayergramError(f"the column '{pair}'", allowed="FIELD=COLUMN, such as answer=A")
        told[field.strip()] = column.strip()
    return told
