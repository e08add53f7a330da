"""What a role map is good for: doubt about new answers, choices, kinds of errors, other sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from layergram import probes
from layergram.answers.ask import AnswerOptions, ask
from layergram.answers.exact import JudgeName
from layergram.answers.judge import Row, judge_answers
from layergram.datasets.labelled import LabelledSet
from layergram.datasets.questions import Question, QuestionSet
from layergram.errors import LayergramError
from layergram.experiments.roles.examples import Examples
from layergram.experiments.roles.labelled import texts_of
from layergram.experiments.roles.over import check_model
from layergram.experiments.roles.pipeline import (
    RoleAnalysis,
    RoleMapOptions,
    answers_of,
    judged_answers,
)
from layergram.features.hidden_states import FeatureSpec, hidden_states
from layergram.models.model import Model
from layergram.probes import ERROR_TYPES, STRATEGIES, Probe
from layergram.probes.word_baseline import fit_words
from layergram.progress import Progress, no_progress, stage_progress
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder

FEWEST_FOR_TYPES = 6
"""Fewest drawn answers per question that types of errors are told from."""

Values = npt.NDArray[np.float64]


def probe_of(analysis: RoleAnalysis, model: Model, options: RoleMapOptions) -> Probe:
    """The probe of the map's highest cell, trained on all answers that the map is made of.

    It carries the model, the question set and how the questions were put, so that it can be asked
    about new answers of the same model.
    """
    layer, role = (
        int(analysis.evaluation["best_layer"]),
        str(analysis.evaluation["best_role"].item()),
    )
    return probes.fit(
        analysis.states["features"].sel(layer=layer, role=role).values,
        analysis.examples.positive,
        groups=analysis.examples.groups,
        labels=analysis.examples.classes,
        evaluation=options.evaluation,
        layer=layer,
        role=role,
        provenance={
            "model": model.name,
            "revision": model.revision,
            "where": options.features.where,
            **_put(analysis.examples, options),
            "words": asdict(fit_words(analysis.examples.texts, analysis.examples.positive)),
            "nested_auroc": float(analysis.evaluation["nested_auroc"]),
            "calibration": probes.calibration_record(
                probes.calibration(probes.out_of_fold(analysis.evaluation))
            ),
        },
    )


def _put(examples: Examples, options: RoleMapOptions) -> dict[str, Any]:
    """How new questions are to be put, with accepted answers that show what is looked for."""
    if examples.of == "texts":
        return {"labelled": examples.name}
    return {
        "questions": examples.name,
        "chat": options.answers.chat,
        "max_new_tokens": options.answers.max_new_tokens,
        "judge": options.answers.judge,
        "like": [row.accepted[0] for row in examples.rows[:20]],
    }


def predict_wrong(
    probe: Probe, model: Model, prompts: Sequence[str], *, judge: JudgeName | None = None
) -> list[dict[str, Any]]:
    """What the model answers to new questions, and how likely each answer is wrong.

    Args:
        probe: a probe of this model (:func:`probe_of`).
        model: the model that answers.
        prompts: questions, put as those that the probe was trained on.
        judge: whose rules find the exact answer: ``"strict"``, ``"published"``; by default those
            that the probe was trained with.

    Returns:
        For each prompt: ``prompt``, ``reply``, ``exact_answer``; ``probability_wrong``, or ``None``
        where the answer lacks the role; ``layer`` and ``role`` of what the probe looked at, and
        the ``token`` there with its ``position`` in prompt and answer.

    Raises:
        LayergramError: for a probe of another model, or an empty prompt.
    """
    made = probe.provenance
    check_model(probe, model)
    if "labelled" in made:
        raise LayergramError(
            "the prediction of a probe",
            got=f"questions, to a probe of the labelled texts '{made['labelled']}'",
            do="give it a text to read: --over TEXT",
        )
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise LayergramError(
            "the prediction of a probe", got="an empty prompt", do="give every question some words"
        )
    like = tuple(made["like"])
    asked = QuestionSet(
        "prompts", tuple(Question(str(at), prompt, like) for at, prompt in enumerate(prompts, 1))
    )
    options = AnswerOptions(max_new_tokens=made["max_new_tokens"], chat=made["chat"])
    judge = judge or made.get("judge", "published")
    rows = judge_answers(model, ask(model, asked, options=options), accepted="unknown", judge=judge)
    spec = FeatureSpec(
        where=made["where"],
        layers=(probe.layer,),
        roles=(probe.role,),
        name="prompts",
        scores="none",
    )
    found = hidden_states(model, rows, spec=spec)["prompts"]
    p_wrong = probe.probability(found.values[:, 0, 0])
    return [_prediction(row, probe, float(p)) for row, p in zip(rows, p_wrong, strict=True)]


def _prediction(row: Row, probe: Probe, p: float) -> dict[str, Any]:
    position = row.roles[probe.role]
    seen = {"position": position, "token": row.texts[position]} if position >= 0 else {}
    return {
        "prompt": row.question,
        "reply": row.reply,
        "exact_answer": row.exact or None,
        "probability_wrong": None if np.isnan(p) else p,
        "layer": probe.layer,
        "role": probe.role,
        **seen,
    }


def choice(
    analysis: RoleAnalysis,
    model: Model,
    folder: RunFolder | None,
    *,
    options: RoleMapOptions,
    progress: Progress = no_progress,
) -> xr.Dataset:
    """How often an answer chosen among samples is right: by the probe, and by other ways.

    Every question is judged by a probe that was trained on greedy answers to other questions, at
    the cell that those chose.

    Raises:
        LayergramError: if no answers were drawn.
    """
    _check_drawn(analysis, "a choice among samples")
    p_right = _p_right(analysis, model, folder, options, progress)
    return probes.choose(
        [row.id for row in analysis.drawn],
        [normal(row.exact) for row in analysis.drawn],
        [row.right for row in analysis.drawn],
        p_right,
        greedy={row.id: row.right for row in analysis.rows},
    )


def _p_right(
    analysis: RoleAnalysis,
    model: Model,
    folder: RunFolder | None,
    options: RoleMapOptions,
    progress: Progress,
) -> Values:
    """The probability that each drawn answer is right, by a probe of other questions."""
    result = analysis.evaluation
    layers = [int(layer) for layer in result["chosen_layer"].values]
    roles = [str(role) for role in result["chosen_role"].values]
    name = f"samples_{digest_of([layers, roles])[-8:]}"
    spec = FeatureSpec(
        where=options.features.where,
        layers=tuple(sorted(set(layers))),
        roles=tuple(sorted(set(roles))),
        dtype=options.features.dtype,
        name=name,
        scores="none",
        folder=options.spec.folder,
    )
    states = hidden_states(
        model, analysis.drawn, folder, spec=spec, progress=stage_progress(progress, "drawn answers")
    )[name]
    folds = result["example_fold"].values
    fold_of = dict(zip(analysis.examples.groups, folds.tolist(), strict=True))
    p_right = np.full(len(analysis.drawn), np.nan)
    for fold, (layer, role) in enumerate(zip(layers, roles, strict=True)):
        others = folds != fold
        probe = probes.fit(
            analysis.states["features"].sel(layer=layer, role=role).values[others],
            analysis.examples.positive[others],
            groups=np.array(analysis.examples.groups)[others],
            labels=analysis.examples.classes,
            evaluation=options.evaluation,
        )
        # a question without a fold took no part in any training, so any probe may judge it
        mine = np.array([fold_of.get(row.group, 0) == fold for row in analysis.drawn])
        p_right[mine] = 1 - probe.probability(states.sel(layer=layer, role=role).values[mine])
    return p_right


def types_of_errors(
    analysis: RoleAnalysis, *, options: RoleMapOptions
) -> tuple[dict[str, list[str]], xr.Dataset]:
    """In which way each question is answered wrongly, and how well a probe sees each way.

    Returns:
        The types of each question (:data:`layergram.probes.ERROR_TYPES`), and the AUROC of a probe
        per type on the greedy answers' hidden states at the map's highest cell.

    Raises:
        LayergramError: if fewer than 6 answers per question were drawn.
    """
    _check_drawn(analysis, "types of errors", least=6)
    of_question: dict[str, list[Row]] = {}
    for row in analysis.drawn:
        of_question.setdefault(row.id, []).append(row)
    types = {name: _types(rows) for name, rows in of_question.items()}
    layer, role = int(analysis.evaluation["best_layer"]), analysis.evaluation["best_role"].item()
    found = probes.probe_types(
        analysis.states["features"].sel(layer=layer, role=role).values,
        [types[row.id] for row in analysis.examples.rows],
        groups=analysis.examples.groups,
        evaluation=options.evaluation,
    )
    return {name: sorted(kinds) for name, kinds in types.items()}, found


def _types(rows: Sequence[Row]) -> frozenset[str]:
    wrong = [row for row in rows if not row.right]
    refused = sum(not row.exact for row in wrong)
    sizes = clusters([row.exact for row in wrong if row.exact])
    return probes.error_types(sum(row.right for row in rows), sizes, refused=refused)


def clusters(answers: Sequence[str]) -> list[int]:
    """How many answers say the same: equal but for capitals, or one contained in the other.

    Example:
        >>> clusters(["Porto Novo", "porto  novo", "Novo", "Lomé", "Lo"])
        [3, 2]
    """
    counts = Counter(normal(text) for text in answers)
    sizes: dict[str, int] = {}
    for text, count in sorted(counts.items(), key=lambda item: (-len(item[0]), item[0])):
        home = next((known for known in sizes if text in known), text)
        sizes[home] = sizes.get(home, 0) + count
    return sorted(sizes.values(), reverse=True)


def normal(text: str) -> str:
    """An answer as it is compared with others: without capitals and doubled spaces."""
    return " ".join(text.casefold().split())


def generalisation(
    analysis: RoleAnalysis,
    others: Sequence[QuestionSet | LabelledSet],
    model: Model,
    folder: RunFolder | None,
    *,
    options: RoleMapOptions,
    progress: Progress = no_progress,
) -> xr.DataArray:
    """Does a probe of one question set see the wrong answers of another? For every pair of sets.

    All probes read the cell that is highest in the map of the first set; on the first set itself
    stands the nested choice, as its own labels chose that cell.

    Args:
        analysis: of the first set.
        others: the other sets; each is answered and judged in a folder of its name.
        model: the model.
        folder: where those folders are made.
        options: how the first map was made.
        progress: called with stage, done and total.

    Raises:
        LayergramError: for sets of one name, or one with fewer than 10 of a class.
    """
    layer, role = (
        int(analysis.evaluation["best_layer"]),
        str(analysis.evaluation["best_role"].item()),
    )
    cell = f"layer_{layer}_{role}"
    first = analysis.states["features"].sel(layer=layer, role=role).values
    sets: dict[str, tuple[Any, Any, Any]] = {
        analysis.examples.name: (
            first,
            analysis.examples.positive,
            np.array(analysis.examples.groups),
        )
    }
    spec = FeatureSpec(
        where=options.features.where,
        layers=(layer,),
        roles=(role,),
        name=cell,
        folder=options.spec.folder,
        scores="none",
    )
    for questions in others:
        name = questions.name
        sets[name] = _of_cell(questions, model, folder, spec, options, progress)
    found = probes.generalisation(
        sets,
        labels=analysis.examples.classes,
        evaluation=options.evaluation,
        nested={analysis.examples.name: probes.out_of_fold(analysis.evaluation)},
    )
    return found.assign_attrs(
        long_name="AUROC across sets",
        references=analysis.examples.about["references"],
        model=model.name,
        revision=model.revision,
        layer=layer,
        role=role,
    )


def _of_cell(
    questions: QuestionSet | LabelledSet,
    model: Model,
    folder: RunFolder | None,
    spec: FeatureSpec,
    options: RoleMapOptions,
    progress: Progress,
) -> tuple[Any, Any, Any]:
    """Another set's states at one cell, which of its answers are wrong, and their groups."""
    name = questions.name
    slug = f"{re.sub(r'[^-a-zA-Z0-9.]', '_', name)}-{digest_of(name)[-8:]}"
    with nullcontext() if folder is None else folder.within(f"also/{slug}") as home:
        if isinstance(questions, LabelledSet):
            examples = texts_of(model, questions, chat=options.answers.chat)
        else:
            own_options = options.answers
            rows = judged_answers(model, questions, home, options=own_options, progress=progress)
            rows = [row for row in rows if row.sample == 0]
            examples = answers_of(questions, rows, options.cut, home)
        stage = stage_progress(progress, f"hidden states: {name}")
        states = hidden_states(model, examples.rows, home, spec=spec, progress=stage)[spec.name]
        return states.values[:, 0, 0], examples.positive, np.array(examples.groups)


def choice_table(found: xr.Dataset) -> pd.DataFrame:
    """How often each way to choose among samples is right."""
    numbers = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    table = found[list(numbers)].to_dataframe()[list(numbers)].reset_index()
    table["about"] = [STRATEGIES[str(name)] for name in table["strategy"]]
    return table


def types_table(types: Mapping[str, Sequence[str]], found: xr.Dataset) -> pd.DataFrame:
    """How many questions have each type of error, and how well a probe sees it."""
    rows = [
        {
            "type": name,
            "questions": sum(name in kinds for kinds in types.values()),
            **{key: float(found[key].sel(type=name)) for key in ("auroc", "low", "high")},
            "about": meaning,
        }
        for name, meaning in ERROR_TYPES.items()
    ]
    return pd.DataFrame(rows)


def _check_drawn(analysis: RoleAnalysis, asked: str, *, least: int = 1) -> None:
    drawn = len(analysis.drawn) // max(1, len(analysis.rows))
    if drawn < least:
        raise LayergramError(
            asked,
            got=f"{drawn} drawn answers per question",
            allowed=f"{least} or more; the published work drew 30",
            do="draw some with --samples",
        )
