"""Which of several sampled answers to give: the likeliest, any, the most frequent, the probe's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.errors import LayergramError
from layergram.statistics.arrays import Values
from layergram.statistics.folds import numbered
from layergram.statistics.intervals import quantile, wilson

STRATEGIES = {
    "greedy": "the answer of temperature 0",
    "random": "any of the samples",
    "majority": "the answer that most samples give",
    "probe": "the sample that the probe holds most likely right",
    "possible": "a right one wherever there is one",
}


def choose(
    questions: Any,
    answers: Any,
    right: Any,
    probability_right: Any,
    *,
    greedy: Mapping[Any, bool] | None = None,
    level: float = 0.95,
) -> xr.Dataset:
    """How often the chosen answer is right, for each way of choosing among samples.

    Nothing is drawn: where several samples are equally good, the share of right ones among them
    counts. Questions none of whose samples has a probability are left out of every strategy.

    Args:
        questions: the question of each sample [sample].
        answers: what each sample answers, equal for equal answers [sample].
        right: whether the sample is right [sample].
        probability_right: the probe's, NaN for a sample that it cannot judge [sample]. The probe
            must not have been trained on these questions.
        greedy: by question, whether the greedy answer is right; left out without it.
        level: of the intervals.

    Returns:
        A dataset on ``strategy``: ``accuracy`` with ``low`` and ``high`` (Wilson's interval over
        questions), and ``gain`` of the probe over the strategy with ``gain_low`` and ``gain_high``
        (paired by question). Attributes: ``questions`` counted, ``left_out``, ``samples``.

    Raises:
        LayergramError: for arrays of different length, a question without a greedy answer, or no
            question that the probe can judge.

    Example:
        >>> found = choose([0, 0, 0, 1, 1, 1], list("aabccd"), [1, 1, 0, 0, 0, 1],
        ...                [0.9, 0.8, 0.1, 0.2, 0.3, 0.6])
        >>> dict(zip(found.strategy.values.tolist(), found.accuracy.values.tolist()))
        {'random': 0.5, 'majority': 0.5, 'probe': 1.0, 'possible': 1.0}
    """
    names, at = np.unique(np.asarray(questions), return_inverse=True)
    clusters, correct = numbered(answers), np.asarray(right, dtype=np.float64)
    p_right = np.asarray(probability_right, dtype=np.float64)
    if len({array.shape for array in (at, clusters, correct, p_right)}) != 1:
        raise LayergramError(
            "a choice among samples",
            got=f"{at.size} questions, {clusters.size} answers, {correct.size} labels and "
            f"{p_right.size} probabilities",
            allowed="one of each for every sample",
        )
    judged = [q for q in range(names.size) if np.isfinite(p_right[at == q]).any()]
    if not judged:
        raise LayergramError(
            "a choice among samples by a probe",
            got="no sample with a probability",
            do="sample answers that have the token that the probe reads",
        )
    takes: dict[str, Callable[[npt.NDArray[Any]], float]] = {
        "random": lambda rows: float(correct[rows].mean()),
        "majority": lambda rows: _mean_of_best(correct[rows], _frequency(clusters[rows])),
        "probe": lambda rows: _mean_of_best(correct[rows], p_right[rows]),
        "possible": lambda rows: float(correct[rows].max()),
    }
    values = {name: np.array([take(at == q) for q in judged]) for name, take in takes.items()}
    if greedy is not None:
        values["greedy"] = _greedy(greedy, [names[q].item() for q in judged])
    kept = [name for name in STRATEGIES if name in values]
    result = _summary({name: values[name] for name in kept}, level)
    result.attrs = {
        "questions": len(judged),
        "left_out": int(names.size) - len(judged),
        "samples": int(at.size),
        "level": level,
    }
    return result


def _frequency(clusters: npt.NDArray[Any]) -> Values:
    return np.asarray((clusters[:, None] == clusters[None]).sum(1), dtype=np.float64)


def _mean_of_best(correct: Values, merit: Values) -> float:
    """The share of right ones among the samples of highest merit."""
    return float(correct[merit == np.nanmax(merit)].mean())


def _greedy(greedy: Mapping[Any, bool], names: list[Any]) -> Values:
    lacking = [name for name in names if name not in greedy]
    if lacking:
        raise LayergramError(
            "the greedy answers",
            got=f"none for {len(lacking)} questions, such as {lacking[0]!r}",
            do="give one for every question that was sampled",
        )
    return np.array([float(greedy[name]) for name in names])


def _summary(values: dict[str, Values], level: float) -> xr.Dataset:
    z = quantile(level)
    rows = []
    for each in values.values():
        lead = values["probe"] - each
        reach = z * lead.std(ddof=1) / lead.size**0.5 if lead.size > 1 else np.nan
        ends = wilson(each, level)
        rows.append((each.mean(), *ends, lead.mean(), lead.mean() - reach, lead.mean() + reach))
    columns = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    return xr.Dataset(
        {
            name: ("strategy", column)
            for name, column in zip(columns, np.array(rows).T, strict=True)
        },
        coords={"strategy": list(values)},
    )
