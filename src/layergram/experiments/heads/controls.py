"""What the probe of all heads has to be compared with: on the same steps, and mostly folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from layergram.datasets.steps import Step
from layergram.experiments.heads.all_heads_probe import Joint, Training, joint_probes
from layergram.experiments.heads.importance import Labelled, shuffled_labels
from layergram.statistics.bootstrap import Bootstrap
from layergram.statistics.folds import grouped_folds

Classes = npt.NDArray[np.intp]
DEALS = 20  # ways to deal templates into folds that are tried
Progress = Callable[[int, int], None]

ACCURACIES = {
    "joint": "a probe of all heads, on templates or main questions that it was not trained on",
    "majority": "always the function that most training steps have",
    "shuffled": "the probe of all heads, trained and tested on labels that main questions of as "
    "many steps have exchanged",
    "words": "a classifier that sees the words of the step alone",
    "all_words": "a classifier that sees the words of the passage and the step",
    "templates": "the probe of all heads, on templates that it was not trained on",
    "words_templates": "the words of the step alone, on templates that were not trained on",
}
"""Ways to name the function of a step, in words."""


def accuracies(
    joint: Joint,
    features: npt.NDArray[Any],
    steps: Sequence[Step],
    known: Labelled,
    *,
    by: str = "questions",
    training: Training,
    progress: Progress | None = None,
) -> xr.Dataset:
    """How often the probe of all heads names the function of a step, and what it has to beat.

    Args:
        joint: the probe of all heads.
        features: [step, layer, head, feature].
        steps: the steps.
        known: their functions and main questions as numbers.
        by: what the folds of the probe keep together, ``questions`` or ``templates``; in the first
            case it is trained again with templates held out, where the steps have enough.
        training: how the probe was trained.
        progress: called with the trainings done, and how many there are.

    Returns:
        On ``way`` (:data:`ACCURACIES`): ``accuracy`` with ``low`` and ``high``, the ends of a 95 %
        interval over main questions, and ``gain`` with ``gain_low`` and ``gain_high``, by which
        the probe of all heads is above it. NaN for templates where the steps have too few.
    """
    folds, count = joint.folds, len(np.unique(joint.folds))
    apart = None
    if by == "questions":
        apart = _template_folds(steps, known, count, training.seed)
    total = count * (1 if apart is None else 2)
    report = progress or (lambda done, total: None)
    shuffled = shuffled_labels(known, count=1, seed=training.seed)[0]
    control = joint_probes(
        features, shuffled, folds, training=training, progress=lambda at, _: report(at, total)
    )
    bags = [step.step for step in steps]
    everything = [f"{step.question} {step.step}" for step in steps]
    correct = {
        "joint": joint.predicted == known.classes,
        "majority": _majority(known.classes, folds) == known.classes,
        "shuffled": control.predicted == shuffled,
        "words": _by_words(bags, known.classes, folds, None) == known.classes,
        "all_words": _by_words(everything, known.classes, folds, None) == known.classes,
    }
    if apart is not None:
        held_out = joint_probes(
            features,
            known.classes,
            apart,
            groups=known.groups,
            training=training,
            progress=lambda at, _: report(count + at, total),
        )
        correct["templates"] = held_out.predicted == known.classes
        words = _by_words(bags, known.classes, apart, known.groups)
        correct["words_templates"] = words == known.classes
    return _with_intervals(correct, known.groups)


def _template_folds(
    steps: Sequence[Step], known: Labelled, folds: int, seed: int
) -> Classes | None:
    """Folds that keep templates together; ``None`` where there are too few of them.

    Every fold has to leave steps of every function to train on, without the main questions that it
    has steps of; templates are dealt again, a few times, until it does.
    """
    templates = [step.template for step in steps]
    if not all(templates) or len(set(templates)) < 2 * folds:
        return None
    for deal in range(DEALS):
        found = grouped_folds(known.classes, templates, folds=folds, seed=seed + deal)
        if all(_trainable(known, found, fold, folds) for fold in range(folds)):
            return found
    return None


def _trainable(known: Labelled, found: Classes, fold: int, folds: int) -> bool:
    """Whether steps of every function are left beside a fold, and some to judge a training by."""
    free = ~np.isin(known.groups, known.groups[found == fold])
    judge = found == (fold + 1) % folds
    left = np.bincount(known.classes[free & ~judge], minlength=len(known.functions))
    return bool(left.min() > 0 and (free & judge).any())


def _with_intervals(
    correct: dict[str, npt.NDArray[np.bool_]], groups: npt.NDArray[np.intp]
) -> xr.Dataset:
    bootstrap = Bootstrap(groups.tolist())
    nothing = np.full(len(groups), np.nan)
    rows = []
    for way in ACCURACIES:
        right = correct[way].astype(float) if way in correct else nothing
        rows.append((*bootstrap.interval(right), *bootstrap.interval(correct["joint"] - right)))
    columns = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    return xr.Dataset(
        {name: ("way", column) for name, column in zip(columns, np.array(rows).T, strict=True)},
        coords={"way": list(ACCURACIES)},
    )


def _majority(classes: Classes, folds: Classes) -> Classes:
    predicted = np.empty_like(classes)
    for fold in np.unique(folds):
        predicted[folds == fold] = np.bincount(classes[folds != fold]).argmax()
    return predicted


def _by_words(
    texts: Sequence[str], classes: Classes, folds: Classes, groups: Classes | None
) -> Classes:
    """The function that logistic regression on counts of words names, fold by fold."""
    predicted = np.empty_like(classes)
    array = np.array(texts, dtype=object)
    for fold in np.unique(folds):
        out = folds == fold
        train = ~out if groups is None else ~np.isin(groups, groups[out])
        model = make_pipeline(
            CountVectorizer(token_pattern=r"\w+", binary=True), LogisticRegression(max_iter=2000)
        )
        predicted[out] = model.fit(array[train], classes[train]).predict(array[out])
    return predicted
