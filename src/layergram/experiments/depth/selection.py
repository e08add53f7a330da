"""Think@n and what it is compared with: which answers vote, how often that is right, the cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from layergram.answers.judge import Row
from layergram.answers.normal import normal
from layergram.experiments.depth.pipeline import PREFIX, DeepAnswer
from layergram.statistics.arrays import Numbers, Values
from layergram.statistics.bootstrap import Bootstrap

METHODS = {
    "think": f"majority of the half with the highest DTR of the first {PREFIX} tokens; the others "
    f"are stopped there",
    "cons": "majority of all answers",
    "mean": "a single answer",
    "longest": "majority of the longer half; all are completed",
    "shortest": "majority of the shorter half; the others are stopped when it is done",
    "self_certainty": "majority of the half with the highest self-certainty; all are completed",
}


def selection_table(
    answers: Sequence[DeepAnswer], *, g: float, least: int, draws: int, resamples: int, seed: int
) -> pd.DataFrame:
    """Accuracy and cost of each way to come from several samples to one answer.

    Answers are drawn without replacement, all of a question's and half of them, and ties (of
    scores, and of votes) are broken at random, ``draws`` times each.

    Args:
        answers: question by question, equally many of each.
        g: threshold of the settling depths.
        least: number of the first deep layer.
        draws: how often answers and ties are drawn.
        resamples: draws of questions for the intervals.
        seed: of all draws.

    Returns:
        One line per number of answers ``n`` and ``method``: ``accuracy`` with ``low`` and ``high``
        (over questions), ``tokens`` per question, ``tokens_of_all``: their share of the tokens of
        all n answers, and ``about``.
    """
    by_question: dict[str, list[DeepAnswer]] = {}
    for answer in answers:
        by_question.setdefault(answer.row.id, []).append(answer)
    questions = [_Samples(own, g, least) for own in by_question.values()]
    groups = [own[0].row.group for own in by_question.values()]
    bootstrap = Bootstrap(groups, resamples=resamples, seed=seed)
    most = min(samples.count for samples in questions)
    lines = []
    for n in sorted({max(2, most // 2), most}):
        random = np.random.default_rng([seed, n])
        found = np.mean(
            [[each.outcomes(n, random) for each in questions] for _ in range(draws)], axis=0
        )  # [question, method, (right, tokens)]
        of_all = found[:, list(METHODS).index("cons"), 1].mean()
        for at, (name, about) in enumerate(METHODS.items()):
            accuracy, low, high = bootstrap.interval(found[:, at, 0])
            tokens = float(found[:, at, 1].mean())
            lines.append(
                {
                    "n": n,
                    "method": name,
                    "accuracy": accuracy,
                    "low": low,
                    "high": high,
                    "tokens": tokens,
                    "tokens_of_all": tokens / of_all,
                    "about": about,
                }
            )
    return pd.DataFrame(lines)


class _Samples:
    """The answers to one question as arrays."""

    def __init__(self, own: Sequence[DeepAnswer], g: float, least: int) -> None:
        self.count = len(own)
        self.votes = exact_votes([answer.row for answer in own])
        self.right = np.array([answer.row.right for answer in own], dtype=np.float64)
        self.tokens = np.array([answer.tokens for answer in own])
        self.depth = np.array([answer.ratio(g, least, first=PREFIX) for answer in own])
        self.certainty = np.array([answer.self_certainty for answer in own])

    def outcomes(self, n: int, random: np.random.Generator) -> list[tuple[float, float]]:
        """Whether each method is right with ``n`` drawn answers, and its tokens."""
        drawn = random.permutation(self.count)[:n]  # in random order, which breaks ties
        tokens, all_tokens = self.tokens[drawn], float(self.tokens[drawn].sum())
        keep = (n + 1) // 2

        def best(scores: Values) -> Numbers:
            return np.sort(np.argsort(-scores, kind="stable")[:keep])

        deep, short = best(self.depth[drawn]), best(-tokens.astype(np.float64))
        stopped = np.minimum(tokens, PREFIX)
        return [
            (self.vote(drawn[deep]), float(tokens[deep].sum() + np.delete(stopped, deep).sum())),
            (self.vote(drawn), all_tokens),
            (float(self.right[drawn].mean()), float(tokens.mean())),
            (self.vote(drawn[best(tokens.astype(np.float64))]), all_tokens),
            (self.vote(drawn[short]), float(np.minimum(tokens, tokens[short].max()).sum())),
            (self.vote(drawn[best(self.certainty[drawn])]), all_tokens),
        ]

    def vote(self, rows: Numbers) -> float:
        """Whether the most frequent exact answer is right."""
        winner = majority(self.votes, rows)
        return 0.0 if winner is None else float(self.right[winner])


def exact_votes(rows: Sequence[Row]) -> Numbers:
    """The exact answer of each row as a number: equal for equal answers, −1 for none."""
    texts = [normal(row.exact).text.casefold() for row in rows]
    known = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    return np.array([known[text] if text else -1 for text in texts])


def majority(votes: Numbers, rows: Numbers) -> int | None:
    """A row with the most frequent vote; those without one do not vote.

    Of answers with equally many votes the first in the (random) order of ``rows`` is taken.

    Example:
        >>> majority(np.array([0, 1, -1, 1]), np.array([2, 0, 1, 3]))
        1
    """
    voting = rows[votes[rows] >= 0]
    if not voting.size:
        return None
    counts = (votes[voting][:, None] == votes[voting]).sum(1)
    return int(voting[counts.argmax()])
