"""How well a model does at labelled steps: on the given answers, and with answers of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice, takewhile
from statistics import fmean
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from layergram.datasets.step_sequences import AnswerSpan, StepSequence, digest_of_sequences
from layergram.datasets.steps import StepSet
from layergram.engine.run import read
from layergram.engine.sampling import Sampling, Stream, generate
from layergram.engine.views import OutputView
from layergram.errors import LayergramError, unknown_name
from layergram.models.edits import POSITIONS, edits_in_force
from layergram.models.model import Model
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage

FORCED = {
    "log_likelihood": "mean log-likelihood of the answer's tokens",
    "token_accuracy": "share of the answer's tokens that the model finds the likeliest",
    "exact": "share of answers whose tokens are all the likeliest",
}
"""Scores of the given answers, read by the model, in words."""

GENERATED = {
    "right": "share of the model's own answers that are right (equal, or ROUGE-1 above 0.6)",
    "exact_match": "share of the model's own answers that equal the given one",
    "rouge1": "ROUGE-1 F1 of the model's own answer with the given one",
}
"""Scores of the model's own greedy answers, in words."""

SCORINGS = {"forced": FORCED, "generated": GENERATED}
UNITS = {"log_likelihood": "nat per token"}
LABELS = {
    "log_likelihood": "log-likelihood",
    "token_accuracy": "token accuracy",
    "exact": "exactly reproduced answers",
    "right": "right answers",
    "exact_match": "exact matches",
    "rouge1": "ROUGE-1",
}
"""Scores as a colour bar names them."""
ENOUGH = 0.6  # of ROUGE-1, for an answer to be right
SPARE = 8  # tokens that a model may take more than the given answer has
GENERATION_BATCH = 16
LOGIT_ROWS = 256  # positions whose predictions are computed together
Progress = Callable[[int, int], None]


def scores(
    model: Model,
    sequences: Sequence[StepSequence],
    steps: StepSet,
    *,
    scoring: str = "forced",
    folder: RunFolder | None = None,
    name: str = "scores",
    progress: Progress | None = None,
) -> xr.DataArray:
    """How well the model, with the edits that are in force, does at each step.

    Args:
        model: the model.
        sequences: the steps, as the model reads them.
        steps: the set that they are of.
        scoring: ``"forced"`` scores the given answers (:data:`FORCED`): log-likelihood in nats per
            token, 0 and below, and shares, 0..1. ``exact`` is 1 where greedy generation would give
            the very tokens. ``"generated"`` lets the model answer (:data:`GENERATED`), which takes
            a pass per token.
        folder: where the scores are kept as they come; an interrupted run resumes.
        name: of the scores in that folder.
        progress: called with how many sequences are done, and how many there are.

    Returns:
        [step, score] in float64, labelled with the places of the steps in their set.

    Raises:
        LayergramError: for an unknown scoring, or a folder of another run.
    """
    if scoring not in SCORINGS:
        raise unknown_name("scoring of answers", scoring, SCORINGS)
    if scoring == "forced" and any(POSITIONS["last"] in words for words in edits_in_force(model)):
        raise LayergramError(
            "scores of given answers under an edit of the last position",
            got="answers that are read whole, beside shorter ones that are filled up",
            do="edit every position, or score generated answers",
        )
    names = SCORINGS[scoring]
    one_shard = _forced if scoring == "forced" else _generated
    by_key = {_key(one): one for one in sequences}
    stage = Stage(
        name,
        tuple(sorted(by_key, key=lambda key: -len(by_key[key].ids))),
        {
            **model.fingerprint(),
            "steps": steps.name,
            "steps_digest": steps.digest,
            "sequences": digest_of_sequences(sequences),
            "scoring": scoring,
            **(model.generation_settings() if scoring == "generated" else {}),
        },
    )

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        found = one_shard(model, [by_key[key] for key in keys], steps)
        return {
            key: {"steps": [span.step for span in by_key[key].spans], "scores": values}
            for key, values in zip(keys, found, strict=True)
        }

    of_step: dict[int, list[float]] = {}
    for record in run_stage(stage, work, folder, progress=progress).values():
        of_step |= dict(zip(record["steps"], record["scores"], strict=True))
    places = sorted(of_step)
    return xr.DataArray(
        [of_step[place] for place in places],
        coords={"step": places, "score": list(names)},
        dims=("step", "score"),
        name="scores",
    )


def _key(sequence: StepSequence) -> str:
    return "+".join(str(span.step) for span in sequence.spans)


class AnswerStreams:
    """Collects the last residual stream where the tokens of one sequence's answers are predicted.

    What they come to is read off for all sequences at once: the unembedding is large, and costs as
    much for one position as for many.
    """

    needs = ("output",)

    def __init__(self, sequence: StepSequence) -> None:
        self.answers = [at for s in sequence.spans for at in range(s.first, s.last + 1)]
        self.ids = [sequence.ids[at] for at in self.answers]
        self.rows: list[Tensor] = []

    def take(self, view: OutputView) -> None:
        """Keep what predicts the answers' tokens of this chunk."""
        here = [at - 1 for at in self.answers if view.start < at <= view.start + view.tokens]
        if here:
            self.rows.append(view.last(torch.tensor(here)))


def _forced(
    model: Model, sequences: Sequence[StepSequence], steps: StepSet
) -> list[list[list[float]]]:
    """The scores of each sequence's given answers, in the order of :data:`FORCED`."""
    collectors = [AnswerStreams(one) for one in sequences]
    ids = [one.ids for one in sequences]
    # the token that predicts an answer's first one is the last that has to be seen
    seen = min(one.spans[0].first for one in sequences) - 1
    columns = zip(*(each[:seen] for each in ids), strict=True)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    for _ in read(model, ids, [[one] for one in collectors], shared=shared):
        pass
    streams = torch.cat([row for one in collectors for row in one.rows])
    told = torch.tensor([token for one in collectors for token in one.ids], device=streams.device)
    log_p, hits = [], []
    with torch.inference_mode():
        for rows, own in zip(streams.split(LOGIT_ROWS), told.split(LOGIT_ROWS), strict=True):
            of_rows = torch.log_softmax(model.parts.readout.logits(rows), -1)
            log_p += of_rows.gather(1, own[:, None])[:, 0].tolist()
            hits += (of_rows.argmax(-1) == own).float().tolist()
    tokens = iter(zip(log_p, hits, strict=True))
    found: list[list[list[float]]] = []
    for one in sequences:
        found.append([])
        for span in one.spans:
            of_span, likeliest = zip(*islice(tokens, span.last + 1 - span.first), strict=True)
            found[-1].append([fmean(of_span), fmean(likeliest), min(likeliest)])
    return found


def _generated(
    model: Model, sequences: Sequence[StepSequence], steps: StepSet
) -> list[list[list[float]]]:
    """The scores of the model's own greedy answers to each sequence's steps."""
    asked = [(one, span) for one in sequences for span in one.spans]
    prompts = [one.ids[: span.first] for one, span in asked]
    room = [_room(span) for _, span in asked]
    check_room(model, prompts, room)
    streams = [Stream(Sampling(most)) for most in room]
    replies = iter(
        model.tokenizer.decode(ids, skip_special_tokens=True)
        for ids in generate(model, prompts, streams, batch=GENERATION_BATCH)
    )
    return [
        [compared(next(replies), steps.steps[span.step].answer) for span in one.spans]
        for one in sequences
    ]


def check_room(model: Model, prompts: Sequence[Sequence[int]], room: Sequence[int]) -> None:
    """Refuse prompts that leave too little of the context for an answer."""
    needed = max(len(prompt) + most for prompt, most in zip(prompts, room, strict=True))
    if model.context is not None and needed > model.context:
        raise LayergramError(
            f"answers of '{model.name}' to labelled steps",
            got=f"{needed} tokens for the longest step and its answer",
            allowed=f"{model.context} tokens",
            do="score and read the given answers, or shorten the steps",
        )


def _room(span: AnswerSpan) -> int:
    return span.last + 1 - span.first + SPARE


def compared(reply: str, answer: str) -> list[float]:
    """Whether the first line of a reply is right, equals the answer, and its ROUGE-1 F1 with it.

    Capitals, punctuation and articles do not count.

    Example:
        >>> compared("The Nile.\\nAnd then", "the nile")
        [1.0, 1.0, 1.0]
        >>> compared("the river Nile", "Nile")
        [1.0, 0.0, 0.6666666666666666]
    """
    reply_words, answer_words = _words(reply.strip().partition("\n")[0]), _words(answer)
    shared = sum((Counter(reply_words) & Counter(answer_words)).values())
    rouge = 2 * shared / (len(reply_words) + len(answer_words)) if shared else 0.0
    equal = bool(answer_words) and reply_words == answer_words
    return [float(equal or rouge > ENOUGH), float(equal), rouge]


def _words(text: str) -> list[str]:
    found = re.findall(r"\w+", text.casefold())
    return [word for word in found if word not in ("a", "an", "the")] or found
