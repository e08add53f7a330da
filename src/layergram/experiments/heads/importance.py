"""Importance of heads for functions: what they contribute to a probe's decisions, as maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import maps
from layergram.datasets.steps import FUNCTIONS
from layergram.experiments.heads.all_heads_probe import Joint, Training, joint_probes
from layergram.statistics.correlation import rank_correlation
from layergram.statistics.folds import numbered
from layergram.statistics.intervals import mean_interval
from layergram.statistics.permutation import p_values, shuffles

Classes = npt.NDArray[np.intp]

SHUFFLES = 20  # of the labels, each with a training of the probe
SPACED = 1000  # between the seeds of two trainings, which number their folds

PAPER = "Ma et al., Cognitive Mirrors, NeurIPS 2025 (arXiv 2512.10978)"
CONTRIBUTION = (
    "Gradient × activation of a head in a probe of all heads for a function: mean over held-out "
    "steps of the function, and over the 64 numbers e that the probe makes of the head's output, "
    "of ∂z/∂e · (e − ē), with z the probe's logit for the function and ē the mean of e over the "
    "steps that the probe was trained on."
)
CAVEAT = (
    "Importance says what a probe uses to name the function of a step, not what the model uses to "
    "answer it, and a probe can use the wording of the steps; compare it with the held-out "
    "templates and with what masking does."
)


@dataclass(frozen=True)
class Labelled:
    """Steps with what is known of them.

    Attributes:
        functions: names of those functions that have steps, in the order of the figure.
        classes: the function of each step, as a number [step].
        groups: numbers of main questions [step].
    """

    functions: tuple[str, ...]
    classes: Classes
    groups: Classes


def importance_maps(
    joint: Joint, steps: Labelled, features: xr.DataArray, **provenance: Any
) -> tuple[xr.DataArray, xr.DataArray]:
    """How important every head is for every function, and in which direction.

    Args:
        joint: what probes of all heads say.
        steps: the steps that they were trained and tested on.
        features: [example, layer, head, feature], for the names of layers and heads.
        **provenance: attributes of both maps.

    Returns:
        ``importance``, the size of the mean contribution, and ``contribution``, the mean with its
        sign, both [function, layer, head] with ``low`` and ``high``, the ends of 95 % intervals
        over main questions.
    """
    found = [_mean(joint.contributions, steps, at) for at in range(len(steps.functions))]
    mean, low, high = (np.stack(parts) for parts in zip(*found, strict=True))
    inside = (low <= 0) & (high >= 0)
    ends = np.minimum(abs(low), abs(high)), np.maximum(abs(low), abs(high))
    size = {"low": np.where(inside, 0.0, ends[0]), "high": ends[1]}
    dims = ("function", "layer", "head")
    axes = {"function": list(steps.functions)} | {n: features[n].values for n in ("layer", "head")}
    common = {
        "units": "logit",
        "missing": "no such head in the layer" if np.isnan(mean).any() else None,
        "caveat": CAVEAT,
        "references": PAPER,
        **provenance,
    }
    importance = maps.make(
        abs(mean),
        dims,
        measure="importance",
        coords=axes | {name: (dims, values) for name, values in size.items()},
        long_name="importance of the head",
        valid_min=0.0,
        definition=f"Size of the contribution. {CONTRIBUTION}",
        **common,
    )
    contribution = maps.make(
        mean,
        dims,
        measure="contribution",
        coords=axes | {"low": (dims, low), "high": (dims, high)},
        long_name="contribution of the head",
        null_value=0.0,
        definition=CONTRIBUTION,
        **common,
    )
    return importance, contribution


def _mean(contributions: npt.NDArray[Any], steps: Labelled, function: int) -> tuple[Any, ...]:
    own = steps.classes == function
    unit = numbered(steps.groups[own])
    sums = np.zeros((unit.max() + 1, *contributions.shape[1:]))
    np.add.at(sums, unit, contributions[own])
    counts = np.zeros_like(sums)
    np.add.at(counts, unit, np.isfinite(contributions[own]).astype(float))
    return mean_interval(sums, counts)


def importance_p_values(
    joint: Joint,
    features: xr.DataArray,
    steps: Labelled,
    *,
    training: Training,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float64]:
    """p-values of importance against probes trained on labels shuffled between main questions.

    Importance is measured in units of its own error over main questions, because a probe that has
    learned something answers more steeply, also to heads that told it nothing.

    Args:
        joint: what the probes of all heads say.
        features: [example, layer, head, feature], what they see.
        steps: functions and main questions of the steps.
        training: how they were trained; on shuffled labels with other seeds.
        progress: called with the trainings done, and how many there are.

    Returns:
        [function, layer, head]: the share of :data:`SHUFFLES` trainings (and the true one) whose
        largest importance, over all heads and functions, is as large. It holds for the whole map.
    """
    sets = shuffled_labels(steps, count=SHUFFLES, seed=training.seed + 1)
    largest = []
    for at, classes in enumerate(sets, start=1):
        seeded = replace(training, seed=training.seed + SPACED * at)
        again = joint_probes(features, classes, joint.folds, training=seeded)
        largest.append(np.nanmax(_strength(again, replace(steps, classes=classes))))
        if progress is not None:
            progress(at, SHUFFLES)
    return p_values(_strength(joint, steps), np.array(largest))


def _strength(joint: Joint, steps: Labelled) -> npt.NDArray[np.float64]:
    """Importance over half the width of its interval [function, layer, head]; 0 for 0 / 0."""
    found = []
    for function in range(len(steps.functions)):
        mean, low, high = _mean(joint.contributions, steps, function)
        half = (high - low) / 2
        found.append(np.divide(abs(mean), half, out=np.where(half == 0, 0.0, half), where=half > 0))
    return np.stack(found)


def shuffled_labels(steps: Labelled, *, count: int, seed: int) -> Classes:
    """Functions as they could be if heads had nothing to do with them [shuffle, step].

    Main questions of as many steps exchange their functions, wherever they lie.
    """
    # groups of one step are numbered, and so drawn, before those of two
    size = np.bincount(steps.groups)[steps.groups]
    by_size = size * len(steps.groups) + steps.groups
    return shuffles(steps.classes, by_size, count=count, seed=seed)


def stability(joint: Joint, steps: Labelled) -> dict[str, float]:
    """How alike importance is for probes of different folds and seeds, function by function.

    The mean rank correlation between the importance maps of two folds; each fold has other steps,
    other training steps and another seed. 0 for probes that agree no more than by chance.
    """
    found = {}
    for at, name in enumerate(steps.functions):
        of_folds = [
            abs(joint.contributions[own].mean(0))
            for fold in np.unique(joint.folds)
            if (own := (steps.classes == at) & (joint.folds == fold)).any()
        ]
        pairs = [rank_correlation(one, other) for one, other in combinations(of_folds, 2)]
        found[name] = float(np.mean(pairs)) if pairs else float("nan")
    return found


def agreement(importance: xr.DataArray, auroc: xr.DataArray) -> dict[str, float]:
    """Rank correlation over heads between importance and what a probe of the head alone sees."""
    return {
        str(name): rank_correlation(importance.sel(function=name), auroc.sel(function=name))
        for name in importance["function"].values
    }


def auroc_map(probes: xr.Dataset, **provenance: Any) -> xr.DataArray:
    """The map of the probes of single heads [function, layer, head]."""
    dims = ("function", "layer", "head")
    cells = [name for name in ("low", "high", "p_value") if name in probes]
    coords: Mapping[Any, Any] = {name: probes[name].values for name in dims} | {
        name: (dims, probes[name].values) for name in cells
    }
    array = maps.make(
        probes["auroc"].values,
        dims,
        measure="head_auroc",
        coords=coords,
        long_name="AUROC of a probe of the head alone",
        units="1",
        valid_min=0.0,
        valid_max=1.0,
        null_value=0.5,
        missing="no such head in the layer" if np.isnan(probes["auroc"]).any() else None,
        definition="Chance that a linear probe on the head's output gives a step of the function a "
        "higher score than another step, on main questions that the probe was not trained on.",
        caveat="A high AUROC says that the head's output tells the function's steps from others by "
        "a linear rule, not that the model uses it; wording can be enough for that.",
        references=PAPER,
        **provenance,
    )
    if "p_value" in array.coords:
        array["p_value"].attrs |= probes["p_value"].attrs
    return array


def labelled(functions: Sequence[str], groups: Sequence[str]) -> Labelled:
    """Steps by the names of their functions and main questions."""
    names = tuple(name for name in FUNCTIONS if name in functions)
    classes = np.array([names.index(name) for name in functions], dtype=np.intp)
    return Labelled(names, classes, numbered(groups))
