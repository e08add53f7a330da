"""How well a model does at labelled steps: on the given answers, and with answers of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from layergram.answers.ask import by_length
from layergram.datasets.steps import StepSet
from layergram.engine.sampling import generate, padding_is_exact
from layergram.errors import LayergramError, unknown_name
from layergram.features.hidden_states import LOGIT_ROWS, forward, forward_batches
from layergram.features.step_sequences import Reading, Span
from layergram.models.edits import POSITIONS, edits_in_force
from layergram.models.hooks import capture_residual
from layergram.models.model import Model
from layergram.storage.journal import batched, claim, digest_of

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
Progress = Callable[[int, int], None]


def scores(
    model: Model,
    readings: Sequence[Reading],
    steps: StepSet,
    *,
    scoring: str = "forced",
    journal: Path | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """How well the model, with the edits that are in force, does at each step.

    Args:
        model: the model.
        readings: the steps, as the model reads them.
        steps: the set that they are of.
        scoring: ``"forced"`` scores the given answers (:data:`FORCED`): log-likelihood in nats per
            token, 0 and below, and shares, 0..1. ``exact`` is 1 where greedy generation would give
            the very tokens. ``"generated"`` lets the model answer (:data:`GENERATED`), which takes
            a pass per token.
        journal: a file that grows with every batch; a killed run goes on from there.
        progress: called with how many readings are done, and how many there are.

    Returns:
        [step, score] in float64, labelled with the places of the steps in their set.

    Raises:
        LayergramError: for an unknown scoring, or a journal of another run.
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
    one_batch = _forced if scoring == "forced" else _generated
    batches = (
        forward_batches([len(reading.ids) for reading in readings])
        if scoring == "forced"
        else by_length([len(reading.ids) for reading in readings], size=GENERATION_BATCH)
    )
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        claim(journal.with_suffix(".json"), _fingerprint(model, readings, steps, scoring))

    def work(batch: Sequence[int]) -> list[dict[str, Any]]:
        found = one_batch(model, [readings[at] for at in batch], steps)
        return [
            {"steps": [span.step for span in readings[at].spans], "scores": values}
            for at, values in zip(batch, found, strict=True)
        ]

    of_step: dict[int, list[float]] = {}
    done = 0
    for records in batched(journal, batches, work):
        for record in records:
            of_step |= dict(zip(record["steps"], record["scores"], strict=True))
        done += len(records)
        if progress is not None:
            progress(done, len(readings))
    places = sorted(of_step)
    return xr.DataArray(
        [of_step[place] for place in places],
        coords={"step": places, "score": list(names)},
        dims=("step", "score"),
        name="scores",
    )


def _fingerprint(
    model: Model, readings: Sequence[Reading], steps: StepSet, scoring: str
) -> dict[str, Any]:
    spans = [[[span.step, span.first, span.last] for span in reading.spans] for reading in readings]
    return {
        "steps": steps.name,
        "steps_digest": steps.digest,
        "readings": digest_of([[reading.ids for reading in readings], spans]),
        "scoring": scoring,
        **model.fingerprint(),
    }


def _forced(model: Model, batch: Sequence[Reading], steps: StepSet) -> list[list[list[float]]]:
    """The scores of each reading's given answers, by one forward pass for all of them."""
    rows = [
        (i, at) for i, r in enumerate(batch) for s in r.spans for at in range(s.first, s.last + 1)
    ]
    wanted = torch.tensor([batch[i].ids[at] for i, at in rows])
    with torch.inference_mode(), capture_residual([model.parts.layers[-1]]) as streams:
        forward(model, [reading.ids for reading in batch])
        where = torch.tensor(rows, device=streams[-1].device)
        h = streams[-1][where[:, 0], where[:, 1] - 1]
        told = [
            _of_tokens(model.parts.readout.logits(part), own.to(part.device))
            for part, own in zip(h.split(LOGIT_ROWS), wanted.split(LOGIT_ROWS), strict=True)
        ]
    log_p, likeliest = torch.cat([t[0] for t in told]), torch.cat([t[1] for t in told])
    sizes = [span.last + 1 - span.first for reading in batch for span in reading.spans]
    found = [
        [float(own.mean()), float(hit.mean()), float(hit.all())]
        for own, hit in zip(log_p.split(sizes), likeliest.split(sizes), strict=True)
    ]
    counts = iter(found)
    return [[next(counts) for _ in reading.spans] for reading in batch]


def _of_tokens(logits: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-likelihood of each row's token, and whether it is the likeliest."""
    log_p = torch.log_softmax(logits, dim=-1).gather(1, ids[:, None])[:, 0]
    return log_p.cpu().double(), (logits.argmax(-1) == ids).cpu().double()


def _generated(model: Model, batch: Sequence[Reading], steps: StepSet) -> list[list[list[float]]]:
    """The scores of the model's own greedy answers to each reading's steps."""
    asked = [(reading, span) for reading in batch for span in reading.spans]
    prompts = [reading.ids[: span.first] for reading, span in asked]
    check_room(model, prompts, [_room(span) for _, span in asked])
    exact = padding_is_exact(model, prompts)
    lengths = [len(prompt) for prompt in prompts]
    replies: dict[int, str] = {}
    for group in by_length(lengths, size=GENERATION_BATCH, mixed="yes" if exact else "no"):
        most = {at: _room(asked[at][1]) for at in group}
        found = generate(
            model,
            [prompts[at] for at in group],
            most=max(most.values()),
            seeds=[None] * len(group),
        )
        for at, ids in zip(group, found, strict=True):
            replies[at] = model.tokenizer.decode(ids[: most[at]], skip_special_tokens=True)
    told = iter(
        compared(replies[at], steps.steps[span.step].answer) for at, (_, span) in enumerate(asked)
    )
    return [[next(told) for _ in reading.spans] for reading in batch]


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


def _room(span: Span) -> int:
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
    said, given = _words(reply.strip().partition("\n")[0]), _words(answer)
    shared = sum((Counter(said) & Counter(given)).values())
    rouge = 2 * shared / (len(said) + len(given)) if shared else 0.0
    equal = bool(given) and said == given
    return [float(equal or rouge > ENOUGH), float(equal), rouge]


def _words(text: str) -> list[str]:
    found = re.findall(r"\w+", text.casefold())
    return [word for word in found if word not in ("a", "an", "the")] or found
