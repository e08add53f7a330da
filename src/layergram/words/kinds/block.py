"""The block of neighbouring rows and columns that stands out most."""

from __future__ import annotations

import numpy as np
import xarray as xr

from layergram.maps.blocks import best_block
from layergram.words.chance import normal_limit
from layergram.words.checking import cells, finite, neighbours, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import BLOCK_SHARE, SMALL_CHANGE
from layergram.words.names import Names
from layergram.words.view import ORDERED, View, flat


def _find_block(view: View) -> list[Fact]:
    height, width = view.values.shape
    if not {view.rows, view.columns} <= ORDERED or height < 4 or width < 3 or not view.range:
        return []
    block = best_block(view.values)
    if block is None:
        return []
    known = int(np.isfinite(view.values).sum())
    tried = height * (height + 1) * width * (width + 1) // 4
    if block.share <= max(normal_limit(tried) ** 2 / known, BLOCK_SHARE):
        return []
    whole_rows = block.columns[1] - block.columns[0] + 1 == width
    whole_columns = block.rows[1] - block.rows[0] + 1 == height
    if whole_rows or whole_columns or block.inside - block.outside < SMALL_CHANGE * view.range:
        return []
    where = {
        view.rows: view.row_labels[block.rows[0] : block.rows[1] + 1],
        view.columns: view.column_labels[block.columns[0] : block.columns[1] + 1],
    }
    numbers = {"inside": block.inside, "outside": block.outside}
    return [BLOCK.fact(where, numbers, (block.inside - block.outside) / view.range)]


def _block_holds(array: xr.DataArray, fact: Fact) -> bool:
    if not all(neighbours(array, dim, labels) for dim, labels in fact.coordinates.items()):
        return False
    inside = finite(cells(array, fact.coordinates))
    everything = finite(flat(array))
    rest = everything.size - inside.size
    if not inside.size or not rest:
        return False
    numbers = {"inside": inside.mean(), "outside": (everything.sum() - inside.sum()) / rest}
    return numbers["inside"] > numbers["outside"] and same(array, fact, numbers)


def _say_block(fact: Fact, names: Names) -> str:
    where = " of ".join(names.many(dim, labels) for dim, labels in fact.coordinates.items())
    n = fact.numbers
    return (
        f"The block that stands out most is {where}: mean {names.number(n['inside'])}, "
        f"against {names.number(n['outside'])} outside it."
    )


BLOCK = Kind(
    "block",
    "The contiguous block of rows and columns whose mean stands out most from the rest.",
    "Its mean lies further out than the largest of as many independent normal means as there are "
    "blocks would in 98 % of maps, and it explains a fifth of the map's variance.",
    "key",
    _find_block,
    _block_holds,
    _say_block,
)
