"""Think@n as it saves tokens: only the deeper half of the answers is completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from layergram.answers.ask import Answer, ask, go_on
from layergram.answers.judge import Row, judge_answers
from layergram.datasets.questions import QuestionSet
from layergram.engine.lens_choice import open_lens
from layergram.experiments.depth.pipeline import (
    PREFIX,
    DeepAnswer,
    DepthOptions,
    Ids,
    deep_answer,
    deep_layer,
    replay,
)
from layergram.experiments.depth.report import DepthResult, depth_shares, provenance
from layergram.experiments.depth.selection import exact_votes, majority
from layergram.experiments.result import markdown_table, rounded
from layergram.models.model import Model
from layergram.progress import Progress, stage_progress
from layergram.statistics.bootstrap import Bootstrap
from layergram.storage.folder import RunFolder

FIRST_TOKENS = "first_tokens"
"""The stage in which answers are begun."""


@dataclass(frozen=True)
class _First:
    """The first tokens of one answer, and whether it is among those that are completed."""

    answer: Answer
    depths: np.ndarray
    record: dict[str, Any]
    ratio: float
    kept: bool


def think_early(
    model: Model,
    questions: QuestionSet,
    folder: RunFolder | None,
    *,
    options: DepthOptions,
    progress: Progress,
) -> DepthResult:
    """Think@n with the answers of little depth stopped after :data:`PREFIX` tokens.

    The first tokens of all answers are sampled and read; of each question the half with the
    highest deep-thinking ratio goes on to the end, with the ids that it would have had anyway.

    Args:
        model: the model.
        questions: the set.
        folder: everything that takes long is kept there as it is made; an interrupted run resumes.
        options: how to ask and measure.
        progress: called with stage, done and total.
    """
    firsts = _first_tokens(model, questions, folder, options, progress)
    kept = [first for first in firsts if first.kept]
    whole = go_on(
        model,
        [first.answer for first in kept],
        options=options.answers,
        folder=folder,
        progress=stage_progress(progress, "answers completed"),
    )
    rows = judge_answers(
        model,
        whole,
        judge=options.answers.judge,
        folder=folder,
        progress=stage_progress(progress, "exact answers"),
    )
    answers = [
        deep_answer(row, first.record, options.g) for row, first in zip(rows, kept, strict=True)
    ]
    return _report(model, questions, options, firsts, answers)


def _first_tokens(
    model: Model,
    questions: QuestionSet,
    folder: RunFolder | None,
    options: DepthOptions,
    progress: Progress,
) -> list[_First]:
    """The first tokens of every answer with their depths; ties are broken at random."""
    lens = open_lens(model, options.lens)  # before anything is asked
    most = min(PREFIX, options.answers.max_new_tokens)
    begun = ask(
        model,
        questions,
        options=replace(options.answers, max_new_tokens=most),
        folder=folder,
        progress=stage_progress(progress, "first tokens"),
        greedy=False,
        stage=FIRST_TOKENS,
    )
    shown = stage_progress(progress, "depths")
    ids = [Ids(a.question.id, (*a.prompt, *a.ids), len(a.prompt)) for a in begun]
    records = replay(model, ids, folder, g=options.g, progress=shown, lens=lens)
    least, at_g = deep_layer(model.layers, options.rho), options.g.index(options.main_g)
    depths = [np.array(record["depths"][at_g]) for record in records]
    ratios = np.array([np.mean(each >= least) for each in depths])
    random = np.random.default_rng([options.answers.seed, options.answers.samples])
    order = random.permutation(len(begun))  # which of equal ratios comes first
    ranked = order[np.argsort(-ratios[order], kind="stable")]
    most_kept, kept = (options.answers.samples + 1) // 2, set()
    taken: dict[str, int] = {}
    for at in ranked.tolist():
        question = begun[at].question.id
        if taken.get(question, 0) < most_kept:
            taken[question] = taken.get(question, 0) + 1
            kept.add(at)
    return [
        _First(answer, depths[at], records[at], float(ratios[at]), at in kept)
        for at, answer in enumerate(begun)
    ]


def _report(
    model: Model,
    questions: QuestionSet,
    options: DepthOptions,
    firsts: Sequence[_First],
    answers: list[DeepAnswer],
) -> DepthResult:
    """Accuracy and tokens of Think@n, and the depths of the first tokens."""
    least, seed = deep_layer(model.layers, options.rho), options.answers.seed
    bootstrap = Bootstrap(
        [first.answer.question.group for first in firsts], resamples=options.resamples, seed=seed
    )
    table = _table(firsts, answers, options)
    sentences = _sentences(model, options, firsts, table)
    shares = depth_shares(
        [first.depths for first in firsts],
        model.layers,
        bootstrap,
        provenance(model, questions, options, least),
    )
    [line] = [
        {key: rounded(v) if isinstance(v, float) else v for key, v in each.items()}
        for each in table.to_dict("records")
    ]
    return DepthResult(
        title=f"{model.name} on {questions.name}: {len(firsts)} answers, {len(answers)} completed",
        maps={"settling_depths": shares},
        tables={"selection": table},
        sentences=sentences,
        summary={
            "answers": len(firsts),
            "completed": len(answers),
            "prefix": PREFIX,
            "g": options.main_g,
            "rho": options.rho,
            "deep_layer": least,
            "selection": [line],
            "sentences": sentences,
        },
        records={
            "answers": [
                {**asdict(a.row), "tokens": a.tokens, "ratio": rounded(first.ratio)}
                for a, first in zip(answers, (f for f in firsts if f.kept), strict=True)
            ],
            "stopped": [
                {
                    "id": first.answer.question.id,
                    "sample": first.answer.sample,
                    "ids": [*first.answer.prompt, *first.answer.ids],
                    "prompt_tokens": len(first.answer.prompt),
                    "ratio": rounded(first.ratio),
                }
                for first in firsts
                if not first.kept
            ],
        },
        section="\n".join(
            [
                "## Completing the deeper half",
                "",
                *(f"- {sentence}" for sentence in sentences),
                "",
                *markdown_table(list(table.columns), table.astype(str).values.tolist()),
                "",
            ]
        ),
        answers=answers,
    )


def _table(
    firsts: Sequence[_First], answers: Sequence[DeepAnswer], options: DepthOptions
) -> pd.DataFrame:
    """One line: accuracy with its interval over questions, and tokens per question."""
    by_question: dict[str, list[Row]] = {}
    for answer in answers:
        by_question.setdefault(answer.row.id, []).append(answer.row)
    right, groups = [], []
    random = np.random.default_rng([options.answers.seed, len(answers)])
    for rows in by_question.values():
        votes = exact_votes(rows)
        winners = [majority(votes, random.permutation(len(rows))) for _ in range(options.draws)]
        right.append(np.mean([at is not None and rows[at].right for at in winners]))
        groups.append(rows[0].group)
    accuracy, low, high = Bootstrap(
        groups, resamples=options.resamples, seed=options.answers.seed
    ).interval(np.array(right))
    stopped = [len(first.answer.ids) for first in firsts if not first.kept]
    spent = sum(stopped) + sum(answer.tokens for answer in answers)
    line = {
        "n": options.answers.samples,
        "method": "think",
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "tokens": spent / len(by_question),
        "completed": len(answers) / len(by_question),
        "stopped": sum(first.answer.ended == "length" for first in firsts if not first.kept)
        / len(by_question),
    }
    return pd.DataFrame([line])


def _sentences(
    model: Model, options: DepthOptions, firsts: Sequence[_First], table: pd.DataFrame
) -> list[str]:
    """What was done and found."""
    line = table.iloc[0]
    n, ended = options.answers.samples, sum(first.answer.ended == "stop" for first in firsts)
    ratio = float(np.mean([first.ratio for first in firsts]))
    questions = len({first.answer.question.id for first in firsts})
    return [
        f"{len(firsts)} answers to {questions} questions were begun; of each question the half "
        f"with the highest deep-thinking ratio of the first {PREFIX} tokens was completed.",
        f"Of these first tokens {ratio:.1%} on average are deep: they settle at layer "
        f"{deep_layer(model.layers, options.rho)} of {model.layers} or later "
        f"(g = {options.main_g:g} bit, rho = {options.rho:g}).",
        f"Think@{n} is right for {line['accuracy']:.1%} ({line['low']:.1%} to {line['high']:.1%}) "
        f"of the questions with {line['tokens']:.0f} tokens per question.",
        f"{ended} of {len(firsts)} answers ended within {PREFIX} tokens; there stopping saves "
        "nothing.",
        "Whether deep answers are more often right, and what all answers would have cost, is not "
        "known: that needs all of them completed.",
    ]
