"""``layergram ask``: answer new questions, or read a text, and what a saved probe says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from layergram.cli.common import Group, ModelOptions, OutputOptions, numbers_of
from layergram.cli.phases import Phases
from layergram.errors import LayergramError

if TYPE_CHECKING:
    from layergram.models.model import Model
    from layergram.probes import Probe


def command(
    probe: Path,
    /,
    *prompts: str,
    judge: Literal["strict", "published"] | None = None,
    over: str | None = None,
    model: Annotated[ModelOptions | None, Group] = None,
    output: Annotated[OutputOptions | None, Group] = None,
) -> None:
    """Answer new questions, and how likely each answer is wrong by a saved probe.

    Writes predictions.json. By default the probe's own model answers. With --over a text is read
    instead, and the probe drawn over its tokens: probe.nc, .png, .md, .html, and words.nc and so
    on, what the words alone tell.

    Args:
        probe: a probe that `layergram roles --save-probe` has written (.npz).
        prompts: the questions.
        judge: whose rules find the exact answer; by default those that the probe was trained with.
        over: a text to read, token by token, instead of questions.
        model: which model.
        output: where to write.
    """
    model, output = model or ModelOptions(), output or OutputOptions()
    if bool(prompts) == (over is not None):
        raise LayergramError(
            "the prediction of a probe",
            got="questions and a text" if prompts else "no question",
            allowed="questions, or --over TEXT",
            do='for example: layergram ask probe.npz "What is the capital of France?"',
        )
    from layergram import maps
    from layergram.experiments.roles.applications import predict_wrong
    from layergram.probes import load_probe

    known = load_probe(probe)
    model = replace(model, model=model.model or str(known.provenance.get("model", "smollm2")))
    model.check()
    out = output.folder("ask")
    if over is not None:
        _draw_over(known, model, over, out, output)
        return
    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    found = predict_wrong(known, loaded, prompts, judge=judge)
    file = maps.write_json(found, out / "predictions.json")
    if output.json:
        output.summary({**_of(loaded), "predictions": found, "files": [str(file)]})
    elif not output.quiet:
        for one in found:
            print(_text(one))
        print(file)


def _draw_over(
    probe: Probe, model: ModelOptions, text: str, out: Path, output: OutputOptions
) -> None:
    from layergram.experiments.roles.over import probe_over
    from layergram.export import save_map

    with Phases(output.silent) as phases:
        loaded = model.load(phases.show)
    found = probe_over(probe, loaded, text)
    files = {
        str(name): [str(file) for file in save_map(found[name], out, name=str(name))]
        for name in found
    }
    texts = found["token_text"].values.tolist()
    numbers = {str(name): found[name].values.ravel().round(4).tolist() for name in found}
    if output.json:
        plain = [
            {"name": name, "files": files[name], **numbers_of(found[name]), "values": values}
            for name, values in numbers.items()
        ]
        output.summary({**_of(loaded), "tokens": len(texts), "texts": texts, "maps": plain})
    elif not output.quiet:
        print(found["probe"].attrs["long_name"], *[f"({name})" for name in numbers])
        for token, *values in zip(texts, *numbers.values(), strict=True):
            print(*[f"{value:6.2f}" for value in values], repr(token))
        print(*[file for one in files.values() for file in one], sep="\n")


def _of(model: Model) -> dict[str, Any]:
    return {"model": model.name, "revision": model.revision}


def _text(prediction: dict[str, Any]) -> str:
    p = prediction["probability_wrong"]
    place = f"layer {prediction['layer']}, {prediction['role']}"
    if p is None:
        verdict = f"no prediction: this answer has no token for {prediction['role']}"
    else:
        verdict = f"wrong with probability {p:.2f}, from {prediction['token']!r} ({place})"
    return f"{prediction['prompt']}\n  {prediction['reply'].strip()}\n  {verdict}"
