"""From labelled steps to head maps: read, probe, explain, choose the top heads, mask them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import xarray as xr

from layergram.datasets.step_sequences import StepSequence, step_sequences
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError
from layergram.experiments.heads.model_answers import model_answers
from layergram.experiments.heads.options import HeadMapOptions
from layergram.experiments.heads.patterns import attention_patterns, unsupported_patterns
from layergram.experiments.heads.probing import Probing, probe_heads
from layergram.experiments.heads.split import Split, split_steps
from layergram.features.head_outputs import head_outputs
from layergram.interventions.causal_test import causal_test
from layergram.interventions.masking import Masking
from layergram.interventions.sweep import score_metric, sweep_heads
from layergram.models.edits import editable_heads
from layergram.models.model import Model
from layergram.progress import Progress, no_progress, stage_progress
from layergram.storage.folder import RunFolder


@dataclass(frozen=True)
class HeadAnalysis:
    """Labelled steps, and what heads have to do with them.

    Attributes:
        steps: the steps.
        sequences: the steps as the model read them.
        split: which steps test the masking, and the folds of the others.
        probing: maps, controls and top heads.
        causal: what masking the top heads does, if it was asked for and there are any.
        sweep: what masking every head by itself does, if it was asked for.
        unlabelled: head maps without labels, by name.
        unsupported: such maps that the model cannot have, and why.
    """

    steps: StepSet
    sequences: list[StepSequence]
    split: Split
    probing: Probing
    causal: xr.Dataset | None
    sweep: xr.DataArray | None
    unlabelled: dict[str, xr.DataArray]
    unsupported: dict[str, str]


def check_top(model: Model, options: HeadMapOptions) -> None:
    """Refuse more top heads than leave as many others to compare with."""
    count = len(editable_heads(model.parts))
    if options.masking is not None and options.top is not None and 2 * options.top > count:
        raise LayergramError(
            f"{options.top} top heads beside as many random heads",
            got=f"a model of {count} heads",
            allowed=f"at most {count // 2}",
            do="ask for fewer with --top",
        )


def run_head_analysis(
    model: Model,
    steps: StepSet,
    folder: RunFolder | None,
    *,
    options: HeadMapOptions | None = None,
    progress: Progress = no_progress,
) -> HeadAnalysis:
    """Which attention heads have to do with which function, and what breaks without them.

    Templates or main questions are split in two: the larger part makes the maps and chooses the top
    heads, the other tests what masking them does.

    Args:
        model: the model.
        steps: labelled steps.
        folder: everything that takes long is kept there as it is made; an interrupted run resumes.
        options: how to make it.
        progress: called with stage, done and total.

    Raises:
        LayergramError: for a model without separate head outputs, too few steps, a folder of
            another run.
    """
    options = options or HeadMapOptions()
    split_steps(steps, options)
    check_top(model, options)
    unlabelled = attention_patterns(
        model,
        folder=folder,
        seed=options.evaluation.seed,
        progress=stage_progress(progress, "maps without labels"),
    )
    steps, read = _read(model, steps, folder, options, progress)
    split = split_steps(steps, options)
    outputs = head_outputs(
        model,
        read,
        folder,
        tokens=options.tokens,
        progress=stage_progress(progress, "head outputs"),
    )
    probing = probe_heads(
        outputs,
        steps,
        split,
        options=options,
        provenance=_provenance(model, steps, split, options),
        progress=progress,
    )
    tests = [one for one in read if split.tested[one.spans[0].step]]
    causal = _causal(model, tests, steps, probing, folder, options, progress)
    swept = _sweep(model, tests, steps, folder, options, progress)
    refused = unsupported_patterns(model)
    return HeadAnalysis(steps, read, split, probing, causal, swept, unlabelled, refused)


def _read(
    model: Model,
    steps: StepSet,
    folder: RunFolder | None,
    options: HeadMapOptions,
    progress: Progress,
) -> tuple[StepSet, list[StepSequence]]:
    """The steps that are read, with their given answers or the model's own."""
    read = step_sequences(model, steps, chat=options.chat)
    if options.answers == "given":
        return steps, read
    return model_answers(model, steps, read, folder, progress=stage_progress(progress, "answers"))


def _causal(
    model: Model,
    tests: list[StepSequence],
    steps: StepSet,
    probing: Probing,
    folder: RunFolder | None,
    options: HeadMapOptions,
    progress: Progress,
) -> xr.Dataset | None:
    if options.masking is None or not probing.top:
        return None
    there = {steps.steps[span.step].function for one in tests for span in one.spans}
    return causal_test(
        model,
        tests,
        steps,
        {name: heads for name, heads in probing.top.items() if name in there},
        masking=options.masking,
        folder=folder,
        progress=stage_progress(progress, "masking"),
    )


def _sweep(
    model: Model,
    tests: list[StepSequence],
    steps: StepSet,
    folder: RunFolder | None,
    options: HeadMapOptions,
    progress: Progress,
) -> xr.DataArray | None:
    if options.sweep == "none":
        return None
    metric = score_metric(tests, steps)
    return sweep_heads(
        model,
        metric,
        masking=Masking(how="zero", seed=options.evaluation.seed),
        folder=folder,
        progress=stage_progress(progress, "masking each head"),
    )


def _provenance(
    model: Model, steps: StepSet, split: Split, options: HeadMapOptions
) -> dict[str, Any]:
    made_with = {
        "steps": steps.name,
        "steps_digest": steps.digest,
        "mapped_steps": int((~split.tested).sum()),
        "split": split.by,
        "test_share": options.test_share if options.tests else 0.0,
        "evaluation": asdict(options.evaluation),
        "tokens": options.tokens,
        "answers": options.answers,
        "chat": options.chat,
        "training": asdict(options.training),
    }
    return {
        **model.provenance(),
        "seed": options.evaluation.seed,
        "options": json.dumps(made_with),
    }
