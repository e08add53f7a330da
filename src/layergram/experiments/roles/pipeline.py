"""From a question set to its role map: ask, judge, gather the hidden states, probe, compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from layergram import probes
from layergram.answers.ask import AnswerOptions, ask
from layergram.answers.judge import Row, judge_answers
from layergram.datasets.questions import QuestionSet
from layergram.errors import LayergramError, unknown_name
from layergram.experiments.roles.comparisons import PAIR, Comparison, comparisons, nested_by_role
from layergram.experiments.roles.controls import random_weights
from layergram.experiments.roles.examples import Examples
from layergram.experiments.roles.p_true import p_true
from layergram.features.hidden_states import FeatureSpec, hidden_states
from layergram.models.model import Model
from layergram.progress import Progress, no_progress, stage_progress
from layergram.statistics.folds import FEWEST_OF_CLASS
from layergram.storage.folder import RunFolder

INTERVAL = ("auroc", "low", "high")
P_TRUE = "P(True): the model, asked whether its answer is true, in both orders of the options"
Cut = Literal["leave-out", "keep"]
RandomWeights = Literal["random-weights", "none"]


@dataclass(frozen=True)
class RoleMapOptions:
    """How a role map is made.

    Attributes:
        answers: how the questions are asked.
        features: which hidden states are taken.
        evaluation: how the probes are trained and tested.
        control: ``"random-weights"`` makes the same map of a model of the same shape that learned
            nothing, ``"none"`` does not.
        cut: answers that were cut at the token limit; ``"leave-out"`` takes them out of the map,
            for they are wrong by their length, ``"keep"`` does not.
        difference: a role to compare every cell with, at the same layer, in a map of differences;
            ``""`` for no such map.
        published: ``"also"`` makes a second map by the published recipe, ``"none"`` does not.
    """

    answers: AnswerOptions = field(default_factory=AnswerOptions)
    features: FeatureSpec = field(default_factory=FeatureSpec)
    evaluation: probes.Evaluation = field(default_factory=probes.Evaluation)
    control: RandomWeights = "random-weights"
    cut: Cut = "leave-out"
    difference: str = ""
    published: str = "none"

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        for name, kinds in (("control", RandomWeights), ("cut", Cut)):
            if getattr(self, name) not in get_args(kinds):
                raise unknown_name(name, getattr(self, name), get_args(kinds))
        if self.difference and self.difference not in self.features.roles:
            raise unknown_name("role", self.difference, self.features.roles)

    @property
    def spec(self) -> FeatureSpec:
        """Which hidden states are taken, and where they are kept: apart for each judge."""
        judge = self.answers.judge
        return replace(self.features, folder="" if judge == "strict" else judge)


@dataclass(frozen=True)
class RoleAnalysis:
    """Examples of two classes, and what probes find in them.

    Attributes:
        examples: those that the map is made of.
        rows: every greedy answer, judged.
        drawn: the other answers, drawn at random, judged.
        states: hidden states and scores of the examples.
        evaluation: maps and numbers (:func:`layergram.probes.evaluate`).
        comparisons: what the map is compared with.
        claim: AUROC at the exact answer less that before the answer; ``None`` without these roles.
        fresh: the evaluation of the model with random weights, if it was asked for.
        published: the map by the published recipe, if it was asked for.
    """

    examples: Examples
    rows: list[Row]
    drawn: list[Row]
    states: xr.Dataset
    evaluation: xr.Dataset
    comparisons: list[Comparison]
    claim: probes.Difference | None
    fresh: xr.Dataset | None
    published: xr.Dataset | None


def check_size(questions: QuestionSet) -> None:
    """Refuse a set that cannot have enough of both classes, before anything is asked."""
    if len(questions) < 2 * FEWEST_OF_CLASS:
        raise LayergramError(
            f"a role map of the question set '{questions.name}'",
            got=f"{len(questions)} questions",
            allowed=f"at least {2 * FEWEST_OF_CLASS}, so that {FEWEST_OF_CLASS} can be right and "
            f"{FEWEST_OF_CLASS} wrong",
            do="bring more questions",
        )


def judged_answers(
    model: Model,
    questions: QuestionSet,
    folder: RunFolder | None,
    *,
    options: AnswerOptions,
    progress: Progress = no_progress,
) -> list[Row]:
    """All answers of a model to a question set, judged."""
    answers = ask(
        model, questions, options=options, folder=folder, progress=stage_progress(progress, "asked")
    )
    return judge_answers(
        model,
        answers,
        judge=options.judge,
        folder=folder,
        progress=stage_progress(progress, "exact answers"),
    )


def run_role_analysis(
    model: Model,
    questions: QuestionSet,
    folder: RunFolder | None = None,
    *,
    options: RoleMapOptions | None = None,
    progress: Progress = no_progress,
) -> RoleAnalysis:
    """Ask, judge, take hidden states, probe, compare.

    Args:
        model: the model that answers and is looked into.
        questions: the set.
        folder: everything that takes long is kept there as it is made; an interrupted run resumes.
        options: how to make it.
        progress: called with stage, done and total.

    Raises:
        LayergramError: for a set that is too small, fewer than 10 right or wrong answers with an
            exact answer, or a folder of another run.
    """
    options = options or RoleMapOptions()
    check_size(questions)
    judged = judged_answers(model, questions, folder, options=options.answers, progress=progress)
    rows = [row for row in judged if row.sample == 0]
    examples = answers_of(questions, rows, options.cut, folder)
    name = f"{options.spec.folder}/p_true" if options.spec.folder else "p_true"
    asked = p_true(
        model, examples.rows, folder, chat=options.answers.chat, name=name, progress=progress
    )
    examples = replace(examples, rivals={"p_true": (P_TRUE, -asked)})
    made = analyse(
        model,
        examples,
        folder,
        options=options,
        made_from=provenance(model, questions, options, examples, len(rows)),
        progress=progress,
    )
    return replace(made, rows=rows, drawn=[row for row in judged if row.sample != 0])


def answers_of(
    questions: QuestionSet, rows: Sequence[Row], cut: Cut, folder: RunFolder | None
) -> Examples:
    """The answers that make the map: those with an exact answer, that were not cut.

    Raises:
        LayergramError: for fewer than 10 of one class.
    """
    used = [row for row in rows if row.valid and (cut == "keep" or row.ended == "stop")]
    wrong = np.array([not row.right for row in used], dtype=np.bool_)
    counts = int((~wrong).sum()), int(wrong.sum())
    if min(counts) < FEWEST_OF_CLASS:
        lost = sum(row.valid for row in rows) - len(used)
        raise LayergramError(
            f"a role map of the question set '{questions.name}'",
            got=f"{counts[0]} right and {counts[1]} wrong answers with an exact answer, of "
            f"{len(rows)} answers"
            + (f"; {lost} more were cut at the token limit and left out" if lost else ""),
            allowed=f"at least {FEWEST_OF_CLASS} of each, or a probe has nothing to learn from",
            do=("raise --max-new-tokens, or " if lost else "")
            + "bring more questions, or easier or harder ones, or another model"
            + (f"; the answers are kept in '{folder.path}'" if folder else ""),
        )
    return Examples(questions.name, used, wrong, warnings=questions.warnings)


def analyse(
    model: Model,
    examples: Examples,
    folder: RunFolder | None = None,
    *,
    options: RoleMapOptions,
    made_from: Mapping[str, Any],
    progress: Progress = no_progress,
) -> RoleAnalysis:
    """Take the hidden states of examples of two classes, probe every cell, compare.

    Args:
        model: the model that is looked into.
        examples: of both classes.
        folder: everything that takes long is kept there as it is made; an interrupted run resumes.
        options: how to make it.
        made_from: attributes of the map that say what it was made from.
        progress: called with stage, done and total.
    """
    states = hidden_states(
        model,
        examples.rows,
        folder,
        spec=options.spec,
        progress=stage_progress(progress, "hidden states"),
    )
    evaluation = examples.evaluate(
        states["features"], options.evaluation, progress=stage_progress(progress, "probes")
    )
    nested = {f"chosen_{name}": float(evaluation[f"nested_{name}"]) for name in INTERVAL}
    evaluation["auroc"].attrs.update(
        {
            **examples.about,
            **made_from,
            **(nested if np.isfinite(list(nested.values())).all() else {}),
            "same_token": json.dumps(
                examples.same_token(list(map(str, states["features"]["role"].values)))
            ),
        }
    )
    by_role = nested_by_role(examples, states["features"], options.evaluation)
    fresh = _random_weights(model, examples, folder, options, progress)
    return RoleAnalysis(
        examples,
        examples.rows,
        [],
        states,
        evaluation,
        comparisons(examples, states, evaluation, fresh, by_role, options.evaluation),
        probes.compare(*by_role.values()) if len(by_role) == len(PAIR) else None,
        fresh,
        _published(model, examples, states["features"], options, progress),
    )


def _random_weights(
    model: Model,
    examples: Examples,
    folder: RunFolder | None,
    options: RoleMapOptions,
    progress: Progress,
) -> xr.Dataset | None:
    """The same map of a model of the same shape whose weights were never trained."""
    if options.control == "none":
        return None
    fresh = random_weights(model, seed=options.answers.seed)
    spec = replace(options.spec, name="random_weights", scores="none")
    stage = stage_progress(progress, "random weights")
    states = hidden_states(fresh, examples.rows, folder, spec=spec, progress=stage)
    found = examples.evaluate(
        states["random_weights"],
        replace(options.evaluation, permutations=0, partitions=1),
        progress=stage_progress(progress, "probes of random weights"),
    )
    found["auroc"].attrs.update(examples.about | fresh.provenance())
    return found


def _published(
    model: Model,
    examples: Examples,
    states: xr.DataArray,
    options: RoleMapOptions,
    progress: Progress,
) -> xr.Dataset | None:
    if options.published != "also":
        return None
    found = probes.published_recipe(
        states,
        examples.positive,
        labels=examples.classes,
        seed=options.evaluation.seed,
        progress=stage_progress(progress, "the published recipe"),
    )
    found["auroc"].attrs.update(examples.about | model.provenance())
    return found


def provenance(
    model: Model,
    questions: QuestionSet,
    options: RoleMapOptions,
    examples: Examples,
    answers: int,
) -> dict[str, Any]:
    """The attributes of a role map of a question set that say how it was made."""
    made_with = {
        "questions": questions.name,
        "questions_digest": questions.digest,
        "where": options.features.where,
        "cut": options.cut,
        "evaluation": asdict(options.evaluation),
        **options.answers.record,
    }
    wrong = int(examples.positive.sum())
    return {
        **model.provenance(),
        "seed": options.answers.seed,
        "options": json.dumps(made_with, ensure_ascii=False),
        "answers": answers,
        "coverage": len(examples.rows) / answers,
        "right": len(examples.rows) - wrong,
        "wrong": wrong,
    }
