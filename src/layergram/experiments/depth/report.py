"""Settling depths of sampled answers as maps, tables, sentences and a summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from layergram import maps
from layergram.datasets.questions import QuestionSet
from layergram.engine.lens_choice import open_lens
from layergram.experiments.depth.pipeline import PREFIX, DeepAnswer, DepthOptions, deep_layer
from layergram.experiments.depth.selection import selection_table
from layergram.experiments.depth.table import answer_counts, score_name, score_table, scores_of
from layergram.experiments.result import Result, markdown_table, rounded
from layergram.measures.lens import THINK_DEEP, lens_caveat
from layergram.models.model import Model
from layergram.recipe import Run
from layergram.statistics.arrays import Labels, Values
from layergram.statistics.binned import BINS, binned_correlation
from layergram.statistics.bootstrap import Bootstrap
from layergram.tracing import trace

MOST_SINGLE = 2000  # answers whose ratios a map carries: a netCDF attribute has little room


@dataclass(frozen=True, kw_only=True)
class DepthResult(Result):
    """What was found of settling depths, and the answers it was found in.

    Attributes:
        answers: every sampled answer with its depths.
    """

    answers: list[DeepAnswer]


def report(
    answers: list[DeepAnswer], model: Model, questions: QuestionSet, options: DepthOptions
) -> DepthResult:
    """The answers as maps, tables, sentences and a summary."""
    least = deep_layer(model.layers, options.rho)
    g, seed = options.main_g, options.answers.seed
    right = np.array([answer.row.right for answer in answers], dtype=np.bool_)
    groups = [answer.row.group for answer in answers]
    bootstrap = Bootstrap(groups, resamples=options.resamples, seed=seed)
    scores = scores_of(answers, options.g, least)
    tables = {
        "scores": score_table(scores, right, bootstrap),
        "selection": selection_table(
            answers, g=g, least=least, draws=options.draws, resamples=options.resamples, seed=seed
        ),
    }
    made_from = provenance(model, questions, options, least)
    depths = [answer.depths[g] for answer in answers]
    found = {"settling_depths": depth_shares(depths, model.layers, bootstrap, made_from)}
    of_bins = accuracy_by_depth(
        scores[score_name(g)],
        right,
        bootstrap,
        {**made_from, "statistics": _statistics(tables["scores"], score_name(g))},
    )
    if of_bins is not None:
        found["accuracy_by_depth"] = of_bins
    records = _records(answers, scores, g, least)
    middle = median_answer(scores[score_name(g)])
    found["answer"] = trace(
        model,
        answer=records[middle],
        measures=["divergence"],
        run=Run(lens=options.lens),
    )["divergence"]
    sentences = [
        *sentences_of(answers, scores[score_name(g)], tables, model.layers, options),
        f"The map 'answer' is of the answer with the median deep-thinking ratio "
        f"({scores[score_name(g)][middle]:.1%}): sample {answers[middle].row.sample} of the "
        f"question with the id '{answers[middle].row.id}'.",
    ]
    return DepthResult(
        title=f"{model.name} on {questions.name}: {len(answers)} answers",
        maps=found,
        tables=tables,
        sentences=sentences,
        summary=_summary(answers, tables, sentences, least, options),
        records={"answers": records},
        section=_section(tables, sentences),
        answers=answers,
    )


def depth_shares(
    depths: Sequence[np.ndarray],
    layers: int,
    bootstrap: Bootstrap,
    made_from: dict[str, Any],
    *,
    of: str = "tokens",
) -> xr.DataArray:
    """The share of generated tokens that settle at each layer, with intervals over questions.

    Args:
        depths: of each answer the settling depths of its tokens, 1..L.
        layers: of the model.
        bootstrap: of the questions of the answers.
        made_from: attributes that say from what.
        of: which tokens these are.
    """
    counts = np.array([np.bincount(each, minlength=layers + 1)[1:] for each in depths])
    tokens = counts.sum(1)
    drawn = answer_counts(bootstrap)
    shares = (drawn @ counts) / (drawn @ tokens)[:, None]
    ends = [bootstrap.ends(of_layer) for of_layer in shares.T]
    low, high = (np.array(each) for each in zip(*ends, strict=True))
    return maps.make(
        counts.sum(0) / tokens.sum(),
        ("layer",),
        measure="settling_depths",
        coords={"low": ("layer", low), "high": ("layer", high)},
        long_name=f"share of {of} that settle there",
        valid_min=0.0,
        valid_max=1.0,
        alignment="predicts",
        references=f"{THINK_DEEP}, Eqs. 3–5",
        **made_from,
    )


def accuracy_by_depth(
    ratios: Values, right: Labels, bootstrap: Bootstrap, made_from: dict[str, Any]
) -> xr.DataArray | None:
    """The accuracy of answers in bins of their ratio; ``None`` where that says nothing.

    The map carries the mean ratio of each bin, and the ratios of the single answers.
    """
    binned = binned_correlation(ratios, right)
    if right.all() or not right.any() or np.isnan(binned.outcome).any():
        return None
    drawn = np.array(
        [
            binned_correlation(ratios[rows], right[rows]).outcome
            for rows in (np.repeat(np.arange(right.size), t) for t in answer_counts(bootstrap))
        ]
    )
    ends = [bootstrap.ends(of_bin) for of_bin in drawn.T]
    low, high = (np.array(each) for each in zip(*ends, strict=True))
    return maps.make(
        binned.outcome,
        ("bin",),
        measure="accuracy_by_depth",
        coords={
            "bin": np.arange(1, BINS + 1),
            "bin_score": ("bin", binned.score),
            "low": ("bin", low),
            "high": ("bin", high),
        },
        long_name="accuracy of the bin",
        valid_min=0.0,
        valid_max=1.0,
        score="deep-thinking ratio",
        answer_scores=single_scores(ratios, right),
        references=THINK_DEEP,
        **made_from,
    )


def median_answer(ratios: Values) -> int:
    """The place of the answer with the median ratio; of two in the middle, the lower one."""
    return int(np.argsort(ratios, kind="stable")[(ratios.size - 1) // 2])


def single_scores(scores: Values, right: Labels) -> dict[str, Any]:
    """The attribute ``answer_scores`` of a map: scores of right and of wrong answers, in order.

    Of more than ``MOST_SINGLE`` answers so many are kept, evenly over the sorted scores.
    """
    order = np.lexsort((scores, right))  # wrong ones first
    kept = order[np.linspace(0, order.size - 1, min(order.size, MOST_SINGLE)).astype(np.intp)]
    return {
        "right": np.round(scores[kept[right[kept]]], 4).tolist(),
        "wrong": np.round(scores[kept[~right[kept]]], 4).tolist(),
        "answers": int(scores.size),
    }


def sentences_of(
    answers: Sequence[DeepAnswer],
    ratios: Values,
    tables: dict[str, pd.DataFrame],
    layers: int,
    options: DepthOptions,
) -> list[str]:
    """What was found, whatever it is, with its intervals."""
    right = sum(answer.row.right for answer in answers)
    questions = len({answer.row.id for answer in answers})
    short = sum(answer.tokens < PREFIX for answer in answers)
    cut = sum(answer.row.ended == "length" for answer in answers)
    return [
        f"{len(answers)} answers to {questions} questions: {right} right, {len(answers) - right} "
        f"wrong, {cut} cut at {options.answers.max_new_tokens} tokens.",
        f"Of an answer's tokens {ratios.mean():.1%} on average are deep: they settle at layer "
        f"{deep_layer(layers, options.rho)} of {layers} or later (g = {options.main_g:g} bit, "
        f"rho = {options.rho:g}).",
        *_correlation(tables["scores"], score_name(options.main_g)),
        _selection(tables["selection"]),
        f"{short} of {len(answers)} answers are shorter than {PREFIX} tokens; there Think@n saves "
        "nothing.",
    ]


def _correlation(table: pd.DataFrame, name: str) -> list[str]:
    """How the ratio follows correctness, and which score follows it best."""
    by_name = {line["score"]: line for line in table.to_dict("records")}
    own = by_name[name]
    if np.isnan(own["auroc"]):
        return [f"No correlation: {own['note']}."]
    low, high = own["auroc_low"], own["auroc_high"]
    verdict = (
        "Deeper answers are more often right"
        if low > 0.5
        else "Deeper answers are less often right"
        if high < 0.5
        else "Whether deeper answers are more or less often right cannot be told from these"
    )
    bins = (
        f"r over {BINS} bins is {_number(own, 'r')}"
        if np.isfinite(own["r"])
        else f"r over {BINS} bins does not exist ({own['note']})"
    )
    others = [line for each, line in by_name.items() if not each.startswith("dtr_")]
    best = max(others, key=lambda line: line["auroc"])
    return [
        f"{verdict}: the AUROC of the deep-thinking ratio is {_number(own, 'auroc')}, {bins}, the "
        f"point-biserial correlation {_number(own, 'point_biserial')}.",
        f"Of the other scores {best['score']} has the highest AUROC: {_number(best, 'auroc')}.",
    ]


def _number(line: dict[Any, Any], name: str) -> str:
    if np.isnan(line[name]):
        return "–"
    return f"{line[name]:.2f} ({line[f'{name}_low']:.2f} to {line[f'{name}_high']:.2f})"


def _statistics(table: pd.DataFrame, name: str) -> str:
    """Pearson r over the bins and the AUROC of a score, with their intervals."""
    own = table.set_index("score").loc[name].to_dict()
    return f"Pearson r over the {BINS} bins: {_number(own, 'r')}. AUROC: {_number(own, 'auroc')}."


def _selection(table: pd.DataFrame) -> str:
    """Think@n beside the majority of all answers, at the largest n."""
    own = table[table["n"] == table["n"].max()].set_index("method")
    think, cons = own.loc["think"], own.loc["cons"]
    n = int(think["n"])
    return (
        f"Think@{n} is right for {think['accuracy']:.1%} ({think['low']:.1%} to "
        f"{think['high']:.1%}) of the questions with {think['tokens']:.0f} tokens per question, "
        f"the majority of all (Cons@{n}) for {cons['accuracy']:.1%} ({cons['low']:.1%} to "
        f"{cons['high']:.1%}) with {cons['tokens']:.0f}."
    )


def _section(tables: dict[str, pd.DataFrame], sentences: Sequence[str]) -> str:
    scores = [
        [line["score"], *(_number(line, name) for name in ("r", "auroc", "point_biserial"))]
        for line in tables["scores"].to_dict("records")
    ]
    chosen = [
        [line["n"], line["method"], _accuracy(line), f"{line['tokens']:.0f}", line["about"]]
        for line in tables["selection"].to_dict("records")
    ]
    lines = [
        "## Depth and being right",
        "",
        *(f"- {sentence}" for sentence in sentences),
        "",
        *markdown_table(["score", f"r over {BINS} bins", "AUROC", "point-biserial"], scores),
        "",
        *markdown_table(["n", "method", "accuracy", "tokens per question", "about"], chosen),
        "",
        "In brackets: 95 % intervals by drawing questions again.",
    ]
    return "\n".join(lines) + "\n"


def _accuracy(line: dict[Any, Any]) -> str:
    return f"{line['accuracy']:.3f} ({line['low']:.3f} to {line['high']:.3f})"


def _records(
    answers: Sequence[DeepAnswer], scores: dict[str, Values], g: float, least: int
) -> list[dict[str, Any]]:
    """Every answer with its scores and depths."""
    return [
        {
            **asdict(answer.row),
            "tokens": answer.tokens,
            **{name: rounded(values[at]) for name, values in scores.items() if name != "tokens"},
            f"{score_name(g)}_first_{PREFIX}": rounded(answer.ratio(g, least, first=PREFIX)),
            "depths": {f"{each:g}": depths.tolist() for each, depths in answer.depths.items()},
        }
        for at, answer in enumerate(answers)
    ]


def provenance(
    model: Model, questions: QuestionSet, options: DepthOptions, least: int
) -> dict[str, Any]:
    """What the maps were made from, for their attributes."""
    made_with = {"questions": questions.name, "questions_digest": questions.digest}
    made_with |= options.answers.record
    return {
        **model.provenance(),
        "seed": options.answers.seed,
        "caveat": lens_caveat(open_lens(model, options.lens)),
        "options": json.dumps(
            {
                **made_with,
                "g": options.main_g,
                "rho": options.rho,
                "deep_layer": least,
                "stop_early": options.stop_early,
                **({} if options.lens == "logit" else {"lens": options.lens}),
            },
            ensure_ascii=False,
        ),
    }


def _summary(
    answers: Sequence[DeepAnswer],
    tables: dict[str, pd.DataFrame],
    sentences: Sequence[str],
    least: int,
    options: DepthOptions,
) -> dict[str, Any]:
    """The numbers as plain data."""
    plain = {
        name: [
            {key: rounded(v) if isinstance(v, float) else v for key, v in line.items()}
            for line in table.to_dict("records")
        ]
        for name, table in tables.items()
    }
    return {
        "answers": len(answers),
        "right": sum(answer.row.right for answer in answers),
        "shorter_than_prefix": sum(answer.tokens < PREFIX for answer in answers),
        "prefix": PREFIX,
        "g": options.main_g,
        "rho": options.rho,
        "deep_layer": least,
        "cells": {name: sum(answer.cells[name] for answer in answers) for name in answers[0].cells},
        **plain,
        "sentences": list(sentences),
    }
