"""From a question set to settling depths: sample answers, judge them, replay their ids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from layergram.answers.ask import AnswerOptions, ask
from layergram.answers.judge import Row, judge_answers
from layergram.datasets.questions import QuestionSet
from layergram.engine.lens_choice import LensChoice, open_lens
from layergram.engine.run import read
from layergram.engine.samplers import OWN
from layergram.engine.settling import Settled, count_cells
from layergram.engine.views import SettlingView
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.progress import Progress, no_progress, stage_progress
from layergram.recipe import lens_asked
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage

PREFIX = 50
"""Generated tokens after which Think@n decides."""
PUBLISHED_G = 0.5
SHARD = 4  # questions whose depths are kept together


@dataclass(frozen=True)
class DepthOptions:
    """How settling depths are measured and used.

    Attributes:
        answers: how the questions are asked; ``samples`` answers are drawn per question.
        g: divergences, in bits, up to which a token counts as settled; one depth for each.
        rho: share of the layers below which a token is shallow.
        draws: how often answers and ties are drawn for Think@n and what it is compared with.
        resamples: draws of questions for the intervals.
        stop_early: only the half of the answers whose first :data:`PREFIX` tokens are deepest is
            completed. This saves tokens; what needs all answers is not computed. Only
            layergram's own sampler can take an answer up where it stopped.
        lens: ``logit``, ``tuned:PATH`` or ``jacobian:PATH``: what a layer's prediction is read
            with.
    """

    answers: AnswerOptions = field(
        default_factory=lambda: AnswerOptions(samples=16, max_new_tokens=64)
    )
    g: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7)
    rho: float = 0.85
    draws: int = 200
    resamples: int = 1000
    stop_early: bool = False
    lens: str = "logit"

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        lens_asked(self.lens)
        if self.stop_early and self.answers.sampler != OWN:
            raise LayergramError(
                f"answers that are stopped early, with the sampler {self.answers.sampler}",
                got="a sampler that cannot take an answer up where it stopped",
                allowed=f"the sampler {OWN}",
                do="leave one of them out",
            )
        if self.answers.samples < 2:
            raise LayergramError(f"samples = {self.answers.samples}", allowed="at least 2")
        if not self.g or not all(0 < g < 1 for g in self.g) or len(set(self.g)) < len(self.g):
            raise LayergramError(
                f"g = {', '.join(map(str, self.g)) or 'nothing'}",
                allowed="one or more different numbers above 0 and below 1",
                do="for example 0.4 0.5 0.6",
            )
        if not 0 < self.rho <= 1:
            raise LayergramError(f"rho = {self.rho}", allowed="above 0, at most 1")
        for name in ("draws", "resamples"):
            if getattr(self, name) < 1:
                raise LayergramError(f"{name} = {getattr(self, name)}", allowed="at least 1")

    @property
    def main_g(self) -> float:
        """The threshold that figures, sentences and Think@n go by: the one nearest to 0.5."""
        return min(self.g, key=lambda g: abs(g - PUBLISHED_G))


@dataclass(frozen=True)
class DeepAnswer:
    """One sampled answer with its settling depths.

    Attributes:
        row: the answer, judged.
        depths: g -> settling depth of each generated token, 1..L.
        log_prob: mean log-probability of the generated tokens, nats.
        entropy: mean entropy of the model's predictions of them, nats.
        self_certainty: mean KL(uniform ‖ prediction), nats.
        cells: of the layers before the last, how many cells were certified by a bound, computed
            exactly, and not needed (:func:`layergram.engine.settling.count_cells`).
    """

    row: Row
    depths: Mapping[float, np.ndarray]
    log_prob: float
    entropy: float
    self_certainty: float
    cells: Mapping[str, int]

    @property
    def tokens(self) -> int:
        """How many tokens were generated."""
        return len(self.row.ids) - self.row.prompt_tokens

    def ratio(self, g: float, least: int, *, first: int | None = None) -> float:
        """Deep-thinking ratio: share of (the first) generated tokens that settle at ``least`` on.

        Args:
            g: threshold of the settling depth.
            least: number of the first deep layer.
            first: so many tokens from the beginning; all by default.
        """
        return float(np.mean(self.depths[g][:first] >= least))


class AnswerDepths:
    """Collects the settling depths of one answer's generated tokens, and how sure the model was.

    A generated token at position t belongs to the prediction at position t − 1.

    Args:
        ids: prompt and answer.
        prompt_tokens: how many of them are the prompt.
        layers: of the model.
        g: thresholds of the settling depth, bits.
    """

    needs = ("settling",)

    def __init__(
        self, ids: Sequence[int], *, prompt_tokens: int, layers: int, g: Sequence[float]
    ) -> None:
        self.first, self.end = prompt_tokens - 1, len(ids) - 1
        self.layers, self.g = layers, tuple(g)
        self.depths = np.zeros((len(self.g), self.end - self.first), dtype=int)
        self.sure = np.full((3, self.end - self.first), np.nan)
        self.settled: list[Settled] = []

    def take(self, view: SettlingView) -> None:
        """Keep the depths, and what the model's prediction says."""
        a = max(self.first - view.start, 0)
        b = min(self.end - view.start, len(view.next_ids))
        if a >= b:
            return
        columns = slice(view.start + a - self.first, view.start + b - self.first)
        settled = Settled(*(values[..., a:b] for values in view.settle(self.g)))
        self.settled.append(settled)
        self.depths[:, columns] = settled.layers.int().cpu().numpy()
        log_p = view.final.log_p[a:b]
        values = (
            log_p.gather(1, view.next_ids[a:b, None])[:, 0],
            -(log_p.exp() * log_p).sum(-1),
            -log_p.mean(-1) - math.log(log_p.shape[-1]),
        )
        self.sure[:, columns] = torch.stack(values).double().cpu().numpy()

    def record(self) -> dict[str, Any]:
        """Depths for every g, the means, and how the depths are known, as plain data."""
        log_prob, entropy, certainty = self.sure.mean(1).tolist()
        return {
            "depths": self.depths.tolist(),
            "log_prob": log_prob,
            "entropy": entropy,
            "self_certainty": certainty,
            "cells": count_cells(self.settled, self.layers),
        }


def sample_depths(
    model: Model,
    questions: QuestionSet,
    folder: RunFolder | None = None,
    *,
    options: DepthOptions | None = None,
    progress: Progress = no_progress,
) -> list[DeepAnswer]:
    """Sampled answers to every question, judged, with their settling depths.

    Args:
        model: the model.
        questions: the set.
        folder: everything that takes long is kept there as it is made; an interrupted run resumes.
        options: how to ask and measure.
        progress: called with stage, done and total.

    Returns:
        The answers, question by question, sample by sample.
    """
    options = options or DepthOptions()
    lens = open_lens(model, options.lens)  # before anything is asked
    answers = ask(
        model,
        questions,
        options=options.answers,
        folder=folder,
        progress=stage_progress(progress, "samples"),
        greedy=False,
    )
    rows = judge_answers(
        model,
        answers,
        judge=options.answers.judge,
        folder=folder,
        progress=stage_progress(progress, "exact answers"),
    )
    ids = [Ids(row.id, row.ids, row.prompt_tokens) for row in rows]
    depths = stage_progress(progress, "depths")
    records = replay(model, ids, folder, g=options.g, progress=depths, lens=lens)
    return [deep_answer(row, record, options.g) for row, record in zip(rows, records, strict=True)]


@dataclass(frozen=True)
class Ids:
    """The ids of one answer.

    Attributes:
        question: id of the question.
        ids: prompt and answer.
        prompt_tokens: how many of them are the prompt.
    """

    question: str
    ids: tuple[int, ...]
    prompt_tokens: int


def replay(
    model: Model,
    answers: Sequence[Ids],
    folder: RunFolder | None,
    *,
    g: Sequence[float],
    progress: Any,
    lens: LensChoice,
) -> list[dict[str, Any]]:
    """Settling depths of answers, by reading their ids again; a question's prompt is read once.

    Returns:
        For each answer what :meth:`AnswerDepths.record` gives.
    """
    by_question: dict[str, list[Ids]] = {}
    for answer in answers:
        by_question.setdefault(answer.question, []).append(answer)
    stage = Stage(
        "depths",
        tuple(by_question),
        {
            **model.fingerprint(),
            "ids": digest_of([list(a.ids) for a in answers]),
            "g": list(g),
            "cells": "counted",
            **lens.fingerprint(),
        },
        shard_size=SHARD,
    )

    def work(names: Sequence[str]) -> dict[str, dict[str, Any]]:
        found = {}
        for name in names:
            own = by_question[name]
            prompt = own[0].prompt_tokens
            collectors = [
                AnswerDepths(row.ids, prompt_tokens=prompt, layers=model.layers, g=g) for row in own
            ]
            reading = read(
                model,
                [row.ids for row in own],
                [[each] for each in collectors],
                lens=lens.lens,
                shared=prompt - 1,
            )
            for _ in reading:
                pass
            found[name] = {"answers": [each.record() for each in collectors]}
        return found

    kept = run_stage(stage, work, folder, progress=progress)
    records = {name: iter(kept[name]["answers"]) for name in by_question}
    return [next(records[answer.question]) for answer in answers]


def deep_answer(row: Row, record: Mapping[str, Any], g: Sequence[float]) -> DeepAnswer:
    """A judged answer with what was read of it."""
    depths = {each: np.array(of_g) for each, of_g in zip(g, record["depths"], strict=True)}
    return DeepAnswer(
        row,
        depths,
        record["log_prob"],
        record["entropy"],
        record["self_certainty"],
        record["cells"],
    )


def deep_layer(layers: int, rho: float) -> int:
    """The first deep layer, ceil(ρ·L).

    Example:
        >>> [deep_layer(layers, 0.85) for layers in (24, 28, 30, 32, 36)]
        [21, 24, 26, 28, 31]
    """
    return math.ceil(rho * layers - 1e-9)  # 0.7 · 10 is 7, whatever floats say
