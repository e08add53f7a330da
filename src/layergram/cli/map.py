"""``layergram map``: one text, or the model's answer to a prompt -> token maps."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from layergram.cli.folder import check_folder
from layergram.errors import LayergramError
from layergram.recipe import DEFAULT_MEASURES, Recipe, Run, recipe

if TYPE_CHECKING:
    import xarray as xr

    from layergram.models import Model

FINDINGS = 3
PICTURES = (".png", ".svg", ".pdf")


def command(
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    file: Path | None = None,
    prompt: str | None = None,
    measure: Annotated[list[str] | None, Parameter(negative="")] = None,
    option: Annotated[list[str] | None, Parameter(negative="")] = None,
    query: str | None = None,
    like: Path | None = None,
    run: Annotated[Run | None, Parameter(name="*")] = None,
    model: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("maps"),
    picture: Annotated[list[str] | None, Parameter(negative="")] = None,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    json_summary: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Token maps of one text, or of the model's answer to a prompt.

    Writes NAME.nc, NAME.png and NAME.md for every measure, and prints what was found.

    Args:
        text: the text; "-" reads it from standard input.
        file: a file with the text (UTF-8).
        prompt: a prompt that the model answers; the maps cover prompt and answer.
        measure: what to measure, again for each measure, or "all".
            Default: divergence, settling_depth, attention_received, residual_norm.
        option: an option of a measure as NAME=VALUE, such as g=0.4.
        query: for attention_from: a position, a piece of the text, or "last".
        like: a map file: take its measure, options, model and run.
        run: how to read and generate.
        model: hub id, folder, .gguf file, or smollm2, the embedded model.
        device: auto, cpu, cuda, cuda:0, mps.
        dtype: auto, float32, bfloat16, float16.
        out: the folder for maps, pictures and words.
        picture: kind of picture, again for each kind: png, svg, pdf. Default: png.
        quiet: print nothing but errors.
        json_summary: print a machine-readable summary.
    """
    text, prompt, recipe_ = _request(text, file, prompt, like)
    suffixes = _suffixes(picture)
    options = _options(option, query)
    run = run or Run()
    measures = list(measure or DEFAULT_MEASURES)
    if recipe_ is not None:
        measures = measure or [recipe_.measure]
        options = {**recipe_.options, **options}
        run = _merged(recipe_.run, run)
        model, dtype = model or recipe_.model, recipe_.dtype if dtype == "auto" else dtype
    model = model or "smollm2"
    check_folder(out)
    from layergram.models import check_request

    check_request(model, device=device, dtype=dtype)

    from layergram.atlas import trace
    from layergram.measures import MEASURES, chosen
    from layergram.models import load

    everything = measures == ["all"]
    measures = list(MEASURES) if everything else measures
    chosen(measures, options)
    loaded = load(model, device=device, dtype=dtype)
    _compare_revisions(recipe_, loaded, quiet)
    if everything:
        measures = _possible(loaded, text, prompt, options, run, quiet)
    began = time.perf_counter()
    with _Progress(quiet or json_summary) as progress:
        maps = trace(
            loaded,
            text,
            prompt=prompt,
            measures=measures,
            options=options,
            run=run,
            on_step=lambda step: progress.advance(len(step.ids)),
        )
    took = time.perf_counter() - began
    written = [_write(maps[name], out, suffixes) for name in measures]
    _report(loaded, maps, written, took, quiet=quiet, as_json=json_summary)


def _request(
    text: str | None, file: Path | None, prompt: str | None, like: Path | None
) -> tuple[str | None, str | None, Recipe | None]:
    """The text or prompt to read, and the recipe of the map that it shall be like."""
    asked = (("TEXT", text), ("--file", file), ("--prompt", prompt))
    given = [name for name, value in asked if value is not None]
    if text == "-":
        text = sys.stdin.read()
    elif file is not None:
        text = _contents(file)
    if len(given) > 1:
        raise LayergramError("maps of a text", got=" and ".join(given), allowed="one of them")
    if not (prompt or text or "").strip():
        raise LayergramError(
            "maps of a text",
            got="an empty text" if given else "no text",
            allowed="TEXT, - for standard input, --file FILE or --prompt PROMPT",
            do='for example: layergram map "The capital of France is Paris."',
        )
    if like is None:
        return text, prompt, None
    from layergram import maps

    recipe_ = recipe(maps.read(like))
    # a text given to a map of an answer is the prompt to answer
    return (None, text, recipe_) if recipe_.prompted and text else (text, prompt, recipe_)


def _contents(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise LayergramError(f"the text in '{file}'", got=str(error.strerror or error)) from None
    except UnicodeDecodeError as error:
        raise LayergramError(
            f"the text in '{file}'", got=str(error), allowed="UTF-8", do="convert the file"
        ) from None


def _options(option: list[str] | None, query: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in option or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise LayergramError(f"the option '{pair}'", allowed="NAME=VALUE, such as g=0.4")
        try:
            options[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[name.strip()] = value
    return options if query is None else {**options, "query": query}


def _suffixes(picture: list[str] | None) -> list[str]:
    suffixes = [f".{kind.lower().lstrip('.')}" for kind in picture or ["png"]]
    for suffix in suffixes:
        if suffix not in PICTURES:
            raise LayergramError(f"a picture '{suffix}'", allowed=", ".join(PICTURES))
    return suffixes


def _merged(of_map: Run, given: Run) -> Run:
    """The run of a map, with what was asked for otherwise."""
    changed = {
        field.name: getattr(given, field.name)
        for field in fields(Run)
        if getattr(given, field.name) != field.default
    }
    return replace(of_map, **changed)


def _compare_revisions(recipe_: Recipe | None, loaded: Model, quiet: bool) -> None:
    if recipe_ and recipe_.revision not in ("", loaded.revision) and not quiet:
        print(
            f"note: the map was made with revision {recipe_.revision} of '{recipe_.model}', "
            f"this is {loaded.revision}",
            file=sys.stderr,
        )


def _possible(
    loaded: Model,
    text: str | None,
    prompt: str | None,
    options: dict[str, Any],
    run: Run,
    quiet: bool,
) -> list[str]:
    """The measures that this model and text can have; a note says which they cannot."""
    from layergram.atlas import obstacles
    from layergram.measures import MEASURES

    found = obstacles(loaded, text, prompt=prompt, options=options, run=run)
    for name, why in found.items():
        if not quiet:
            print(f"note: no {name}: {why}", file=sys.stderr)
    return [name for name in MEASURES if name not in found]


class _Progress(AbstractContextManager["_Progress"]):
    """Tokens read so far, on a terminal."""

    def __init__(self, silent: bool) -> None:
        self.bar: Any = nullcontext()
        self.task: Any = None
        if not silent and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self.bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.completed:.0f} tokens"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.task = self.bar.add_task("read", total=None)

    def __enter__(self) -> _Progress:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.__exit__(*exception)

    def advance(self, tokens: int) -> None:
        if self.task is not None:
            self.bar.advance(self.task, tokens)


def _write(array: xr.DataArray, out: Path, suffixes: list[str]) -> dict[str, Any]:
    """One map as netCDF, pictures and words; returns what a summary says of it."""
    from layergram import words
    from layergram.publishing import publish

    facts = words.facts(array)
    files = publish(array, out, suffixes=suffixes, facts=facts)
    ratio = array.attrs.get("deep_thinking_ratio")
    return {
        "measure": str(array.name),
        "files": [str(file) for file in files],
        "findings": words.findings(array, FINDINGS, known=facts),
        **({} if ratio is None else {"deep_thinking_ratio": ratio}),
    }


def _report(
    model: Model,
    maps: xr.Dataset,
    written: list[dict[str, Any]],
    took: float,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    texts, parts = maps["token_text"].values, maps["part"].values
    answer = "".join(t for t, part in zip(texts, parts, strict=True) if part == "answer")
    if as_json:
        summary = {
            "model": model.name,
            "revision": model.revision,
            "tokens": len(texts),
            "seconds": round(took, 2),
            **({"answer": answer} if answer else {}),
            "maps": written,
        }
        print(json.dumps(summary, ensure_ascii=False, indent=1))
        return
    if quiet:
        return
    print(f"{model.name}: {model.layers} layers, {len(texts)} tokens in {took:.1f} s")
    if answer:
        print(f"answer: {answer}")
    for entry in written:
        print(f"\n{entry['measure']}: {'  '.join(entry['files'])}")
        for finding in entry["findings"]:
            print(f"  - {finding}")
