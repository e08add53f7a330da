"""Columns that do not go like the rest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.words.chance import threshold
from layergram.words.checking import cells, same
from layergram.words.fact import Fact, Kind
from layergram.words.limits import ODD, SMALL_CHANGE
from layergram.words.names import Names
from layergram.words.view import View, flat

Values = npt.NDArray[np.float64]


def _distances(grids: Values) -> Values:
    """Distance (root mean square) of every column from the median column: many × columns."""
    away = grids - np.median(grids, axis=2, keepdims=True)
    return np.asarray(np.sqrt((away**2).mean(axis=1)))


def _find_different(view: View) -> list[Fact]:
    rows, columns = view.values.shape
    if columns < 4 or rows < 3 or not view.range:
        return []
    whole = ~np.isnan(view.values).any(axis=0)
    if whole.sum() < 4 or np.isnan(view.shuffled.start).all(axis=0).sum() != (~whole).sum():
        return []
    keep = np.flatnonzero(~np.isnan(view.shuffled.start).any(axis=0))
    chance = threshold(
        lambda grids: _distances(grids[:, :, keep]).max(axis=1), view.shuffled.across
    )
    at = np.flatnonzero(whole)
    distance = _distances(view.values[None][:, :, at])[0]
    usual = float(np.median(distance))
    least = max(chance, ODD * usual, SMALL_CHANGE * view.range)
    middle = np.median(view.values[:, at], axis=1)
    facts = []
    for i in sorted(np.flatnonzero(distance > least).tolist(), key=lambda i: -distance[i]):
        away = view.values[:, at[i]] - middle
        row = int(np.abs(away).argmax())
        where = {
            view.columns: [view.column_labels[at[i]]],
            view.rows: [view.row_labels[row]],
        }
        numbers = {"distance": distance[i], "usual": usual, "most": away[row]}
        facts.append(DIFFERENT.fact(where, numbers, distance[i] / view.range))
    return facts


def _different_holds(array: xr.DataArray, fact: Fact) -> bool:
    column, row = fact.coordinates
    grid = flat(array).astype(np.float64).dropna(column)
    away = grid - grid.median(column)
    distance = (away**2).mean(row) ** 0.5
    own = away.sel({column: fact.coordinates[column][0]})
    most = float(own.sel({row: fact.coordinates[row][0]}))
    numbers = {
        "distance": float(distance.sel({column: fact.coordinates[column][0]})),
        "usual": float(distance.median()),
        "most": most,
    }
    furthest = abs(most) >= float(np.abs(own).max()) * (1 - 1e-9)
    there = bool(np.isfinite(cells(array, fact.coordinates).values).all())
    return there and furthest and same(array, fact, numbers)


def _say_different(fact: Fact, names: Names) -> str:
    (column, labels), (row, place) = fact.coordinates.items()
    n = fact.numbers
    way = "above" if n["most"] > 0 else "below"
    times = f", {n['distance'] / n['usual']:.1f} times the usual distance" if n["usual"] else ""
    return (
        f"{names.many(column, labels)} differs from the rest: {names.number(n['distance'])} away "
        f"from the median {names.noun(column, 1)}{times}; most at {names.many(row, place)}, "
        f"{names.number(abs(n['most']))} {way} it."
    )


DIFFERENT = Kind(
    "different",
    "Columns that lie far from the median column.",
    "Further away than the furthest column in 98 % of maps shuffled within their rows, and two "
    "and a half times as far as the usual column.",
    "columns",
    _find_different,
    _different_holds,
    _say_different,
    most=2,
)
