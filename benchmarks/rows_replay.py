"""Rows 5 and 7: stored answers and labelled steps, read again in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
    answers, fewer, steps = (16, 4, 10) if setting.quick else (200, 25, None)
    budget = Budget(1 if setting.quick else 3, 180)
    with started([LAYERGRAM], setting) as workers:
        own = workers[LAYERGRAM.name]
        assert isinstance(own, Worker)
        yield from _answers(own, answers, budget)
        yield from _divergence(own, fewer, budget)
        if not setting.quick:
            yield from _heads(own, budget)
        yield from _masking(own, steps, budget)


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
    taken = _taken(works, budget)
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
    taken = _taken(works, budget)
    yield Row(
        5,
        f"divergence, averaged, {answers} answers",
        "layergram",
        f"{BATCHES}, and the unembedding products",
        goal=0.85,
        at_least=True,
        **_share(taken, "divergence", "forward", "products"),
    )


def _heads(own: Worker, budget: Budget) -> Iterator[Row]:
    work = {"work": "heads", "steps": 28}
    taken = _taken(
        {"floor": partial(own.do, "same_batches", of=work), "heads": partial(own.do, **work)},
        budget,
    )
    yield Row(
        5,
        "outputs of all heads at the answers of 224 embedded steps",
        "layergram",
        BATCHES,
        goal=0.9,
        at_least=True,
        **_share(taken, "heads", "floor"),
    )


def _masking(own: Worker, steps: int | None, budget: Budget) -> Iterator[Row]:
    works: dict[str, Do] = {
        "whole": partial(own.do, "steps_whole", steps=steps),
        "read": partial(own.do, "same_batches", of={"work": "masked", "steps": steps}),
        "masked": partial(own.do, "masked", steps=steps),
    }
    taken = _taken(works, budget)
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
        "plain forward pass of the tokens that it reads, shared ones once",
        **taken.ratio("masked", {"read": 1.0}),
    )


def _taken(works: Mapping[str, Do], budget: Budget) -> Taken:
    """Times without a run for nothing: the floors have run the work once to see its batches."""
    every = replace(budget, seldom=dict.fromkeys(works, budget.runs))
    return interleaved(works, every)
