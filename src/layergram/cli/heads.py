"""``layergram heads``: labelled steps -> what attention heads do, layer by head."""

from __future__ import annotations

import time
from typing import Annotated, Literal

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


def command(
    steps: str = "functions",
    /,
    *,
    columns: Several = None,
    limit: int | None = None,
    chat: Literal["auto", "template", "plain"] = "auto",
    answers: Literal["given", "own"] = "given",
    tokens: str = "content",
    folds: int = 5,
    permutations: int = 200,
    top: int | None = None,
    mask: Literal["mean", "scale", "zero", "none"] = "mean",
    draws: int = 39,
    score: Literal["forced", "generated"] = "forced",
    split: Literal["templates", "questions"] = "templates",
    test_share: float = 0.25,
    sweep: Flag = False,
    seed: int = 0,
    run: Annotated[RunOptions | None, Group] = None,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Map which attention heads have to do with which function, and what breaks without them.

    Writes maps as .nc, .png, .md, .html: importance (a probe of all heads, gradient times
    activation), contribution (the same with its sign, where that matters), importance_alone (by a
    probe without the layer's mean), head_auroc (a probe of each head alone), masked_… (what masking
    the top heads of one function does to all, beyond random heads), dose_… (the first 1, 2, 4, 8 of
    them), and maps that need no labels (previous token, first token, induction, …); top_heads.csv,
    masking.csv, steps.jsonl. A run that is stopped resumes when it is started again with the same
    --out.

    Args:
        steps: functions (the embedded set), a .csv, .tsv, .jsonl, .json or .parquet file, or
            org/name:split of a hub data set.
        columns: columns of a file that are named otherwise, as step=NAME,answer=NAME (also
            function, question, group, template, id).
        limit: only the first so many steps of each function.
        chat: auto reads steps in the chat template if the model has one.
        answers: read the given answers, or those that the model gives itself.
        tokens: tokens of an answer that heads are looked at for: content, first, last, all, or a
            number of the least expected content tokens.
        folds: of the cross-validation.
        permutations: shuffles of the labels for the p-values of single heads.
        top: how many top heads each function has; by default where its importance bends, and none
            where importance says nothing.
        mask: how heads are masked: at their mean output, times 0.0001 as published (scale; in
            each case measured for the top heads), or zero; none: no test.
        draws: sets of random heads of the same layers to compare with.
        score: the given answers (forced), or answers that the model generates.
        split: test on templates that were not trained on, where the steps have enough of them, or
            on other main questions.
        test_share: share of the templates or main questions that test the masking, and make no map.
        sweep: also mask every head by itself.
        seed: of folds, shuffles, training and draws.
        run: how the run is carried out.
        model: which model.
        output: where to write.
    """
    model, output, run = model or ModelOptions(), output or OutputOptions(), run or RunOptions()
    from layergram.datasets.steps import steps as read_steps

    found = read_steps(steps, columns=columns_of(columns)).first(limit)
    model.check()
    run.check()

    from layergram.experiments.heads.all_heads_probe import Training
    from layergram.experiments.heads.options import HeadMapOptions
    from layergram.experiments.heads.run import head_maps
    from layergram.experiments.heads.split import split_steps
    from layergram.experiments.plans import plan
    from layergram.features.head_outputs import check_answer_tokens
    from layergram.interventions.masking import Masking
    from layergram.probes import Evaluation

    answer_tokens = int(tokens) if tokens.isdecimal() else tokens
    check_answer_tokens(answer_tokens)
    masking = None if mask == "none" else Masking(how=mask, draws=draws, scoring=score, seed=seed)
    options = HeadMapOptions(
        tokens=answer_tokens,
        chat=chat,
        answers=answers,
        evaluation=Evaluation(folds=folds, permutations=permutations, partitions=1, seed=seed),
        training=Training(seed=seed),
        top=top,
        masking=masking,
        split=split,
        test_share=test_share,
        sweep="each" if sweep else "none",
    )
    split_steps(found, options)
    out = run.folder(output, "heads")
    began = time.perf_counter()
    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    with ProgressBars(output.silent) as bars:
        if run.plan:
            print_plan(
                plan(head_maps, loaded, found, out=out, options=options, execution=run), output
            )
            return
        result = head_maps(
            loaded, found, out=out, options=options, execution=run, progress=bars.update
        )
    print_result(result, loaded, out, time.perf_counter() - began, output)
