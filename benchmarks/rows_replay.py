"""Rows 5 and 7: stored answers and labelled steps, read again in batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from peers import LAYERGRAM, Setting, Worker, started
from timing import Budget, Do, Row, Taken, interleaved

BATCHES = "plain forward pass of the same batches"
ROLES = {"work": "roles", "scores": "none"}
SCORED = {"work": "roles", "scores": "also"}
RESIDUAL = {"work": "average", "measure": "residual_norm"}
DIVERGENCE = {"work": "average", "measure": "divergence"}


def rows(setting: Setting) -> Iterator[Row]:
    """Throughput of replayed stages as a share of the plain passes', and a masking pass."""
    answers, fewer, steps = (16, 8, 10) if setting.quick else (200, 50, None)
    budget = Budget(1, 1) if setting.quick else Budget(3, 150)
    with started([LAYERGRAM], setting) as workers:
        own = workers[LAYERGRAM.name]
        assert isinstance(own, Worker)
        yield from _answers(own, answers, budget)
        yield from _divergence(own, fewer, budget)
        yield from _steps(own, steps, budget)


def _share(taken: Taken, work: str, *floors: str) -> dict[str, Any]:
    """The floors' time over the work's: its throughput as a share of theirs."""
    found = taken.ratio(work, dict.fromkeys(floors, 1.0))
    if "value" in found:
        low, high = found["spread"]
        found |= {"value": 1 / found["value"], "spread": (1 / high, 1 / low)}
    return found | {"unit": "of the floor's tokens/s"}


def _answers(own: Worker, answers: int, budget: Budget) -> Iterator[Row]:
    works: dict[str, Do] = {
        "floor": partial(own.do, "same_batches", of={**ROLES, "answers": answers}),
        "roles": partial(own.do, **ROLES, answers=answers),
        "scored": partial(own.do, **SCORED, answers=answers),
        "residual": partial(own.do, **RESIDUAL, answers=answers),
        "one by one": partial(own.do, "one_by_one", answers=answers),
    }
    taken = interleaved(works, budget)
    texts = {
        "roles": "hidden states at 15 roles",
        "scored": "the same with probabilities and attention of the answers",
        "residual": "residual norms, averaged",
    }
    for work, text in texts.items():
        text = f"{text}, {answers} answers"
        yield Row(
            5, text, "layergram", BATCHES, goal=0.9, at_least=True, **_share(taken, work, "floor")
        )
    text = f"{texts['roles']}, {answers} answers"
    yield Row(
        5,
        text,
        "transformers, one by one, output_hidden_states",
        BATCHES,
        **_share(taken, "one by one", "floor"),
    )


def _divergence(own: Worker, answers: int, budget: Budget) -> Iterator[Row]:
    work = {**DIVERGENCE, "answers": answers}
    works: dict[str, Do] = {
        "forward": partial(own.do, "same_batches", of=work),
        "products": partial(own.do, "same_products", of=work),
        "divergence": partial(own.do, **work),
    }
    taken = interleaved(works, budget)
    yield Row(
        5,
        f"divergence, averaged, {answers} answers",
        "layergram",
        f"{BATCHES}, and the unembedding products",
        goal=0.85,
        at_least=True,
        **_share(taken, "divergence", "forward", "products"),
    )


def _steps(own: Worker, steps: int | None, budget: Budget) -> Iterator[Row]:
    works: dict[str, Do] = {
        "heads floor": partial(own.do, "same_batches", of={"work": "heads", "steps": steps}),
        "heads": partial(own.do, "heads", steps=steps),
        "new tokens": partial(own.do, "same_batches", of={"work": "masked", "steps": steps}),
        "whole": partial(own.do, "steps_whole", steps=steps),
        "masked": partial(own.do, "masked", steps=steps),
    }
    taken = interleaved(works, budget)
    yield Row(
        5,
        "outputs of all heads at the answers of the embedded steps",
        "layergram",
        BATCHES,
        goal=0.9,
        at_least=True,
        **_share(taken, "heads", "heads floor"),
    )
    text = "one masking pass over the embedded steps"
    yield Row(
        7,
        text,
        "layergram",
        "plain batched forward pass of the same steps",
        goal=1.2,
        **taken.ratio("masked", {"whole": 1.0}),
    )
    yield Row(
        7,
        text,
        "layergram",
        "plain forward pass of the tokens it reads, shared ones once",
        **taken.ratio("masked", {"new tokens": 1.0}),
    )
