"""``layergram map --texts``: maps averaged over many texts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layergram.cli.common import (
    ModelOptions,
    OutputOptions,
    ProgressBars,
    RunOptions,
    print_plan,
    tell,
    written,
)
from layergram.cli.phases import Phases
from layergram.measure_names import check_measure_names, measure_options
from layergram.recipe import Run


def average_texts(
    source: str,
    *,
    by: str,
    columns: Mapping[str, str],
    measures: Sequence[str],
    options: Mapping[str, Any],
    run: Run,
    keep: str,
    execution: RunOptions,
    model: ModelOptions,
    output: OutputOptions,
) -> None:
    """Read the texts, average, and print where the maps are."""
    check_measure_names(measure_options() if list(measures) == ["all"] else measures, options)
    model.check()
    data = _data(source, by, columns)
    execution.check()

    from layergram.experiments.averages.items import items_of, possible_measures
    from layergram.experiments.averages.run import average_maps
    from layergram.experiments.plans import plan
    from layergram.measures import select_measures
    from layergram.measures.lens import check_reading

    everything = list(measures) == ["all"]
    check_reading([] if everything else select_measures(list(measures), dict(options)), run)
    out = execution.folder(output, "averages")
    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    if everything:
        items = items_of(loaded, data, by, chat=run.chat)
        measures, refused = possible_measures(loaded, items, options)
        for name, why in refused.items():
            if not output.quiet:
                print(f"note: no {name}: {why}", file=sys.stderr)
    asked: dict[str, Any] = {
        "measures": measures,
        "by": by,
        "options": options,
        "run": run,
        "out": out,
        "keep": keep,
        "execution": execution,
    }
    if execution.plan:
        print_plan(plan(average_maps, loaded, data, **asked), output)
        return
    with ProgressBars(output.silent) as bars:
        result = average_maps(
            loaded,
            data,
            progress=lambda done, total: bars.update("texts", done, total),
            **asked,
        )
    files = [str(out / name) for name in result.files]
    if output.json:
        output.summary({**result.summary, "files": files})
    elif not output.quiet:
        tell(*result.sentences, *written(files))


def _data(source: str, by: str, columns: Mapping[str, str]) -> Any:
    """Labelled steps for averages by function, the answers of a run's folder, or texts."""
    from layergram.datasets.steps import steps
    from layergram.datasets.stored_answers import read_answers
    from layergram.datasets.texts import read_texts
    from layergram.experiments.averages.segments import check_by

    if by == "function":
        return steps(source, columns=columns)
    if Path(source).is_dir():
        return read_answers(source)
    check_by(by, "text")
    return read_texts(source, columns=columns)
