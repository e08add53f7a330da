"""``layergram roles``: a question set -> where a wrong answer shows, layer by role."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from layergram.cli.columns import columns_of
from layergram.cli.folder import check_folder
from layergram.cli.stages import Stages
from layergram.errors import LayergramError

if TYPE_CHECKING:
    from layergram.datasets.questions import QuestionSet
    from layergram.experiments.roles.pipeline import Probed, Recipe
    from layergram.models.model import Model

FEWEST_FOR_TYPES = 6

Flag = Annotated[bool, Parameter(negative="")]
Several = Annotated[list[str] | None, Parameter(negative="")]


def command(
    questions: str | None = None,
    /,
    *,
    columns: Several = None,
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
    probe: Path | None = None,
    prompt: Several = None,
    model: str | None = None,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("roles"),
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 0,
    quiet: Flag = False,
    json_summary: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Where in a model, and at which token, it shows that an answer is wrong.

    The model answers every question; its answers are judged; a linear probe per layer and token
    role learns to tell wrong ones from right ones on hidden states. Writes auroc.nc, .png, .md,
    baselines.csv, rows.jsonl (every answer, with the rule that judged it) and summary.json. A run
    that was stopped goes on when it is started again with the same --out.

    Args:
        questions: an embedded set (capitals, elements, arithmetic, countries), a file (.csv, .tsv,
            .jsonl, .json, .parquet) with the columns question and answer, or org/name:split of a
            hub data set.
        columns: where the columns have other names: question=NAME,answer=NAME (also options,
            context, group, id).
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
        probe: a saved probe, to be asked about the answers to --prompt; makes no map.
        prompt: a question to answer, again for each; the probe says how likely the answer is wrong.
        model: hub id, folder, .gguf file, or smollm2, the embedded model.
        out: the folder for results.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: auto, float32, bfloat16, float16.
        seed: of folds, shuffles and draws.
        quiet: print nothing but errors.
        json_summary: print a machine-readable summary.
    """
    if probe is not None or prompt is not None:
        _opinions(probe, prompt, questions, model, device, dtype, out, quiet, json_summary)
        return
    from layergram.answers.ask import Asking
    from layergram.features.hidden_states import Wanted
    from layergram.models.sources.request import check_request

    name = model or "smollm2"
    found = _questions(questions, columns, limit)
    others = [_questions(other, None, limit) for other in also or []]
    _check_probe_file(save_probe)
    check_folder(out)
    check_request(name, device=device, dtype=dtype)
    asking = Asking(max_new_tokens=max_new_tokens, samples=samples, seed=seed, chat=chat)

    from layergram.experiments.roles.export import write_maps
    from layergram.experiments.roles.pipeline import Recipe, check_size, role_map
    from layergram.models.load import load
    from layergram.probes import Evaluation

    for each in (found, *others):
        check_size(each)
    recipe = Recipe(
        asking,
        Wanted(where=where, dtype=store),
        Evaluation(folds=folds, permutations=permutations, seed=seed),
        tuple(control or ()),
        "also" if paper else "none",
    )
    began = time.perf_counter()
    with Stages(quiet or json_summary) as stages:
        loaded = load(name, device=device, dtype=dtype)
        probed = role_map(loaded, found, out, recipe=recipe, told=stages.told)
        files = write_maps(probed, out)
        files += _uses(loaded, probed, recipe, others, save_probe, out, stages.told)
    _report(loaded, probed, files, time.perf_counter() - began, quiet, json_summary)


def _uses(
    model: Model,
    probed: Probed,
    recipe: Recipe,
    others: list[QuestionSet],
    save_probe: Path | None,
    out: Path,
    told: Callable[[str, int, int], None],
) -> list[Path]:
    """What was asked for beside the map, each in a file of its own."""
    from layergram.experiments.roles import applications, export
    from layergram.export import publish

    files = []
    if save_probe is not None:
        files.append(applications.probe_of(probed, model, recipe).save(save_probe))
    if probed.drawn:
        chosen = applications.choice(probed, model, out, recipe=recipe, told=told)
        files.append(export.write_choice(chosen, out / "choice.csv"))
    if recipe.asking.samples >= FEWEST_FOR_TYPES:
        types, found = applications.types_of_errors(probed, recipe=recipe)
        files += export.write_types(types, found, out)
    if others:
        matrix = applications.reach(probed, others, model, out, recipe=recipe, told=told)
        files += publish(matrix, out, style=export.PLAIN)
    return files


def _check_probe_file(path: Path | None) -> None:
    if path is not None and path.suffix != ".npz":
        raise LayergramError(
            f"the probe in '{path}'", got=f"the suffix '{path.suffix}'", allowed=".npz"
        )


def _opinions(
    probe: Path | None,
    prompts: list[str] | None,
    questions: str | None,
    model: str | None,
    device: str,
    dtype: str,
    out: Path,
    quiet: bool,
    as_json: bool,
) -> None:
    """Answer new questions, and tell how likely each answer is wrong."""
    if probe is None or not prompts or questions is not None:
        given = ("--probe", probe), ("--prompt", prompts), ("QUESTIONS", questions)
        raise LayergramError(
            "the opinion of a probe",
            got=" and ".join(name for name, value in given if value) or "nothing",
            allowed="--probe FILE and --prompt QUESTION, and no question set",
            do='for example: layergram roles --probe probe.npz --prompt "What is …?"',
        )
    check_folder(out)
    from layergram.experiments.roles.applications import opinions
    from layergram.experiments.roles.export import write_plain
    from layergram.models.load import load
    from layergram.models.sources.request import check_request
    from layergram.probes import load_probe

    known = load_probe(probe)
    name = model or str(known.provenance.get("model", "smollm2"))
    check_request(name, device=device, dtype=dtype)
    loaded = load(name, device=device, dtype=dtype)
    told = opinions(known, loaded, prompts)
    file = write_plain(told, out / "opinions.json")
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=1))
    elif not quiet:
        for one in told:
            print(_said(one))
        print(file)


def _said(opinion: dict[str, Any]) -> str:
    p = opinion["probability_wrong"]
    seen = f"layer {opinion['layer']}, {opinion['role']}"
    if p is None:
        doubt = f"no opinion: this answer has no token for {opinion['role']}"
    else:
        doubt = f"wrong with probability {p:.2f}, from {opinion['token']!r} ({seen})"
    return f"{opinion['prompt']}\n  {opinion['reply'].strip()}\n  {doubt}"


def _questions(source: str | None, columns: list[str] | None, limit: int | None) -> QuestionSet:
    from layergram.datasets.embedded_questions import EMBEDDED
    from layergram.datasets.question_files import load

    if source is None:
        raise LayergramError(
            "a role map",
            got="no question set",
            allowed=f"{', '.join(EMBEDDED)}, a file, or a hub data set",
            do="for example: layergram roles capitals",
        )
    return load(source, columns=columns_of(columns)).first(limit)


def _report(
    model: Model,
    probed: Probed,
    files: list[Path],
    took: float,
    quiet: bool,
    as_json: bool,
) -> None:
    from layergram.experiments.roles.report import lines_of, sentences, summary

    lines = lines_of(probed)
    if as_json:
        plain = {
            "model": model.name,
            "revision": model.revision,
            "seconds": round(took, 1),
            **summary(probed, lines),
            "files": [str(file) for file in files],
        }
        print(json.dumps(plain, ensure_ascii=False, indent=1))
    elif not quiet:
        name = probed.questions.name
        print(f"{model.name} on {name}: {len(probed.rows)} answers in {took:.0f} s")
        for sentence in sentences(probed, lines):
            print(f"  - {sentence}")
        print(*files, sep="\n")
