"""The causal test: what gets worse when the heads of a function are masked, and other heads.

Importance and probes say where a function can be read. Here its top heads are taken out, and the
given answers of all functions are scored again; as many random other heads are taken out as well,
several times over, because a model gets worse without any of its heads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import xarray as xr

from layergram.datasets.step_sequences import StepSequence
from layergram.datasets.steps import StepSet
from layergram.errors import unknown_name
from layergram.interventions.effects import Passes, effects
from layergram.interventions.masking import Masking, other_heads
from layergram.interventions.mean_outputs import mean_outputs
from layergram.interventions.scoring import Progress, scores
from layergram.models.edits import Head, HeadEdit, edited
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder


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

    One pass over all sequences without masking, one per function, and for every draw of other heads
    one over the steps of the own function.

    Args:
        model: the model.
        sequences: the steps to test on; none that the heads were chosen by.
        steps: the set that they are of.
        top: for each function to test, its top heads, (layer, head).
        masking: how to mask and to measure.
        folder: where the scores of every pass are kept, in a folder for these heads and this
            masking; an interrupted run resumes.
        progress: called with how many sequences have been read, over all passes, and how many there
            will be.

    Returns:
        With the axes ``masked`` (function whose heads are masked), ``function`` (of the steps that
        are scored), ``score`` and ``draw``: ``unmasked`` [score, function], the score as it is;
        ``change`` [score, masked, function], masked less unmasked, below 0 where it gets worse;
        ``random`` [score, masked], the same for random other heads on the steps of the own
        function, mean over draws, and ``random_draws`` [score, masked, draw]; ``difference``
        [score, masked], own heads less random ones. ``change_low``, ``change_high`` and so on are
        the ends of intervals over main questions, for ``random`` and ``difference`` over draws
        too. ``heads`` [masked] counts the masked heads, ``steps`` and ``groups`` [function] what
        was scored. The attributes ``top`` and ``other_heads`` are JSON objects of the heads.

    Raises:
        LayergramError: for a function without steps or without heads, heads that do not exist,
            too few other heads, or a folder with another test in it.
    """
    masking = masking or Masking()
    functions = _functions(sequences, steps)
    _check(model, top, functions)
    others = {name: other_heads(model, top[name], masking, at) for at, name in enumerate(top)}
    own = {name: of_function(sequences, steps, name) for name in top}
    kept = {name: [list(map(int, head)) for head in top[name]] for name in top}
    test = digest_of([kept, asdict(masking)]).removeprefix("sha256:")
    work = _Passes(model, steps, masking, folder, f"masking/{test}", progress)
    work.total = len(sequences) * (1 + len(top)) + masking.draws * sum(map(len, own.values()))
    means = mean_outputs(model, sequences) if masking.how == "mean" else ()
    unmasked = work.scored(sequences, "unmasked")
    masked: dict[str, xr.DataArray] = {}
    drawn: dict[str, list[xr.DataArray]] = {}
    for name in top:
        with edited(model, masking.edit(top[name], means)):
            masked[name] = work.scored(sequences, f"masked_{_slug(name)}")
        drawn[name] = []
        for at, heads in enumerate(others[name], start=1):
            with edited(model, masking.edit(heads, means)):
                drawn[name].append(work.scored(own[name], f"random_{_slug(name)}_{at}"))
    result = effects(Passes(unmasked, masked, drawn), steps, masking)
    result["heads"] = ("masked", [len(top[name]) for name in top])
    result.attrs |= {
        **model.provenance(),
        "top": json.dumps(kept),
        "other_heads": json.dumps(others),
        "questions": steps.name,
        "questions_digest": steps.digest,
        "options": json.dumps(asdict(masking)),
        "seed": masking.seed,
    }
    return result


def of_function(
    sequences: Sequence[StepSequence], steps: StepSet, function: str
) -> list[StepSequence]:
    """The sequences with steps of a function, up to the last of these, with these alone."""
    found = []
    for one in sequences:
        spans = tuple(s for s in one.spans if steps.steps[s.step].function == function)
        if spans:
            found.append(replace(one, ids=one.ids[: spans[-1].last + 1], spans=spans))
    return found


class _Passes:
    """Passes over sequences, each kept as a stage of its own."""

    def __init__(
        self,
        model: Model,
        steps: StepSet,
        masking: Masking,
        folder: RunFolder | None,
        stages: str,
        progress: Progress | None,
    ) -> None:
        self.model, self.steps, self.masking = model, steps, masking
        self.folder, self.stages, self.progress = folder, stages, progress
        self.done = self.total = 0

    def scored(self, sequences: Sequence[StepSequence], name: str) -> xr.DataArray:
        """The scores of one pass."""
        before = self.done

        def advance(done: int, total: int) -> None:
            self.done = before + done
            if self.progress is not None:
                self.progress(self.done, self.total)

        return scores(
            self.model,
            sequences,
            self.steps,
            scoring=self.masking.scoring,
            folder=self.folder,
            name=f"{self.stages}/{name}",
            progress=advance,
        )


def _slug(function: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in function.lower())


def _functions(sequences: Sequence[StepSequence], steps: StepSet) -> list[str]:
    there = {steps.steps[span.step].function for one in sequences for span in one.spans}
    return [name for name in steps.counts() if name in there]


def _check(model: Model, top: Mapping[str, Sequence[Head]], functions: Sequence[str]) -> None:
    for name, heads in top.items():
        if name not in functions:
            raise unknown_name("function with steps to test on", name, functions)
        with edited(model, HeadEdit(tuple(heads))):  # refuses heads that there are not
            pass
