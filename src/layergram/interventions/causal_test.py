"""The causal test: what gets worse when the heads of a function are masked, and random heads.

Importance and probes say where a function can be read. Here its top heads are taken out, and the
given answers of all functions are scored again. Random heads of the same layers are taken out as
well, many times over, because a model gets worse without any of its heads.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from layergram.datasets.step_sequences import StepSequence, digest_of_sequences
from layergram.datasets.steps import StepSet
from layergram.errors import unknown_name
from layergram.interventions.effects import effects
from layergram.interventions.masking import Masking, random_heads
from layergram.interventions.mean_outputs import outputs_and_norms
from layergram.interventions.scoring import SCORINGS, Progress, scores
from layergram.models.edits import Head, HeadEdit, edited
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage

OTHER_STEPS = 2  # of each other function, that random heads are scored on at least
DOSE_QUESTIONS = 8  # main questions that doses are scored on
DOSE_DRAWS = 9


def causal_test(
    model: Model,
    sequences: Sequence[StepSequence],
    steps: StepSet,
    top: Mapping[str, Sequence[Head]],
    *,
    masking: Masking | None = None,
    folder: RunFolder | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Change of every function's answers when the top heads of each function are masked.

    One pass over all sequences without masking, one per function (and one as published, × 0.0001),
    and for every draw of random heads one over the steps of the own function and a few fixed ones
    of each other function. Random heads come from the layers of the top heads, as many of each, and
    are matched in norm (:func:`layergram.interventions.masking.random_heads`).

    Args:
        model: the model.
        sequences: the steps to test on; none that the heads were chosen by.
        steps: the set that they are of.
        top: for each function to test, its top heads, (layer, head), the most important first.
        masking: how to mask and to measure.
        folder: where the scores of every pass are kept, in a folder for these heads and this
            masking; an interrupted run resumes.
        progress: called with how many passes are done, and how many there will be.

    Returns:
        With the axes ``masked`` (function whose heads are masked), ``function`` (of the steps that
        are scored), ``score``, ``draw`` and ``dose``: ``unmasked`` [score, function], the score as
        it is; ``change`` [score, masked, function], masked less unmasked, below 0 where it gets
        worse; ``published``, the same with the outputs × 0.0001; ``random``, the mean over random
        sets; ``difference``, own heads less random ones, on the steps that both were scored on.
        ``change_low``, ``change_high`` and so on are the ends of intervals over main questions;
        those of ``difference`` are over random sets too, for one set, not for their mean.
        The rank test (:func:`layergram.interventions.rank_test.rank_test`) on [score, masked]:
        ``statistic``, ``as_bad``, ``p``, ``p_family``, and ``statistic_draws`` [score, masked,
        draw]. ``dose`` [score, masked, dose]: own heads less random ones where only the first so
        many are masked, with ``dose_low`` and ``dose_high``. ``heads`` [masked] counts the masked
        heads, ``norm`` [masked] is the mean norm of the random sets over that of the own heads,
        ``steps`` and ``groups`` [function] what was scored. The attributes ``top`` and
        ``random_heads`` are JSON objects of the heads.

    Raises:
        LayergramError: for a function without steps or without heads, heads that do not exist,
            layers without other heads, or a folder with another test in it.
    """
    masking = masking or Masking()
    _check(model, top, _functions(sequences, steps))
    kept = {name: [(int(layer), int(head)) for layer, head in top[name]] for name in top}
    test = digest_of([kept, asdict(masking)]).removeprefix("sha256:")
    made_from = {
        **model.fingerprint(),
        "steps": steps.name,
        "steps_digest": steps.digest,
        "sequences": digest_of_sequences(sequences),
        "masking": asdict(masking),
        **(model.generation_settings() if masking.scoring == "generated" else {}),
    }
    means, norms = _typical(model, sequences, made_from, folder, f"masking/{test}/heads")
    drawn = {
        name: random_heads(heads, norms, draws=masking.draws, seed=[masking.seed, at])
        for at, (name, heads) in enumerate(kept.items())
    }
    passes = _passes(sequences, steps, kept, drawn, norms, masking)
    made_from["random_heads"] = digest_of([one.heads for one in passes.values()])
    stage = Stage(f"masking/{test}/passes", tuple(passes), made_from, shard_size=1)

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {key: _scored(model, passes[key], steps, masking, means) for key in keys}

    records = run_stage(stage, work, folder, progress=progress)
    found = {key: _array(record, masking) for key, record in records.items()}
    result = effects(found, steps, list(kept), masking)
    result["heads"] = ("masked", [len(heads) for heads in kept.values()])
    loud = {name: _loudness(kept[name], norms) for name in kept}
    matched = [np.mean([_loudness(s, norms) for s in drawn[n]]) / loud[n] for n in kept]
    result["norm"] = ("masked", matched)
    result.attrs |= {
        **model.provenance(),
        "top": json.dumps(kept),
        "random_heads": json.dumps(drawn),
        "questions": steps.name,
        "questions_digest": steps.digest,
        "options": json.dumps(asdict(masking)),
        "seed": masking.seed,
    }
    return result


@dataclass(frozen=True)
class _Pass:
    """One pass: which heads are masked, how, and what is scored."""

    sequences: Sequence[StepSequence]
    heads: Sequence[Head] = ()
    how: str = ""


def _passes(
    sequences: Sequence[StepSequence],
    steps: StepSet,
    top: Mapping[str, Sequence[Head]],
    drawn: Mapping[str, Sequence[Sequence[Head]]],
    norms: Mapping[Head, float],
    masking: Masking,
) -> dict[str, _Pass]:
    """All passes by name; those of one function and dose are named alike."""
    found = {"unmasked": _Pass(sequences)}
    for name, heads in top.items():
        found[f"{name}/own"] = _Pass(sequences, heads, masking.how)
        if masking.how != "scale":
            found[f"{name}/published"] = _Pass(sequences, heads, "scale")
    for name, sets in drawn.items():
        fixed = compared_steps(sequences, steps, name)
        for at, heads in enumerate(sets, start=1):
            found[f"{name}/random {at}"] = _Pass(fixed, heads, masking.how)
    for place, (name, heads) in enumerate(top.items()):
        own = of_function(sequences, steps, name)[:DOSE_QUESTIONS]
        for dose in (dose for dose in masking.doses if dose <= len(heads)):
            first = heads[:dose]
            seed = [masking.seed, place, dose]
            sets = random_heads(first, norms, draws=DOSE_DRAWS, seed=seed)
            for at, each in enumerate([first, *sets]):
                found[f"{name}/dose {dose}/{at}"] = _Pass(own, each, masking.how)
    return found


def passes_ahead(
    sequences: Sequence[StepSequence], steps: StepSet, masking: Masking, *, top: int
) -> list[Sequence[StepSequence]]:
    """What each pass of a test reads, for a plan: before it is known which heads are masked.

    Args:
        sequences: the steps to test on.
        steps: the set that they are of.
        masking: how to mask and to measure.
        top: how many heads each function is taken to have.
    """
    found: list[Sequence[StepSequence]] = [sequences]
    doses = sum(dose <= top for dose in masking.doses)
    for name in _functions(sequences, steps):
        found += [sequences] * (1 if masking.how == "scale" else 2)
        found += [compared_steps(sequences, steps, name)] * masking.draws
        own = of_function(sequences, steps, name)[:DOSE_QUESTIONS]
        found += [own] * (doses * (1 + DOSE_DRAWS))
    return found


def compared_steps(
    sequences: Sequence[StepSequence], steps: StepSet, function: str
) -> list[StepSequence]:
    """The sequences that random heads are scored on: the own steps, and a few of each other.

    Up to the last own step of a sequence all steps are scored, whatever their function; steps after
    it, and of more sequences, follow until there are a few of every function.
    """
    of = [step.function for step in steps.steps]
    found, counts = [], Counter[str]()
    own = [one for one in sequences if any(of[span.step] == function for span in one.spans)]
    for one in [*own, *(one for one in sequences if one not in own)]:
        names = [of[span.step] for span in one.spans]
        last = max((at + 1 for at, name in enumerate(names) if name == function), default=0)
        spans = list(one.spans[:last])
        counts.update(names[:last])
        for span, name in zip(one.spans[last:], names[last:], strict=True):
            if counts[name] < OTHER_STEPS:
                spans.append(span)
                counts[name] += 1
        if spans:
            found.append(_cut(one, spans))
    return found


def of_function(
    sequences: Sequence[StepSequence], steps: StepSet, function: str
) -> list[StepSequence]:
    """The sequences with steps of a function, up to the last of these, with these alone."""
    found = []
    for one in sequences:
        spans = [s for s in one.spans if steps.steps[s.step].function == function]
        if spans:
            found.append(_cut(one, spans))
    return found


def _cut(one: StepSequence, spans: Sequence[Any]) -> StepSequence:
    return replace(one, ids=one.ids[: spans[-1].last + 1], spans=tuple(spans))


def _scored(
    model: Model, each: _Pass, steps: StepSet, masking: Masking, means: Sequence[Any]
) -> dict[str, Any]:
    """The scores of one pass as a record."""
    how = replace(masking, how=each.how) if each.how else masking
    edits = [how.edit(each.heads, means)] if each.heads else []
    with edited(model, *edits):
        found = scores(model, each.sequences, steps, scoring=masking.scoring)
    return {"steps": found["step"].values.tolist(), "scores": found.values.tolist()}


def _array(record: Mapping[str, Any], masking: Masking) -> xr.DataArray:
    coords = {"step": record["steps"], "score": list(SCORINGS[masking.scoring])}
    return xr.DataArray(record["scores"], coords=coords, dims=("step", "score"))


def _typical(
    model: Model,
    sequences: Sequence[StepSequence],
    made_from: Mapping[str, Any],
    folder: RunFolder | None,
    name: str,
) -> tuple[list[Any], dict[Head, float]]:
    """Mean output of every head, layer by layer, and the norm of what each head writes."""

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        means, norms = outputs_and_norms(model, sequences)
        plain = [[None if x is None else x.tolist() for x in of] for of in (means, norms)]
        return {keys[0]: {"means": plain[0], "norms": plain[1]}}

    record = run_stage(Stage(name, ("heads",), made_from), work, folder)["heads"]
    norms = {
        (layer, head): norm
        for layer, of_layer in enumerate(record["norms"], start=1)
        for head, norm in enumerate(of_layer or ())
    }
    return [None if x is None else np.asarray(x) for x in record["means"]], norms


def _loudness(heads: Sequence[Head], norms: Mapping[Head, float]) -> float:
    return sum(norms[layer, head] for layer, head in heads)


def _functions(sequences: Sequence[StepSequence], steps: StepSet) -> list[str]:
    there = {steps.steps[span.step].function for one in sequences for span in one.spans}
    return [name for name in steps.counts() if name in there]


def _check(model: Model, top: Mapping[str, Sequence[Head]], functions: Sequence[str]) -> None:
    for name, heads in top.items():
        if name not in functions:
            raise unknown_name("function with steps to test on", name, functions)
        with edited(model, HeadEdit(tuple(heads))):  # refuses heads that there are not
            pass
