"""What a role map is compared with: other ways to tell the classes apart, same folds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import probes
from layergram.experiments.roles.controls import CONTROLS
from layergram.experiments.roles.examples import Examples
from layergram.probes import OutOfFold, compare, cross_fit, map_of, out_of_fold
from layergram.probes.word_baseline import word_scores

PAIR = ("exact_answer_last", "last_q")
"""The two roles that the published claim compares: at the exact answer, and before any answer."""

WORDS = "words"
SCALES = {"logprob": "log-probability", "prob": "probability"}
TAKES = {"mean": "mean", "min": "lowest", "last": "last token's"}


@dataclass(frozen=True)
class Comparison:
    """A way to tell the classes apart, and by how much the probe is better.

    Attributes:
        kind: ``probe``, ``joint`` (all of a kind in one probe), ``control``, ``rival`` (another
            published way) or ``single score``.
        name: short, for the CSV file.
        about: in words.
        auroc: how well it tells the classes apart; NaN where no feature varies.
        low: lower end of the interval, which holds for all cells at once for the highest cell; NaN
            where there is none.
        high: upper end.
        gain: AUROC of the probe, its cell chosen by other folds, less this one, on the examples
            that both have.
        gain_low: lower end of the interval of the gain.
        gain_high: upper end.
    """

    kind: str
    name: str
    about: str
    auroc: float
    low: float = math.nan
    high: float = math.nan
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan

    @property
    def text(self) -> str:
        """The AUROC with its interval."""
        if math.isnan(self.auroc):
            return "no feature varies"
        return f"{self.auroc:.2f}{interval(self.low, self.high)}"

    @property
    def gain_text(self) -> str:
        """The gain with its interval."""
        if math.isnan(self.gain):
            return ""
        return (
            f"{round(self.gain, 2) + 0.0:+.2f}{interval(self.gain_low, self.gain_high, sign='+')}"
        )


def interval(low: float, high: float, *, sign: str = "") -> str:
    """An interval in brackets, its ends rounded outward, or nothing where there is none."""
    if math.isnan(low):
        return ""
    low, high = math.floor(100 * low + 1e-6) / 100, math.ceil(100 * high - 1e-6) / 100
    return f" ({low:{sign}.2f} to {high:{sign}.2f})"


# kind, name, in words, scores; None where no feature varies
Way = tuple[str, str, str, OutOfFold | None]


def comparisons(
    examples: Examples,
    states: xr.Dataset,
    evaluation: xr.Dataset,
    fresh: xr.Dataset | None,
    by_role: Mapping[str, OutOfFold],
    options: probes.Evaluation,
) -> list[Comparison]:
    """Everything that the probe is compared with, the probe first.

    Args:
        examples: both classes.
        states: their hidden states and scores.
        evaluation: the map.
        fresh: the map of a model with random weights, if there is one.
        by_role: the nested choice of a layer at some roles.
        options: how the probes of the map were trained; all others are trained so.
    """
    probe = out_of_fold(evaluation)
    ends = [float(evaluation[f"nested_{name}"]) for name in ("auroc", "low", "high")]
    chosen = Comparison("probe", "chosen_cell", "layer and role chosen by the other folds", *ends)
    ends = [float(evaluation[f"best_{name}"]) for name in ("auroc", "low", "high")]
    highest = Comparison("probe", "best_cell", _highest(evaluation, "auroc"), *ends)
    ways: list[Way] = [
        *(
            ("probe", role, f"layer chosen by the other folds, at {role}", by_role[role])
            for role in by_role
        ),
        *_trained(examples, states, options),
        ("control", WORDS, "words and pairs of words, without a model", worded(examples, probe)),
        (
            "rival",
            "layer_ensemble",
            "the mean log odds of the probes of all layers",
            _ensemble(evaluation),
        ),
        *(
            ("rival", name, about, untrained(scores, probe))
            for name, (about, scores) in examples.rivals.items()
        ),
        *_single(states["scores"], probe),
    ]
    if fresh is not None:
        about = "the same choice in a model of the same shape with random weights"
        ways.append(("control", "random_weights", about, out_of_fold(fresh)))
    found = [_compared(probe, way, options.level) for way in ways]
    about = f"highest cell with labels shuffled: {_highest(evaluation, 'auroc_shuffled')}"
    shuffled = float(evaluation["auroc_shuffled"].max())
    return [chosen, highest, *found, Comparison("control", "shuffled", about, shuffled)]


def _compared(probe: OutOfFold, way: Way, level: float) -> Comparison:
    kind, name, about, other = way
    if other is None:
        return Comparison(kind, name, about, math.nan)
    gain = compare(probe, other, level=level)
    area = other.auroc
    ends = (*area.interval(level), gain.value, gain.low, gain.high)
    return Comparison(kind, name, about, area.value, *ends)


def _highest(evaluation: xr.Dataset, which: str) -> str:
    """Where a map is highest."""
    array = map_of(evaluation, which)
    cell = array[np.unravel_index(int(np.nanargmax(array.values)), array.shape)]
    return f"layer {int(cell['layer'])}, {cell['role'].item()}"


def nested_by_role(
    examples: Examples, features: xr.DataArray, options: probes.Evaluation
) -> dict[str, OutOfFold]:
    """The nested choice of a layer at both roles of the claim, if the examples have them."""
    present = [role for role in PAIR if role in features["role"].values]
    return {
        role: out_of_fold(
            examples.evaluate(features.sel(role=[role]), replace(options, permutations=0))
        )
        for role in present
    }


def _ensemble(evaluation: xr.Dataset) -> OutOfFold:
    """The mean log odds of all layers, at the role that the other folds choose."""
    probe = out_of_fold(evaluation)
    folds, gain = probe.folds[0], np.empty_like(probe.gain[0])
    scores = np.empty(folds.size)
    for fold, role in enumerate(evaluation["chosen_role"].values):
        column = evaluation.sel(role=role)
        known = column["auroc"].notnull()
        mean = column["cell_scores"].where(known).mean("layer").values
        scores[folds == fold] = mean[folds == fold]
        of_layers = column["cell_gain"].where(known).mean("layer").values
        gain[fold] = of_layers[fold]
    return replace(probe, folds=folds[None], scores=scores[None], gain=gain[None])


def _trained(examples: Examples, states: xr.Dataset, options: probes.Evaluation) -> Iterator[Way]:
    """The controls that are trained as the probe is, on features of their own."""
    once = replace(options, permutations=0)
    for control in CONTROLS:
        features = control.features(examples.rows, states)
        scores = None
        if isinstance(features, xr.DataArray):
            scores = out_of_fold(examples.evaluate(features, replace(once, partitions=1)))
        elif features is not None and np.ptp(features, axis=0).any():
            scores = cross_fit(
                features,
                examples.positive,
                groups=examples.groups,
                labels=examples.classes,
                evaluation=once,
            )
        if features is not None:
            yield control.kind, control.name, control.about, scores


def worded(examples: Examples, probe: OutOfFold) -> OutOfFold:
    """A classifier of the words, trained and tested on the folds of a probe."""
    scores = [word_scores(examples.texts, examples.positive, folds) for folds in probe.folds]
    return replace(probe, scores=np.stack(scores), gain=0 * probe.gain)


def untrained(scores: npt.ArrayLike, probe: OutOfFold) -> OutOfFold:
    """Scores that nothing was trained for, on the folds of a probe."""
    plain = np.broadcast_to(np.asarray(scores, dtype=np.float64), probe.folds.shape)
    return replace(probe, scores=plain, gain=0 * probe.gain, choice=0.0)


def _single(scores: xr.DataArray, probe: OutOfFold) -> Iterator[Way]:
    """Single scores, each turned so that more of it means the positive class.

    Log-probabilities and probabilities are turned around: less likely is more suspicious.
    """
    for name in map(str, scores["score"].values):
        values = scores.sel(score=name).values
        if np.isfinite(values).any():
            sign = 1 if name in ("answer_tokens", "rauq") else -1
            kind = "rival" if name == "rauq" else "single score"
            yield kind, name, about_score(name), untrained(sign * values, probe)


def about_score(score: str) -> str:
    """A score of an answer in words.

    Example:
        >>> about_score("exact_logprob_min"), about_score("answer_tokens")
        ('lowest log-probability of the exact answer', 'length of the answer in tokens')
    """
    named = {
        "answer_tokens": "length of the answer in tokens",
        "rauq": "RAUQ: probabilities and attention to the previous token, without training",
    }
    if score in named:
        return named[score]
    over = "the exact answer" if score.startswith("exact_") else "the answer"
    scale, take = score.removeprefix("exact_").split("_")
    return f"{TAKES[take]} {SCALES[scale]} of {over}"
