"""Hidden states at the tokens that play a role, and how likely the model found its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from layergram.engine.run import read
from layergram.engine.views import Collector, OutputView, PartView, ResidualView
from layergram.errors import LayergramError, unknown_name
from layergram.maps import ROLES, TEXT_ROLES
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import ArraySpec, Stage, run_stage

WHERE = {
    "residual": "the residual stream after a layer; layer 0 is the embedding",
    "mlp": "what the MLP of a layer adds to the residual stream",
    "attention": "what the attention of a layer adds to the residual stream",
}
"""Where in a layer hidden states are taken, in words."""

VIEWS = {"residual": "residual", "mlp": "mlp", "attention": "attention_output"}

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
)
"""What is known of an answer without a probe: log-probabilities in nats, probabilities, length.

Over all tokens of the answer, or of the exact answer (``exact_``): their mean, their least, and
the last token's.
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


@dataclass(frozen=True)
class FeatureSpec:
    """Which hidden states to take.

    Attributes:
        where: ``residual``, ``mlp`` or ``attention`` (:data:`WHERE`).
        layers: numbers of the layers, or ``None`` for all of them.
        roles: the roles, out of :data:`layergram.maps.ROLES` or :data:`layergram.maps.TEXT_ROLES`.
        dtype: ``float32`` or ``float16``.
        name: of the stored array.
    """

    where: str = "residual"
    layers: tuple[int, ...] | None = None
    roles: tuple[str, ...] = ROLES
    dtype: str = "float32"
    name: str = "features"

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        if self.where not in WHERE:
            raise unknown_name("place of hidden states", self.where, WHERE)
        for role in self.roles:
            if role not in (*ROLES, *TEXT_ROLES):
                raise unknown_name("role", role, (*ROLES, *TEXT_ROLES))

    @property
    def first_layer(self) -> int:
        """0 for the residual stream, whose layer 0 is the embedding, else 1."""
        return 0 if self.where == "residual" else 1


def hidden_states(
    model: Model,
    answers: Sequence[StoredAnswer],
    folder: RunFolder | None = None,
    *,
    spec: FeatureSpec | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """The hidden states of answers at the tokens that play a role.

    Args:
        model: the model; the one that gave the answers, or one to compare it with.
        answers: the answers, by ids and positions.
        folder: where the states are kept as they are made, or found if they are there already.
        spec: which hidden states.
        progress: called with how many answers are done, and how many there are.

    Returns:
        ``features`` [example, layer, role, feature], NaN where an answer lacks a role, and
        ``scores`` [example, score] with the names of :data:`SCORES`, NaN for scores of an exact
        answer where there is none. With another name in ``spec`` they are ``NAME`` and
        ``NAME_scores``.

    Raises:
        LayergramError: if the model does not show such states, they are too large for float16,
            the disk is too small, or the folder holds the states of another run.
    """
    spec = spec or FeatureSpec()
    layers = spec.layers or tuple(range(spec.first_layer, model.layers + 1))
    width = int(model.parts.readout.unembedding.weight.shape[1])
    scores = "scores" if spec.name == "features" else f"{spec.name}_scores"
    axes: dict[str, Any] = {"layer": list(layers), "role": list(spec.roles), "feature": width}
    by_key = {answer.key: answer for answer in answers}
    stage = Stage(
        spec.name,
        tuple(answer.key for answer in answers),
        {
            **model.fingerprint(),
            "where": spec.where,
            "answers": digest_of(
                [[a.ids, dict(a.roles), a.prompt_tokens, a.exact_tokens] for a in answers]
            ),
        },
        {
            spec.name: ArraySpec(axes, spec.dtype, {"layer": 1}),
            scores: ArraySpec({"score": list(SCORES)}),
        },
    )

    def work(keys: Sequence[str]) -> dict[str, Values]:
        batch = [by_key[key] for key in keys]
        states = [RoleStates(spec, layers, answer, width) for answer in batch]
        likelihoods = [AnswerScores(answer) for answer in batch]
        collectors: Sequence[tuple[Collector, ...]] = list(zip(states, likelihoods, strict=True))
        for _ in read(model, [answer.ids for answer in batch], collectors):
            pass
        values = np.stack([one.values for one in states])
        if spec.dtype == "float16":
            _check_size(values)
        return {spec.name: values, scores: np.stack([one.scores() for one in likelihoods])}

    found: xr.Dataset = run_stage(stage, work, folder, progress=progress)
    return found


class RoleStates:
    """Collects the states of one answer at its roles: ``values`` [layer, role, feature]."""

    def __init__(
        self, spec: FeatureSpec, layers: Sequence[int], answer: StoredAnswer, width: int
    ) -> None:
        self.needs = (VIEWS[spec.where],)
        self.layers = [layer - spec.first_layer for layer in layers]
        self.positions = np.array([answer.roles[role] for role in spec.roles])
        self.values = np.full((len(layers), len(spec.roles), width), np.nan, dtype=np.float32)

    def take(self, view: ResidualView | PartView) -> None:
        """Keep the states of the roles in this chunk."""
        places = self.positions - view.start
        here = (self.positions >= 0) & (places >= 0) & (places < len(view.layers[0]))
        if here.any():
            at = torch.from_numpy(places[here])
            states = [view.layers[layer][at.to(view.layers[layer].device)] for layer in self.layers]
            device = states[-1].device
            self.values[:, here] = torch.stack([h.to(device) for h in states]).float().cpu().numpy()


class AnswerScores:
    """Collects the log-probabilities of one answer's tokens."""

    needs = ("output",)

    def __init__(self, answer: StoredAnswer) -> None:
        self.answer = answer
        self.log_p: list[Tensor] = []

    def take(self, view: OutputView) -> None:
        """Keep the log-probabilities of the tokens that this chunk predicts."""
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
        return np.array([*found, len(whole)], dtype=np.float32)


def _last(values: Tensor) -> Tensor:
    return values[-1]


def _check_size(values: Values) -> None:
    largest = float(np.nanmax(np.abs(values)))
    if not largest <= np.finfo(np.float16).max:
        raise LayergramError(
            "hidden states in float16",
            got=f"a value of {largest:.3g}",
            allowed=f"at most {np.finfo(np.float16).max:g}",
            do="store them in float32",
        )
