"""``layergram roles``: a question set -> where a wrong answer shows, layer by role."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from layergram.cli.common import Flag, Group, ModelOptions, OutputOptions, Several, columns_of
from layergram.cli.progress import ProgressBars
from layergram.cli.report import print_result
from layergram.errors import LayergramError

if TYPE_CHECKING:
    from layergram.datasets.questions import NearDuplicates, QuestionSet


def command(
    questions: str | None = None,
    /,
    *,
    columns: Several = None,
    near_duplicates: Literal["group", "separate"] = "group",
    limit: int | None = None,
    max_new_tokens: int = 32,
    chat: Literal["auto", "template", "plain"] = "auto",
    where: Literal["residual", "mlp", "attention"] = "residual",
    store: Literal["float32", "float16"] = "float32",
    folds: int = 5,
    permutations: int = 1000,
    control: Annotated[list[Literal["random-weights"]] | None, Parameter(negative="")] = None,
    paper: Flag = False,
    samples: int = 0,
    also: Several = None,
    save_probe: Path | None = None,
    seed: int = 0,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Where in a model, and at which token, it shows that an answer is wrong.

    The model answers every question; its answers are judged; a linear probe per layer and token
    role learns to tell wrong ones from right ones on hidden states. Writes auroc.nc, .png, .md,
    baselines.csv, rows.jsonl (every answer, with the rule that judged it) and summary.json. A run
    that was stopped resumes when it is started again with the same --out.

    Args:
        questions: an embedded set (capitals, elements, arithmetic, countries), a file (.csv, .tsv,
            .jsonl, .json, .parquet) with the columns question and answer, or org/name:split of a
            hub data set.
        columns: where the columns have other names: question=NAME,answer=NAME (also aliases,
            options, context, group, id).
        near_duplicates: group questions that differ in a few words, or keep them separate.
        limit: only the first so many questions.
        max_new_tokens: largest length of an answer.
        chat: auto puts questions in the chat template if the model has one.
        where: hidden states of the residual stream, or the output of mlp or attention.
        store: type of the numbers on the disk.
        folds: of the cross-validation.
        permutations: shuffles of the labels for the whole-map p-value.
        control: random-weights: also map a model of the same shape that learned nothing.
        paper: also make the map by the published recipe (one split, no scaling).
        samples: also draw so many answers per question: choice.csv tells how often an answer
            chosen among them is right, by the probe and by other ways; from 6 on (published: 30)
            error_types.csv tells in which way the model is wrong, with a probe for each type.
        also: another question set, again for each: generalisation.nc tells whether a probe of one
            set sees the wrong answers of another.
        save_probe: file (.npz) for the probe of the highest cell.
        seed: of folds, shuffles and draws.
        model: which model.
        output: where to write.
    """
    model, output = model or ModelOptions(), output or OutputOptions()
    found = _questions(questions, columns, near_duplicates, limit)
    others = [_questions(other, None, near_duplicates, limit) for other in also or []]
    _check_probe_file(save_probe)
    out = output.folder("roles")
    model.check()

    from layergram.answers.ask import AnswerOptions
    from layergram.experiments.roles.pipeline import RoleMapOptions, check_size
    from layergram.experiments.roles.run import role_map
    from layergram.features.hidden_states import FeatureSpec
    from layergram.probes import Evaluation

    for each in (found, *others):
        check_size(each)
    options = RoleMapOptions(
        AnswerOptions(max_new_tokens=max_new_tokens, samples=samples, seed=seed, chat=chat),
        FeatureSpec(where=where, dtype=store),
        Evaluation(folds=folds, permutations=permutations, seed=seed),
        tuple(control or ()),
        "also" if paper else "none",
    )
    began = time.perf_counter()
    with ProgressBars(output.silent) as bars:
        loaded = model.load()
        result = role_map(
            loaded,
            found,
            out=out,
            options=options,
            also=others,
            save_probe=save_probe,
            progress=bars.update,
        )
    print_result(result, loaded, out, time.perf_counter() - began, output)


def _check_probe_file(path: Path | None) -> None:
    if path is not None and path.suffix != ".npz":
        raise LayergramError(
            f"the probe in '{path}'", got=f"the suffix '{path.suffix}'", allowed=".npz"
        )


def _questions(
    source: str | None,
    columns: list[str] | None,
    near_duplicates: NearDuplicates,
    limit: int | None,
) -> QuestionSet:
    from layergram.datasets.questions import EMBEDDED
    from layergram.datasets.questions import questions as read_questions

    if source is None:
        raise LayergramError(
            "a role map",
            got="no question set",
            allowed=f"{', '.join(EMBEDDED)}, a file, or a hub data set",
            do="for example: layergram roles capitals",
        )
    found = read_questions(source, columns=columns_of(columns), near_duplicates=near_duplicates)
    return found.first(limit)
