"""The plan of every experiment that works through a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layergram.datasets.labelled import LabelledSet
from layergram.datasets.paragraphs import PARAGRAPHS
from layergram.datasets.questions import QuestionSet
from layergram.datasets.step_sequences import StepSequence, step_sequences
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError
from layergram.execution.options import Execution
from layergram.experiments.averages.items import items_of
from layergram.experiments.averages.run import AveragingWork, average_maps, averaging_stage
from layergram.experiments.averages.run import check_folder as check_averages_folder
from layergram.experiments.depth.early import think_early
from layergram.experiments.depth.pipeline import DepthOptions, sample_depths
from layergram.experiments.depth.run import check_folder as check_depth_folder
from layergram.experiments.depth.run import depth
from layergram.experiments.heads.model_answers import model_answers
from layergram.experiments.heads.options import HeadMapOptions
from layergram.experiments.heads.patterns import attention_patterns
from layergram.experiments.heads.run import head_maps
from layergram.experiments.heads.split import split_steps
from layergram.experiments.planning import Plan, Probe, spread
from layergram.experiments.roles.controls import random_weights
from layergram.experiments.roles.labelled import roles_of, rows_of
from layergram.experiments.roles.p_true import p_true
from layergram.experiments.roles.pipeline import RoleMapOptions, judged_answers
from layergram.experiments.roles.run import role_map
from layergram.experiments.sampler_runs import check_planned
from layergram.features.head_outputs import head_outputs
from layergram.features.hidden_states import hidden_states
from layergram.interventions.causal_test import passes_ahead
from layergram.interventions.scoring import scores
from layergram.measures import select_measures
from layergram.models.edits import editable_heads
from layergram.models.model import Model
from layergram.progress import no_progress
from layergram.recipe import DEFAULT_MEASURES, Run
from layergram.storage.stage import run_stage

TEXTS, ANSWERED, SAMPLED, SEQUENCES = 16, 4, 2, 4
"""Items of a probe: texts, questions with one answer, with many, and sequences of steps."""


def plan(
    experiment: Callable[..., Any],
    model: Model,
    data: Any,
    *,
    out: str | Path | None = None,
    execution: Execution | None = None,
    **options: Any,
) -> Plan:
    """What a run will take: items, tokens, shards, time, memory, disk, and what is done already.

    A few items are read or answered in a folder that is gone afterwards, and the rest is taken to
    be like them. Nothing is made in the folder of the run.

    Args:
        experiment: :func:`layergram.average_maps`, ``role_map``, ``head_maps`` or ``depth``.
        model: the model.
        data: what the experiment would be given.
        out: the folder of the run.
        execution: where it would be done; as many processes take a part of the time.
        options: everything else that the experiment would be given.

    Returns:
        A plan; ``print`` shows it as a table.

    Raises:
        LayergramError: for another experiment, for the folder of another run, and for answers
            that vLLM samples, since its start takes longer than a probe.

    Example:
        ``print(lg.plan(lg.depth, model, lg.questions("arithmetic"), out="depth"))``
    """
    planners: dict[Any, Callable[..., str]] = {
        average_maps: _averages,
        role_map: _roles,
        head_maps: _heads,
        depth: _depth,
    }
    if experiment not in planners:
        raise LayergramError(
            f"the plan of {getattr(experiment, '__name__', experiment)!r}",
            allowed=", ".join(one.__name__ for one in planners),
        )
    execution = execution or Execution()
    probe = Probe(model, None if out is None else Path(out))
    title = planners[experiment](probe, model, data, **options)
    share = execution.share
    return probe.plan(title, share.of if share is not None else execution.workers or 1)


def _averages(
    probe: Probe,
    model: Model,
    data: Iterable[Any],
    *,
    measures: Iterable[str] = DEFAULT_MEASURES,
    by: str = "tenths",
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
    keep: str = "mean",
) -> str:
    run = run or Run()
    given_options = dict(options or {})
    measured = [record.name for record in select_measures(list(measures), given_options)]
    if probe.out is not None:
        check_averages_folder(probe.out)
    if isinstance(data, StepSet):
        items = items_of(model, data, by, chat=run.chat)
        few = replace(items, items=dict(spread(list(items.items.items()), TEXTS)))
        total, tokens = len(items.items), len(items.items) / len(few.items)
    else:
        every = [data] if isinstance(data, str) else list(data)
        given = spread(every, TEXTS)
        few = items_of(model, given, by, chat=run.chat)
        total = len(every) * len(few.items) // len(given)  # drawn answers are no items
        tokens = total / len(few.items)
        if isinstance(given[0], str):
            tokens = sum(map(len, every)) / sum(map(len, given))

    def work(folder: Any) -> None:
        kept = folder.path / averaging_stage(one).name if keep == "maps" else None
        kept_work = replace(one, kept=kept and kept / "texts")
        run_stage(averaging_stage(kept_work), kept_work, folder)

    each = replace(run, heads="each") if by == "function" else run
    one = AveragingWork(model, few, measured, given_options, each)
    probe.run(work, times=total / len(few.items), tokens=tokens)
    return f"maps averaged over {total:,} {few.noun}s"


def _roles(
    probe: Probe,
    model: Model,
    data: QuestionSet | LabelledSet,
    *,
    options: RoleMapOptions | None = None,
    also: Sequence[Any] = (),
    save_probe: Any = None,
) -> str:
    options = options or RoleMapOptions()
    answers, spec = options.answers, options.spec
    if isinstance(data, LabelledSet):
        few = replace(data, texts=tuple(spread(data.texts, ANSWERED)))
        rows = rows_of(model, few, chat=answers.chat)
        spec = replace(spec, roles=roles_of(rows))
        times = len(data.texts) / len(few.texts)
    else:
        check_planned(answers)
        asked = replace(data, questions=tuple(spread(data.questions, ANSWERED)))
        times = len(data) / len(asked)
        drawn = probe.run(
            lambda folder: judged_answers(model, asked, folder, options=answers), times=times
        )
        rows = [row for row in drawn if row.sample == 0]
        name = f"{spec.folder}/p_true" if spec.folder else "p_true"
        probe.run(
            lambda folder: p_true(model, rows, folder, chat=answers.chat, name=name), times=times
        )
    probe.run(lambda folder: hidden_states(model, rows, folder, spec=spec), times=times)
    if options.control == "random-weights":
        fresh = random_weights(model, seed=answers.seed)
        control = replace(spec, name="random_weights", scores="none")
        fresh_probe = Probe(fresh, probe.out)
        fresh_probe.run(
            lambda folder: hidden_states(fresh, rows, folder, spec=control), times=times
        )
        probe.stages += fresh_probe.stages
    of = "texts" if isinstance(data, LabelledSet) else "questions"
    more = f", without {len(also)} other sets" if also else ""
    return f"a role map of '{data.name}', {len(data):,} {of}{more}"


def _depth(
    probe: Probe, model: Model, data: QuestionSet, *, options: DepthOptions | None = None
) -> str:
    options = options or DepthOptions()
    check_planned(options.answers)
    if probe.out is not None:
        check_depth_folder(probe.out, options)
    few = replace(data, questions=tuple(spread(data.questions, SAMPLED)))
    work = think_early if options.stop_early else sample_depths
    probe.run(
        lambda folder: work(model, few, folder, options=options, progress=no_progress),
        times=len(data) / len(few),
    )
    return f"settling depths of answers to '{data.name}', {len(data):,} questions"


def _heads(
    probe: Probe, model: Model, data: StepSet, *, options: HeadMapOptions | None = None
) -> str:
    options = options or HeadMapOptions()
    split = split_steps(data, options)
    probe.run(lambda folder: attention_patterns(model, PARAGRAPHS, folder), times=1)
    read = step_sequences(model, data, chat=options.chat)
    few = spread(read, SEQUENCES)
    if options.answers == "own":
        chosen = sorted(span.step for one in few for span in one.spans)
        own = replace(data, steps=tuple(data.steps[at] for at in chosen))
        asked = step_sequences(model, own, chat=options.chat)
        times = len(data) / len(own)
        probe.run(lambda folder: model_answers(model, own, asked, folder), times=times)
    spans = sum(len(one.spans) for one in few)
    probe.run(
        lambda folder: head_outputs(model, few, folder, tokens=options.tokens),
        times=len(data) / spans,
    )
    tested = [one for one in read if split.tested[one.spans[0].step]]
    heads = len(editable_heads(model.parts))
    if options.masking is not None and tested:
        top = max(1, heads // 3) if options.top is None else options.top
        passes = passes_ahead(tested, data, options.masking, top=top)
        # the mean outputs, which heads are set to, take one reading more
        read_whole = [*passes, tested]
        _masked(probe, model, data, "masking", read_whole, len(passes), options.masking.scoring)
    if options.sweep == "each" and tested:
        _masked(probe, model, data, "sweep", [tested] * (1 + heads), 1 + heads, "forced")
    return f"head maps of '{data.name}', {len(data):,} steps"


def _masked(
    probe: Probe,
    model: Model,
    data: StepSet,
    name: str,
    readings: Sequence[Sequence[StepSequence]],
    passes: int,
    scoring: str,
) -> None:
    """Plan passes that score steps again and again, from one over a few of the steps.

    Tokens and time are taken to grow with the tokens of the sequences that all readings are of.
    """
    some, before = spread(readings[0], SEQUENCES), len(probe.stages)
    probe.run(
        lambda folder: scores(model, some, data, scoring=scoring, folder=folder, name=name),
        times=1,
    )
    times = sum(map(_tokens, readings)) / _tokens(some)
    probe.stages[before:] = [
        replace(
            one,
            items=passes,
            shards=passes,
            tokens=round(one.tokens * times),
            seconds=round(one.seconds * times, 2),
            bytes=round(one.bytes * times),
        )
        for one in probe.stages[before:]
    ]


def _tokens(sequences: Sequence[StepSequence]) -> int:
    return sum(len(one.ids) for one in sequences)
