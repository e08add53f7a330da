"""The nested choice and the highest cell in further partitions into folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from layergram.probes.comparison import OutOfFold
from layergram.probes.crossfit import Cell, Evaluation, Rows, crossfit, trainable
from layergram.probes.grid import Grid, Place
from layergram.probes.nested_selection import Selection, selected
from layergram.probes.ridge import ridge_without_pairs
from layergram.statistics.arrays import Values

UNTRAINABLE = -1.0  # below any AUROC


@dataclass(frozen=True)
class Repeated:
    """An evaluation in all partitions into folds, the map's first.

    Attributes:
        nested: scores by the cells that the folds of each partition choose.
        chosen: AUROC of these [partition].
        best: AUROC of the map's highest cell [partition]; NaN where it cannot be trained.
    """

    nested: OutOfFold
    chosen: Values
    best: Values


def judged(features: torch.Tensor, rows: Rows, evaluation: Evaluation) -> Values:
    """How good each fold of each further partition takes a cell for [partition, fold].

    The judge is a ridge probe, by what it tells of the folds other than that one; training logistic
    probes for all pairs of folds of every partition would take as long as all else together, times
    the partitions.
    """
    partitions = rows.partitions()[1:]
    if not partitions:
        return np.empty((0, evaluation.folds))
    able = [trainable(each, evaluation.folds) for each in partitions]
    folds = np.stack([each.folds for each in partitions])
    found = ridge_without_pairs(features, rows.positive, folds)
    return np.where(np.array(able)[:, None], found, UNTRAINABLE)


def repeated(
    first: Selection,
    cells: Mapping[Place, Cell],
    judgements: Mapping[Place, Values],
    rows: Rows,
    grid: Grid,
    evaluation: Evaluation,
) -> Repeated:
    """Choose cells anew in every further partition, and score the examples with them.

    Args:
        first: the nested choice of the map's own partition.
        cells: all cells in that partition.
        judgements: of each cell (:func:`judged`).
        rows: all examples.
        grid: where features are read from: those of chosen cells, once more.
        evaluation: how to train.
    """
    best = max(sorted(cells), key=lambda place: cells[place].auroc.value)
    partitions = rows.partitions()
    places = sorted(judgements)
    every = np.stack([judgements[place] for place in places])  # cell, partition, fold
    choices = [[places[at] for at in row] for row in every.argmax(0)]
    retrained: list[dict[Place, Cell]] = [{} for _ in choices]
    for place in sorted({best}.union(*choices)):
        here = [
            number
            for number, chosen in enumerate(choices)
            if place in (best, *chosen) and (judgements[place][number] > UNTRAINABLE).all()
        ]
        if here:
            present = grid.present[:, place[1]]
            features = torch.as_tensor(grid.cell(place), device=evaluation.device)
            again = crossfit(features, [partitions[at + 1][present] for at in here], evaluation)
            for number, cell in zip(here, again, strict=True):
                retrained[number][place] = cell
    selections = [first]
    of_best = [cells[best].auroc.value]
    for number, chosen in enumerate(choices):
        known, folds = retrained[number], partitions[number + 1]
        selections.append(selected(known, chosen, folds, grid.present))
        of_best.append(known[best].auroc.value if best in known else np.nan)
    nested = OutOfFold(
        rows.positive,
        rows.groups,
        np.stack([each.folds for each in partitions]),
        np.stack([each.scores for each in selections]),
        np.stack([each.gain for each in selections]),
        float(np.mean([each.auroc.choice for each in selections])),
    )
    chosen_auroc = np.array([each.auroc.value for each in selections])
    return Repeated(nested, chosen_auroc, np.array(of_best))
