"""Labelled steps with the model's own answers in the place of the given ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from layergram.datasets.step_sequences import AnswerSpan, StepSequence, content_tokens
from layergram.datasets.steps import Step, StepSet
from layergram.engine.sampling import Sampling, Stream, generate
from layergram.interventions.scoring import SPARE, check_room
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.tokens import texts_of

BATCH = 16


def model_answers(
    model: Model,
    steps: StepSet,
    sequences: Sequence[StepSequence],
    folder: RunFolder | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[StepSet, list[StepSequence]]:
    """Steps with the model's own greedy answers in the place of the given ones, one sequence each.

    A step is asked after the given answers of the steps before it. The answer's tokens are those
    that the model produced, never its text cut anew.

    Args:
        model: the model.
        steps: the steps.
        sequences: the same, as the model reads them with the given answers.
        folder: where the answers are kept as they come; an interrupted run resumes.
        progress: called with how many steps are answered, and how many there are.

    Returns:
        The steps that the model has words for, the others counted in ``dropped``, and a sequence
        with one span for each, in their order.
    """
    prompts = {span.step: one.ids[: span.first] for one in sequences for span in one.spans}
    room = {
        span.step: span.last + 1 - span.first + SPARE for one in sequences for span in one.spans
    }
    check_room(model, list(prompts.values()), list(room.values()))
    stage = Stage(
        "model_answers",
        tuple(map(str, sorted(prompts, key=lambda step: -len(prompts[step])))),
        {
            **model.fingerprint(),
            **model.generation_settings(),
            "prompts": digest_of([list(prompts.values()), list(room.values())]),
        },
    )

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        streams = [Stream(Sampling(room[int(key)])) for key in keys]
        found = generate(model, [prompts[int(key)] for key in keys], streams, batch=BATCH)
        return {key: {"ids": list(ids)} for key, ids in zip(keys, found, strict=True)}

    records = run_stage(stage, work, folder, progress=progress)
    stops = set(model.stop_ids)
    kept: list[Step] = []
    answered: list[StepSequence] = []
    for place, step in enumerate(steps.steps):
        ids = [token for token in records[str(place)]["ids"] if token not in stops]
        sequence = _sequence(model, prompts[place], ids, len(kept))
        if sequence is not None:
            kept.append(replace(step, answer=model.tokenizer.decode(ids).strip()))
            answered.append(sequence)
    lost = {"(no answer)": len(steps) - len(kept)} if len(kept) < len(steps) else {}
    return replace(steps, steps=tuple(kept), dropped={**steps.dropped, **lost}), answered


def _sequence(
    model: Model, prompt: tuple[int, ...], ids: Sequence[int], step: int
) -> StepSequence | None:
    _, starts, ends, text = texts_of(model.tokenizer, ids, before=prompt)
    if not text.strip():
        return None
    places = content_tokens(text, starts, ends)
    first = len(prompt)
    content = tuple(first + at for at in places or range(len(ids)))
    span = AnswerSpan(step, first, first + len(ids) - 1, content)
    return StepSequence((*prompt, *ids), (span,))
