"""What probes find in the outputs of heads: maps, controls, and the top heads of each function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from layergram.datasets.steps import StepSet
from layergram.experiments.heads.all_heads_probe import joint_probes
from layergram.experiments.heads.controls import accuracies
from layergram.experiments.heads.importance import (
    agreement,
    auroc_map,
    importance_maps,
    importance_p_values,
    labelled,
    stability,
)
from layergram.experiments.heads.options import HeadMapOptions
from layergram.experiments.heads.single_heads import head_probes
from layergram.experiments.heads.split import Split
from layergram.experiments.heads.top_heads import top_heads, why_no_top_heads
from layergram.features.head_outputs import with_layer_mean
from layergram.models.edits import Head
from layergram.progress import Progress, stage_progress


@dataclass(frozen=True)
class Probing:
    """What probes find in the outputs of heads.

    Attributes:
        predicted: the function that the probe of all heads names for each step that makes maps.
        importance: [function, layer, head], with p-values.
        contribution: the same with its sign.
        importance_alone: importance by a probe that sees no layer's mean.
        auroc: of probes of single heads [function, layer, head].
        probes: the numbers of :func:`layergram.experiments.heads.single_heads.head_probes`.
        accuracies: of the probe of all heads, and what it has to beat.
        functions: on ``function``: ``stability`` and ``agreement``.
        top: the top heads of each function that has any, the most important first.
        without_top: the functions that have none, and why.
    """

    predicted: list[str]
    importance: xr.DataArray
    contribution: xr.DataArray
    importance_alone: xr.DataArray
    auroc: xr.DataArray
    probes: xr.Dataset
    accuracies: xr.Dataset
    functions: xr.Dataset
    top: dict[str, list[Head]]
    without_top: dict[str, str]


def probe_heads(
    outputs: xr.DataArray,
    steps: StepSet,
    split: Split,
    *,
    options: HeadMapOptions,
    provenance: Mapping[str, Any],
    progress: Progress,
) -> Probing:
    """Train and explain probes on the outputs of heads at the steps that make maps.

    Args:
        outputs: [example, layer, head, feature], one example per step.
        steps: the steps.
        split: which of them make maps, and their folds.
        options: how probes are trained.
        provenance: attributes of the maps.
        progress: called with stage, done and total.
    """
    alone = outputs.isel(example=np.flatnonzero(~split.tested))
    mapped = [step for step, out in zip(steps.steps, split.tested, strict=True) if not out]
    known = labelled([step.function for step in mapped], [step.group for step in mapped])
    features = with_layer_mean(alone)
    training = options.training
    joint, own = (
        joint_probes(
            values,
            known.classes,
            split.folds,
            training=training,
            progress=stage_progress(progress, name),
        )
        for values, name in (
            (features, "probe of all heads"),
            (alone, "the same without the layer's mean"),
        )
    )
    importance, contribution = importance_maps(joint, known, features, **provenance)
    p_values = importance_p_values(
        joint,
        features,
        known,
        training=training,
        progress=stage_progress(progress, "probes on shuffled labels"),
    )
    importance, contribution = (
        array.assign_coords(p_value=(array.dims, p_values)) for array in (importance, contribution)
    )
    for array in (importance, contribution):
        array["p_value"].attrs |= {"long_name": "p of all heads and functions", "holds_for": "map"}
    compared = accuracies(
        joint,
        features.values,
        mapped,
        known,
        by=split.by,
        training=training,
        progress=stage_progress(progress, "controls of that probe"),
    )
    probes = head_probes(
        alone,
        [step.function for step in mapped],
        groups=[step.group for step in mapped],
        evaluation=options.evaluation,
        progress=stage_progress(progress, "probes of single heads"),
    )
    auroc = auroc_map(probes, **provenance)
    stable, agreed = stability(joint, known), agreement(importance, auroc)
    without = {} if options.top is not None else why_no_top_heads(importance, stable, compared)
    alone_map, _ = importance_maps(own, known, features, **provenance)
    return Probing(
        [known.functions[at] for at in joint.predicted],
        importance,
        contribution,
        alone_map.rename("importance_alone").assign_attrs(
            measure="importance_alone",
            long_name="importance of the head, without its layer's mean",
        ),
        auroc,
        probes,
        compared,
        xr.Dataset(
            {
                "stability": ("function", list(stable.values())),
                "agreement": ("function", list(agreed.values())),
            },
            coords={"function": list(known.functions)},
        ),
        {
            name: top_heads(importance.sel(function=name), top=options.top)
            for name in known.functions
            if name not in without
        },
        without,
    )
