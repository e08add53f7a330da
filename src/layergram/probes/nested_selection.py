"""The best cell, evaluated on examples that had no part in choosing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from layergram.probes.crossfit import Cell, Rows
from layergram.probes.grid import Place
from layergram.statistics.arrays import Labels, Values
from layergram.statistics.auroc import Auroc, auroc, fold_covariance, jackknife_variance


@dataclass(frozen=True)
class Selection:
    """Cross-validated AUROC of the selected cell (selection nested inside the folds).

    Attributes:
        auroc: of the held-out scores.
        chosen: the cell of each fold [fold].
        scores: log odds of the positive class, by the probe of the cell chosen for the example's
            fold [example]; NaN for examples without features there.
    """

    auroc: Auroc
    chosen: list[Place]
    scores: Values
    gain: Values


def nested_selection(cells: dict[Place, Cell], rows: Rows, present: Labels) -> Selection:
    """Choose a cell for every fold by the other folds alone, and score the fold with it.

    For fold f each cell is judged by its probes that were trained without f and one more fold g,
    on that fold g. The cell with the highest mean over g is chosen, and its probe trained on all
    folds but f scores the examples of f.

    Args:
        cells: the cells of the map, by place.
        rows: all examples.
        present: which examples have features at an index of the second cell axis [example, second].
    """
    places = sorted(cells)  # of cells that are equally good the first, however they came
    without = np.stack([cells[place].without for place in places])  # cell, tested on, and without
    judged = np.where(np.isnan(without), 0.0, without).sum(1)
    judged /= np.maximum((~np.isnan(without)).sum(1), 1)
    return selected(cells, [places[int(cell)] for cell in judged.argmax(0)], rows, present)


def selected(
    cells: Mapping[Place, Cell], chosen: list[Place], rows: Rows, present: Labels
) -> Selection:
    """Every fold's examples, scored by the cell that was chosen without them.

    Args:
        cells: the chosen cells and any others, by place.
        chosen: the cell of each fold [fold].
        rows: all examples.
        present: which examples have features at an index of the second cell axis [example, second].
    """
    scores = np.full(len(rows.positive), np.nan)
    gain = np.full((len(chosen), len(chosen)), np.nan)
    for fold, place in enumerate(chosen):
        of_cell = np.full(len(rows.positive), np.nan)
        of_cell[present[:, place[1]]] = cells[place].scores
        scores[rows.folds == fold] = of_cell[rows.folds == fold]
        gain[fold] = cells[place].gain[fold]
    area = auroc(scores, rows.positive, rows.folds, rows.groups)
    area = replace(
        area,
        fold_covariance=float(fold_covariance(gain, area.weights)),
        choice=jackknife_variance(np.array([cells[place].auroc.value for place in chosen])),
    )
    return Selection(area, chosen, scores, gain)
