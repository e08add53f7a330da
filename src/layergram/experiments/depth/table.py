"""How well scores of sampled answers tell right ones from wrong ones, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from layergram.experiments.depth.pipeline import DeepAnswer
from layergram.statistics.arrays import Labels, Values
from layergram.statistics.auroc import placements
from layergram.statistics.binned import binned_correlation
from layergram.statistics.bootstrap import Bootstrap

ABOUT = {
    "tokens": "number of generated tokens",
    "reverse_tokens": "−number of generated tokens",
    "log_prob": "mean log-probability of the generated tokens",
    "negative_perplexity": "−exp(−mean log-probability)",
    "negative_entropy": "−mean entropy of the predictions",
    "self_certainty": "mean KL(uniform ‖ prediction)",
}
"""The scores that the deep-thinking ratio is compared with."""
STATISTICS = ("r", "auroc", "point_biserial")


def score_name(g: float) -> str:
    """The name of the deep-thinking ratio at a threshold."""
    return f"dtr_{g:g}"


def scores_of(answers: Sequence[DeepAnswer], g: Sequence[float], least: int) -> dict[str, Values]:
    """The scores of all answers [answer] by name: the deep-thinking ratio at each g, and others."""
    tokens = np.array([a.tokens for a in answers], dtype=np.float64)
    log_prob = np.array([a.log_prob for a in answers])
    return {
        **{score_name(each): np.array([a.ratio(each, least) for a in answers]) for each in g},
        "tokens": tokens,
        "reverse_tokens": -tokens,
        "log_prob": log_prob,
        "negative_perplexity": -np.exp(-log_prob),
        "negative_entropy": -np.array([a.entropy for a in answers]),
        "self_certainty": np.array([a.self_certainty for a in answers]),
    }


def statistics_of(scores: Values, right: Labels) -> tuple[float, float, float]:
    """Pearson r over five bins, AUROC, and point-biserial correlation of a score with being right.

    NaN where all are right or all wrong, or the scores do not differ.
    """
    r = binned_correlation(scores, right).r
    if right.all() or not right.any():
        return r, np.nan, np.nan
    auroc = float(placements(scores[right], scores[~right]).mean())
    differs = np.ptp(scores) > 0
    return r, auroc, float(np.corrcoef(scores, right)[0, 1]) if differs else np.nan


def score_table(scores: Mapping[str, Values], right: Labels, bootstrap: Bootstrap) -> pd.DataFrame:
    """One line per score: every statistic with the interval of the bootstrap over questions.

    Args:
        scores: name -> score of each answer [answer].
        right: whether each answer is right [answer].
        bootstrap: of the questions of the answers.

    Returns:
        Columns ``score``, and ``r``, ``auroc`` and ``point_biserial`` with ``_low`` and ``_high``;
        ``note`` says why a number is missing.
    """
    draws = [np.repeat(np.arange(right.size), times) for times in answer_counts(bootstrap)]
    lines = []
    for name, values in scores.items():
        drawn = np.array([statistics_of(values[rows], right[rows]) for rows in draws])
        found = statistics_of(values, right)
        line: dict[str, str | float] = {"score": name}
        for statistic, value, of_draws in zip(STATISTICS, found, drawn.T, strict=True):
            low, high = bootstrap.ends(of_draws) if np.isfinite(value) else (np.nan, np.nan)
            line |= {statistic: value, f"{statistic}_low": low, f"{statistic}_high": high}
        lines.append({**line, "note": _missing(values, right, found[0])})
    return pd.DataFrame(lines)


def answer_counts(bootstrap: Bootstrap) -> np.ndarray:
    """How often each answer is drawn [resample, answer]: as often as its question."""
    return bootstrap.times[:, bootstrap.member].astype(np.intp)


def _missing(scores: Values, right: Labels, r: float) -> str:
    if right.all() or not right.any():
        return f"all answers are {'right' if right.all() else 'wrong'}: nothing to correlate"
    if np.ptp(scores) == 0:
        return "all answers have the same score"
    if np.isnan(r):
        return "too few different scores for five bins, or the same accuracy in all of them"
    return ""
