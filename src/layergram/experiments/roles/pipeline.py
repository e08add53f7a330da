"""From a question set to its role map: ask, judge, gather the hidden states, probe, compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import probes
from layergram.answers.ask import AnswerOptions, ask
from layergram.answers.judge import Row, coverage, judge_answers
from layergram.datasets.questions import QuestionSet
from layergram.errors import LayergramError
from layergram.experiments.roles.controls import letters_of, random_weights
from layergram.features.hidden_states import FeatureSpec, hidden_states
from layergram.models.model import Model
from layergram.probes.published_recipe import PAPER
from layergram.progress import Progress, no_progress, stage_progress
from layergram.statistics.auroc import REFERENCES
from layergram.statistics.folds import FEWEST_OF_CLASS
from layergram.storage.folder import RunFolder

CLASSES = ("right answers", "wrong answers")
ABOUT = {
    "definition": "Chance that a linear probe on the hidden state at this layer and token role "
    "gives a wrong answer a higher score than a right one, on questions that the probe was not "
    "trained on.",
    "caveat": "A high AUROC says that the state allows telling wrong answers from right ones by a "
    "linear rule, not that the model uses it, nor that the rule carries over to other questions; "
    "compare it with the baselines and with layer 0, which sees the token alone.",
    "references": f"{PAPER}; {REFERENCES}",
}
"""What a role map shows, beside what :func:`layergram.probes.evaluate` says of any map."""


@dataclass(frozen=True)
class RoleMapOptions:
    """How a role map is made.

    Attributes:
        answers: how the questions are asked.
        features: which hidden states are taken.
        evaluation: how the probes are trained and tested.
        controls: what to compare with besides, ``random-weights`` or nothing.
        published: ``"also"`` makes a second map by the published recipe, ``"none"`` does not.
    """

    answers: AnswerOptions = field(default_factory=AnswerOptions)
    features: FeatureSpec = field(default_factory=FeatureSpec)
    evaluation: probes.Evaluation = field(default_factory=probes.Evaluation)
    controls: tuple[str, ...] = ()
    published: str = "none"

    @property
    def spec(self) -> FeatureSpec:
        """Which hidden states are taken, and where they are kept: apart for each judge."""
        judge = self.answers.judge
        return replace(self.features, folder="" if judge == "strict" else judge)


@dataclass(frozen=True)
class RoleAnalysis:
    """Answers to a question set, and what probes find in them.

    Attributes:
        questions: the set.
        rows: every greedy answer, judged.
        used: those with an exact answer, which the map is made of.
        drawn: the other answers, drawn at random, judged.
        states: hidden states and scores of ``used``.
        wrong: [example], whether each of ``used`` is wrong.
        evaluation: maps and numbers (:func:`layergram.probes.evaluate`).
        controls: name -> the same for a control.
        published: the map by the published recipe, if it was asked for.
    """

    questions: QuestionSet
    rows: list[Row]
    used: list[Row]
    drawn: list[Row]
    states: xr.Dataset
    wrong: npt.NDArray[np.bool_]
    evaluation: xr.Dataset
    controls: dict[str, xr.Dataset]
    published: xr.Dataset | None

    @property
    def groups(self) -> list[str]:
        """The group of each of ``used``."""
        return [row.group for row in self.used]


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
    used = [row for row in rows if row.valid]
    wrong = np.array([not row.right for row in used])
    check_classes(questions, rows, folder)
    states = hidden_states(
        model,
        used,
        folder,
        spec=options.spec,
        progress=stage_progress(progress, "hidden states"),
    )
    evaluation = probes.evaluate(
        states["features"],
        wrong,
        groups=[row.group for row in used],
        labels=CLASSES,
        evaluation=options.evaluation,
        baselines=baselines_of(states["scores"]),
        progress=stage_progress(progress, "probes"),
    )
    evaluation["auroc"].attrs.update(ABOUT | provenance(model, questions, options, rows))
    return RoleAnalysis(
        questions,
        rows,
        used,
        [row for row in judged if row.sample != 0],
        states,
        wrong,
        evaluation,
        _controls(model, used, wrong, folder, options, progress),
        _published(model, states["features"], wrong, options, progress),
    )


def _published(
    model: Model,
    states: xr.DataArray,
    wrong: npt.NDArray[np.bool_],
    options: RoleMapOptions,
    progress: Progress,
) -> xr.Dataset | None:
    if options.published != "also":
        return None
    found = probes.published_recipe(
        states,
        wrong,
        labels=CLASSES,
        seed=options.evaluation.seed,
        progress=stage_progress(progress, "the published recipe"),
    )
    found["auroc"].attrs.update(ABOUT | model.provenance())
    return found


def baselines_of(scores: xr.DataArray) -> dict[str, npt.NDArray[np.float64]]:
    """What is known without a probe, each turned so that more of it means wrong.

    Log-probabilities and probabilities are turned around: less likely is more suspicious.
    """
    return {
        str(name): np.asarray(scores.sel(score=name), dtype=np.float64)
        * (1 if name == "answer_tokens" else -1)
        for name in scores["score"].values
    }


def _controls(
    model: Model,
    used: Sequence[Row],
    wrong: npt.NDArray[np.bool_],
    folder: RunFolder | None,
    options: RoleMapOptions,
    progress: Progress,
) -> dict[str, xr.Dataset]:
    groups = [row.group for row in used]
    letters = xr.DataArray(
        letters_of(used)[:, None, None, :],
        dims=("example", "layer", "role", "feature"),
        coords={"layer": [0], "role": ["exact_answer_last"]},
    )
    found = {
        "letters": probes.evaluate(
            letters, wrong, groups=groups, labels=CLASSES, evaluation=options.evaluation
        )
    }
    if "random-weights" in options.controls:
        fresh = random_weights(model, seed=options.answers.seed)
        spec = replace(options.spec, name="random_weights")
        states = hidden_states(
            fresh, used, folder, spec=spec, progress=stage_progress(progress, "random weights")
        )
        found["random-weights"] = probes.evaluate(
            states["random_weights"],
            wrong,
            groups=groups,
            labels=CLASSES,
            evaluation=options.evaluation,
            progress=stage_progress(progress, "probes of random weights"),
        )
        found["random-weights"]["auroc"].attrs.update(ABOUT | fresh.provenance())
    return found


def check_classes(questions: QuestionSet, rows: Sequence[Row], folder: RunFolder | None) -> None:
    """Refuse answers with fewer than 10 of one class."""
    counts = coverage(rows)
    right, wrong = counts["right_with_exact_answer"], counts["wrong_with_exact_answer"]
    if min(right, wrong) < FEWEST_OF_CLASS:
        raise LayergramError(
            f"a role map of the question set '{questions.name}'",
            got=f"{right} right and {wrong} wrong answers with an exact answer, of "
            f"{counts['answers']} answers",
            allowed=f"at least {FEWEST_OF_CLASS} of each, or a probe has nothing to learn from",
            do="bring more questions, or easier or harder ones, or another model"
            + (f"; the answers are kept in '{folder.path}'" if folder else ""),
        )


def provenance(
    model: Model, questions: QuestionSet, options: RoleMapOptions, rows: Sequence[Row]
) -> dict[str, Any]:
    """The attributes of a role map that say how it was made."""
    counts = coverage(rows)
    made_with = {
        "questions": questions.name,
        "questions_digest": questions.digest,
        "where": options.features.where,
        "evaluation": asdict(options.evaluation),
        **asdict(options.answers),
    }
    return {
        **model.provenance(),
        "seed": options.answers.seed,
        "options": json.dumps(made_with, ensure_ascii=False),
        "answers": counts["answers"],
        "coverage": counts["coverage"],
        "right": counts["right_with_exact_answer"],
        "wrong": counts["wrong_with_exact_answer"],
    }
