"""What layergram takes for granted about a model, tried out on the model itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from layergram.errors import LayergramError
from layergram.models.edits import HeadEdit, editable_heads, heads_edited
from layergram.models.hooks import Attention, hear_attention, hear_residual
from layergram.models.locate import Anatomy


@dataclass(frozen=True)
class Proof:
    """One statement about a model, with the number that was measured for it.

    Attributes:
        name: short name.
        statement: what is claimed, as a sentence.
        status: ``proved``, ``failed``, or ``absent`` where the model has no such part.
        measured: the largest deviation that was found; NaN where nothing was measured.
        limit: the largest deviation that counts as proved.
        note: module and remedy of a failure, or what else there is to know.
    """

    name: str
    statement: str
    status: str
    measured: float = float("nan")
    limit: float = float("nan")
    note: str = ""


def prove(network: Any, anatomy: Anatomy, ids: Tensor) -> tuple[Proof, ...]:
    """Try everything on the tokens ``ids`` [1, n], n of at least 8."""
    network_dtype = anatomy.readout.unembedding.weight.dtype
    slack = max(1e-4, 8 * torch.finfo(network_dtype).eps)
    with torch.no_grad():
        with hear_residual(anatomy.layers) as streams:
            logits = network(input_ids=ids, use_cache=False).logits[0].float()
            lens = anatomy.readout.logits(streams[-1][0])
        limit = slack * max(1.0, float(logits.abs().max()))
        return (
            _lens(lens, logits, limit, anatomy),
            *_attention(network, anatomy, ids, logits, limit),
            _zeroing(network, anatomy, ids),
            _chunks(network, ids, logits, limit),
        )


def _bounded(name: str, statement: str, measured: float, limit: float, note: str) -> Proof:
    holds = measured <= limit
    return Proof(
        name, statement, "proved" if holds else "failed", measured, limit, "" if holds else note
    )


def _lens(lens: Tensor, logits: Tensor, limit: float, anatomy: Anatomy) -> Proof:
    path = ", ".join(anatomy.names.get(m, repr(m)) for m in anatomy.readout.path) or "no norm"
    return _bounded(
        "lens",
        "the lens at the last layer equals the model's own logits",
        float((lens[:, : logits.shape[-1]] - logits).abs().max()),
        limit,
        f"the readout was taken to be {path}, then {anatomy.names[anatomy.readout.unembedding]}",
    )


def _attention(
    network: Any, anatomy: Anatomy, ids: Tensor, logits: Tensor, limit: float
) -> Iterator[Proof]:
    statements = {
        "tap": "the forward pass with its attention tapped gives the same logits",
        "rows": "the attention weights of a query sum to 1, or less where a layer has sinks",
        "future": "no query attends to a later token",
    }
    if not any(anatomy.heads):
        why = "no layer shows attention weights: measures of attention cannot be made"
        yield from (Proof(name, text, "absent", note=why) for name, text in statements.items())
        return
    seen: dict[nn.Module, Tensor] = {}

    def listener_of(module: nn.Module) -> Callable[[Attention], None]:
        return lambda attention: seen.__setitem__(module, attention.weights.float())

    listeners = {m: listener_of(m) for m in anatomy.attention if m is not None}
    with hear_attention(network, listeners, way=anatomy.way) as extra:
        tapped = network(input_ids=ids, use_cache=False, **extra).logits[0].float()
    yield _bounded(
        "tap", statements["tap"], float((tapped - logits).abs().max()), limit, "attention function"
    )
    sums = {module: weights.sum(-1) for module, weights in seen.items()}
    over = {module: float((total - 1).max()) for module, total in sums.items()}
    worst = max(over, key=lambda module: over[module])
    least = min(float(total.min()) for total in sums.values())
    slack = max(1e-4, 4 * torch.finfo(logits_dtype(network)).eps)
    rows = _bounded("rows", statements["rows"], over[worst], slack, anatomy.names[worst])
    sinks = f"layers with sinks: rows sum to {least:.3f} at least" if least < 1 - 10 * slack else ""
    yield Proof(rows.name, rows.statement, rows.status, rows.measured, slack, rows.note or sinks)
    later = {module: float(weights.triu(1).abs().max()) for module, weights in seen.items()}
    worst = max(later, key=lambda module: later[module])
    yield _bounded("future", statements["future"], later[worst], 0.0, anatomy.names[worst])


def logits_dtype(network: Any) -> torch.dtype:
    """The floating-point type of the unembedding, in which the logits come."""
    return network.get_output_embeddings().weight.dtype  # type: ignore[no-any-return]


def _zeroing(network: Any, anatomy: Anatomy, ids: Tensor) -> Proof:
    statement = "zeroing a head at the output projection moves the logits"
    layers = [layer for layer, head in editable_heads(anatomy) if head == 0]
    if not layers:
        return Proof("heads", statement, "absent", note="no output projection of separate heads")
    whole = network(input_ids=ids, use_cache=False).logits
    moved = {}
    for layer in (layers[0], layers[-1]):
        with heads_edited(anatomy, HeadEdit(heads=((layer, 0),))):
            edited = network(input_ids=ids, use_cache=False).logits
        moved[layer] = float((edited - whole).abs().max())
    least = min(moved, key=lambda layer: moved[layer])
    return Proof(
        "heads",
        statement,
        "proved" if moved[least] > 0 else "failed",
        moved[least],
        note=f"head 0 of layer {least}",
    )


def _chunks(network: Any, ids: Tensor, logits: Tensor, limit: float) -> Proof:
    statement = "reading in chunks against the cache gives the same logits as reading at once"
    half = ids.shape[1] // 2
    try:
        first = network(input_ids=ids[:, :half], use_cache=True)
        second = network(
            input_ids=ids[:, half:], past_key_values=first.past_key_values, use_cache=True
        )
        both = torch.cat([first.logits[0], second.logits[0]]).float()
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        return Proof("chunks", statement, "absent", note=f"read at once instead: {error}"[:200])
    off = float((both - logits).abs().max())
    if off > limit:
        note = f"read at once instead: the logits differ by {off:.2g}"
        return Proof("chunks", statement, "absent", off, limit, note)
    return Proof("chunks", statement, "proved", off, limit)


def require(proofs: tuple[Proof, ...], name: str) -> None:
    """Raise the error of the first proof that failed."""
    for proof in proofs:
        if proof.status == "failed":
            raise LayergramError(
                f"proof that in the model '{name}' {proof.statement}",
                got=f"a deviation of {proof.measured:.3g} ({proof.note})",
                allowed=f"at most {proof.limit:.3g}",
                do="maps of this model would be wrong; report the architecture by its name",
            )
