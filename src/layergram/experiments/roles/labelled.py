"""A role map of labelled texts: any property of two values, without asking the model anything."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram import probes
from layergram.answers.judge import Row
from layergram.datasets.labelled import LabelledSet
from layergram.experiments.result import Result
from layergram.experiments.roles.controls import random_weights
from layergram.experiments.roles.labelled_report import (
    WORDS,
    comparison_table,
    section,
    sentences_of,
    summary,
)
from layergram.experiments.roles.labelled_rows import roles_of, rows_of
from layergram.experiments.roles.pipeline import RoleMapOptions
from layergram.features.hidden_states import hidden_states
from layergram.figures import Style
from layergram.models.model import Model
from layergram.probes import Probe, map_of
from layergram.probes.crossfit import assign_folds
from layergram.probes.word_baseline import fit_words, telling_word, word_scores
from layergram.progress import Progress, no_progress, stage_progress
from layergram.statistics.folds import numbered
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder

PLAIN = Style(significance="none")


@dataclass(frozen=True, kw_only=True)
class LabelledMapResult(Result):
    """A role map of labelled texts.

    Attributes:
        evaluation: the numbers of all probes (:func:`layergram.probes.evaluate`).
        probe: the probe of the map's highest cell, trained on all texts; it can be saved, and
            drawn over other texts (``layergram ask PROBE --over TEXT``).
    """

    evaluation: xr.Dataset
    probe: Probe


def labelled_map(
    model: Model,
    texts: LabelledSet,
    folder: RunFolder | None = None,
    *,
    options: RoleMapOptions,
    also: Sequence[LabelledSet] = (),
    save_probe: str | Path | None = None,
    progress: Progress = no_progress,
) -> LabelledMapResult:
    """Take the hidden states of labelled texts at their token roles, probe every cell, compare."""
    rows = rows_of(model, texts, chat=options.answers.chat)
    positive = np.array(texts.positive)
    states = _states(model, rows, folder, options, progress, roles=roles_of(rows))
    evaluation = _evaluated(states, texts, options, progress)
    evaluation["auroc"].attrs.update(_about(model, texts, options))
    found = {"auroc": map_of(evaluation)}
    if options.control == "random-weights":
        fresh = random_weights(model, seed=options.answers.seed)
        own = replace(
            options, features=replace(options.features, name="random_weights", scores="none")
        )
        of_fresh = _states(fresh, rows, folder, own, progress, roles=roles_of(rows))
        fresh_evaluation = _evaluated(of_fresh, texts, own, progress)
        fresh_evaluation["auroc"].attrs.update(_about(fresh, texts, options))
        found["auroc_random_weights"] = map_of(fresh_evaluation)
    probe = _probe(model, texts, states, evaluation, options)
    if save_probe is not None:
        probe.save(save_probe)
    if also:
        found["generalisation"] = _generalisation(
            model, (texts, *also), states, evaluation, folder, options, progress
        )
    table = comparison_table(evaluation, found)
    sentences = sentences_of(texts, evaluation, table, telling_word(_words_of(texts), positive))
    return LabelledMapResult(
        title=f"{model.name} on {texts.name}: {len(texts)} texts",
        maps=found,
        tables={"baselines": table},
        sentences=sentences,
        summary=summary(texts, evaluation, table, sentences),
        records={"rows": [asdict(row) for row in rows]},
        section=section(sentences, table),
        styles=dict.fromkeys(found, PLAIN),
        evaluation=evaluation,
        probe=probe,
    )


def _words_of(texts: LabelledSet) -> list[str]:
    return [f"{text.question}\n{text.text}" for text in texts.texts]


def _states(
    model: Model,
    rows: Sequence[Row],
    folder: RunFolder | None,
    options: RoleMapOptions,
    progress: Progress,
    *,
    roles: tuple[str, ...],
) -> xr.Dataset:
    spec = replace(options.features, roles=roles)
    named = stage_progress(progress, f"hidden states: {spec.name}")
    states: xr.Dataset = hidden_states(model, rows, folder, spec=spec, progress=named)
    return states.rename({spec.name: "features"}) if spec.name != "features" else states


def _evaluated(
    states: xr.Dataset, texts: LabelledSet, options: RoleMapOptions, progress: Progress
) -> xr.Dataset:
    """The map, with the words of the texts on the same folds."""
    positive, groups = np.array(texts.positive), [text.group for text in texts.texts]
    folds = assign_folds(positive, numbered(groups), texts.labels, options.evaluation).folds
    return probes.evaluate(
        states["features"],
        positive,
        groups=groups,
        labels=texts.labels,
        evaluation=options.evaluation,
        baselines={WORDS: word_scores(_words_of(texts), positive, folds)},
        progress=stage_progress(progress, "probes"),
    )


def _about(model: Model, texts: LabelledSet, options: RoleMapOptions) -> dict[str, Any]:
    made_with = {
        "labelled": texts.name,
        "labelled_digest": texts.digest,
        "where": options.features.where,
        "evaluation": asdict(options.evaluation),
        "chat": options.answers.chat,
    }
    return {
        **model.provenance(),
        "seed": options.evaluation.seed,
        "options": json.dumps(made_with, ensure_ascii=False),
    }


def _cell(evaluation: xr.Dataset) -> tuple[int, str]:
    return int(evaluation["best_layer"]), str(evaluation["best_role"].item())


def _probe(
    model: Model,
    texts: LabelledSet,
    states: xr.Dataset,
    evaluation: xr.Dataset,
    options: RoleMapOptions,
) -> Probe:
    """The probe of the highest cell, with the words that it is compared with over a text."""
    (layer, role), positive = _cell(evaluation), np.array(texts.positive)
    words = fit_words(_words_of(texts), positive)
    return probes.fit(
        states["features"].sel(layer=layer, role=role).values,
        positive,
        groups=[text.group for text in texts.texts],
        labels=texts.labels,
        evaluation=options.evaluation,
        layer=layer,
        role=role,
        provenance={
            "model": model.name,
            "revision": model.revision,
            "labelled": texts.name,
            "labels": list(texts.labels),
            "where": options.features.where,
            "nested_auroc": float(evaluation["nested_auroc"]),
            "words": {"weights": dict(words.weights), "bias": words.bias},
        },
    )


def _generalisation(
    model: Model,
    sets: Sequence[LabelledSet],
    states: xr.Dataset,
    evaluation: xr.Dataset,
    folder: RunFolder | None,
    options: RoleMapOptions,
    progress: Progress,
) -> xr.DataArray:
    """Does a probe of one labelled set tell the classes of another apart, at the same cell?"""
    layer, role = _cell(evaluation)
    first = states["features"].sel(layer=layer, role=role).values
    known = {
        sets[0].name: (
            first,
            np.array(sets[0].positive),
            np.array([t.group for t in sets[0].texts]),
        )
    }
    for texts in sets[1:]:
        slug = f"{re.sub(r'[^-a-zA-Z0-9.]', '_', texts.name)}-{digest_of(texts.name)[-8:]}"
        own = None if folder is None else folder.path / "also" / slug
        cell = replace(
            options.features, layers=(layer,), name=re.sub(r"\W", "_", f"layer_{layer}_{role}")
        )
        with nullcontext() if own is None else RunFolder(own) as home:
            rows = rows_of(model, texts, chat=options.answers.chat)
            found = _states(
                model, rows, home, replace(options, features=cell), progress, roles=(role,)
            )["features"].values[:, 0, 0]
        known[texts.name] = (
            found,
            np.array(texts.positive),
            np.array([t.group for t in texts.texts]),
        )
    matrix = probes.generalisation(known, labels=sets[0].labels, evaluation=options.evaluation)
    return matrix.assign_attrs(
        long_name="AUROC across labelled sets",
        model=model.name,
        revision=model.revision,
        layer=layer,
        role=role,
    )
