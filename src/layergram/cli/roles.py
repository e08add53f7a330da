"""``layergram roles``: questions, or labelled texts -> where the classes show, layer by role."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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

if TYPE_CHECKING:
    from layergram.datasets.labelled import LabelledSet
    from layergram.datasets.questions import NearDuplicates, QuestionSet


def command(
    questions: str | None = None,
    /,
    *,
    labelled: str | None = None,
    columns: Several = None,
    near_duplicates: Literal["group", "separate"] = "group",
    limit: int | None = None,
    max_new_tokens: int = 32,
    chat: Literal["auto", "template", "plain"] = "auto",
    judge: Literal["strict", "published"] = "strict",
    audit: int = 0,
    where: Literal["residual", "mlp", "attention"] = "residual",
    store: Literal["float32", "float16"] = "float32",
    folds: int = 5,
    permutations: int = 1000,
    control: Literal["random-weights", "none"] = "random-weights",
    cut: Literal["leave-out", "keep"] = "leave-out",
    difference: str = "",
    paper: Flag = False,
    samples: int = 0,
    sampler: Literal["layergram", "vllm"] = "layergram",
    also: Several = None,
    save_probe: Path | None = None,
    seed: int = 0,
    run: Annotated[RunOptions | None, Group] = None,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Where in a model, and at which token, it shows that an answer is wrong.

    The model answers every question; its answers are judged; a linear probe per layer and token
    role learns to tell wrong ones from right ones on hidden states. With --labelled nothing is
    asked, and the probes learn the labels of the file. Writes auroc.nc, .png, .md, .html,
    baselines.csv, rows.jsonl (every answer, with the rule that judged it) and summary.json. A run
    that was stopped resumes when it is started again with the same --out.

    Args:
        questions: an embedded set (capitals, elements, arithmetic, countries), a file (.csv, .tsv,
            .jsonl, .json, .parquet) with the columns question and answer, or org/name:split of a
            hub data set.
        labelled: instead of questions, a file with the columns text (or question and reply) and
            label (two values, any names), and, where there are any, span (the words to look at, or
            their characters, start:end), group and id.
        columns: where the columns have other names: question=NAME,answer=NAME (also aliases,
            options, context, group, id); text=NAME,label=NAME.
        near_duplicates: group questions that differ in a few words, or keep them separate.
        limit: only the first so many questions or texts.
        max_new_tokens: largest length of an answer.
        chat: auto puts questions in the chat template if the model has one.
        judge: strict judges a reply by the kind of its accepted answers; published calls it right
            where it contains one. Answers are kept and not asked again.
        audit: print so many judged replies, drawn at random, for you to check.
        where: hidden states of the residual stream, or the output of mlp or attention.
        store: type of the numbers on the disk.
        folds: of the cross-validation.
        permutations: shuffles of the labels for the whole-map p-value.
        control: random-weights also maps a model of the same shape that learned nothing (one
            forward pass per answer); none does not.
        cut: leave-out leaves out answers that were cut at --max-new-tokens, which tend to be wrong
            by their length; keep keeps them.
        difference: a role, such as last_q; also map how much higher every cell is than that role
            at the same layer, with limits for all cells at once (auroc_difference.nc).
        paper: also make the map by the published recipe (one split, no scaling).
        samples: also draw so many answers per question: choice.csv tells how often an answer
            chosen among them is right, by the probe and by other ways; from 6 on (published: 30)
            error_types.csv tells in which way the model is wrong, with a probe for each type.
        sampler: what draws the answers: layergram, or vllm, which is made for many answers
            on a GPU (pip install 'layergram[vllm]'); hidden states are read in the same way.
        also: another question set (or labelled file), again for each: generalisation.nc tells
            whether a probe of one set tells the classes of another apart.
        save_probe: file (.npz) for the probe of the highest cell.
        seed: of folds, shuffles and draws.
        run: how the run is carried out.
        model: which model.
        output: where to write.
    """
    model, output, run = model or ModelOptions(), output or OutputOptions(), run or RunOptions()
    of_questions = {
        "questions": questions,
        "--paper": paper,
        "--samples": samples,
        "--sampler": sampler != "layergram",
    }
    given = [name for name, value in of_questions.items() if value]
    if labelled and given:
        raise LayergramError(
            f"a role map of the labelled set '{labelled}'",
            got=given[0],
            do="leave it out: a labelled set is read, nothing is asked",
        )
    found, *others = (
        _read(source, columns if at == 0 else None, near_duplicates, limit, labelled=bool(labelled))
        for at, source in enumerate([labelled or questions, *(also or [])])
    )
    _check_probe_file(save_probe)
    model.check()
    run.check()

    from layergram.answers.ask import AnswerOptions
    from layergram.experiments.plans import plan
    from layergram.experiments.roles.pipeline import RoleMapOptions
    from layergram.experiments.roles.run import check_sets, role_map
    from layergram.experiments.sampler_runs import check_planned, check_spread
    from layergram.features.hidden_states import FeatureSpec
    from layergram.maps import ROLES, TEXT_ROLES
    from layergram.probes import Evaluation

    if audit < 0:
        raise LayergramError(f"--audit {audit}", allowed="0 or more")
    check_sets((found, *others))
    options = RoleMapOptions(
        AnswerOptions(
            max_new_tokens=max_new_tokens,
            samples=samples,
            seed=seed,
            chat=chat,
            judge=judge,
            sampler=sampler,
        ),
        FeatureSpec(where=where, dtype=store, roles=TEXT_ROLES if labelled else ROLES),
        Evaluation(folds=folds, permutations=permutations, seed=seed),
        control,
        cut,
        difference,
        "also" if paper else "none",
    )
    check_spread(options.answers, run)
    if run.plan:
        check_planned(options.answers)
    out = run.folder(output, "roles")
    began = time.perf_counter()
    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    with ProgressBars(output.silent) as bars:
        if run.plan:
            print_plan(
                plan(role_map, loaded, found, out=out, options=options, also=others, execution=run),
                output,
            )
            return
        result = role_map(
            loaded,
            found,
            out=out,
            options=options,
            also=others,
            save_probe=save_probe,
            execution=run,
            progress=bars.update,
        )
    if audit:
        result.summary["audit"] = audited(result.records["rows"], audit, seed=seed)
    print_result(result, loaded, out, time.perf_counter() - began, output)
    if audit and not output.silent:
        print(*map(_audit_text, result.summary["audit"]), sep="\n")


def audited(rows: Sequence[Mapping[str, Any]], count: int, *, seed: int) -> list[dict[str, Any]]:
    """Some judged replies, drawn at random, in their order."""
    places = sorted(random.Random(seed).sample(range(len(rows)), min(count, len(rows))))
    keys = ("id", "sample", "question", "accepted", "reply", "right", "extractor", "exact")
    return [{key: rows[at][key] for key in keys} for at in places]


def _audit_text(row: Mapping[str, Any]) -> str:
    verdict = "right" if row["right"] else "wrong"
    found = (
        f"exact answer {row['exact']!r} by {row['extractor']}"
        if row["exact"]
        else "no exact answer"
    )
    return (
        f"\n{row['question']}\n  accepted: {' | '.join(row['accepted'])}\n"
        f"  reply: {' '.join(row['reply'].split())}\n  {verdict}; {found}"
    )


def _check_probe_file(path: Path | None) -> None:
    if path is not None and path.suffix != ".npz":
        raise LayergramError(
            f"the probe in '{path}'", got=f"the suffix '{path.suffix}'", allowed=".npz"
        )


def _read(
    source: str | None,
    columns: list[str] | None,
    near_duplicates: NearDuplicates,
    limit: int | None,
    *,
    labelled: bool,
) -> QuestionSet | LabelledSet:
    from layergram.datasets.labelled import labelled as read_labelled
    from layergram.datasets.questions import EMBEDDED
    from layergram.datasets.questions import questions as read_questions

    if source is None:
        raise LayergramError(
            "a role map",
            got="no question set",
            allowed=f"{', '.join(EMBEDDED)}, a file, a hub data set, or --labelled FILE",
            do="for example: layergram roles capitals",
        )
    reader = read_labelled if labelled else read_questions
    found = reader(source, columns=columns_of(columns), near_duplicates=near_duplicates)
    return found.first(limit)
