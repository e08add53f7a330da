"""``layergram roles``: a question set -> where a wrong answer shows, layer by role."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from layergram.cli.folder import check_folder
from layergram.errors import LayergramError, unknown_name

if TYPE_CHECKING:
    from layergram.models import Model
    from layergram.questions import QuestionSet
    from layergram.rolemaps import Probed

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
    control: Several = None,
    paper: Flag = False,
    model: str = "smollm2",
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
        model: hub id, folder, .gguf file, or smollm2, the embedded model.
        out: the folder for results.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: auto, float32, bfloat16, float16.
        seed: of folds, shuffles and draws.
        quiet: print nothing but errors.
        json_summary: print a machine-readable summary.
    """
    from layergram import questions as rooms
    from layergram.models import check_request

    found = _questions(questions, columns, limit)
    controls = _controls(control)
    check_folder(out)
    check_request(model, device=device, dtype=dtype)

    from layergram.models import load
    from layergram.probes import Evaluation
    from layergram.rolemaps import Recipe, check_size, role_map

    check_size(found)
    recipe = Recipe(
        rooms.Asking(max_new_tokens=max_new_tokens, seed=seed, chat=chat),
        rooms.Wanted(where=where, dtype=store),
        Evaluation(folds=folds, permutations=permutations, seed=seed),
        controls,
        "also" if paper else "none",
    )
    began = time.perf_counter()
    with Stages(quiet or json_summary) as stages:
        loaded = load(model, device=device, dtype=dtype)
        probed = role_map(loaded, found, out, recipe=recipe, told=stages.told)
    files = _write(probed, out)
    _report(loaded, probed, files, time.perf_counter() - began, quiet, json_summary)


def _questions(source: str | None, columns: list[str] | None, limit: int | None) -> QuestionSet:
    from layergram.questions import EMBEDDED, load

    if source is None:
        raise LayergramError(
            "a role map",
            got="no question set",
            allowed=f"{', '.join(EMBEDDED)}, a file, or a hub data set",
            do="for example: layergram roles capitals",
        )
    told = {}
    for pair in (pair for text in columns or [] for pair in text.split(",")):
        field, equals, column = pair.partition("=")
        if not equals:
            raise LayergramError(f"the column '{pair}'", allowed="FIELD=COLUMN, such as answer=A")
        told[field.strip()] = column.strip()
    return load(source, columns=told).first(limit)


def _controls(control: list[str] | None) -> tuple[str, ...]:
    from layergram.rolemaps import CONTROLS

    for name in control or []:
        if name not in CONTROLS:
            raise unknown_name("control", name, CONTROLS)
    return tuple(control or [])


class Stages(AbstractContextManager["Stages"]):
    """How far each stage of a long run is, on a terminal; silent in a pipe."""

    def __init__(self, silent: bool) -> None:
        self.bar: Any = nullcontext()
        self.tasks: dict[str, Any] = {}
        self.shown = not silent and sys.stderr.isatty()
        if self.shown:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Stages:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.__exit__(*exception)

    def told(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if self.shown:
            if stage not in self.tasks:
                self.tasks[stage] = self.bar.add_task(stage, total=total)
            self.bar.update(self.tasks[stage], completed=done)


def _write(probed: Probed, out: Path) -> list[Path]:
    """Map, picture, words, table and summary."""
    from layergram import figures, maps, words
    from layergram.figures import Style
    from layergram.probes import map_of
    from layergram.rolemaps import lines_of, section, summary, table

    lines = lines_of(probed)
    auroc = map_of(probed.result)
    made = {"auroc": auroc}
    if probed.paper is not None:
        made["auroc_paper"] = map_of(probed.paper)
    if "random-weights" in probed.controls:
        made["auroc_random_weights"] = map_of(probed.controls["random-weights"])
    files = []
    for name, array in made.items():
        files.append(maps.write(array, out / f"{name}.nc"))
        style = Style(mark=("best",) if name == "auroc" else (), significance="none")
        files.append(figures.save(figures.plan(array, style=style), out / f"{name}.png"))
        text = words.describe(array)
        if name == "auroc":
            text += "\n" + section(probed, lines)
        files.append(maps.write_text(text, out / f"{name}.md"))
    plain = json.dumps(summary(probed, lines), ensure_ascii=False, indent=1) + "\n"
    files.append(maps.write_text(table(lines), out / "baselines.csv"))
    files.append(maps.write_text(plain, out / "summary.json"))
    return [*files, out / "rows.jsonl"]


def _report(
    model: Model,
    probed: Probed,
    files: list[Path],
    took: float,
    quiet: bool,
    as_json: bool,
) -> None:
    from layergram.rolemaps import lines_of, sentences, summary

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
