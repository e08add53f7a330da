"""``layergram depth``: sampled answers -> at which layer their tokens settle."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from cyclopts import Parameter

from layergram.cli.common import (
    Flag,
    Group,
    ModelOptions,
    OutputOptions,
    ProgressBars,
    RunOptions,
    Several,
    columns_of,
    print_plan,
    print_result,
)
from layergram.cli.phases import Phases
from layergram.errors import LayergramError


def command(
    questions: str | None = None,
    /,
    *,
    columns: Several = None,
    limit: int | None = None,
    samples: int = 16,
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    chat: Literal["auto", "template", "plain"] = "auto",
    g: Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)] = (
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
    ),
    rho: float = 0.85,
    stop_early: Flag = False,
    lens: str = "logit",
    sampler: Literal["layergram", "vllm"] = "layergram",
    seed: int = 0,
    run: Annotated[RunOptions | None, Group] = None,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """At which layer the tokens of sampled answers settle, and whether deep answers are right.

    Answers to every question are sampled, judged and read again. Writes settling_depths (the share
    of tokens that settle at each layer), accuracy_by_depth and answer (the divergence of the answer
    with the median deep-thinking ratio) as .nc, .png, .md, .html; scores.csv
    (the deep-thinking ratio and six other scores against being right, with intervals over
    questions), selection.csv (Think@n against majority and other choices: accuracy and tokens),
    answers.jsonl and summary.json. A run that was stopped resumes when it is started again with the
    same --out; with another --rho nothing is asked or read again.

    Args:
        questions: an embedded set (capitals, elements, arithmetic, countries), a file (.csv, .tsv,
            .jsonl, .json, .parquet) with the columns question and answer, or org/name:split of a
            hub data set.
        columns: where the columns have other names: question=NAME,answer=NAME (also aliases,
            options, context, group, id).
        limit: only the first so many questions.
        samples: answers per question.
        max_new_tokens: largest length of an answer.
        temperature: of the draws of tokens.
        chat: auto puts questions in the chat template if the model has one.
        g: divergences in bits up to which a token counts as settled, such as 0.4 0.5; figures and
            Think@n go by the one nearest to 0.5.
        rho: share of the layers below which a token is shallow.
        stop_early: complete only the half of the answers whose first 50 tokens are deepest; this
            saves tokens, and the correlation with being right, which needs all, is left out.
        lens: logit, tuned:PATH or jacobian:PATH: what a layer's prediction is read with; a path is
            what layergram fit-lens wrote, or a published lens.
        sampler: what draws the answers: layergram, or vllm, which is made for many answers
            on a GPU (pip install 'layergram[vllm]'); depths are read in the same way.
        seed: of the answers and of all draws.
        run: how the run is carried out.
        model: which model.
        output: where to write.
    """
    model, output, run = model or ModelOptions(), output or OutputOptions(), run or RunOptions()
    from layergram.datasets.questions import EMBEDDED
    from layergram.datasets.questions import questions as read_questions

    if questions is None:
        raise LayergramError(
            "settling depths",
            got="no question set",
            allowed=f"{', '.join(EMBEDDED)}, a file, or a hub data set",
            do="for example: layergram depth arithmetic",
        )
    found = read_questions(questions, columns=columns_of(columns)).first(limit)
    model.check()
    run.check()

    from layergram.answers.ask import AnswerOptions
    from layergram.engine.lens_request import check_lens_request
    from layergram.experiments.depth.pipeline import DepthOptions
    from layergram.experiments.depth.run import depth
    from layergram.experiments.plans import plan
    from layergram.experiments.sampler_runs import check_planned, check_spread

    asked = AnswerOptions(
        max_new_tokens=max_new_tokens,
        samples=samples,
        temperature=temperature,
        chat=chat,
        seed=seed,
        sampler=sampler,
    )
    options = DepthOptions(asked, g, rho, stop_early=stop_early, lens=lens)
    check_lens_request(lens)
    check_spread(asked, run)
    if run.plan:
        check_planned(asked)
    out = run.folder(output, "depth")
    began = time.perf_counter()
    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    with ProgressBars(output.silent) as bars:
        if run.plan:
            print_plan(plan(depth, loaded, found, out=out, options=options, execution=run), output)
            return
        result = depth(loaded, found, out=out, options=options, execution=run, progress=bars.update)
    print_result(result, loaded, out, time.perf_counter() - began, output)
