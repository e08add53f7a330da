"""Think@n as it saves tokens: only the deeper half of the answers is completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from layergram.answers.ask import Answer, ask, complete_answers
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
from layergram.experiments.result import counted, markdown_table, rounded
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
    whole = complete_answers(
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
    begun = ask(
        model,
        questions,
        options=replace(options.answers, max_new_tokens=_prefix(options)),
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
    kept = set()
    taken: dict[str, int] = {}
    for at in ranked.tolist():
        question = begun[at].question.id
        if taken.get(question, 0) < _voters(options):
            taken[question] = taken.get(question, 0) + 1
            kept.add(at)
    return [
        _First(answer, depths[at], records[at], float(ratios[at]), at in kept)
        for at, answer in enumerate(begun)
    ]


def _prefix(options: DepthOptions) -> int:
    """How many tokens of every answer are sampled before the choice."""
    return min(PREFIX, options.answers.max_new_tokens)


def _voters(options: DepthOptions) -> int:
    """How many answers to each question are completed, and vote."""
    return (options.answers.samples + 1) // 2


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
    saved = _saved(firsts, options)
    sentences = _sentences(model, options, firsts, answers, table)
    shares = depth_shares(
        [first.depths for first in firsts],
        model.layers,
        bootstrap,
        provenance(model, questions, options, least),
        of=f"the first {_prefix(options)} tokens",
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
            "completed_right": sum(answer.row.right for answer in answers),
            "tokens": _spent(firsts, answers),
            "tokens_saved_at_least": saved[0],
            "tokens_saved_at_most": saved[1],
            "prefix": _prefix(options),
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
                    "ended": first.answer.ended,
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
    line = {
        "n": options.answers.samples,
        "method": "think",
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "tokens": _spent(firsts, answers) / len(by_question),
        "completed": len(answers) / len(by_question),
        "stopped": _saved(firsts, options)[0] / len(by_question),
    }
    return pd.DataFrame([line])


def _spent(firsts: Sequence[_First], answers: Sequence[DeepAnswer]) -> int:
    """Tokens that were generated, of completed answers and of the others."""
    others = (len(first.answer.ids) for first in firsts if not first.kept)
    return sum(others) + sum(answer.tokens for answer in answers)


def _saved(firsts: Sequence[_First], options: DepthOptions) -> tuple[int, int]:
    """Fewest and most tokens that completing all answers would have taken beside these.

    Each answer that was stopped had one more token at least.
    """
    room = options.answers.max_new_tokens - _prefix(options)
    stopped = sum(first.answer.ended == "length" for first in firsts if not first.kept)
    return (stopped, stopped * room) if room else (0, 0)


def _sentences(
    model: Model,
    options: DepthOptions,
    firsts: Sequence[_First],
    answers: Sequence[DeepAnswer],
    table: pd.DataFrame,
) -> list[str]:
    """What was done and found, of which answers."""
    line = table.iloc[0]
    n, most, prefix = options.answers.samples, options.answers.max_new_tokens, _prefix(options)
    ratio = float(np.mean([first.ratio for first in firsts]))
    questions = counted(len({first.answer.question.id for first in firsts}), "question")
    right = sum(answer.row.right for answer in answers)
    cut = sum(answer.row.ended == "length" for answer in answers)
    return [
        f"{len(firsts)} answers to {questions} were begun, {n} to each; of each question the "
        f"{_voters(options)} with the highest deep-thinking ratio in the first {prefix} tokens "
        "were completed, and only these vote.",
        f"Of the first {prefix} tokens of all {len(firsts)} answers {ratio:.1%} on average are "
        f"deep: they settle at layer {deep_layer(model.layers, options.rho)} of {model.layers} or "
        f"later (g = {options.main_g:g} bit, rho = {options.rho:g}).",
        f"Of the {len(answers)} completed answers {right} are right, {len(answers) - right} "
        f"wrong; {cut} were cut at {most} tokens.",
        f"Think@{n} is right for {line['accuracy']:.1%} ({line['low']:.1%} to {line['high']:.1%}) "
        f"of the questions with {line['tokens']:.0f} tokens per question.",
        _saving(firsts, answers, options),
        "No correlation of depth with being right is given, and no majority of all answers to "
        "compare with: both need all answers completed.",
    ]


def _saving(firsts: Sequence[_First], answers: Sequence[DeepAnswer], options: DepthOptions) -> str:
    """What stopping has saved, as far as it can be known without completing all."""
    most, prefix = options.answers.max_new_tokens, _prefix(options)
    if most <= prefix:
        return (
            f"Stopping saved nothing: no answer may be longer than {most} tokens, and the choice "
            f"is made after {prefix}."
        )
    low, high = _saved(firsts, options)
    ended = sum(first.answer.ended == "stop" for first in firsts)
    of_all = f"{ended} of {len(firsts)} answers ended by themselves within {prefix} tokens"
    if not low:
        return f"Stopping saved nothing: {of_all}, among them all that were not chosen."
    more = f"{low:,} to {high:,}" if high > low else f"{low:,}"
    return (
        f"{counted(low, 'answer')} {'was' if low == 1 else 'were'} stopped at {prefix} tokens. To "
        f"complete {'it' if low == 1 else 'them'} would have taken {more} more tokens than the "
        f"{_spent(firsts, answers):,} that were generated. {of_all}; there stopping saves nothing."
    )
