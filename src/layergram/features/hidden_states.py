"""Hidden states at the tokens that play a role, and how likely the model found its answers.

Every answer goes through the model once, prompt and answer together, in batches padded on the
right: causal layers never see what comes after a token, so padding changes nothing but rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor, nn

from layergram.answers.ask import by_length
from layergram.answers.judge import Row
from layergram.answers.roles import ABSENT
from layergram.errors import LayergramError, unknown_name
from layergram.maps import ROLES
from layergram.models.hooks import capture_residual, first_tensor
from layergram.models.model import Model
from layergram.storage.journal import digest_of
from layergram.storage.store import Layout, fill

WHERE = {
    "residual": "the residual stream after a layer; layer 0 is the embedding",
    "mlp": "what the MLP of a layer adds to the residual stream",
    "attention": "what the attention of a layer adds to the residual stream",
}
"""Where in a layer hidden states are taken, in words."""

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

BATCH = 16
BATCH_TOKENS = 2048
LOGIT_ROWS = 512


@dataclass(frozen=True)
class Wanted:
    """Which hidden states to take.

    Attributes:
        where: ``residual``, ``mlp`` or ``attention`` (:data:`WHERE`).
        layers: numbers of the layers, or ``None`` for all of them.
        roles: the roles, out of :data:`layergram.maps.ROLES`.
        dtype: ``float32`` or ``float16``.
        name: of the store.
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
            if role not in ROLES:
                raise unknown_name("role", role, ROLES)


def hidden_states(
    model: Model,
    rows: Sequence[Row],
    folder: Path,
    *,
    wanted: Wanted | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """The hidden states of answers at the tokens that play a role, in a store on the disk.

    Args:
        model: the model; the one that gave the answers, or one to compare it with.
        rows: judged answers.
        folder: where the store is made, or found if it is there already.
        wanted: which hidden states.
        progress: called with how many answers are done, and how many there are.

    Returns:
        ``features`` [example, layer, role, feature], NaN where an answer lacks a role, and
        ``scores`` [example, score] with the names of :data:`SCORES`, NaN for scores of an exact
        answer where there is none; both memory-mapped. With another name in ``wanted`` they are
        ``NAME`` and ``NAME_scores``.

    Raises:
        LayergramError: if the model does not show such states, they are too large for float16,
            the disk is too small, or the folder holds the states of another run.
    """
    wanted = wanted or Wanted()
    first = 0 if wanted.where == "residual" else 1
    layers = range(first, model.layers + 1) if wanted.layers is None else wanted.layers
    name, of_scores = (
        wanted.name,
        "scores" if wanted.name == "features" else f"{wanted.name}_scores",
    )
    width = int(model.parts.readout.unembedding.weight.shape[1])
    axes = {"layer": layers, "role": wanted.roles, "feature": width}
    layout = Layout(
        name,
        {name: {"example": len(rows), **axes}, of_scores: {"example": len(rows), "score": SCORES}},
        {name: wanted.dtype, of_scores: "float32"},
        {
            **model.fingerprint(),
            "where": wanted.where,
            "rows": digest_of([[row.ids, row.roles] for row in rows]),
        },
    )
    places = torch.tensor([[row.roles[role] for role in wanted.roles] for row in rows])

    def work(batch: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
        heard = _heard(model, wanted.where)
        with torch.inference_mode(), heard as states, capture_residual(model.parts.layers) as h:
            forward(model, [rows[at].ids for at in batch])
            taken = [_at_roles(states[layer - first], places[list(batch)]) for layer in layers]
            told = [_scores(model, h[-1][i], rows[at]) for i, at in enumerate(batch)]
        values = torch.stack(taken, dim=1).numpy()
        if wanted.dtype == "float16":
            _check_size(values)
        return {name: values, of_scores: np.array(told, dtype=np.float32)}

    batches = forward_batches([len(row.ids) for row in rows])
    return fill(layout, folder, batches, work, progress=progress)


def forward_batches(lengths: Sequence[int]) -> list[list[int]]:
    """Sequences that :func:`forward` takes together, by their places; the longest first."""
    longest = max(lengths, default=1)
    return by_length(lengths, size=max(1, min(BATCH, BATCH_TOKENS // longest)))


def forward(model: Model, ids: Sequence[Sequence[int]]) -> None:
    """One forward pass of a batch, padded on the right, for those who listen."""
    longest = max(map(len, ids))
    given = torch.zeros(len(ids), longest, dtype=torch.long)
    for row, own in zip(given, ids, strict=True):
        row[: len(own)] = torch.tensor(own)
    options = {"logits_to_keep": 1} if model.keeps_logits else {}
    model.network(input_ids=given.to(model.device), use_cache=False, **options)


def _at_roles(states: Tensor, places: Tensor) -> Tensor:
    """States [n, tokens, d] at places [n, roles] -> [n, roles, d] in float32 on the CPU."""
    at = places.clamp(min=0).to(states.device)
    found = states[torch.arange(len(at), device=states.device)[:, None], at].float().cpu()
    return found.masked_fill((places == ABSENT)[..., None], float("nan"))


def _check_size(values: npt.NDArray[Any]) -> None:
    largest = float(np.nanmax(np.abs(values)))
    if not largest <= np.finfo(np.float16).max:
        raise LayergramError(
            "hidden states in float16",
            got=f"a value of {largest:.3g}",
            allowed=f"at most {np.finfo(np.float16).max:g}",
            do="store them in float32",
        )


def _heard(model: Model, where: str) -> AbstractContextManager[list[Tensor]]:
    """A list that holds, after a forward pass, the wanted states of every layer [n, tokens, d]."""
    if where == "residual":
        return capture_residual(model.parts.layers)
    if where == "attention":
        return _outputs(model, list(model.parts.attention), where)
    return _outputs(model, [_mlp(model, layer) for layer in range(model.layers)], where)


def _mlp(model: Model, layer: int) -> nn.Module | None:
    """The last part of a layer that has a weight matrix and is not its attention."""
    attention = model.parts.attention[layer]
    parts = [
        part
        for part in model.parts.layers[layer].children()
        if attention not in list(part.modules()) and any(p.ndim > 1 for p in part.parameters())
    ]
    return parts[-1] if parts else None


@contextmanager
def _outputs(model: Model, parts: Sequence[nn.Module | None], where: str) -> Iterator[list[Tensor]]:
    lacking = [str(layer) for layer, part in enumerate(parts, start=1) if part is None]
    if lacking:
        raise LayergramError(
            f"the {where} output of the model '{model.name}'",
            got=f"no such part in layer {', '.join(lacking[:5])}",
            allowed="a model with one in every layer",
            do="take the residual stream",
        )
    outputs: list[Tensor] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        outputs.clear()

    def after(module: nn.Module, args: Any, output: Any) -> None:
        outputs.append(first_tensor(output))

    with ExitStack() as stack:
        hook = model.parts.layers[0].register_forward_pre_hook(before, with_kwargs=True)
        stack.callback(hook.remove)
        for part in parts:
            if part is not None:
                stack.callback(part.register_forward_hook(after).remove)
        yield outputs
        outputs.clear()


def _scores(model: Model, h: Tensor, row: Row) -> list[float]:
    """The scores of one answer from the last layer's stream [tokens, d]."""
    start, end = row.prompt_tokens, len(row.ids)
    told: list[Tensor] = []
    for a in range(start, end, LOGIT_ROWS):
        b = min(a + LOGIT_ROWS, end)
        log_p = torch.log_softmax(model.parts.readout.logits(h[a - 1 : b - 1]), dim=-1)
        own = torch.tensor(row.ids[a:b], device=log_p.device)[:, None]
        told.append(log_p.gather(1, own)[:, 0].cpu())
    whole = torch.cat(told)
    exact = torch.tensor([float("nan")])
    if row.exact_tokens is not None:
        exact = whole[row.exact_tokens[0] - start : row.exact_tokens[1] + 1 - start]
    found = [
        float(take(values))
        for part in (whole, exact)
        for values in (part, part.exp())
        for take in (torch.mean, torch.amin, _last)
    ]
    return [*found, float(len(whole))]


def _last(values: Tensor) -> Tensor:
    return values[-1]
