"""``layergram heads``: labelled steps -> what attention heads do, layer by head."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from layergram.cli.columns import columns_of
from layergram.cli.folder import check_folder
from layergram.cli.stages import Stages

if TYPE_CHECKING:
    from layergram.experiments.heads.pipeline import Headed
    from layergram.models.model import Model

Flag = Annotated[bool, Parameter(negative="")]
Several = Annotated[list[str] | None, Parameter(negative="")]


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
    mask: Literal["scale", "zero", "mean", "none"] = "scale",
    draws: int = 5,
    score: Literal["forced", "generated"] = "forced",
    test_share: float = 0.25,
    sweep: Flag = False,
    model: str = "smollm2",
    out: Path = Path("heads"),
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 0,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
    json_summary: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Map which attention heads have to do with which function, and what breaks without them.

    Writes maps as .nc, .png, .md: importance (a probe of all heads, gradient times activation),
    contribution (the same with its sign), head_auroc (a probe of each head alone), masked_… (what
    masking the top heads of one function does to all of them), and maps that need no labels
    (previous token, first token, induction, …); top_heads.csv, masking.csv, steps.jsonl. A run
    that is stopped goes on when it is started again with the same --out.

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
        top: how many top heads each function has; by default where its importance bends.
        mask: how top heads are masked (scale: times 0.0001, as published); none: no test.
        draws: sets of random heads to compare with.
        score: the given answers (forced), or answers that the model generates.
        test_share: share of the main questions that test the masking and make no map.
        sweep: also mask every head by itself.
        model: hub id, folder, .gguf file, or smollm2, the embedded model.
        out: the folder for results.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: auto, float32, bfloat16, float16.
        seed: of folds, shuffles, training and draws.
        quiet: print nothing but errors.
        json_summary: print a machine-readable summary.
    """
    from layergram.datasets.step_files import load_steps
    from layergram.models.sources.request import check_request

    found = load_steps(steps, columns=columns_of(columns)).first(limit)
    check_folder(out)
    check_request(model, device=device, dtype=dtype)

    from layergram.experiments.heads.all_heads_probe import Training
    from layergram.experiments.heads.export import write
    from layergram.experiments.heads.pipeline import Recipe, check_split, heads_of
    from layergram.features.head_outputs import check_answer_tokens
    from layergram.interventions.masking import Masking
    from layergram.models.load import load
    from layergram.probes import Evaluation

    looked = int(tokens) if tokens.isdecimal() else tokens
    check_answer_tokens(looked)
    masking = None if mask == "none" else Masking(how=mask, draws=draws, scoring=score, seed=seed)
    recipe = Recipe(
        tokens=looked,
        chat=chat,
        answers=answers,
        evaluation=Evaluation(folds=folds, permutations=permutations, seed=seed),
        training=Training(seed=seed),
        top=top,
        masking=masking,
        test_share=test_share,
        sweep="each" if sweep else "none",
    )
    check_split(found, recipe)
    began = time.perf_counter()
    with Stages(quiet or json_summary) as stages:
        loaded = load(model, device=device, dtype=dtype)
        headed = heads_of(loaded, found, out, recipe=recipe, told=stages.told)
        files = write(headed, out)
    _report(loaded, headed, files, time.perf_counter() - began, quiet, json_summary)


def _report(
    model: Model, found: Headed, files: list[Path], took: float, quiet: bool, as_json: bool
) -> None:
    from layergram.experiments.heads.report import sentences, summary

    if as_json:
        plain = {
            "model": model.name,
            "revision": model.revision,
            "seconds": round(took, 1),
            **summary(found),
            "files": [str(file) for file in files],
        }
        print(json.dumps(plain, ensure_ascii=False, indent=1))
    elif not quiet:
        print(f"{model.name} on {found.steps.name}: {len(found.steps)} steps in {took:.0f} s")
        for sentence in sentences(found):
            print(f"  - {sentence}")
        print(*files, sep="\n")
