"""P(True): does the model itself, asked about its answer, call it true?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layergram.answers.judge import Row
from layergram.engine.run import read
from layergram.engine.views import OutputView
from layergram.models.model import Model
from layergram.progress import Progress, no_progress, stage_progress
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import ArraySpec, Stage, run_stage

ORDERS = (("True", "False"), ("False", "True"))
TEMPLATE = """\
Question: {question}
Proposed answer: {reply}
Is the proposed answer true or false?
A) {first}
B) {second}
Reply with A or B alone.
Answer:"""


def p_true(
    model: Model,
    rows: Sequence[Row],
    folder: RunFolder | None = None,
    *,
    chat: str = "auto",
    name: str = "p_true",
    progress: Progress = no_progress,
) -> npt.NDArray[np.float64]:
    """The probability that the model gives to its answer being true, when asked about it.

    It chooses between A and B, once with "True" first and once with "False" first; the mean of both
    is taken, so that a liking for a letter does not count.

    Args:
        model: the model that gave the answers.
        rows: the answers.
        folder: where the probabilities are kept as they are made.
        chat: how the question is put, as in :class:`layergram.AnswerOptions`.
        name: of the stage.
        progress: called with stage, done and total.

    Returns:
        [example], between 0 and 1; NaN for an answer that is too long to be asked about.

    Source:
        Kadavath et al. (2022), *Language Models (Mostly) Know What They Know*, arXiv 2207.05221.
    """
    prompts = {row.key: [_prompt(model, row, order, chat) for order in ORDERS] for row in rows}
    letters = [_first_tokens(model, letter) for letter in "AB"]
    stage = Stage(
        name,
        tuple(prompts),
        {**model.fingerprint(), "prompts": digest_of(list(prompts.values()))},
        {"p_true": ArraySpec({"order": len(ORDERS)})},
    )

    def work(keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        ids = [prompt for key in keys for prompt in prompts[key]]
        fits = [model.context is None or len(prompt) <= model.context for prompt in ids]
        asked = [LastToken(len(prompt)) for prompt in ids]
        some = [(prompt, one) for prompt, one, fit in zip(ids, asked, fits, strict=True) if fit]
        for _ in read(model, [prompt for prompt, _ in some], [(one,) for _, one in some]):
            pass
        values = np.array([one.share_of(letters) for one in asked]).reshape(len(keys), -1)
        return {"p_true": np.stack([values[:, 0], 1 - values[:, 1]], axis=1).astype(np.float32)}

    found = run_stage(stage, work, folder, progress=stage_progress(progress, "asked about answers"))
    return np.asarray(found["p_true"].mean("order"), dtype=np.float64)


def _prompt(model: Model, row: Row, order: tuple[str, str], chat: str) -> list[int]:
    text = TEMPLATE.format(
        question=row.question, reply=" ".join(row.reply.split()), first=order[0], second=order[1]
    )
    return list(model.format_prompt(text, chat=chat).ids)


def _first_tokens(model: Model, letter: str) -> list[int]:
    """The tokens that a reply of this letter can begin with: with and without a space."""
    ids = [
        model.tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (letter, f" {letter}")
    ]
    return sorted({int(own[0]) for own in ids if len(own) == 1})


class LastToken:
    """Collects the predictions after the last token of one sequence."""

    needs = ("output",)

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.log_p: Tensor | None = None

    def take(self, view: OutputView) -> None:
        """Keep the predictions after the last token."""
        if view.start + view.tokens == self.tokens:
            self.log_p = view.predict(torch.tensor([self.tokens - 1]))[0].cpu()

    def share_of(self, letters: Sequence[Sequence[int]]) -> float:
        """The probability of the first letter among both; NaN where nothing was read."""
        if self.log_p is None:
            return float("nan")
        first, second = (float(self.log_p[list(ids)].exp().sum()) for ids in letters)
        return first / (first + second) if first + second > 0 else 0.5
