"""Layergram's own work, beside the floors in the same process and on the same network."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from plain import Plain, Texts, main, network_of
from serve import Prepare, Work
from torch import Tensor
from transformers import AutoTokenizer

import layergram as lg
from layergram.engine.batch import padded_right, read_batches
from layergram.engine.run import BATCH, CHUNK
from layergram.features.hidden_states import hidden_states
from layergram.interventions.scoring import scores
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES
from layergram.storage.folder import RunFolder


class Own:
    """Layergram's work on one model.

    Args:
        model: the model.
        plain: the floors on its network.
        texts: what to read.
    """

    def __init__(self, model: Model, plain: Plain, texts: Texts) -> None:
        self.model, self.plain, self.texts = model, plain, texts
        self.seen: dict[str, list[Tensor]] = {}

    def trace(self, tokens: int, measures: Sequence[str] = DEFAULT_MEASURES) -> Work:
        """Maps of the long text's first tokens."""
        ids = self.texts.first(tokens)[0].tolist()

        def work() -> float:
            found = lg.trace(self.model, ids=ids, measures=measures)
            return float(found[measures[0]].mean())

        return work

    def roles(self, scores: str, answers: int) -> Work:
        """The states of answers at their roles, kept in a folder of its own."""
        spec = lg.FeatureSpec(scores=scores)
        given = [SimpleNamespace(**answer) for answer in self.texts.answers[:answers]]
        return self._kept(lambda folder: hidden_states(self.model, given, folder, spec=spec))

    def heads(self, steps: int | None) -> Work:
        """The heads' outputs at the answers of the embedded steps, kept in a folder."""
        sequences = lg.step_sequences(self.model, lg.steps("functions").first(steps))
        return self._kept(lambda folder: lg.head_outputs(self.model, sequences, folder))

    def average(self, measure: str, answers: int) -> Work:
        """A measure averaged over answers."""
        given = [dict(answer, id=answer["key"]) for answer in self.texts.answers[:answers]]

        def work() -> None:
            lg.average_maps(self.model, given, measures=[measure], by="whole")

        return work

    def masked(self, steps: int | None) -> Work:
        """The scores of the embedded steps with one head masked.

        Args:
            steps: so many of each function; all by default.
        """
        edit = lg.Masking(how="zero").edit([(self.model.layers // 3, 0)], ())
        given = lg.steps("functions").first(steps)
        sequences = lg.step_sequences(self.model, given)

        def work() -> float:
            with lg.edited(self.model, edit):
                found = scores(self.model, sequences, given)
            return float(found.sel(score="log_likelihood").mean())

        return work

    def steps_whole(self, steps: int | None) -> Work:
        """The plain forward pass of the embedded steps, each read from its first token (floor)."""
        given = lg.steps("functions").first(steps)
        ids = [one.ids for one in lg.step_sequences(self.model, given)]
        places = read_batches(
            self.model, list(map(len, ids)), size=BATCH, chunk=CHUNK, mixed=self.model.batches
        )
        device = self.model.device
        return self.plain.batches([padded_right([ids[at] for at in own], device) for own in places])

    def same_batches(self, of: dict[str, Any]) -> Work:
        """The plain forward pass of the batches that another work reads (floor)."""
        return self.plain.batches(self._batches(**of))

    def same_products(self, of: dict[str, Any]) -> Work:
        """The unembedding products of the tokens that another work reads (floor)."""
        return self.plain.batch_products(self._batches(**of))

    def _batches(self, work: str, **sizes: Any) -> list[Tensor]:
        """The ids of every forward pass of a work, which is done once to see them."""
        key = repr((work, sizes))
        if key in self.seen:
            return self.seen[key]
        seen = self.seen.setdefault(key, [])

        def before(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            seen.append(kwargs["input_ids"].clone())

        with ExitStack() as stack:
            hook = self.model.network.register_forward_pre_hook(before, with_kwargs=True)
            stack.callback(hook.remove)
            self.works()[work](**sizes)()
        return seen

    def _kept(self, work: Callable[[RunFolder], Any]) -> Work:
        def kept() -> None:
            with tempfile.TemporaryDirectory() as home, RunFolder(home) as folder:
                work(folder)

        return kept

    def works(self) -> dict[str, Prepare]:
        """What can be asked for, the floors and plain loops with it."""
        own = [
            "trace",
            "roles",
            "heads",
            "average",
            "masked",
            "steps_whole",
            "same_batches",
            "same_products",
        ]
        return self.plain.works() | {name: getattr(self, name) for name in own}


def works(given: argparse.Namespace, texts: Texts) -> dict[str, Prepare]:
    """Everything, on one network."""
    network = network_of(given)
    tokenizer = AutoTokenizer.from_pretrained(given.folder)
    model = lg.load(network, tokenizer=tokenizer)
    return Own(model, Plain(network, texts), texts).works()


if __name__ == "__main__":
    main(works)
