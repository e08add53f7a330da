"""What a role map is good for: doubt about new answers, better choices, kinds of errors, reach."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import probes
from layergram.answers.ask import Asking, answer
from layergram.answers.judge import Row, judge
from layergram.datasets.questions import Question, QuestionSet
from layergram.errors import LayergramError
from layergram.experiments.roles.pipeline import (
    ABOUT,
    CLASSES,
    Probed,
    Recipe,
    answers_of,
    check_classes,
)
from layergram.features.hidden_states import Wanted, hidden_states
from layergram.models.model import Model
from layergram.probes import Probe
from layergram.progress import Told, silent, stage_of
from layergram.storage.journal import digest_of

Values = npt.NDArray[np.float64]


def probe_of(probed: Probed, model: Model, recipe: Recipe) -> Probe:
    """The probe of the map's highest cell, trained on all answers that the map is made of.

    It carries the model, the question set and how the questions were put, so that it can be asked
    about new answers of the same model.
    """
    layer, role = int(probed.result["best_layer"]), str(probed.result["best_role"].item())
    return probes.fit(
        probed.states["features"].sel(layer=layer, role=role).values,
        probed.wrong,
        groups=probed.groups,
        labels=CLASSES,
        evaluation=recipe.evaluation,
        layer=layer,
        role=role,
        provenance={
            "model": model.name,
            "revision": model.revision,
            "questions": probed.questions.name,
            "where": recipe.wanted.where,
            "chat": recipe.asking.chat,
            "max_new_tokens": recipe.asking.max_new_tokens,
            "like": _typical(probed.used),
            "chosen_auroc": float(probed.result["chosen_auroc"]),
        },
    )


def _typical(rows: Sequence[Row]) -> list[str]:
    """Accepted answers that show what kind of answer is looked for."""
    return [row.accepted[0] for row in rows[:20]]


def opinions(probe: Probe, model: Model, prompts: Sequence[str]) -> list[dict[str, Any]]:
    """What the model answers to new questions, and how likely each answer is wrong.

    Args:
        probe: a probe of this model (:func:`probe_of`).
        model: the model that answers.
        prompts: questions, put as those that the probe was trained on.

    Returns:
        For each prompt: ``prompt``, ``reply``, ``exact_answer``; ``probability_wrong``, or ``None``
        where the answer lacks the role; ``layer`` and ``role`` of what the probe looked at, and
        the ``token`` there with its ``position`` in prompt and answer.

    Raises:
        LayergramError: for a probe of another model, or an empty prompt.
    """
    made = probe.provenance
    if made.get("revision") != model.revision:
        raise LayergramError(
            f"the opinion of a probe of '{made.get('model')}' ({made.get('revision')})",
            got=f"answers of '{model.name}' ({model.revision})",
            do="name the probe's own model, or train a probe on this one",
        )
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise LayergramError("the opinion of a probe", got="an empty prompt", do="give --prompt")
    like = tuple(made["like"])
    asked = QuestionSet(
        "prompts", tuple(Question(str(at), prompt, like) for at, prompt in enumerate(prompts, 1))
    )
    asking = Asking(max_new_tokens=made["max_new_tokens"], chat=made["chat"])
    rows = judge(model, answer(model, asked, asking=asking), accepted="unknown")
    wanted = Wanted(where=made["where"], layers=(probe.layer,), roles=(probe.role,), name="prompts")
    with TemporaryDirectory(prefix="layergram-") as folder:
        found = hidden_states(model, rows, Path(folder), wanted=wanted)["prompts"]
        said = probe.probability(found.values[:, 0, 0])
    return [_opinion(row, probe, float(p)) for row, p in zip(rows, said, strict=True)]


def _opinion(row: Row, probe: Probe, p: float) -> dict[str, Any]:
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
    probed: Probed, model: Model, folder: Path, *, recipe: Recipe, told: Told = silent
) -> xr.Dataset:
    """How often an answer chosen among samples is right: by the probe, and by other ways.

    Every question is judged by a probe that was trained on greedy answers to other questions, at
    the cell that those chose.

    Raises:
        LayergramError: if no answers were drawn.
    """
    _check_drawn(probed, "a choice among samples")
    trust = _trust(probed, model, folder, recipe, told)
    return probes.choose(
        [row.id for row in probed.drawn],
        [normal(row.exact) for row in probed.drawn],
        [row.right for row in probed.drawn],
        trust,
        greedy={row.id: row.right for row in probed.rows},
    )


def _trust(probed: Probed, model: Model, folder: Path, recipe: Recipe, told: Told) -> Values:
    """The probability that each drawn answer is right, by a probe of other questions."""
    result = probed.result
    layers = [int(layer) for layer in result["chosen_layer"].values]
    roles = [str(role) for role in result["chosen_role"].values]
    name = f"samples_{digest_of([layers, roles])[-8:]}"
    wanted = Wanted(
        where=recipe.wanted.where,
        layers=tuple(sorted(set(layers))),
        roles=tuple(sorted(set(roles))),
        dtype=recipe.wanted.dtype,
        name=name,
    )
    states = hidden_states(
        model, probed.drawn, folder, wanted=wanted, progress=stage_of(told, "drawn answers")
    )[name]
    folds = result["example_fold"].values
    fold_of = dict(zip(probed.groups, folds.tolist(), strict=True))
    trust = np.full(len(probed.drawn), np.nan)
    for fold, (layer, role) in enumerate(zip(layers, roles, strict=True)):
        others = folds != fold
        probe = probes.fit(
            probed.states["features"].sel(layer=layer, role=role).values[others],
            probed.wrong[others],
            groups=np.array(probed.groups)[others],
            labels=CLASSES,
            evaluation=recipe.evaluation,
        )
        # a question without a fold took no part in any training, so any probe may judge it
        mine = np.array([fold_of.get(row.group, 0) == fold for row in probed.drawn])
        trust[mine] = 1 - probe.probability(states.sel(layer=layer, role=role).values[mine])
    return trust


def types_of_errors(probed: Probed, *, recipe: Recipe) -> tuple[dict[str, list[str]], xr.Dataset]:
    """In which way each question is answered wrongly, and how well a probe sees each way.

    Returns:
        The types of each question (:data:`layergram.probes.ERROR_TYPES`), and the AUROC of a probe
        per type on the greedy answers' hidden states at the map's highest cell.

    Raises:
        LayergramError: if fewer than 6 answers per question were drawn.
    """
    _check_drawn(probed, "types of errors", least=6)
    of_question: dict[str, list[Row]] = {}
    for row in probed.drawn:
        of_question.setdefault(row.id, []).append(row)
    types = {name: _types(rows) for name, rows in of_question.items()}
    layer, role = int(probed.result["best_layer"]), probed.result["best_role"].item()
    found = probes.probe_types(
        probed.states["features"].sel(layer=layer, role=role).values,
        [types[row.id] for row in probed.used],
        groups=probed.groups,
        evaluation=recipe.evaluation,
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


def reach(
    probed: Probed,
    others: Sequence[QuestionSet],
    model: Model,
    folder: Path,
    *,
    recipe: Recipe,
    told: Told = silent,
) -> xr.DataArray:
    """Does a probe of one question set see the wrong answers of another? For every pair of sets.

    All probes read the cell that is highest in the map of the first set.

    Args:
        probed: the map of the first set.
        others: the other sets; each is answered and judged in a folder of its name.
        model: the model.
        folder: where those folders are made.
        recipe: how the first map was made.
        told: told how far it is.

    Raises:
        LayergramError: for sets of one name, or one with fewer than 10 of a class.
    """
    layer, role = int(probed.result["best_layer"]), str(probed.result["best_role"].item())
    cell = f"layer_{layer}_{role}"
    first = probed.states["features"].sel(layer=layer, role=role).values
    sets: dict[str, tuple[Any, Any, Any]] = {
        probed.questions.name: (first, probed.wrong, np.array(probed.groups))
    }
    for questions in others:
        name = questions.name
        if name in sets:
            raise LayergramError(f"the set '{name}' beside itself", do="name each set once")
        own = folder / re.sub(r"[^\w.-]", "_", name)
        rows = answers_of(model, questions, own, asking=recipe.asking, told=told)
        rows = [row for row in rows if row.sample == 0]
        check_classes(questions, rows, own)
        used = [row for row in rows if row.valid]
        wanted = Wanted(where=recipe.wanted.where, layers=(layer,), roles=(role,), name=cell)
        states = hidden_states(
            model, used, own, wanted=wanted, progress=stage_of(told, f"hidden states: {name}")
        )
        wrong = np.array([not row.right for row in used])
        groups = np.array([row.group for row in used])
        sets[name] = (states[cell].values[:, 0, 0], wrong, groups)
    found = probes.generalisation(sets, labels=CLASSES, evaluation=recipe.evaluation)
    return found.assign_attrs(
        long_name="AUROC across question sets",
        references=ABOUT["references"],
        model=model.name,
        revision=model.revision,
        layer=layer,
        role=role,
    )


def _check_drawn(probed: Probed, asked: str, *, least: int = 1) -> None:
    drawn = len(probed.drawn) // max(1, len(probed.rows))
    if drawn < least:
        raise LayergramError(
            asked,
            got=f"{drawn} drawn answers per question",
            allowed=f"{least} or more; the published work drew 30",
            do="draw some with --samples",
        )
