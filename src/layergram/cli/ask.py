"""``layergram ask``: answer new questions, and how likely each answer is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from layergram.cli.common import Group, ModelOptions, OutputOptions
from layergram.errors import LayergramError


def command(
    probe: Path,
    /,
    *prompts: str,
    judge: Literal["strict", "published"] | None = None,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Answer new questions, and how likely each answer is wrong by a saved probe.

    Writes predictions.json. By default the probe's own model answers.

    Args:
        probe: a probe that `layergram roles --save-probe` has written (.npz).
        prompts: the questions.
        judge: whose rules find the exact answer; by default those that the probe was trained with.
        model: which model.
        output: where to write.
    """
    model, output = model or ModelOptions(), output or OutputOptions()
    if not prompts:
        raise LayergramError(
            "the prediction of a probe",
            got="no question",
            do='for example: layergram ask probe.npz "What is the capital of France?"',
        )
    out = output.folder("ask")

    from layergram import maps
    from layergram.experiments.roles.applications import predict_wrong
    from layergram.probes import load_probe

    known = load_probe(probe)
    model = replace(model, model=model.model or str(known.provenance.get("model", "smollm2")))
    model.check()
    found = predict_wrong(known, model.load(), prompts, judge=judge)
    file = maps.write_json(found, out / "predictions.json")
    if output.json:
        output.summary({"predictions": found, "files": [str(file)]})
    elif not output.quiet:
        for one in found:
            print(_text(one))
        print(file)


def _text(prediction: dict[str, Any]) -> str:
    p = prediction["probability_wrong"]
    place = f"layer {prediction['layer']}, {prediction['role']}"
    if p is None:
        verdict = f"no prediction: this answer has no token for {prediction['role']}"
    else:
        verdict = f"wrong with probability {p:.2f}, from {prediction['token']!r} ({place})"
    return f"{prediction['prompt']}\n  {prediction['reply'].strip()}\n  {verdict}"
