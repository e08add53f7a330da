"""``layergram fit-lens``: texts -> a lens that reads the layers of one model."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from layergram.cli.common import (
    Group,
    ModelOptions,
    OutputOptions,
    ProgressBars,
    Several,
    columns_of,
    print_result,
    tell,
)
from layergram.cli.phases import Phases
from layergram.errors import LayergramError


def command(
    kind: Literal["tuned", "jacobian"],
    /,
    *,
    texts: str | None = None,
    columns: Several = None,
    length: int = 64,
    held_out: float = 0.1,
    steps: int = 60,
    rows: int = 64,
    rate: float = 0.001,
    rounds: int = 12,
    around: Literal["mean", "zero"] = "mean",
    seed: int = 0,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Fit a tuned or a Jacobian lens to a model.

    Writes lens.safetensors, which the option --lens KIND:FOLDER of map and depth takes, and what
    the lens gains over the logit lens on texts that it was not fitted on: divergence_lowered.nc,
    .png, .md, .html, layers.csv and summary.json.

    Args:
        kind: tuned, an affine map of each layer that predicts what the model does in the end; or
            jacobian, the mean derivative of the final residual stream, with a constant.
        texts: texts to fit on: a file (.csv, .tsv, .jsonl, .json, .parquet with the column text;
            .txt with empty lines between texts), or org/name:split of a hub data set. Default:
            texts that the model writes itself, from nothing, at temperature 1.
        columns: where the column has another name: text=NAME.
        length: tokens of the pieces that texts are cut into.
        held_out: share of the texts that the lens is tried on and not fitted on.
        steps: of a tuned lens: steps of descent after the least-squares start.
        rows: of a tuned lens: tokens of one step.
        rate: of a tuned lens: learning rate at the first step.
        rounds: of a Jacobian lens: in how many pieces each direction of the stream is followed.
        around: of a Jacobian lens: mean carries the mean stream of a layer to the mean final
            stream, J (h - m_l) + m_L; zero adds nothing constant, J h, as published.
        seed: of the split and of all draws.
        model: which model.
        output: where to write.
    """
    from layergram.experiments.lenses.options import LensOptions

    model, output = model or ModelOptions(), output or OutputOptions()
    options = LensOptions(length, held_out, steps, rows, rate, rounds, around, seed)
    found = None
    if texts is not None:
        from layergram.datasets.texts import read_texts

        found = read_texts(texts, columns=columns_of(columns))
    elif columns:
        raise LayergramError("--columns without texts", do="give the texts with --texts")
    model.check()
    out = output.folder(f"{kind}-lens")

    from layergram.experiments.lenses.run import fit_lens

    began = time.perf_counter()
    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    with ProgressBars(output.silent) as bars:
        result = fit_lens(loaded, kind, found, out=out, options=options, progress=bars.update)
    print_result(result, loaded, out, time.perf_counter() - began, output)
    if not output.silent:
        tell(f"To use it: layergram map TEXT --lens {kind}:{out}")
