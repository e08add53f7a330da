"""Labelled steps with the model's own answers in the place of the given ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layergram.answers.ask import by_length
from layergram.datasets.steps import Step, StepSet
from layergram.engine.sampling import generate, padding_is_exact
from layergram.features.step_sequences import Reading, Span, telling
from layergram.interventions.scoring import SPARE, check_room
from layergram.models.model import Model
from layergram.storage.journal import batched, claim, digest_of
from layergram.tokens import texts_of

BATCH = 16


def own_answers(
    model: Model,
    steps: StepSet,
    readings: Sequence[Reading],
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[StepSet, list[Reading]]:
    """Steps with the model's own greedy answers in the place of the given ones, one reading each.

    A step is asked after the given answers of the steps before it. The answer's tokens are those
    that the model produced, never its text cut anew.

    Args:
        model: the model.
        steps: the steps.
        readings: the same, as the model reads them with the given answers.
        folder: where the answers are kept as they come; a killed run goes on.
        progress: called with how many steps are answered, and how many there are.

    Returns:
        The steps that the model has words for, the others counted in ``dropped``, and a reading
        with one span for each, in their order.
    """
    asked = [(reading.ids[: span.first], span) for reading in readings for span in reading.spans]
    prompts = [prompt for prompt, _ in asked]
    room = [span.last + 1 - span.first + SPARE for _, span in asked]
    exact = padding_is_exact(model, prompts)
    batches = by_length(list(map(len, prompts)), size=BATCH, mixed="yes" if exact else "no")
    check_room(model, prompts, room)
    folder.mkdir(parents=True, exist_ok=True)
    asked_for = {**model.fingerprint(), "prompts": digest_of([prompts, room])}
    claim(folder / "own_answers.json", asked_for)

    def work(batch: Sequence[int]) -> list[dict[str, Any]]:
        found = generate(
            model,
            [prompts[at] for at in batch],
            most=max(room[at] for at in batch),
            seeds=[None] * len(batch),
        )
        return [{"ids": list(ids[: room[at]])} for at, ids in zip(batch, found, strict=True)]

    answers: dict[int, tuple[int, ...]] = {}
    journal = folder / "own_answers.jsonl"
    for batch, records in zip(batches, batched(journal, batches, work), strict=True):
        answers |= {at: tuple(r["ids"]) for at, r in zip(batch, records, strict=True)}
        if progress is not None:
            progress(len(answers), len(asked))
    stops = set(model.stop_ids)
    numbers = {span.step: at for at, (_, span) in enumerate(asked)}
    kept: list[Step] = []
    found: list[Reading] = []
    for place, step in enumerate(steps.steps):
        at = numbers[place]
        ids = [token for token in answers[at] if token not in stops]
        reading = _reading(model, prompts[at], ids, len(kept))
        if reading is not None:
            kept.append(replace(step, answer=model.tokenizer.decode(ids).strip()))
            found.append(reading)
    lost = {"(no answer)": len(steps) - len(kept)} if len(kept) < len(steps) else {}
    return replace(steps, steps=tuple(kept), dropped={**steps.dropped, **lost}), found


def _reading(
    model: Model, prompt: tuple[int, ...], ids: Sequence[int], step: int
) -> Reading | None:
    _, starts, ends, text = texts_of(model.tokenizer, ids, before=prompt)
    if not text.strip():
        return None
    places = telling(text, starts, ends)
    first = len(prompt)
    content = tuple(first + at for at in places or range(len(ids)))
    return Reading((*prompt, *ids), (Span(step, first, first + len(ids) - 1, content),))
