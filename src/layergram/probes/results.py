"""The dataset that an evaluation gives, and the maps in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.errors import unknown_name
from layergram.probes.crossfit import Cell, Rows
from layergram.probes.grid import Grid, Names, Place
from layergram.probes.nested_selection import Selection
from layergram.probes.repeats import Repeated
from layergram.statistics.arrays import Labels, Values
from layergram.statistics.auroc import REFERENCES, Auroc
from layergram.statistics.correlation import rank_correlation
from layergram.statistics.folds import FEWEST_OF_CLASS
from layergram.statistics.intervals import student_reach
from layergram.statistics.permutation import p_values
from layergram.statistics.simultaneous import drawn_errors, simultaneous_level

FOLDS = ("test_fold", "left_out_fold")
P_VALUE = {"long_name": "p of the whole map", "holds_for": "map"}
POINTWISE = {"holds_for": "cell"}
TOO_FEW = "fewer than {0} {1} or {0} {2} with features here"
CONSTANT = "no feature varies"
SIMULTANEOUS = {"holds_for": "map"}
SHUFFLED = {"measure": "auroc_shuffled", "long_name": "AUROC of a probe for shuffled labels"}


@dataclass(frozen=True)
class Run:
    """A class against the others, and what is known about it, cell by cell.

    Attributes:
        names: of both classes.
        rows: of every example; labels are shuffled once for the control, and for each permutation.
        cells: those that have been evaluated.
        statistics: of the true labels and of the control [2, first, second].
        largest: statistic of the largest cell of each permutation [permutation].
        constant: cells where no feature varies.
        maps: number of maps over which ``largest`` is taken.
        judgements: what further partitions choose cells by [partition, fold].
    """

    names: Names
    rows: Rows
    cells: dict[Place, Cell]
    statistics: Values
    largest: Values
    constant: list[Place] = field(default_factory=list)
    maps: int = 1
    judgements: dict[Place, Values] = field(default_factory=dict)


Baselines = Mapping[str, tuple[Auroc, Auroc]]  # a baseline, the chosen cell on the same examples


def dataset(
    run: Run,
    grid: Grid,
    selection: Selection,
    several: Repeated,
    baselines: Baselines,
    options: Mapping[str, Any],
) -> xr.Dataset:
    """The results under the names that :func:`layergram.probes.evaluate` promises."""
    level = options["level"]
    # the choice is seen in every partition, and steadier in all of them than in the map's own
    area = replace(selection.auroc, choice=several.nested.choice)
    selection = replace(selection, auroc=area)
    values = {name: np.full(grid.shape, np.nan) for name in ("auroc", "low", "high", "shuffled")}
    for place, cell in run.cells.items():
        values["auroc"][place], values["shuffled"][place] = cell.auroc.value, cell.shuffled
        values["low"][place], values["high"][place] = cell.auroc.interval(level)
    shuffled = {"auroc_shuffled": values.pop("shuffled")}
    if run.largest.size:
        values["p_value"], shuffled["p_value_shuffled"] = p_values(run.statistics, run.largest)
    counts = {
        "examples": grid.count,
        "groups": int(run.rows.groups.max()) + 1,
        "classes": class_counts(run.rows.positive, run.names),
    }
    about = described(grid, run.names, options) | counts | {"missing": _missing(run, grid)}
    result = auroc_map(values, grid.coordinates(), **about).to_dataset()
    if run.maps > 1 and run.largest.size:
        result["p_value"].attrs.update(long_name=f"p of all {run.maps} maps", holds_for="maps")
    p_attributes = result["p_value"].attrs if run.largest.size else {}
    attributes = {
        "auroc_shuffled": result["auroc"].attrs | SHUFFLED,
        "p_value_shuffled": p_attributes,
    }
    for name, cells in shuffled.items():
        result[name] = (grid.axes, cells, attributes[name])
    if run.largest.size:
        result["p_map"] = float(result["p_value"].min())
        result["p_map_shuffled"] = float(result["p_value_shuffled"].min())
    result.attrs = {name: result["auroc"].attrs[name] for name in ("options", *counts)}
    if run.largest.size:
        same_order = rank_correlation(run.statistics[0], result["auroc"].values)
        result.attrs["t_rank_correlation"] = same_order
    result.attrs["unconverged_cells"] = sum(not cell.converged for cell in run.cells.values())
    result.attrs["movable"] = int((run.rows.labellings() != run.rows.positive).any(0).sum())
    _put_examples(result, run, grid)
    _put_cells(result, run, grid)
    _put_selection(result, grid, selection, level)
    _put_highest(result, run, level)
    _put_partitions(result, grid, several, level)
    if baselines:
        _put_baselines(result, baselines, area.fold_covariance + area.choice, level)
    return result


def auroc_map(
    cells: Mapping[str, Values],
    axes: Mapping[str, Any],
    *,
    measure: str = "auroc",
    **attributes: Any,
) -> xr.DataArray:
    """A map of AUROC that carries what is known of its cells.

    Args:
        cells: ``auroc``, and ``low``, ``high`` and ``p_value`` where they are known.
        axes: labels of both axes.
        measure: its name.
        **attributes: as of :func:`layergram.maps.make`; ``missing`` is left out if nothing is.
    """
    dims = tuple(axes)
    coords: dict[Hashable, Any] = dict(axes.items())
    for name in maps.CELL_COORDINATES:
        if name in cells:
            coords[name] = (dims, cells[name], P_VALUE if name == "p_value" else POINTWISE)
    if not np.isnan(cells["auroc"]).any():
        attributes.pop("missing", None)
    return maps.make(
        cells["auroc"],
        dims,
        measure=measure,
        coords=coords,
        units="1",
        valid_min=0.0,
        valid_max=1.0,
        null_value=0.5,
        **attributes,
    )


def described(grid: Grid, names: Names, options: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a map of AUROC that say what its cells are and how they were made."""
    (first, second), (negative, positive) = grid.axes, names
    return {
        "long_name": f"AUROC of a probe for {positive}",
        "definition": f"Chance that a linear probe on the features of this {first} and {second} "
        f"ranks {positive} above {negative}, one of each drawn at random, in groups that the probe "
        "was not trained on.",
        "caveat": f"A high AUROC says that the features allow telling {positive} from {negative} "
        "by a linear rule, not that the model uses it, nor that the rule carries over to other "
        "data; compare it with the baselines.",
        "references": REFERENCES,
        "missing": TOO_FEW.format(FEWEST_OF_CLASS, positive, negative),
        "options": dict(options),
        "seed": options["seed"],
    }


def class_counts(positive: Labels, names: Names) -> dict[str, int]:
    """The number of examples of each class, the positive class last."""
    return {names[0]: int((~positive).sum()), names[1]: int(positive.sum())}


def _put_examples(result: xr.Dataset, run: Run, grid: Grid) -> None:
    """The fold of each example, and how many of a class have features."""
    if grid.item in grid.features.coords:
        result.coords[grid.item] = grid.features[grid.item].variable
    result[f"{grid.item}_fold"] = (grid.item, run.rows.folds)
    result[f"{grid.item}_group"] = (grid.item, run.rows.groups)
    result[f"{grid.item}_positive"] = (grid.item, run.rows.positive)
    classes = np.stack([~run.rows.positive, run.rows.positive]).astype(np.intp)
    result.coords["label"] = list(run.names)
    result["counts"] = (("label", grid.axes[1]), classes @ grid.present)


def _put_selection(result: xr.Dataset, grid: Grid, selection: Selection, level: float) -> None:
    """The highest cell, the cells that the folds select, and their scores of held-out examples."""
    highest = np.unravel_index(np.nanargmax(result["auroc"].values), grid.shape)
    for at, axis in enumerate(grid.axes):
        labels = result[axis].values
        result[f"best_{axis}"] = labels[highest[at]]
        result[f"chosen_{axis}"] = ("test_fold", labels[[place[at] for place in selection.chosen]])
    result["chosen_auroc"] = selection.auroc.value
    result["chosen_low"], result["chosen_high"] = selection.auroc.interval(level)
    result["score"] = (grid.item, selection.scores)


def _put_highest(result: xr.Dataset, run: Run, level: float) -> None:
    """The highest cell, with an interval that holds for all cells at once."""
    cells = [run.cells[place] for place in sorted(run.cells)]
    best = max(cells, key=lambda cell: cell.auroc.value).auroc
    influence = np.stack([cell.auroc.influence for cell in cells])
    known = influence[np.isfinite(influence).all(1)]
    deviation = np.sqrt((known**2).sum(1))
    together = simultaneous_level(drawn_errors(known), deviation, level)
    result["best_auroc"] = best.value
    for name, end in zip(("best_low", "best_high"), best.interval(together), strict=True):
        result[name] = ((), end, SIMULTANEOUS)


def _put_partitions(result: xr.Dataset, grid: Grid, several: Repeated, level: float) -> None:
    """The nested choice and the highest cell in all partitions into folds."""
    nested = several.nested
    result["nested_auroc"] = nested.auroc.value
    result["nested_low"], result["nested_high"] = nested.auroc.interval(level)
    result["chosen_auroc_of_partition"] = ("partition", several.chosen)
    result["best_auroc_of_partition"] = ("partition", several.best)
    result["partition_fold"] = (("partition", grid.item), nested.folds)
    result["nested_scores"] = (("partition", grid.item), nested.scores)
    result["nested_gain"] = (("partition", *FOLDS), nested.gain)
    result["nested_choice"] = nested.choice


def _missing(run: Run, grid: Grid) -> str:
    """Why some cells have no value."""
    reasons = [CONSTANT] if run.constant else []
    if len(run.cells) + len(run.constant) < np.prod(grid.shape):
        reasons.insert(0, TOO_FEW.format(FEWEST_OF_CLASS, *run.names[::-1]))
    return ", or ".join(reasons)


def _put_cells(result: xr.Dataset, run: Run, grid: Grid) -> None:
    """What comparisons of cells need: scores of examples, and what folds gain from each other."""
    folds = int(run.rows.folds.max()) + 1
    scores = np.full((grid.count, *grid.shape), np.nan, dtype=np.float32)
    gain = np.full((folds, folds, *grid.shape), np.nan)
    for (first, second), cell in run.cells.items():
        scores[grid.present[:, second], first, second] = cell.scores
        gain[:, :, first, second] = cell.gain
    result["cell_scores"] = ((grid.item, *grid.axes), scores)
    result["cell_gain"] = ((*FOLDS, *grid.axes), gain)


def _put_baselines(result: xr.Dataset, baselines: Baselines, training: float, level: float) -> None:
    result.coords["baseline"] = list(baselines)
    rows = []
    for other, best in baselines.values():
        gain = best.value - other.value
        variance = ((best.influence - other.influence) ** 2).sum() + training
        reach = student_reach(level, best.smaller) * np.sqrt(variance)
        rows.append((other.value, *other.interval(level), gain, gain - reach, gain + reach))
    names = ("baseline_auroc", "baseline_low", "baseline_high", "gain", "gain_low", "gain_high")
    for name, column in zip(names, np.array(rows).T, strict=True):
        result[name] = ("baseline", column)


def map_of(result: xr.Dataset, name: str = "auroc") -> xr.DataArray:
    """A map out of an evaluation, with its interval and p-values as coordinates of its cells.

    Args:
        result: what :func:`layergram.probes.evaluate` or
            :func:`layergram.probes.published_recipe` gave.
        name: ``"auroc"`` or ``"auroc_shuffled"``.

    Raises:
        LayergramError: for another name.

    Example:
        >>> from layergram.probes import published_recipe
        >>> generator = np.random.default_rng(0)
        >>> result = published_recipe(generator.normal(size=(100, 2, 1, 4)), np.arange(100) % 2)
        >>> sorted(set(map_of(result).coords) - {"layer", "role"})
        ['high', 'low']
    """
    known = [known for known in ("auroc", "auroc_shuffled") if known in result]
    if name not in known:
        raise unknown_name("map of an evaluation", name, known)
    array = result[name]
    if name == "auroc_shuffled":
        array = array.drop_vars(maps.cell_coordinates(array))
        if "p_value_shuffled" in result:
            array = array.assign_coords(p_value=result["p_value_shuffled"].variable)
    return maps.check(array)
