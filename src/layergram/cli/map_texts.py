"""``layergram map --texts``: maps averaged over many texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layergram.cli.common import ModelOptions, OutputOptions, ProgressBars, tell, written
from layergram.recipe import Run


def average_texts(
    source: str,
    *,
    by: str,
    columns: Mapping[str, str],
    measures: Sequence[str],
    options: Mapping[str, Any],
    run: Run,
    model: ModelOptions,
    output: OutputOptions,
) -> None:
    """Read the texts, average, and print where the maps are."""
    from layergram.datasets.texts import read_texts
    from layergram.experiments.averages.run import average_maps

    texts = read_texts(source, columns=columns)
    out = output.folder("averages")
    model.check()
    loaded = model.load()
    with ProgressBars(output.silent) as bars:
        result = average_maps(
            loaded,
            texts,
            measures=measures,
            by=by,
            options=options,
            run=run,
            out=out,
            progress=lambda done, total: bars.update("texts", done, total),
        )
    files = [str(out / name) for name in result.files]
    if output.json:
        output.summary({**result.summary, "files": files})
    elif not output.quiet:
        tell(*result.sentences, *written(files))
