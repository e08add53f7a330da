"""From labelled steps to head maps: read, probe, explain, choose the top heads, mask them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from layergram.datasets.step_sequences import StepSequence, step_sequences
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError
from layergram.experiments.heads.all_heads_probe import Training, joint_probes
from layergram.experiments.heads.controls import accuracies
from layergram.experiments.heads.importance import (
    Labelled,
    agreement,
    auroc_map,
    importance_maps,
    labelled,
    stability,
)
from layergram.experiments.heads.model_answers import model_answers
from layergram.experiments.heads.patterns import attention_patterns, unsupported_patterns
from layergram.experiments.heads.single_heads import head_probes
from layergram.experiments.heads.top_heads import top_heads
from layergram.features.head_outputs import head_outputs, with_layer_mean
from layergram.interventions.causal_test import causal_test
from layergram.interventions.masking import Masking
from layergram.interventions.sweep import score_metric, sweep_heads
from layergram.models.edits import Head, editable_heads
from layergram.models.model import Model
from layergram.probes import Evaluation
from layergram.progress import Progress, no_progress, stage_progress
from layergram.statistics.folds import FEWEST_OF_CLASS, grouped_folds
from layergram.storage.folder import RunFolder

PARTS = 20  # main questions are dealt into so many parts, some of which test the masking
FEWEST_TESTS = 3  # steps of a function that test the masking


@dataclass(frozen=True)
class HeadMapOptions:
    """How head maps are made.

    Attributes:
        tokens: which tokens of the answers heads are looked at for
            (:data:`layergram.features.head_outputs.ANSWER_TOKENS`, or a number).
        chat: ``auto``, ``template`` or ``plain``.
        answers: ``given`` reads the given answers, ``own`` those that the model gives itself.
        evaluation: how the probes of single heads are trained and tested; its folds and seed hold
            for the probe of all heads too.
        training: how the probe of all heads is trained.
        top: how many top heads a function has; the elbow of the sorted importance if ``None``.
        masking: how they are masked; no causal test where ``None``.
        test_share: share of the main questions that test the masking, and make no map.
        sweep: ``"none"``, or ``"each"`` to mask every head by itself as well.
    """

    tokens: str | int = "content"
    chat: str = "auto"
    answers: str = "given"
    evaluation: Evaluation = field(default_factory=lambda: Evaluation(permutations=200))
    training: Training = field(default_factory=Training)
    top: int | None = None
    masking: Masking | None = field(default_factory=Masking)
    test_share: float = 0.25
    sweep: str = "none"

    @property
    def tests(self) -> bool:
        """Whether steps are put aside to test masking."""
        return self.masking is not None or self.sweep != "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.answers == "own" and self.masking and self.masking.scoring == "generated":
            raise LayergramError(
                "own answers that are compared with the model's own answers",
                do="read the given answers, or score the answers as they are read",
            )
        allowed = {
            "answers": (self.answers in ("given", "own"), "given, own"),
            "sweep": (self.sweep in ("none", "each"), "none, each"),
            "top": (self.top is None or self.top > 0, "1 or more"),
            "test_share": (0.1 <= self.test_share <= 0.5, "0.1 to 0.5"),
        }
        for name, (fits, range_) in allowed.items():
            if not fits:
                raise LayergramError(f"{name} = {getattr(self, name)!r}", allowed=range_)


@dataclass(frozen=True)
class HeadAnalysis:
    """Labelled steps, and what heads have to do with them.

    Attributes:
        steps: the steps.
        sequences: the steps as the model read them.
        tested: whether a step tests the masking, and made no map [step].
        predicted: the function that the probe of all heads names for each other step.
        importance: [function, layer, head].
        contribution: the same with its sign.
        auroc: of probes of single heads [function, layer, head].
        probes: the numbers of :func:`layergram.experiments.heads.single_heads.head_probes`.
        accuracies: of the probe of all heads, and what it has to beat.
        functions: on ``function``: ``stability`` and ``agreement``.
        top: the top heads of each function.
        causal: what masking them does, if it was asked for.
        sweep: what masking every head by itself does, if it was asked for.
        unlabelled: head maps without labels, by name.
        unsupported: such maps that the model cannot have, and why.
    """

    steps: StepSet
    sequences: list[StepSequence]
    tested: np.ndarray
    predicted: list[str]
    importance: xr.DataArray
    contribution: xr.DataArray
    auroc: xr.DataArray
    probes: xr.Dataset
    accuracies: xr.Dataset
    functions: xr.Dataset
    top: dict[str, list[Head]]
    causal: xr.Dataset | None
    sweep: xr.DataArray | None
    unlabelled: dict[str, xr.DataArray]
    unsupported: dict[str, str]


def check_split(steps: StepSet, options: HeadMapOptions) -> np.ndarray:
    """Which steps test the masking and make no map: whole main questions of every function.

    Raises:
        LayergramError: where too few steps of a function are left to make a map, too few to test
            the masking, or they belong to too few main questions.
    """
    known = labelled([s.function for s in steps.steps], [s.group for s in steps.steps])
    tested = np.zeros(len(steps), dtype=bool)
    if options.tests:
        rarest = int(np.bincount(known.classes).min())
        parts = min(PARTS, int(known.groups.max()) + 1, rarest)
        part = grouped_folds(known.classes, known.groups, folds=parts, seed=options.evaluation.seed)
        tested = np.asarray(part < max(1, math.floor(parts * options.test_share + 0.5)))
        _check_tests(known, tested)
    left = np.bincount(known.classes[~tested], minlength=len(known.functions))
    if left.min() < FEWEST_OF_CLASS:
        short = known.functions[int(left.argmin())]
        raise LayergramError(
            f"head maps of '{steps.name}'",
            got=f"{left.min()} steps of {short} beside those that test the masking "
            f"({int(tested.sum())} of {len(steps)})",
            allowed=f"at least {FEWEST_OF_CLASS} of each function",
            do="bring more steps, keep fewer for testing with --test-share, or do without the "
            "test with --mask none",
        )
    _check_folds(known, tested, options)
    return tested


def _check_tests(known: Labelled, tested: np.ndarray) -> None:
    counts = np.bincount(known.classes[tested], minlength=len(known.functions))
    if counts.min() < FEWEST_TESTS:
        short = known.functions[int(counts.argmin())]
        raise LayergramError(
            "steps to test the masking",
            got=f"{counts.min()} steps of {short} among {int(tested.sum())}",
            allowed=f"at least {FEWEST_TESTS} of each function",
            do="bring steps of more main questions, raise --test-share, or do without the test "
            "with --mask none",
        )


def _check_folds(known: Labelled, tested: np.ndarray, options: HeadMapOptions) -> None:
    """Refuse functions whose main questions are too few for a fold each."""
    for at, name in enumerate(known.functions):
        groups = len(np.unique(known.groups[(known.classes == at) & ~tested]))
        if groups < options.evaluation.folds:
            raise LayergramError(
                f"{options.evaluation.folds} folds with steps of {name} in each",
                got=f"its steps belong to {groups} main questions",
                allowed=f"at least {options.evaluation.folds} main questions of each function",
                do="ask for fewer folds with --folds, or bring steps of more main questions",
            )


def check_top(model: Model, options: HeadMapOptions) -> None:
    """Refuse more top heads than leave as many others to compare with."""
    count = len(editable_heads(model.parts))
    if options.masking is not None and options.top is not None and 2 * options.top > count:
        raise LayergramError(
            f"{options.top} top heads beside as many random others",
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

    Main questions are split in two: the larger part makes the maps and chooses the top heads, the
    other tests what masking them does.

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
    check_split(steps, options)
    check_top(model, options)
    unlabelled = attention_patterns(
        model,
        folder=folder,
        seed=options.evaluation.seed,
        progress=stage_progress(progress, "maps without labels"),
    )
    steps, read = _read(model, steps, folder, options, progress)
    tested = check_split(steps, options)
    outputs = head_outputs(
        model,
        read,
        folder,
        tokens=options.tokens,
        progress=stage_progress(progress, "head outputs"),
    )
    mapped = [step for step, out in zip(steps.steps, tested, strict=True) if not out]
    alone = outputs.isel(example=np.flatnonzero(~tested))
    features = with_layer_mean(alone)
    known = labelled([step.function for step in mapped], [step.group for step in mapped])
    provenance = _provenance(model, steps, options, len(mapped))
    folds = grouped_folds(
        known.classes, known.groups, folds=options.evaluation.folds, seed=options.evaluation.seed
    )
    joint = joint_probes(
        features,
        known.classes,
        folds,
        training=options.training,
        progress=stage_progress(progress, "probe of all heads"),
    )
    importance, contribution = importance_maps(joint, known, features, **provenance)
    compared = accuracies(
        joint,
        features.values,
        mapped,
        known,
        training=options.training,
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
    top = {
        name: top_heads(importance.sel(function=name), top=options.top) for name in known.functions
    }
    tests = [one for one in read if tested[one.spans[0].step]]
    return HeadAnalysis(
        steps,
        read,
        tested,
        [known.functions[at] for at in joint.predicted],
        importance,
        contribution,
        auroc,
        probes,
        compared,
        _of_functions(known, stability(joint, known), agreement(importance, auroc)),
        top,
        _causal(model, tests, steps, top, folder, options, progress),
        _sweep(model, tests, steps, folder, options, progress),
        unlabelled,
        unsupported_patterns(model),
    )


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


def _of_functions(
    known: Labelled, stable: dict[str, float], agreed: dict[str, float]
) -> xr.Dataset:
    columns = {"stability": stable, "agreement": agreed}
    return xr.Dataset(
        {
            name: ("function", [values[function] for function in known.functions])
            for name, values in columns.items()
        },
        coords={"function": list(known.functions)},
    )


def _causal(
    model: Model,
    tests: Sequence[StepSequence],
    steps: StepSet,
    top: dict[str, list[Head]],
    folder: RunFolder | None,
    options: HeadMapOptions,
    progress: Progress,
) -> xr.Dataset | None:
    if options.masking is None:
        return None
    there = {steps.steps[span.step].function for one in tests for span in one.spans}
    return causal_test(
        model,
        tests,
        steps,
        {name: heads for name, heads in top.items() if name in there},
        masking=options.masking,
        folder=folder,
        progress=stage_progress(progress, "masking"),
    )


def _sweep(
    model: Model,
    tests: Sequence[StepSequence],
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
    model: Model, steps: StepSet, options: HeadMapOptions, mapped: int
) -> dict[str, Any]:
    made_with = {
        "steps": steps.name,
        "steps_digest": steps.digest,
        "mapped_steps": mapped,
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
