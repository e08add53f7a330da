"""In which way is a model wrong? Types of error from many samples, and a probe for each type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.errors import LayergramError
from layergram.probes.crossfit import Evaluation, assign_folds, crossfit
from layergram.probes.grid import checked_labels
from layergram.statistics.arrays import Labels, Numbers
from layergram.statistics.folds import numbered

ERROR_TYPES = {
    "A": "refuses to answer",
    "B1": "always right",
    "B2": "mostly right",
    "C1": "mostly the same wrong answer, never right",
    "C2": "mostly the same wrong answer, sometimes right",
    "D": "undecided between the right and a wrong answer",
    "E1": "many different answers, never right",
    "E2": "many different answers, sometimes right",
}


def error_types(right: int, wrong_clusters: Sequence[int], *, refused: int = 0) -> frozenset[str]:
    """The types of error of a question, from how often its samples agree.

    With R samples, c of them right, ``big`` in the largest of n clusters of equal wrong answers
    (refusals are one of them): A: refusals are a largest cluster, and more than c. B1: c = R. B2:
    c ≥ R/2 and n > 0. C1 and C2: big ≥ R/2, not A, with c = 0 and c > 0. D: |c − big| ≤ R/6, and
    both above R/6. E1: n ≥ R/3, c = 0. E2: n ≥ R/3 − 1, c > 0. Types overlap, and a question may
    have none.

    Args:
        right: number of right samples.
        wrong_clusters: number of samples in each cluster of wrong answers, without refusals.
        refused: number of samples that give no answer.

    Raises:
        LayergramError: for no samples, or counts below 0.

    Example:
        >>> [sorted(error_types(*counts)) for counts in ((30, []), (0, [28, 2]), (14, [16]))]
        [['B1'], ['C1'], ['C2', 'D']]
    """
    clusters = [size for size in (*wrong_clusters, refused) if size]
    samples = right + sum(clusters)
    if samples == 0 or min(right, refused, *clusters, 0) < 0:
        raise LayergramError(
            "types of error",
            got=f"{right} right, clusters {list(wrong_clusters)}, {refused} refused",
        )
    big, count = max(clusters, default=0), len(clusters)
    refuses = refused > right and refused == big
    stubborn = big >= samples / 2 and not refuses
    holds = {
        "A": refuses,
        "B1": right == samples,
        "B2": right >= samples / 2 and count > 0,
        "C1": stubborn and right == 0,
        "C2": stubborn and right > 0,
        "D": abs(right - big) <= samples / 6 and min(right, big) > samples / 6,
        "E1": count >= samples / 3 and right == 0,
        "E2": count >= samples / 3 - 1 and right > 0,
    }
    return frozenset(name for name, true in holds.items() if true)


def probe_types(
    features: npt.ArrayLike,
    types: Sequence[frozenset[str]],
    *,
    groups: Any,
    evaluation: Evaluation | None = None,
) -> xr.Dataset:
    """How well a probe of each type of error tells it from all other questions, out of fold.

    Args:
        features: numbers of one layer and role [example, feature]; examples with NaN are left out.
        types: the types of each example (:func:`error_types`).
        groups: what belongs together [example].
        evaluation: how to train and test.

    Returns:
        A dataset on ``type``: ``auroc``, ``low``, ``high`` and ``examples``, the number that have
        the type. NaN where fewer than 10 have it, or fewer than 10 have it not, or the folds
        cannot have both.

    Raises:
        LayergramError: for arrays of different length.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> always = np.arange(100) % 2 == 0
        >>> features = generator.normal(size=(100, 3)) + 2 * always[:, None]
        >>> types = [frozenset({"B1"} if yes else {"E1"}) for yes in always]
        >>> found = probe_types(features, types, groups=np.arange(100))
        >>> (found.auroc.sel(type=["B1", "E1"]) > 0.9).values.tolist(), found.examples.values[0]
        ([True, True], np.int64(0))
    """
    evaluation = evaluation or Evaluation()
    values = np.asarray(features, dtype=np.float32)
    if values.ndim != 2 or not len(values) == len(types) == len(np.asarray(groups)):
        raise LayergramError(
            "probes of error types",
            got=f"features {values.shape}, types of {len(types)}, groups {np.shape(groups)}",
            allowed="features [example, feature], and types and a group for each example",
        )
    known = ~np.isnan(values).any(1)
    numbers, rows = numbered(np.asarray(groups)[known]), []
    for name in ERROR_TYPES:
        has = np.array([name in kinds for kinds in types])[known]
        rows.append((*_auroc(values[known], has, numbers, evaluation), has.sum()))
    columns = zip(("auroc", "low", "high", "examples"), np.array(rows).T, strict=True)
    result = xr.Dataset({name: ("type", column) for name, column in columns})
    result["examples"] = result["examples"].astype(int)
    return result.assign_coords(type=list(ERROR_TYPES))


def _auroc(
    features: npt.ArrayLike, has: Labels, groups: Numbers, evaluation: Evaluation
) -> tuple[float, float, float]:
    names = ("other questions", "questions of the type")
    try:
        truth = checked_labels(has, has.size, names)
        rows = assign_folds(truth, groups, names, evaluation)
    except LayergramError:  # too few, or too few groups
        return np.nan, np.nan, np.nan
    tensor = torch.as_tensor(features, device=evaluation.device)
    area = crossfit(tensor, [rows], evaluation)[0].auroc
    return area.value, *area.interval(evaluation.level)
