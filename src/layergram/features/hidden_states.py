"""Hidden states at the tokens that play a role, and how sure the model was of its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from layergram.engine.run import read
from layergram.engine.views import Collector, PartView, ResidualView
from layergram.errors import LayergramError, unknown_name
from layergram.features.answer_scores import SCORES, AnswerScores, StoredAnswer
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

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class FeatureSpec:
    """Which hidden states to take.

    Attributes:
        where: ``residual``, ``mlp`` or ``attention`` (:data:`WHERE`).
        layers: numbers of the layers, or ``None`` for all of them.
        roles: the roles, out of :data:`layergram.maps.ROLES` or :data:`layergram.maps.TEXT_ROLES`.
        dtype: ``float32`` or ``float16``.
        name: of the stored array.
        scores: ``also`` keeps what is known of each answer without a probe, ``none`` does not.
        folder: in which folder of a run they are kept; answers that are judged in another way have
            their roles at other tokens.
    """

    where: str = "residual"
    layers: tuple[int, ...] | None = None
    roles: tuple[str, ...] = ROLES
    dtype: str = "float32"
    name: str = "features"
    scores: Literal["also", "none"] = "also"
    folder: str = ""

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
        ``features`` (or the name in ``spec``) [example, layer, role, feature], NaN where an answer
        lacks a role. With scores also ``scores`` [example, score] with the names of
        :data:`SCORES`, NaN for those of an exact answer where there is none; and, where the model
        shows attention, ``attention_previous`` [example, attention_layer, head], how much the
        answer's tokens attend to the token right before them, on average; NaN where a layer has no
        such head.

    Raises:
        LayergramError: if the model does not show such states, they are too large for float16,
            the disk is too small, or the folder holds the states of another run.
    """
    spec = spec or FeatureSpec()
    layers = spec.layers or tuple(range(spec.first_layer, model.layers + 1))
    width = model.parts.width
    axes: dict[str, Any] = {"layer": list(layers), "role": list(spec.roles), "feature": width}
    arrays = {spec.name: ArraySpec(axes, spec.dtype, {"layer": 1})}
    if spec.scores == "also":
        arrays |= _score_arrays(model)
    by_key = {answer.key: answer for answer in answers}
    stage = Stage(
        f"{spec.folder}/{spec.name}" if spec.folder else spec.name,
        tuple(answer.key for answer in answers),
        {
            **model.fingerprint(),
            "where": spec.where,
            "answers": digest_of(
                [[a.ids, dict(a.roles), a.prompt_tokens, a.exact_tokens] for a in answers]
            ),
        },
        arrays,
    )

    def work(keys: Sequence[str]) -> dict[str, Values]:
        batch = [by_key[key] for key in keys]
        states = [RoleStates(spec, layers, answer, width) for answer in batch]
        own = [AnswerScores(model, answer) for answer in batch] if "scores" in arrays else []
        collectors: Sequence[tuple[Collector, ...]] = list(
            zip(states, own, strict=True) if own else zip(states, strict=True)
        )
        for _ in read(model, [answer.ids for answer in batch], collectors):
            pass
        values = np.stack([one.values for one in states])
        if spec.dtype == "float16":
            _check_size(values)
        made = {spec.name: values}
        if "scores" in arrays:
            made["scores"] = np.stack([one.scores() for one in own])
        if "attention_previous" in arrays:
            made["attention_previous"] = np.stack([one.mean_attention() for one in own])
        return made

    found: xr.Dataset = run_stage(stage, work, folder, progress=progress)
    return found


def _score_arrays(model: Model) -> dict[str, ArraySpec]:
    """What can be known of this model's answers without a probe, with its axes."""
    found = {"scores": ArraySpec({"score": list(SCORES)})}
    if model.has_attention:
        heads, layers = list(range(max(model.parts.heads))), list(range(1, model.layers + 1))
        axes = {"attention_layer": layers, "head": heads}
        found["attention_previous"] = ArraySpec(axes)
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


def _check_size(values: Values) -> None:
    largest = float(np.nanmax(np.abs(values)))
    if not largest <= np.finfo(np.float16).max:
        raise LayergramError(
            "hidden states in float16",
            got=f"a value of {largest:.3g}",
            allowed=f"at most {np.finfo(np.float16).max:g}",
            do="store them in float32",
        )
