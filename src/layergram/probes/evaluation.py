"""How well a linear probe tells two classes apart at every cell, with error and controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.probes.cores import on_cores
from layergram.probes.crossfit import Cell, Evaluation, Rows, assign_partitions, crossfit, trainable
from layergram.probes.grid import CLASSES, Grid, Names, Place, checked_labels, grid_of
from layergram.probes.nested_selection import nested_selection
from layergram.probes.repeats import judged, repeated
from layergram.probes.results import Run, dataset
from layergram.probes.ridge import ridge_statistics
from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.auroc import Auroc, auroc
from layergram.statistics.folds import FEWEST_OF_CLASS, numbered
from layergram.statistics.permutation import shuffles

Progress = Callable[[int, int], None]
P_OVER = ("map", "maps")
LEAST_RANGE = 1e-6  # of a feature, as a share of its largest value


def evaluate(
    features: Any,
    positive: Any,
    *,
    groups: Any,
    labels: Names = CLASSES,
    evaluation: Evaluation | None = None,
    baselines: Mapping[str, npt.ArrayLike] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """AUROC of a linear probe that tells two classes apart, at every cell of two axes.

    For each cell L2 logistic regressions are trained on all folds but one and score the examples of
    that fold. Folds are stratified by class and keep every group together, so that samples of one
    question are never on both sides. Beside the map stand the controls that it has to beat: the
    same probes on shuffled labels, other scores on the same folds, and the AUROC of the best cell
    on examples that had no part in selecting it.

    Args:
        features: numbers as a DataArray with the examples on its first axis, two axes of a map
            (such as layer and role, or layer and head) and ``feature``; or a plain array [example,
            layer, role, feature]. It may lie on disk: one index of the first cell axis is read at
            a time. An example whose features are NaN at an index of the second cell axis is left
            out of its cells.
        positive: whether an example is of the positive class [example].
        groups: what belongs together, such as the question of each example [example].
        labels: what the negative and the positive class are called in messages and attributes, in
            the plural, such as ``("right answers", "wrong answers")``.
        evaluation: how to train and test.
        baselines: other scores by name [example], higher for the positive class (minus the
            log-probability, say); NaN leaves the example out.
        progress: called with the number of cells done and of all cells.

    Returns:
        A dataset; its names follow the axes of the features, here layer, role and example. On
        (layer, role): ``auroc`` with the interval ``low``..``high`` and ``p_value`` as coordinates;
        ``auroc_shuffled`` and ``p_value_shuffled``, the same with labels shuffled once. As numbers:
        ``p_map`` and ``p_map_shuffled``; ``best_layer``, ``best_role``, the highest cell of the
        whole map, with ``best_auroc`` and an interval that holds for all cells at once,
        ``best_low``..``best_high``, as the highest of many is picked for being high;
        ``chosen_auroc`` with ``chosen_low``, ``chosen_high``, the cross-validated AUROC
        of the cell that is selected inside the training folds; ``nested_auroc`` with
        ``nested_low``, ``nested_high``, its mean over several partitions into folds, the number to
        report. On ``partition``: ``chosen_auroc_of_partition`` and ``best_auroc_of_partition``,
        which show how much the folds matter; beyond the first, cells are chosen by ridge probes. On
        ``test_fold``: ``chosen_layer``, ``chosen_role``. On ``baseline``: ``baseline_auroc``,
        ``baseline_low``, ``baseline_high``, and ``gain``, ``gain_low``, ``gain_high``, by which the
        chosen cell is above it. On ``example``: ``example_fold`` and ``score``, the log odds of the
        positive class by the chosen cell's probe, ``example_positive`` and ``example_group``. On
        (label, role): ``counts`` of examples. :func:`map_of` gives maps with their intervals. For
        comparisons (:func:`out_of_fold`, :func:`compare`): ``cell_scores``, ``cell_gain``,
        ``nested_scores``, ``nested_gain``, ``nested_choice``, ``partition_fold``.

        The attribute ``movable`` counts the examples whose label some shuffle changed: few of them
        (groups of many different sizes) make p-values large, never small.

        NaN cells have fewer than 10 examples of a class, no features, or features that are the same
        for all examples (the attribute ``missing`` says which). ``low``..``high`` are pointwise:
        each covers its own cell; p-values hold for the whole map: the chance that a map without any
        effect has a cell this strong is p or less. Their attributes ``holds_for`` say so (``cell``,
        ``map``, ``maps``). p is that of a ridge probe's t, which is quick to work out for many
        shuffles; the cells show a logistic probe's AUROC. The attribute ``t_rank_correlation`` of
        the dataset says how alike the two order the cells.

    Raises:
        LayergramError: for fewer than 10 examples of a class, a fold without both classes, fewer
            groups than folds, features that are not finite, a baseline of another length.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> wrong = np.arange(120) % 2 == 0
        >>> features = generator.normal(size=(120, 3, 2, 8))
        >>> features[:, 2, 1] += 2 * wrong[:, None]
        >>> result = evaluate(features, wrong, groups=np.arange(120), labels=("right", "wrong"))
        >>> result.best_layer.item(), result.best_role.item(), result.p_map.item() < 0.01
        (2, '1', True)
    """
    return evaluate_each(
        features,
        {labels[1]: positive},
        groups=groups,
        others=labels[0],
        evaluation=evaluation,
        baselines=baselines,
        progress=progress,
    )[labels[1]]


def evaluate_each(
    features: Any,
    positives: Mapping[str, Any],
    *,
    groups: Any,
    others: str = CLASSES[0],
    evaluation: Evaluation | None = None,
    baselines: Mapping[str, npt.ArrayLike] | None = None,
    p_over: str = "map",
    progress: Progress | None = None,
) -> dict[str, xr.Dataset]:
    """The same as :func:`evaluate` for several classes of the same examples, sooner.

    With ``p_over="maps"`` the largest cell of shuffle s is taken over the maps of all classes, so
    that a p-value holds for all of them together: the chance that any cell of any map without
    effect gets p ≤ 0.05 is 5 % where the classes are independent, and at most −ln 0.95 = 5.1 %
    whatever ties them (Bonferroni's inequality for what is exact by independence).

    Args:
        positives: name of a class -> whether an example is of it [example]. Each has folds,
            shuffles and controls of its own.
        others: what examples that are not of the class are called.
        p_over: ``"map"``: p-values hold for the map of a class; ``"maps"``: for all maps together.

    Returns:
        name -> what :func:`evaluate` gives.
    """
    evaluation = evaluation or Evaluation()
    if p_over not in P_OVER:
        raise unknown_name("p_over", p_over, P_OVER)
    grid = grid_of(features)
    group_numbers = numbered(_of_items("groups", groups, grid))
    scores = {
        name: _of_items(f"the baseline '{name}'", values, grid).astype(np.float64)
        for name, values in (baselines or {}).items()
    }
    runs = {
        name: _begun(positive, (others, name), group_numbers, grid, evaluation)
        for name, positive in positives.items()
    }
    _fill(list(runs.values()), grid, evaluation, progress)
    if p_over == "maps":
        largest = np.max([run.largest for run in runs.values()], axis=0)
        runs = {name: replace(run, largest=largest, maps=len(runs)) for name, run in runs.items()}
    return {name: _result(run, grid, scores, evaluation) for name, run in runs.items()}


def _begun(positive: Any, names: Names, groups: Numbers, grid: Grid, evaluation: Evaluation) -> Run:
    """A run without a cell yet."""
    labels = checked_labels(positive, grid.count, names)
    rows = assign_partitions(labels, groups, names, evaluation)
    shuffled = shuffles(
        labels,
        groups,
        count=evaluation.permutations + 1,
        seed=evaluation.seed + 1,
        folds=rows.folds,
        present=grid.present,
    )
    return Run(
        names,
        replace(rows, shuffled=shuffled),
        {},
        np.full((2, *grid.shape), np.nan),
        np.full(evaluation.permutations, -np.inf),
    )


def _result(
    run: Run, grid: Grid, scores: Mapping[str, Values], evaluation: Evaluation
) -> xr.Dataset:
    if not run.cells and run.constant:
        raise LayergramError(
            f"probes that tell {run.names[1]} from {run.names[0]}",
            got="features that are the same for all examples",
        )
    if not run.cells:
        raise LayergramError(
            f"probes at any {grid.axes[1]}",
            got=f"no {grid.axes[1]} that enough examples have",
            allowed=f"one that {FEWEST_OF_CLASS} {run.names[1]} and {FEWEST_OF_CLASS} "
            f"{run.names[0]} have",
            do="bring more examples",
        )
    selection = nested_selection(run.cells, run.rows, grid.present)
    several = repeated(selection, run.cells, run.judgements, run.rows, grid, evaluation)
    compared = {
        name: _compared(values, selection.scores, run.rows) for name, values in scores.items()
    }
    return dataset(run, grid, selection, several, compared, asdict(evaluation))


def _compared(values: Values, best: Values, rows: Rows) -> tuple[Auroc, Auroc]:
    """AUROC of a baseline, and of the held-out scores of the best cell, on the same examples."""
    both = np.isfinite(values) & np.isfinite(best)
    first, second = (
        auroc(np.where(both, scores, np.nan), rows.positive, rows.folds, rows.groups)
        for scores in (values, best)
    )
    return first, second


def _fill(
    runs: Sequence[Run], grid: Grid, evaluation: Evaluation, progress: Progress | None
) -> None:
    """Evaluate every cell that can be, for all runs at once."""
    total = int(np.prod(grid.shape))
    problems = len(runs) * evaluation.folds * (evaluation.folds + 3) // 2
    size = grid.features.size * problems
    calls = (
        (place, values, _able(runs, grid.present[:, place[1]], evaluation), evaluation)
        for place, values in grid.cells()
    )
    for done, (place, cells) in enumerate(
        on_cores(_evaluated, calls, size=size, device=evaluation.device), start=1
    ):
        if cells is None:
            for run in runs:
                run.constant.append(place)
            continue
        for number, cell, strength, judgement in cells:
            run = runs[number]
            run.cells[place], run.judgements[place] = cell, judgement
            if strength is not None:
                run.statistics[:, place[0], place[1]] = strength[:2]
                np.maximum(run.largest, strength[2:], out=run.largest)
        if progress is not None:
            progress(done, total)


def _able(runs: Sequence[Run], present: Labels, evaluation: Evaluation) -> dict[int, Rows]:
    """The rows of the runs, by number, that have something to learn from in every training."""
    able = {}
    for number, run in enumerate(runs):
        rows = run.rows[present]
        positives = int(rows.positive.sum())
        if min(positives, len(rows.positive) - positives) >= FEWEST_OF_CLASS and all(
            trainable(replace(rows, positive=labels), evaluation.folds)
            for labels in rows.labellings()[:2]
        ):
            able[number] = rows
    return able


def _evaluated(
    place: Place, values: Any, able: dict[int, Rows], evaluation: Evaluation
) -> tuple[Place, list[tuple[int, Cell, Values | None, Values]] | None]:
    """Each run's cell at this place, with the strength of all its labellings.

    None stands for a cell where no feature varies.
    """
    if values is None or not able:
        return place, []
    if not _vary(values):
        return place, None
    features = torch.as_tensor(values, device=evaluation.device)
    rows = list(able.values())
    cells = crossfit(features, rows, evaluation)
    strengths = [
        ridge_statistics(features, each.labellings(), each.folds)
        if evaluation.permutations
        else None
        for each in rows
    ]
    judgements = [judged(features, each, evaluation) for each in rows]
    return place, list(zip(able, cells, strengths, judgements, strict=True))


def _vary(values: npt.NDArray[np.float32]) -> bool:
    """Whether any feature varies by more than rounding."""
    return bool((np.ptp(values, axis=0) > LEAST_RANGE * np.abs(values).max(0)).any())


def _of_items(name: str, values: Any, grid: Grid) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (grid.count,):
        raise LayergramError(
            f"{name} of {grid.count} {grid.item}s",
            got=f"an array of shape {array.shape}",
            allowed=f"one for each {grid.item}",
        )
    return array
