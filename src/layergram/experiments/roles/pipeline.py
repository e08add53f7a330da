"""From a question set to its role map: ask, judge, gather the hidden states, probe, compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import probes
from layergram.answers.ask import Asking, answer
from layergram.answers.judge import Row, coverage, judge
from layergram.datasets.questions import QuestionSet
from layergram.errors import LayergramError
from layergram.experiments.roles.controls import letters_of, random_weights
from layergram.features.hidden_states import Wanted, hidden_states
from layergram.models.edits import record_of_edits
from layergram.models.model import Model
from layergram.probes.published_recipe import PAPER
from layergram.progress import Told, silent, stage_of
from layergram.statistics.auroc import REFERENCES
from layergram.statistics.folds import FEWEST_OF_CLASS

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
class Recipe:
    """How a role map is made.

    Attributes:
        asking: how the questions are put.
        wanted: which hidden states are taken.
        evaluation: how the probes are trained and tested.
        controls: what to compare with besides, ``random-weights`` or nothing.
        paper: ``"also"`` makes a second map by the published recipe, ``"none"`` does not.
    """

    asking: Asking = field(default_factory=Asking)
    wanted: Wanted = field(default_factory=Wanted)
    evaluation: probes.Evaluation = field(default_factory=probes.Evaluation)
    controls: tuple[str, ...] = ()
    paper: str = "none"


@dataclass(frozen=True)
class Probed:
    """Answers to a question set, and what probes find in them.

    Attributes:
        questions: the set.
        rows: every greedy answer, judged.
        used: those with an exact answer, which the map is made of.
        drawn: the other answers, drawn at random, judged.
        states: hidden states and scores of ``used``.
        wrong: [example], whether each of ``used`` is wrong.
        result: maps and numbers (:func:`layergram.probes.evaluate`).
        controls: name -> the same for a control.
        paper: the map by the published recipe, if it was asked for.
    """

    questions: QuestionSet
    rows: list[Row]
    used: list[Row]
    drawn: list[Row]
    states: xr.Dataset
    wrong: npt.NDArray[np.bool_]
    result: xr.Dataset
    controls: dict[str, xr.Dataset]
    paper: xr.Dataset | None

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


def answers_of(
    model: Model, questions: QuestionSet, folder: Path, *, asking: Asking, told: Told = silent
) -> list[Row]:
    """All answers of a model to a question set, judged; in ``folder`` as they come."""
    answers = answer(
        model, questions, asking=asking, folder=folder, progress=stage_of(told, "asked")
    )
    return judge(model, answers, folder=folder, progress=stage_of(told, "exact answers"))


def role_map(
    model: Model,
    questions: QuestionSet,
    folder: Path,
    *,
    recipe: Recipe | None = None,
    told: Told = silent,
) -> Probed:
    """Where in a model, and at which token, it shows that an answer is wrong.

    Args:
        model: the model that answers and is looked into.
        questions: the set.
        folder: everything that takes long is kept there as it is made; a killed run goes on.
        recipe: how to make it.
        told: told how far it is.

    Raises:
        LayergramError: for a set that is too small, fewer than 10 right or wrong answers with an
            exact answer, or a folder of another run.
    """
    recipe = recipe or Recipe()
    check_size(questions)
    judged = answers_of(model, questions, folder, asking=recipe.asking, told=told)
    rows = [row for row in judged if row.sample == 0]
    used = [row for row in rows if row.valid]
    wrong = np.array([not row.right for row in used])
    check_classes(questions, rows, folder)
    states = hidden_states(
        model, used, folder, wanted=recipe.wanted, progress=stage_of(told, "hidden states")
    )
    groups = [row.group for row in used]
    result = probes.evaluate(
        states["features"],
        wrong,
        groups=groups,
        labels=CLASSES,
        evaluation=recipe.evaluation,
        baselines=baselines_of(states["scores"]),
        progress=stage_of(told, "probes"),
    )
    result["auroc"].attrs.update(ABOUT | provenance(model, questions, recipe, rows))
    return Probed(
        questions,
        rows,
        used,
        [row for row in judged if row.sample != 0],
        states,
        wrong,
        result,
        _controls(model, used, wrong, folder, recipe, told),
        _paper(states["features"], wrong, recipe, told),
    )


def _paper(
    states: xr.DataArray, wrong: npt.NDArray[np.bool_], recipe: Recipe, told: Told
) -> xr.Dataset | None:
    if recipe.paper != "also":
        return None
    result = probes.published_recipe(
        states,
        wrong,
        labels=CLASSES,
        seed=recipe.evaluation.seed,
        progress=stage_of(told, "the paper's recipe"),
    )
    result["auroc"].attrs.update(ABOUT)
    return result


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
    folder: Path,
    recipe: Recipe,
    told: Told,
) -> dict[str, xr.Dataset]:
    groups = [row.group for row in used]
    letters = xr.DataArray(
        letters_of(used)[:, None, None, :],
        dims=("example", "layer", "role", "feature"),
        coords={"layer": [0], "role": ["exact_answer_last"]},
    )
    found = {
        "letters": probes.evaluate(
            letters, wrong, groups=groups, labels=CLASSES, evaluation=recipe.evaluation
        )
    }
    if "random-weights" in recipe.controls:
        fresh = random_weights(model, seed=recipe.asking.seed)
        wanted = Wanted(where=recipe.wanted.where, dtype=recipe.wanted.dtype, name="random_weights")
        states = hidden_states(
            fresh, used, folder, wanted=wanted, progress=stage_of(told, "random weights")
        )
        found["random-weights"] = probes.evaluate(
            states["random_weights"],
            wrong,
            groups=groups,
            labels=CLASSES,
            evaluation=recipe.evaluation,
            progress=stage_of(told, "probes of random weights"),
        )
        found["random-weights"]["auroc"].attrs.update(ABOUT)
    return found


def check_classes(questions: QuestionSet, rows: Sequence[Row], folder: Path) -> None:
    """Refuse answers with fewer than 10 of one class."""
    counts = coverage(rows)
    right, wrong = counts["right_with_exact_answer"], counts["wrong_with_exact_answer"]
    if min(right, wrong) < FEWEST_OF_CLASS:
        raise LayergramError(
            f"a role map of the question set '{questions.name}'",
            got=f"{right} right and {wrong} wrong answers with an exact answer, of "
            f"{counts['answers']} answers",
            allowed=f"at least {FEWEST_OF_CLASS} of each, or a probe has nothing to learn from",
            do="bring more questions, or easier or harder ones, or another model; the answers "
            f"are kept in '{folder}'",
        )


def provenance(
    model: Model, questions: QuestionSet, recipe: Recipe, rows: Sequence[Row]
) -> dict[str, Any]:
    """The attributes of a role map that say how it was made."""
    counts = coverage(rows)
    options = {
        "questions": questions.name,
        "questions_digest": questions.digest,
        "where": recipe.wanted.where,
        **asdict(recipe.asking),
    }
    return {
        "model": model.name,
        "revision": model.revision,
        "model_type": model.model_type,
        "layers": model.layers,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        **record_of_edits(model),
        "seed": recipe.asking.seed,
        "options": json.dumps(options, ensure_ascii=False),
        "answers": counts["answers"],
        "coverage": counts["coverage"],
        "right": counts["right_with_exact_answer"],
        "wrong": counts["wrong_with_exact_answer"],
    }
