"""The layer × role map of how well a linear probe sees a wrong answer, with error and controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes.cores import on_cores
from layergram.probes.crossfit import Cell, Rows, Task, crossfit_all, trainable
from layergram.probes.grid import FEWEST, Grid, checked_labels, grid_of
from layergram.probes.logistic import SCALES
from layergram.probes.nested import nested_best
from layergram.probes.results import Found, dataset
from layergram.statistics.arrays import Labels, Numbers, Values
from layergram.statistics.auroc import Auroc, auroc
from layergram.statistics.folds import grouped_folds, numbered, shuffles
from layergram.statistics.permutation import ridge_statistics

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """How probes are trained and tested.

    Attributes:
        folds: number of folds, 3 to 20; an example is scored by probes that saw none of its fold.
        c: inverse strength of the L2 penalty, as in scikit-learn.
        permutations: shuffles of the labels behind the p-values; 0 for none.
        seed: of folds and shuffles.
        level: of the intervals, between 0 and 1.
        scale: ``"standard"`` standardises features on the training rows of each probe, ``"none"``
            takes them as they are.
        device: where probes are trained, such as ``"cpu"`` or ``"cuda"``.
    """

    folds: int = 5
    c: float = 1.0
    permutations: int = 1000
    seed: int = 0
    level: float = 0.95
    scale: str = "standard"
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be evaluated."""
        allowed = {
            "folds": (3 <= self.folds <= 20, "3 to 20"),
            "c": (0 < self.c < np.inf, "a number above 0"),
            "permutations": (self.permutations >= 0, "0 or more"),
            "level": (0 < self.level < 1, "between 0 and 1, such as 0.95"),
            "scale": (self.scale in SCALES, ", ".join(SCALES)),
            "device": (_has_device(self.device), "a device of this machine, such as cpu"),
        }
        for name, (fits, range_) in allowed.items():
            if not fits:
                raise LayergramError(f"{name} = {getattr(self, name)!r}", allowed=range_)


def _has_device(name: str) -> bool:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        return False
    return True


def evaluate(
    features: Any,
    wrong: Any,
    *,
    groups: Any,
    evaluation: Evaluation | None = None,
    baselines: Mapping[str, npt.ArrayLike] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """AUROC, at every layer and token role, of a linear probe that tells wrong answers from right.

    For each cell L2 logistic regressions are trained on all folds but one and score the examples of
    that fold. Folds are stratified by class and keep every group together, so that samples of one
    question are never on both sides. Beside the map stand the controls that it has to beat: the
    same probes on shuffled labels, other scores on the same folds, and the best cell's AUROC on
    examples that had no part in choosing it.

    Args:
        features: numbers [example, layer, role, feature], as a DataArray with these axes (and the
            coordinates ``layer`` and ``role``) or as a plain array; it may lie on disk, and one
            layer at a time is read. An example whose features are NaN at a role has no such role,
            and is left out of that role's cells.
        wrong: whether the answer is wrong [example]; wrong is the positive class.
        groups: what belongs together, such as the question of each example [example].
        evaluation: how to train and test.
        baselines: other scores by name [example], higher for answers that are held to be wrong
            (minus the log-probability, say); NaN leaves the example out.
        progress: called with the number of cells done and of all cells.

    Returns:
        A dataset. On (layer, role): ``auroc`` with the interval ``low``..``high`` and ``p_value``;
        ``auroc_shuffled`` and ``p_value_shuffled``, the same with labels shuffled once. As numbers:
        ``p_map`` and ``p_map_shuffled``; ``best_auroc`` with ``best_low``, ``best_high``,
        the cell chosen inside the training folds; ``best_layer``, ``best_role``, the highest cell
        of the whole map. On ``fold``: ``chosen_layer``, ``chosen_role``. On ``baseline``:
        ``baseline_auroc``, ``baseline_low``, ``baseline_high``, and ``gain``, ``gain_low``,
        ``gain_high``, by which the chosen cell is above it. On ``example``: ``example_fold``
        and ``score``, the log odds of wrong by the chosen cell's probe. On ``role``: ``wrong`` and
        ``right``, the examples counted. :func:`map_of` gives maps with their intervals.

        The attribute ``movable`` counts the examples whose label some shuffle changed: few of them
        (groups of many different sizes) make p-values large, never small.

        NaN cells have fewer than 10 examples of a class, or no features. p-values hold for the
        whole map: the chance that a map without any effect has a cell this strong is p or less.

    Raises:
        LayergramError: for fewer than 10 examples of a class, a fold without both classes, fewer
            groups than folds, features that are not finite, a baseline of another length.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> wrong = np.arange(120) % 2 == 0
        >>> features = generator.normal(size=(120, 3, 2, 8))
        >>> features[:, 2, 1] += 2 * wrong[:, None]
        >>> found = evaluate(features, wrong, groups=np.arange(120))
        >>> found.best_layer.item(), found.best_role.item(), found.p_map.item() < 0.01
        (2, '1', True)
    """
    found = evaluate_each(
        features,
        {"": wrong},
        groups=groups,
        evaluation=evaluation,
        baselines=baselines,
        progress=progress,
    )
    return found[""]


def evaluate_each(
    features: Any,
    positives: Mapping[str, Any],
    *,
    groups: Any,
    evaluation: Evaluation | None = None,
    baselines: Mapping[str, npt.ArrayLike] | None = None,
    progress: Progress | None = None,
) -> dict[str, xr.Dataset]:
    """The same as :func:`evaluate` for several questions about the same features, sooner.

    Args:
        features: as there.
        positives: name -> whether an example is of the class [example]. Each has folds, shuffles
            and controls of its own.
        groups: as there.
        evaluation: as there.
        baselines: as there.
        progress: as there.

    Returns:
        name -> what :func:`evaluate` gives.
    """
    evaluation = evaluation or Evaluation()
    grid = grid_of(features)
    count = grid.features.sizes["example"]
    group_numbers = numbered(_of_examples("groups", groups, count))
    scores = {name: _score(name, values, count) for name, values in (baselines or {}).items()}
    runs = [
        _Run.of(checked_labels(wrong, count), group_numbers, grid, evaluation)
        for wrong in positives.values()
    ]
    _fill(runs, grid, evaluation, progress)
    return {
        name: _result(run, grid, scores, evaluation)
        for name, run in zip(positives, runs, strict=True)
    }


@dataclass(frozen=True)
class _Run:
    """One question about the features, and what is found about it cell by cell.

    ``statistics`` tests the true labels and those of the first shuffle, the control [2, layer,
    role]; ``largest`` is the largest cell of each other shuffle.
    """

    rows: Rows
    shuffled: Labels
    cells: dict[tuple[int, int], Cell]
    statistics: Values
    largest: Values

    @classmethod
    def of(cls, labels: Labels, groups: Numbers, grid: Grid, evaluation: Evaluation) -> _Run:
        folds = grouped_folds(labels, groups, folds=evaluation.folds, seed=evaluation.seed)
        shuffled = shuffles(
            labels,
            groups,
            folds,
            grid.present,
            count=evaluation.permutations + 1,
            seed=evaluation.seed + 1,
        )
        return cls(
            Rows(labels, folds, groups),
            shuffled,
            {},
            np.full((2, *grid.shape), np.nan),
            np.full(evaluation.permutations, -np.inf),
        )


def _result(
    run: _Run, grid: Grid, scores: Mapping[str, Values], evaluation: Evaluation
) -> xr.Dataset:
    if not run.cells:
        raise LayergramError(
            "probes at any role",
            got="no role that enough examples have",
            allowed=f"a role that {FEWEST} wrong and {FEWEST} right answers have",
            do="ask more questions",
        )
    best = nested_best(run.cells, run.rows, grid.present)
    compared = {name: _compared(values, best.scores, run.rows) for name, values in scores.items()}
    found = Found(grid, run.rows, run.cells, run.statistics, run.largest, best, compared)
    result = dataset(found, level=evaluation.level, options=asdict(evaluation))
    result.attrs["movable"] = int((run.shuffled != run.rows.wrong).any(0).sum())
    return result


def _compared(values: Values, best: Values, rows: Rows) -> tuple[Auroc, Auroc]:
    """AUROC of a baseline, and of the held-out scores of the best cell, on the same examples."""
    both = np.isfinite(values) & np.isfinite(best)
    first, second = (
        auroc(np.where(both, scores, np.nan), rows.wrong, rows.folds, rows.groups)
        for scores in (values, best)
    )
    return first, second


def _fill(
    runs: Sequence[_Run], grid: Grid, evaluation: Evaluation, progress: Progress | None
) -> None:
    """Evaluate every cell that can be, for all runs at once."""
    total = int(np.prod(grid.shape))
    problems = len(runs) * evaluation.folds * (evaluation.folds + 3) // 2
    size = total * grid.features.sizes["example"] * grid.features.sizes["feature"] * problems
    calls = (_call(runs, grid, evaluation, place, values) for place, values in grid.cells())
    for done, (place, found) in enumerate(
        on_cores(_evaluated, calls, size=size, device=evaluation.device), start=1
    ):
        for number, cell, strength in found:
            run = runs[number]
            run.cells[place] = cell
            if strength is not None:
                run.statistics[:, place[0], place[1]] = strength[:2]
                np.maximum(run.largest, strength[2:], out=run.largest)
        if progress is not None:
            progress(done, total)


Call = tuple[tuple[int, int], Any, list[tuple[int, Task, Labels]], Evaluation]


def _call(
    runs: Sequence[_Run], grid: Grid, evaluation: Evaluation, place: tuple[int, int], values: Any
) -> Call:
    """What :func:`_evaluated` has to know about a cell: the runs that can have it, by number."""
    present = grid.present[:, place[1]]
    able = (
        []
        if values is None
        else [
            (number, Task(run.rows[present], run.shuffled[0, present]), run.shuffled[:, present])
            for number, run in enumerate(runs)
            if _enough(run.rows[present], run.shuffled[0, present], evaluation.folds)
        ]
    )
    return place, values if able else None, able, evaluation


def _evaluated(
    place: tuple[int, int],
    values: Any,
    able: list[tuple[int, Task, Labels]],
    evaluation: Evaluation,
) -> tuple[tuple[int, int], list[tuple[int, Cell, Values | None]]]:
    """Each run's cell at this place, with the strength of all its labellings."""
    if not able:
        return place, []
    features = torch.as_tensor(values, device=evaluation.device)
    tasks = [task for _, task, _ in able]
    cells = crossfit_all(features, tasks, evaluation.folds, c=evaluation.c, scale=evaluation.scale)
    found = []
    for (number, task, shuffled), cell in zip(able, cells, strict=True):
        strength = None
        if evaluation.permutations:
            labellings = np.vstack([task.rows.wrong, shuffled])
            strength = ridge_statistics(features, labellings, task.rows.folds)
        found.append((number, cell, strength))
    return place, found


def _enough(rows: Rows, shuffled: Labels, folds: int) -> bool:
    """Whether there is something to learn from in every training, shuffled labels included."""
    if min(rows.wrong.sum(), (~rows.wrong).sum()) < FEWEST:
        return False
    return trainable(rows, folds) and trainable(replace(rows, wrong=shuffled), folds)


def _of_examples(name: str, values: Any, count: int) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (count,):
        raise LayergramError(
            f"{name} of {count} examples",
            got=f"an array of shape {array.shape}",
            allowed="one for each example",
        )
    return array


def _score(name: str, values: Any, count: int) -> Values:
    return _of_examples(f"the baseline '{name}'", values, count).astype(np.float64)
