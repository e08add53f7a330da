"""From labelled steps to head maps: read, probe, explain, choose the top heads, mask them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram.errors import LayergramError
from layergram.heads.alone import head_probes
from layergram.heads.causal import causal_test
from layergram.heads.choosing import top_heads
from layergram.heads.controls import accuracies, folds_of
from layergram.heads.features import head_outputs, with_layer_mean
from layergram.heads.importance import (
    Labelled,
    agreement,
    auroc_map,
    importance_maps,
    labelled,
    stability,
)
from layergram.heads.joint import Training, joint_probes
from layergram.heads.masking import Masking
from layergram.heads.own import own_answers
from layergram.heads.reading import Reading, readings
from layergram.heads.steps import FEWEST, StepSet
from layergram.heads.sweep import score_gauge, sweep_heads
from layergram.heads.unlabelled import head_maps, left_out
from layergram.models import Model
from layergram.models.edits import Head, editable_heads, record_of_edits
from layergram.probes import Evaluation
from layergram.questions.journal import digest_of
from layergram.stages import Told, silent, stage_of

PARTS = 20  # main questions are dealt into so many parts, some of which test the masking
FEWEST_TESTS = 3  # steps of a function that test the masking


@dataclass(frozen=True)
class Recipe:
    """How head maps are made.

    Attributes:
        tokens: which tokens of the answers heads are looked at for
            (:data:`layergram.heads.features.ANSWER_TOKENS`, or a number).
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
class Headed:
    """Labelled steps, and what heads have to do with them.

    Attributes:
        steps: the steps.
        readings: the steps as the model read them.
        tested: whether a step tests the masking, and made no map [step].
        said: the function that the probe of all heads names for each other step, by its name.
        importance: [function, layer, head].
        contribution: the same with its sign.
        auroc: of probes of single heads [function, layer, head].
        probes: the numbers of :func:`layergram.heads.alone.head_probes`.
        accuracies: of the probe of all heads, and what it has to beat.
        functions: on ``function``: ``stability`` and ``agreement``.
        top: the top heads of each function.
        causal: what masking them does, if it was asked for.
        sweep: what masking every head by itself does, if it was asked for.
        unlabelled: head maps without labels, by name.
        left_out: such maps that the model cannot have, and why.
    """

    steps: StepSet
    readings: list[Reading]
    tested: np.ndarray
    said: list[str]
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
    left_out: dict[str, str]


def check_split(steps: StepSet, recipe: Recipe) -> np.ndarray:
    """Which steps test the masking and make no map: whole main questions of every function.

    Raises:
        LayergramError: where too few steps of a function are left to make a map, too few to test
            the masking, or they belong to too few main questions.
    """
    known = labelled([s.function for s in steps.steps], [s.group for s in steps.steps])
    tested = np.zeros(len(steps), dtype=bool)
    if recipe.tests:
        rarest = int(np.bincount(known.classes).min())
        parts = min(PARTS, int(known.groups.max()) + 1, rarest)
        part = folds_of(known.classes, known.groups, folds=parts, seed=recipe.evaluation.seed)
        tested = np.asarray(part < max(1, math.floor(parts * recipe.test_share + 0.5)))
        _check_tests(known, tested)
    left = np.bincount(known.classes[~tested], minlength=len(known.functions))
    if left.min() < FEWEST:
        short = known.functions[int(left.argmin())]
        raise LayergramError(
            f"head maps of '{steps.name}'",
            got=f"{left.min()} steps of {short} beside those that test the masking "
            f"({int(tested.sum())} of {len(steps)})",
            allowed=f"at least {FEWEST} of each function",
            do="bring more steps, keep fewer for testing with --test-share, or do without the "
            "test with --mask none",
        )
    _check_folds(known, tested, recipe)
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


def _check_folds(known: Labelled, tested: np.ndarray, recipe: Recipe) -> None:
    """Refuse functions whose main questions are too few for a fold each."""
    for at, name in enumerate(known.functions):
        groups = len(np.unique(known.groups[(known.classes == at) & ~tested]))
        if groups < recipe.evaluation.folds:
            raise LayergramError(
                f"{recipe.evaluation.folds} folds with steps of {name} in each",
                got=f"its steps belong to {groups} main questions",
                allowed=f"at least {recipe.evaluation.folds} main questions of each function",
                do="ask for fewer folds with --folds, or bring steps of more main questions",
            )


def check_top(model: Model, recipe: Recipe) -> None:
    """Refuse more top heads than leave as many others to compare with."""
    count = len(editable_heads(model.anatomy))
    if recipe.masking is not None and recipe.top is not None and 2 * recipe.top > count:
        raise LayergramError(
            f"{recipe.top} top heads beside as many random others",
            got=f"a model of {count} heads",
            allowed=f"at most {count // 2}",
            do="ask for fewer with --top",
        )


def heads_of(
    model: Model,
    steps: StepSet,
    folder: Path,
    *,
    recipe: Recipe | None = None,
    told: Told = silent,
) -> Headed:
    """Which attention heads have to do with which function, and what breaks without them.

    Main questions are split in two: the larger part makes the maps and chooses the top heads, the
    other tests what masking them does.

    Args:
        model: the model.
        steps: labelled steps.
        folder: everything that takes long is kept there as it is made; a killed run goes on.
        recipe: how to make it.
        told: told how far it is.

    Raises:
        LayergramError: for a model without separate head outputs, too few steps, a folder of
            another run.
    """
    recipe = recipe or Recipe()
    check_split(steps, recipe)
    check_top(model, recipe)
    unlabelled = head_maps(
        model, seed=recipe.evaluation.seed, progress=stage_of(told, "maps without labels")
    )
    steps, read = _read(model, steps, folder, recipe, told)
    tested = check_split(steps, recipe)
    outputs = head_outputs(
        model, read, folder, tokens=recipe.tokens, progress=stage_of(told, "head outputs")
    )
    mapped = [step for step, out in zip(steps.steps, tested, strict=True) if not out]
    alone = outputs.isel(example=np.flatnonzero(~tested))
    features = with_layer_mean(alone)
    known = labelled([step.function for step in mapped], [step.group for step in mapped])
    provenance = _provenance(model, steps, recipe, len(mapped))
    folds = folds_of(
        known.classes, known.groups, folds=recipe.evaluation.folds, seed=recipe.evaluation.seed
    )
    joint = joint_probes(
        features,
        known.classes,
        folds,
        training=recipe.training,
        progress=stage_of(told, "probe of all heads"),
    )
    importance, contribution = importance_maps(joint, known, features, **provenance)
    compared = accuracies(
        joint,
        features.values,
        mapped,
        known,
        training=recipe.training,
        progress=stage_of(told, "controls of that probe"),
    )
    probes = head_probes(
        alone,
        [step.function for step in mapped],
        groups=[step.group for step in mapped],
        evaluation=recipe.evaluation,
        progress=stage_of(told, "probes of single heads"),
    )
    auroc = auroc_map(probes, **provenance)
    top = {
        name: top_heads(importance.sel(function=name), top=recipe.top) for name in known.functions
    }
    tests = [one for one in read if tested[one.spans[0].step]]
    return Headed(
        steps,
        read,
        tested,
        [known.functions[at] for at in joint.said],
        importance,
        contribution,
        auroc,
        probes,
        compared,
        _of_functions(known, stability(joint, known), agreement(importance, auroc)),
        top,
        _causal(model, tests, steps, top, folder, recipe, told),
        _sweep(model, tests, steps, folder, recipe, told),
        unlabelled,
        left_out(model),
    )


def _read(
    model: Model, steps: StepSet, folder: Path, recipe: Recipe, told: Told
) -> tuple[StepSet, list[Reading]]:
    """The steps that are read, with their given answers or the model's own."""
    read = readings(model, steps, chat=recipe.chat)
    if recipe.answers == "given":
        return steps, read
    return own_answers(model, steps, read, folder, progress=stage_of(told, "answers"))


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
    tests: Sequence[Reading],
    steps: StepSet,
    top: dict[str, list[Head]],
    folder: Path,
    recipe: Recipe,
    told: Told,
) -> xr.Dataset | None:
    if recipe.masking is None:
        return None
    there = {steps.steps[span.step].function for reading in tests for span in reading.spans}
    return causal_test(
        model,
        tests,
        steps,
        {name: heads for name, heads in top.items() if name in there},
        masking=recipe.masking,
        folder=folder / "masking",
        progress=stage_of(told, "masking"),
    )


def _sweep(
    model: Model,
    tests: Sequence[Reading],
    steps: StepSet,
    folder: Path,
    recipe: Recipe,
    told: Told,
) -> xr.DataArray | None:
    if recipe.sweep == "none":
        return None
    gauge = score_gauge(tests, steps)
    return sweep_heads(
        model,
        gauge,
        masking=Masking(how="zero", seed=recipe.evaluation.seed),
        folder=folder / "sweep" / digest_of(gauge.made_from).removeprefix("sha256:"),
        progress=stage_of(told, "masking each head"),
    )


def _provenance(model: Model, steps: StepSet, recipe: Recipe, mapped: int) -> dict[str, Any]:
    options = {
        "steps": steps.name,
        "steps_digest": steps.digest,
        "mapped_steps": mapped,
        "test_share": recipe.test_share if recipe.tests else 0.0,
        "evaluation": asdict(recipe.evaluation),
        "tokens": recipe.tokens,
        "answers": recipe.answers,
        "chat": recipe.chat,
        "training": asdict(recipe.training),
    }
    return {
        "model": model.name,
        "revision": model.revision,
        "model_type": model.model_type,
        "layers": model.layers,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "seed": recipe.evaluation.seed,
        "options": json.dumps(options),
        **record_of_edits(model),
    }
