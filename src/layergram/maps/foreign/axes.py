"""Axes from the cells of a table: which axis a header names, and what its labels are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from layergram.errors import LayergramError
from layergram.maps.dimensions import ALIASES, DIMENSIONS
from layergram.maps.vocabulary import ROLES

HEAD_NAME = re.compile(r"(?:head|h)[\s_.-]*\d+", re.IGNORECASE)


def axes_named(cell: str) -> list[str]:
    """The axes that the corner cell of a table names, rows first.

    Example:
        >>> axes_named("Layer / Token"), axes_named("i-th Layer"), axes_named("Unnamed: 0")
        (['layer', 'token'], ['layer'], [])
    """
    words = (axis_name(word.removesuffix("s")) for word in re.findall("[a-z]+", cell.lower()))
    return [word for word in words if word in DIMENSIONS][:2]


def axis_name(word: str) -> str:
    """A word as the name of an axis, in its form of today."""
    return ALIASES.get(word, word)


def axis_of_columns(cells: Sequence[str]) -> str:
    """The axis that a header without a named axis stands for.

    Role names stand for ``role``; ``h0``, ``head 3`` or the bare numbers 0, 1, 2, … in order for
    ``head``; everything else is the text of tokens.

    Example:
        >>> axis_of_columns(["last_q", "-1"]), axis_of_columns(["0", "1"]), axis_of_columns(["8"])
        ('role', 'head', 'token')
    """
    names = [cell.strip() for cell in cells]
    if set(names) <= set(ROLES):
        return "role"
    if (_counted(names) and len(names) > 1) or all(map(HEAD_NAME.fullmatch, names)):
        return "head"
    return "token"


def _counted(cells: Sequence[str]) -> bool:
    return list(cells) == [str(at) for at in range(len(cells))]


def labels_of(dim: str, cells: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """The labels of an axis from the cells of a table, and the coordinates that come with them.

    Tokens become positions, and their texts the coordinate ``token_text``; roles, functions and
    models stay text; layers, heads and the others are numbers, which may carry their name
    (``Layer 3``).

    Raises:
        LayergramError: for a label that should have been a number.
    """
    kind = DIMENSIONS[dim].kind
    if kind == "names":
        return [cell.strip() for cell in cells], {}
    if kind == "positions":
        positions = list(range(len(cells)))
        return positions, {} if _counted(cells) else {f"{dim}_text": (dim, list(cells))}
    return [_number_of(dim, cell) for cell in cells], {}


def _number_of(dim: str, cell: str) -> int:
    name = rf"(?:{dim}|{dim[0]}|block)?[\s_.-]*(-?\d+)(?:\.0*)?"
    found = re.fullmatch(name, cell.strip(), re.IGNORECASE)
    if not found:
        raise LayergramError(
            f"the {DIMENSIONS[dim].plural} of a table",
            got=f"{cell.strip()!r}" if cell.strip() else "an empty cell",
            allowed=f"numbers, such as 3 or {dim} 3",
            do=f"number every {dim}, or let the first cell of the header name the axes of rows "
            "and columns, such as layer/token",
        )
    return int(found[1])
