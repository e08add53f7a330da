"""How sure a model was of an answer: probabilities of its tokens, and attention along it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layergram.engine.views import AttentionView, OutputView
from layergram.measures.patterns import attention_previous
from layergram.models.model import Model

SCORES = (
    "logprob_mean",
    "logprob_min",
    "logprob_last",
    "prob_mean",
    "prob_min",
    "prob_last",
    "exact_logprob_mean",
    "exact_logprob_min",
    "exact_logprob_last",
    "exact_prob_mean",
    "exact_prob_min",
    "exact_prob_last",
    "answer_tokens",
    "rauq",
)
"""What is known of an answer without a probe: log-probabilities in nats, probabilities, length.

Over all tokens of the answer, or of the exact answer (``exact_``): their mean, their least, and
the last token's. ``rauq`` is :func:`rauq`.
"""

LOGIT_ROWS = 512
"""Positions whose predictions are computed together."""

Values = npt.NDArray[Any]


class StoredAnswer(Protocol):
    """An answer by its ids and positions, such as :class:`layergram.answers.judge.Row`."""

    @property
    def key(self) -> str:
        """Unique among the answers."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Prompt and answer."""

    @property
    def prompt_tokens(self) -> int:
        """How many of ``ids`` are the prompt."""

    @property
    def roles(self) -> Mapping[str, int]:
        """Role -> position, −1 where the answer has no such token."""

    @property
    def exact_tokens(self) -> tuple[int, int] | None:
        """First and last position of the exact answer."""


class AnswerScores:
    """Collects the log-probabilities of one answer's tokens, and their attention to the last one.

    ``attention`` [layer, head, token of the answer] is the weight on the token right before.
    """

    def __init__(self, model: Model, answer: StoredAnswer) -> None:
        self.needs = ("output", "attention") if model.has_attention else ("output",)
        self.answer = answer
        self.log_p: list[Tensor] = []
        shape = (model.layers, max(model.parts.heads, default=0))
        tokens = len(answer.ids) - answer.prompt_tokens
        self.attention = np.full((*shape, tokens), np.nan, dtype=np.float32)

    def take(self, view: OutputView | AttentionView) -> None:
        """Keep what this chunk says of the tokens of the answer."""
        if isinstance(view, AttentionView):
            first = max(view.start, self.answer.prompt_tokens)
            weights = attention_previous(view)[:, first - view.start :].cpu().numpy()
            at = first - self.answer.prompt_tokens
            own = self.attention[view.layer - 1, : len(weights), at : at + weights.shape[1]]
            own[:] = weights
            return
        first = max(view.start, self.answer.prompt_tokens - 1)
        last = min(view.start + view.tokens, len(self.answer.ids) - 1)
        for a in range(first, last, LOGIT_ROWS):
            b = min(a + LOGIT_ROWS, last)
            log_p = view.predict(torch.arange(a, b))
            ids = torch.tensor(self.answer.ids[a + 1 : b + 1], device=log_p.device)
            self.log_p.append(log_p.gather(1, ids[:, None])[:, 0].cpu())

    def scores(self) -> npt.NDArray[np.float32]:
        """The scores, in the order of :data:`SCORES`."""
        whole = torch.cat(self.log_p)
        exact = torch.tensor([float("nan")])
        if self.answer.exact_tokens is not None:
            start = self.answer.prompt_tokens
            exact = whole[
                self.answer.exact_tokens[0] - start : self.answer.exact_tokens[1] + 1 - start
            ]
        found = [
            float(take(values))
            for part in (whole, exact)
            for values in (part, part.exp())
            for take in (torch.mean, torch.amin, _last)
        ]
        own = rauq(whole.exp().numpy(), self.attention)
        return np.array([*found, len(whole), own], dtype=np.float32)

    def mean_attention(self) -> npt.NDArray[np.float32]:
        """The mean over the answer's tokens [layer, head]."""
        return np.asarray(self.attention.mean(-1))


def rauq(probabilities: Values, attention: Values, *, weight: float = 0.2) -> float:
    """How unsure an answer is by its probabilities and its attention to the previous token, in nat.

    In each layer of the middle third, the head that attends most to the previous token over the
    answer carries confidence along: c₁ = p₁, cᵢ = weight · pᵢ + (1 − weight) · aᵢ · cᵢ₋₁. The
    uncertainty of a layer is the mean of −log cᵢ; the largest of all layers counts.

    Args:
        probabilities: of the answer's tokens [token].
        attention: of each token to the one before [layer, head, token]; NaN for heads that a layer
            has not.
        weight: of a token's own probability, between 0 and 1.

    Returns:
        The uncertainty, 0 or more; NaN for a model that shows no attention.

    Source:
        Vazhentsev et al. (2025), *Uncertainty-Aware Attention Heads*, arXiv 2505.20045.

    Example:
        >>> attention = np.array([[[0.5, 1.0], [0.1, 0.2]]])
        >>> round(rauq(np.array([1.0, 0.5]), attention), 3)  # −log(0.2 · 0.5 + 0.8 · 1 · 1) / 2
        0.053
    """
    count = attention.shape[0]
    middle = attention[count // 3 : math.ceil(2 * count / 3) + 1]
    worst = np.nan
    for of_heads in middle:
        own = of_heads[~np.isnan(of_heads).any(-1)]
        if not own.size:
            continue
        head = own[own[:, 1:].mean(-1).argmax() if own.shape[1] > 1 else 0]
        confidence = probabilities.astype(np.float64)
        for at in range(1, confidence.size):
            confidence[at] = weight * confidence[at] + (1 - weight) * head[at] * confidence[at - 1]
        worst = np.fmax(worst, -np.log(np.maximum(confidence, np.finfo(float).tiny)).mean())
    return float(worst)


def _last(values: Tensor) -> Tensor:
    return values[-1]
