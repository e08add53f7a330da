"""``layergram map``: one text, or the model's answer to a prompt -> token maps."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from layergram.cli.common import (
    Group,
    ModelOptions,
    OutputOptions,
    RunOptions,
    Several,
    columns_of,
    numbers_of,
    tell,
    written,
)
from layergram.cli.map_texts import average_texts
from layergram.cli.phases import Phases
from layergram.errors import LayergramError
from layergram.measure_names import check_measure_names, measure_options
from layergram.recipe import Recipe, Run, default_measures, recipe

if TYPE_CHECKING:
    import xarray as xr

    from layergram.maps import By
    from layergram.models.model import Model
    from layergram.token_sources import Source

FINDINGS = 3
Columns = Literal["word", "sentence", "tenths", "edge", "whole", "part", "role", "function"]
Pictures = Annotated[list[Literal["png", "svg", "pdf"]] | None, Parameter(negative="")]


def command(
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    file: Path | None = None,
    prompt: str | None = None,
    texts: str | None = None,
    by: Columns | None = None,
    columns: Several = None,
    keep: Literal["mean", "maps"] | None = None,
    measure: Several = None,
    option: Several = None,
    query: str | None = None,
    like: Path | None = None,
    run: Annotated[Run | None, Group] = None,
    picture: Pictures = None,
    execution: Annotated[RunOptions | None, Group] = None,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Token maps of one text, or of the model's answer to a prompt.

    Writes NAME.nc, NAME.png, NAME.md and NAME.html, a page to point at, for every measure, and
    prints what was found.

    Args:
        text: the text; "-" reads it from standard input.
        file: a file with the text (UTF-8).
        prompt: a prompt that the model answers; the maps cover prompt and answer.
        texts: many texts to average over: a file (.csv, .tsv, .jsonl, .json, .parquet with the
            column text; .txt with empty lines between texts), or org/name:split of a hub data set;
            or the folder of a run of roles, whose answers are read. Run the same command again to
            go on after an interruption.
        by: word or sentence joins the columns of one text, as `layergram draw --by` does. For
            --texts: average by tenths, sentence, edge (first and last token) or whole; for the
            answers of a run of roles also by part (prompt, answer) or role; or by function, where
            --texts names labelled steps (functions, the embedded set, or a file). Default: tenths.
        columns: for --texts, where the column has another name: text=NAME.
        keep: for --texts: only the mean, or also the maps of every text
            (texts/NUMBER/NAME.nc). Default: mean.
        measure: what to measure, again for each measure, or "all".
            Default: divergence, settling_depth, attention_received, residual_norm.
        option: an option of a measure as NAME=VALUE, such as g=0.4.
        query: for attention_from, attention_rollout and attention_role_mass: a position, a piece of
            the text, "last", or "answer" for all tokens of an answer.
        like: a map file: take its measure, options, model and run.
        run: how to read and generate.
        picture: kind of picture, again for each kind. Default: png.
        execution: for --texts: how the run is carried out.
        model: which model.
        output: where to write.
    """
    if texts is not None:
        if by == "word":
            raise LayergramError(
                "--by word for many texts",
                allowed="tenths, sentence, edge, whole, part, role, function",
                do="average by one of these, or read one text",
            )
        other: dict[str, Any] = {
            "TEXT": text,
            "--file": file,
            "--prompt": prompt,
            "--like": like,
            "--picture": picture,
        }
        _refuse_beside_texts([name for name, value in other.items() if value is not None])
        average_texts(
            texts,
            by=by or "tenths",
            columns=columns_of(columns),
            measures=measure or default_measures((run or Run()).at),
            options=_options(option, query),
            run=run or Run(),
            keep=keep or "mean",
            execution=execution or RunOptions(),
            model=model or ModelOptions(),
            output=output or OutputOptions(),
        )
        return
    join = _join(by)
    if columns or keep is not None or execution is not None:
        raise LayergramError(
            "--columns, --keep, --plan, --on, --shard, --workers or --threads for one text",
            do="give many texts with --texts",
        )
    text, prompt, like_map = _request(text, file, prompt, like)
    suffixes = [f".{kind}" for kind in picture or ["png"]]
    options = _options(option, query)
    run, output = run or Run(), output or OutputOptions()
    measures = list(measure or default_measures(run.at))
    model = model or ModelOptions()
    if like_map is not None:
        measures = measure or [like_map.measure]
        options = {**like_map.options, **options}
        run = _merged(like_map.run, run)
        dtype: Any = like_map.dtype if model.dtype == "auto" else model.dtype
        model = replace(model, model=model.model or like_map.model, dtype=dtype)
    check_measure_names(measure_options() if measures == ["all"] else measures, options)
    model.check()

    with Phases(output.silent) as phases:
        phases.show("importing")
        from layergram.measures import select_measures
        from layergram.measures.lens import check_reading
        from layergram.token_sources import Source

        everything = measures == ["all"]
        check_reading([] if everything else select_measures(measures, options), run)
        out = output.folder("maps")
        source = Source(text=text, prompt=prompt)
        loaded = model.load(phases.show)
        phases.clear()
        _compare_revisions(like_map, loaded, output)
        if everything:
            measures = _possible(loaded, source, options, run, output)
        began = time.perf_counter()
        maps = _read(loaded, source, measures, options, run, phases)
        took = time.perf_counter() - began
        shown = _joined(maps, join)
        maps_written = _write(shown, measures, out, suffixes, phases)
    _report(loaded, maps, maps_written, took, output)


def _join(by: Columns | None) -> By | None:
    """What the columns of one text are joined to."""
    if by is None or by == "word" or by == "sentence":
        return by
    raise LayergramError(
        f"--by {by} for one text",
        allowed="word, sentence",
        do="give many texts with --texts to average over them",
    )


def _read(
    loaded: Model,
    source: Source,
    measures: list[str],
    options: dict[str, Any],
    run: Run,
    phases: Phases,
) -> xr.Dataset:
    from layergram.tracing import Trace

    trace = Trace(loaded, source, measures=measures, options=options, run=run)
    total = None if source.prompt else len(trace.given)
    for _ in trace.steps():
        phases.show("reading", len(trace.tokens), total, "tokens")
    return trace.maps()


def _joined(maps: xr.Dataset, by: By | None) -> dict[str, xr.DataArray]:
    """The maps by name, with columns of words or sentences where they are wanted."""
    from layergram.maps import join_tokens

    arrays = {str(name): maps[name] for name in maps}
    if by is None:
        return arrays
    return {name: join_tokens(array, by=by) for name, array in arrays.items()}


def _refuse_beside_texts(given: list[str]) -> None:
    if given:
        raise LayergramError(
            "maps averaged over texts",
            got=f"--texts and {', '.join(given)}",
            do="leave the others out",
        )


def _request(
    text: str | None, file: Path | None, prompt: str | None, like: Path | None
) -> tuple[str | None, str | None, Recipe | None]:
    """The text or prompt to read, and the recipe of the map that it shall be like."""
    asked = (("TEXT", text), ("--file", file), ("--prompt", prompt))
    given = [name for name, value in asked if value is not None]
    if text == "-":
        text = _decoded(sys.stdin.buffer.read(), "standard input")
    elif file is not None:
        text = _contents(file)
    if len(given) > 1:
        raise LayergramError("maps of a text", got=" and ".join(given), allowed="one of them")
    if not (prompt or text or "").strip():
        raise LayergramError(
            "maps of a text",
            got="an empty text" if given else "no text",
            allowed="TEXT, - for standard input, --file FILE, --prompt PROMPT or --texts FILE",
            do='for example: layergram map "The capital of France is Paris."',
        )
    if like is None:
        return text, prompt, None
    from layergram import maps

    like_map = recipe(maps.read(like))
    # a text given to a map of an answer is the prompt to answer
    return (None, text, like_map) if like_map.prompted and text else (text, prompt, like_map)


def _contents(file: Path) -> str:
    try:
        return _decoded(file.read_bytes(), f"'{file}'")
    except OSError as error:
        raise LayergramError(f"the text in '{file}'", got=str(error.strerror or error)) from None


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LayergramError(
            f"the text in {source}",
            got=f"a byte that is no UTF-8, at position {error.start}",
            allowed="UTF-8",
            do="save it as UTF-8, for example by: iconv -f latin1 -t utf-8 OLD > NEW",
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


def _merged(of_map: Run, given: Run) -> Run:
    """The run of a map, with what was asked for otherwise."""
    changed = {
        field.name: getattr(given, field.name)
        for field in fields(Run)
        if getattr(given, field.name) != field.default
    }
    return replace(of_map, **changed)


def _compare_revisions(like_map: Recipe | None, loaded: Model, output: OutputOptions) -> None:
    if like_map and like_map.revision not in ("", loaded.revision) and not output.quiet:
        print(
            f"note: the map was made with revision {like_map.revision} of '{like_map.model}', "
            f"this is {loaded.revision}",
            file=sys.stderr,
        )


def _possible(
    loaded: Model, source: Source, options: dict[str, Any], run: Run, output: OutputOptions
) -> list[str]:
    """The measures that this model and text can have; a note says which they cannot."""
    from layergram.measures import MEASURES
    from layergram.tracing import unsupported_measures

    unsupported = unsupported_measures(loaded, source, options=options, run=run)
    for name, why in unsupported.items():
        if not output.quiet:
            print(f"note: no {name}: {why}", file=sys.stderr)
    return [name for name in MEASURES if name not in unsupported]


def _write(
    maps: Mapping[str, xr.DataArray],
    measures: list[str],
    out: Path,
    suffixes: list[str],
    phases: Phases,
) -> list[dict[str, Any]]:
    """Every map as netCDF, pictures, words and page; returns what a summary says of each."""
    from layergram import words
    from layergram.export import page_views, save_map

    arrays = {name: maps[name] for name in measures}
    facts = {name: words.facts(array, beside=arrays) for name, array in arrays.items()}
    page = page_views(arrays, facts=facts)
    summaries = []
    for done, (name, array) in enumerate(arrays.items(), start=1):
        phases.show("drawing", done, len(arrays), "maps")
        files = save_map(array, out, suffixes=suffixes, facts=facts[name], page=page)
        summaries.append(
            {
                "measure": name,
                "files": [str(file) for file in files],
                "findings": words.findings(array, FINDINGS, known=facts[name]),
                **numbers_of(array),
                "deep_thinking_ratio": array.attrs.get("deep_thinking_ratio"),
            }
        )
    return summaries


def _report(
    model: Model,
    maps: xr.Dataset,
    maps_written: list[dict[str, Any]],
    took: float,
    output: OutputOptions,
) -> None:
    texts, parts = maps["token_text"].values, maps["part"].values
    places = (parts == "answer").nonzero()[0]
    answer = "".join(texts[places])
    if output.json:
        summary = {
            "model": model.name,
            "revision": model.revision,
            "tokens": len(texts),
            "seconds": round(took, 2),
            "texts": texts.tolist(),
            "answer": answer or None,
            "answer_span": [int(places[0]), int(places[-1])] if places.size else None,
            "maps": maps_written,
        }
        output.summary(summary)
        return
    if output.quiet:
        return
    lines = [f"{model.name}: {model.layers} layers, {len(texts)} tokens in {took:.1f} s"]
    lines += [f"answer: {answer}"] if answer else []
    for entry in maps_written:
        lines += ["", f"{entry['measure']}: {'  '.join(written(entry['files'], few=0))}"]
        lines += [f"  - {finding}" for finding in entry["findings"]]
    tell(*lines)
