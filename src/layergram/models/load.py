"""Load a model, and try out on it what maps of it take for granted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from math import isnan
from typing import Any

import torch
from torch import Tensor, nn

from layergram.errors import LayergramError
from layergram.models.attention_blocks import Attention
from layergram.models.attention_ways import prove_ways
from layergram.models.edits import HeadEdit, editable_heads, heads_edited
from layergram.models.hooks import capture_attention, capture_residual
from layergram.models.known import keep, recall
from layergram.models.locate import locate_parts, sample_ids
from layergram.models.locate_attention import NO_CACHE
from layergram.models.model import Model
from layergram.models.parts import Parts, Proof
from layergram.models.sources.open import Source, open_source
from layergram.progress import Progress, no_progress

SHORT = 5
"""Tokens of the shorter of the two sequences that padding is tried on."""


def load(
    model: Any = "smollm2",
    *,
    tokenizer: Any = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    progress: Progress = no_progress,
) -> Model:
    """A causal language model, found by its name and proved to be understood.

    Args:
        model: ``"smollm2"`` (the embedded default), a hub id, a folder, a ``.gguf`` file, or a
            transformers model.
        tokenizer: of a transformers model that does not say where its own is.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:0"``, ``"mps"``.
        dtype: ``"auto"``, ``"float32"``, ``"bfloat16"``, ``"float16"``.
        revision: of a hub model.
        progress: called with ``"loading"``, and with ``"proving"`` where nothing is remembered.

    Raises:
        LayergramError: if there is no such model, it is no causal language model, or one of the
            proofs fails (:mod:`layergram.models.load`).
    """
    progress("loading", 0, 1)
    source = open_source(model, tokenizer=tokenizer, device=device, dtype=dtype, revision=revision)
    known = recall(source)
    if known is None:
        progress("proving", 0, 1)
    loaded = _examined(source) if known is None else _model(source, *known)
    require(loaded.proofs, loaded.name)
    if not source.from_files or tokenizer is not None:
        return loaded
    kind = loaded.device.type  # another process has its own numbers of GPUs
    return replace(loaded, remake=partial(load, model, device=kind, dtype=dtype, revision=revision))


def examine(
    model: Any = "smollm2",
    *,
    tokenizer: Any = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Model:
    """The same as :func:`load`, but everything is tried out anew, and failed proofs are returned.

    :func:`load` takes what was proved before for the same weights, types and library versions.
    """
    return _examined(
        open_source(model, tokenizer=tokenizer, device=device, dtype=dtype, revision=revision)
    )


def _examined(source: Source) -> Model:
    ids = sample_ids(source.model)
    parts = locate_parts(source.model, ids, name=source.name)
    proofs = check_model(source.model, parts, ids)
    keep(source, parts, proofs)
    return _model(source, parts, proofs)


def _model(source: Source, parts: Parts, proofs: tuple[Proof, ...]) -> Model:
    return Model(
        source.model, source.tokenizer, source.name, source.revision, parts, proofs, source.place
    )


@dataclass(frozen=True)
class _Read:
    """What one forward pass shows.

    Attributes:
        start: position of its first token.
        logits: [n, tokens, V].
        streams: [L + 1, n, tokens, d].
        weights: for each layer with attention [n, heads, queries, keys].
        cache: the cache after it, or ``None``.
    """

    start: int
    logits: Tensor
    streams: Tensor
    weights: dict[nn.Module, Tensor]
    cache: Any


def _read(
    network: Any,
    parts: Parts,
    ids: Tensor,
    *,
    start: int = 0,
    use_cache: bool = False,
    **options: Any,
) -> _Read:
    """One captured forward pass over tokens [n, tokens]."""
    weights: dict[nn.Module, Tensor] = {}

    def hook_of(module: nn.Module) -> Callable[[Attention], None]:
        return lambda attention: weights.__setitem__(module, attention.weights.float())

    hooks = {module: hook_of(module) for module in parts.attention if module is not None}
    with (
        capture_residual(parts.layers) as streams,
        capture_attention(network, hooks, way=parts.way) as extra,
    ):
        out = network(input_ids=ids, use_cache=use_cache, **options, **extra)
        device = out.logits.device
        kept = torch.stack([h.to(device).float() for h in streams])
    cache = out.past_key_values if use_cache else None
    return _Read(start, out.logits.float(), kept, weights, cache)


def check_model(network: Any, parts: Parts, ids: Tensor) -> tuple[Proof, ...]:
    """Try everything on the tokens ``ids`` [1, n], n of at least 8."""
    slack = max(1e-4, 8 * torch.finfo(parts.readout.dtype).eps)
    with torch.no_grad():
        with capture_residual(parts.layers) as captured_streams:
            logits = network(input_ids=ids, use_cache=False).logits.float()
            streams = list(captured_streams)
        lens = parts.readout.logits(streams[-1][0])
        limit = slack * max(1.0, float(logits.abs().max()))
        captured = _read(network, parts, ids)
        pair = ids.repeat(2, 1)
        pair[1] = 0
        pair[1, :SHORT] = ids[0, -SHORT:]
        chunks, passes = _chunks(network, parts, pair, captured, limit)
        return (
            _lens(lens, logits[0], limit, parts),
            *_attention(network, parts, ids, captured, streams, logits, limit),
            *prove_ways(network, parts, ids),
            _zeroing(network, parts, ids, logits),
            chunks,
            *_padding(network, parts, pair, captured, passes, slack),
        )


def _bounded(name: str, statement: str, measured: float, limit: float, note: str) -> Proof:
    holds = measured <= limit
    return Proof(
        name, statement, "proved" if holds else "failed", measured, limit, "" if holds else note
    )


def _lens(lens: Tensor, logits: Tensor, limit: float, parts: Parts) -> Proof:
    path = ", ".join(parts.names.get(m, repr(m)) for m in parts.readout.path) or "no norm"
    return _bounded(
        "lens",
        "the lens at the last layer equals the model's own logits",
        float((lens[:, : logits.shape[-1]] - logits).abs().max()),
        limit,
        f"the readout was taken to be {path}, then {parts.names[parts.readout.unembedding]}",
    )


def _attention(
    network: Any,
    parts: Parts,
    ids: Tensor,
    captured: _Read,
    streams: Sequence[Tensor],
    logits: Tensor,
    limit: float,
) -> Iterator[Proof]:
    statements = {
        "tap": "the forward pass with its attention captured gives the same logits",
        "rows": "the attention weights of a query sum to 1, or less where a layer has sinks",
        "future": "no query attends to a later token",
    }
    if not any(parts.heads):
        why = "no layer shows attention weights: measures of attention cannot be made"
        yield from (Proof(name, text, "absent", note=why) for name, text in statements.items())
        return
    off = float((captured.logits - logits).abs().max())
    tap = _bounded("tap", statements["tap"], off, limit, "attention function")
    if tap.status == "failed" and parts.readout.dtype in (torch.bfloat16, torch.float16):
        tap = _layer_by_layer(network, parts, ids, streams, tap)
    yield tap
    sums = {module: weights.sum(-1) for module, weights in captured.weights.items()}
    over = {module: float((total - 1).max()) for module, total in sums.items()}
    worst = max(over, key=lambda module: over[module])
    least = min(float(total.min()) for total in sums.values())
    slack = max(1e-4, 4 * torch.finfo(parts.readout.dtype).eps)
    rows = _bounded("rows", statements["rows"], over[worst], slack, parts.names[worst])
    sinks = f"layers with sinks: rows sum to {least:.3f} at least" if least < 1 - 10 * slack else ""
    yield Proof(rows.name, rows.statement, rows.status, rows.measured, slack, rows.note or sinks)
    later = {m: float(weights.triu(1).abs().max()) for m, weights in captured.weights.items()}
    worst = max(later, key=lambda module: later[module])
    yield _bounded("future", statements["future"], later[worst], 0.0, parts.names[worst])


def _layer_by_layer(
    network: Any, parts: Parts, ids: Tensor, streams: Sequence[Tensor], tap: Proof
) -> Proof:
    """The same proof for every layer by itself, each reading what it reads without capture.

    In half precision the rounding of two attention functions can send a token to other experts, and
    from there the logits part. Of most tokens a layer by itself hands on the same to its rounding.
    """

    def read_instead(stream: Tensor) -> Callable[..., Any]:
        def hook(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
            if args:
                return (stream, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": stream}

        return hook

    with ExitStack() as stack:
        for layer, stream in zip(parts.layers, streams, strict=False):
            handle = layer.register_forward_pre_hook(read_instead(stream), with_kwargs=True)
            stack.callback(handle.remove)
        made = _read(network, parts, ids).streams[1:]
    expected = torch.stack([stream.to(made.device).float() for stream in streams[1:]])
    sizes = expected.abs().amax(dim=(1, 2, 3)).clamp(min=1.0)
    off = (made - expected).abs().amax(-1)[:, 0].median(-1).values / sizes
    limit = 8 * torch.finfo(parts.readout.dtype).eps
    kind = str(parts.readout.dtype).removeprefix("torch.")
    if not float(off.max()) <= limit:
        return tap
    note = f"layer by layer; over all layers the logits differ by the rounding of {kind}"
    return Proof(tap.name, tap.statement, "proved", float(off.max()), limit, note)


def _zeroing(network: Any, parts: Parts, ids: Tensor, logits: Tensor) -> Proof:
    statement = "zeroing a head at the output projection moves the logits"
    layers = [layer for layer, head in editable_heads(parts) if head == 0]
    if not layers:
        return Proof("heads", statement, "absent", note="no output projection of separate heads")
    moved = {}
    for layer in (layers[0], layers[-1]):
        with heads_edited(parts, HeadEdit(heads=((layer, 0),))):
            edited = network(input_ids=ids, use_cache=False).logits
        moved[layer] = float((edited - logits).abs().max())
    least = min(moved, key=lambda layer: moved[layer])
    return Proof(
        "heads",
        statement,
        "proved" if moved[least] > 0 else "failed",
        moved[least],
        note=f"head 0 of layer {least}",
    )


def _chunks(
    network: Any, parts: Parts, pair: Tensor, alone: _Read, limit: float
) -> tuple[Proof, list[_Read]]:
    """Whether the first sequence of a pair can be read in chunks, and the passes that show it.

    Beside the second if possible, else by itself; no passes where it cannot.
    """
    statement = "reading in chunks against the cache gives the same logits as reading at once"
    proof = Proof("chunks", statement, "absent")
    half, later = pair.shape[1] // 2, pair.shape[1] * 3 // 4
    for rows in (pair, pair[:1]):
        try:
            first = _read(network, parts, rows[:, :half], use_cache=True)
            passes = [first, _go_on(network, parts, rows[:, half:later], first)]
        except NO_CACHE as error:
            proof = replace(proof, note=f"read at once instead: {error}"[:200])
            continue
        both = torch.cat([made.logits[0] for made in passes])
        off = float((both - alone.logits[0, :later]).abs().max())
        proof = _if_near("chunks", statement, off, limit, "read at once instead: the logits differ")
        if proof.status == "proved":
            return proof, passes
    return proof, []


def _padding(
    network: Any,
    parts: Parts,
    pair: Tensor,
    alone: _Read,
    passes: Sequence[_Read],
    slack: float,
) -> Iterator[Proof]:
    """Two sequences side by side, the shorter one padded on the right, without a mask.

    Read at once; and in chunks against the cache, of which the second has only padding in the
    shorter one's row, and a third that row no longer.
    """
    padding = "sequences of unequal length read together give what each gives by itself"
    dropping = "a finished sequence can be dropped from the cache of a batch"
    instead = "sequences are read one by one instead"
    kept = "it is kept to the end instead"
    if passes and len(passes[0].logits) < len(pair):
        yield Proof("padding", padding, "absent", note=f"{instead}: the cache holds one alone")
        yield Proof("dropping", dropping, "absent", note=kept)
        return
    try:
        short = _read(network, parts, pair[1:, :SHORT])
        made = [_read(network, parts, pair), *passes]
        off = _largest(
            *(_deviation(one, alone, row=0, until=pair.shape[1]) for one in made),
            *(_deviation(one, short, row=1, until=SHORT) for one in made),
        )
    except NO_CACHE as error:
        yield Proof("padding", padding, "absent", note=f"{instead}: {error}"[:200])
        yield Proof("dropping", dropping, "absent", note=kept)
        return
    yield _if_near("padding", padding, off, slack, f"{instead}: they differ")
    if not passes:
        yield Proof("dropping", dropping, "absent", note="there is no cache")
        return
    last = passes[-1]
    try:
        last.cache.batch_select_indices(torch.tensor([0], device=pair.device))
        rest = _go_on(network, parts, pair[:1, last.start + last.logits.shape[1] :], last)
        off = _deviation(rest, alone, row=0, until=pair.shape[1])
    except NO_CACHE as error:
        yield Proof("dropping", dropping, "absent", note=f"{kept}: {error}"[:200])
        return
    yield _if_near("dropping", dropping, off, slack, f"{kept}: numbers differ")


def _go_on(network: Any, parts: Parts, ids: Tensor, before: _Read) -> _Read:
    start = before.start + before.logits.shape[1]
    return _read(network, parts, ids, start=start, use_cache=True, past_key_values=before.cache)


def _deviation(made: _Read, alone: _Read, *, row: int, until: int) -> float:
    """Largest difference of a row's positions before ``until`` from the sequence by itself.

    Of logits, residual streams and attention weights, each divided by the largest number of its
    tensor, if that is above 1.
    """
    tokens = min(made.logits.shape[1], until - made.start)
    if tokens <= 0:
        return 0.0
    own = slice(made.start, made.start + tokens)
    compared = [
        (made.logits[row, :tokens], alone.logits[0, own]),
        *zip(made.streams[:, row, :tokens], alone.streams[:, 0, own], strict=True),
    ]
    for module, weights in made.weights.items():
        # keys behind the last token are padding; a sliding cache has let go of the first keys
        queries, keys = weights.shape[-2:]
        first_key = made.start + queries - keys
        seen = weights[row, :, :tokens, : own.stop - first_key]
        compared.append((seen, alone.weights[module][0, :, own, first_key : own.stop]))
    return _largest(
        *(float((a - b).abs().max()) / max(1.0, float(b.abs().max())) for a, b in compared)
    )


def _largest(*numbers: float) -> float:
    """The largest number; NaN if any is NaN."""
    return float(torch.tensor(numbers).max())


def _if_near(name: str, statement: str, off: float, limit: float, instead: str) -> Proof:
    """Proved if the deviation is small; absent, with what is done instead, if it is not."""
    if off <= limit:
        return Proof(name, statement, "proved", off, limit)
    return Proof(name, statement, "absent", off, limit, f"{instead} by {off:.2g}")


def require(proofs: tuple[Proof, ...], name: str) -> None:
    """Raise the error of the first proof that failed."""
    for proof in proofs:
        if proof.status == "failed":
            raise LayergramError(
                f"proof that in the model '{name}' {proof.statement}",
                got=f"a deviation of {proof.measured:.3g} ({proof.note})",
                allowed="" if isnan(proof.limit) else f"at most {proof.limit:.3g}",
                do="maps of this model would be wrong; report the architecture by its name",
            )
