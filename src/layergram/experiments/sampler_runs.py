"""Runs that a sampler other than layergram's own is not for; no model is needed to tell."""

from __future__ import annotations

from layergram.answers.ask import AnswerOptions
from layergram.engine.samplers import OWN
from layergram.errors import LayergramError
from layergram.execution.options import LOCAL, Execution


def check_spread(answers: AnswerOptions, execution: Execution | None) -> None:
    """Refuse a sampler in workers on Ray, where it has not been tried and would not be closed.

    Args:
        answers: how the questions are asked.
        execution: where the run is done; in this process by default.

    Raises:
        LayergramError: saying so.
    """
    if answers.sampler != OWN and execution is not None and execution.on != LOCAL:
        raise LayergramError(
            f"a run on Ray with the sampler {answers.sampler}",
            got="a sampler that has not been tried in workers on Ray",
            allowed=f"the sampler {OWN} on Ray, or {answers.sampler} in a local run",
            do=f"leave out --on {execution.on}, and spread the run with --shard K/N; or choose the "
            f"sampler {OWN}",
        )


def check_planned(answers: AnswerOptions) -> None:
    """Refuse the plan of a sampler whose start takes longer than a probe, which would tell nothing.

    Args:
        answers: how the questions are asked.

    Raises:
        LayergramError: saying so.
    """
    if answers.sampler != OWN:
        raise LayergramError(
            f"the plan of a run with the sampler {answers.sampler}",
            got="a sampler whose time cannot be told from a few answers",
            allowed=f"the sampler {OWN}",
            do=f"plan it with {OWN}: every stage but the answers takes the same",
        )
