"""Layer × head maps without labels: what heads look at and what they add, averaged over texts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from layergram import maps
from layergram.datasets.paragraphs import PARAGRAPHS
from layergram.engine.run import read
from layergram.errors import LayergramError, unknown_name
from layergram.measures import MEASURES, Measure, chosen
from layergram.models.edits import record_of_edits
from layergram.models.model import Model
from layergram.statistics.intervals import mean_interval
from layergram.storage.journal import digest_of
from layergram.tokens import encode
from layergram.tracing import check_length, check_text, refusal_of

UNLABELLED = (
    "attention_previous",
    "attention_first",
    "attention_induction",
    "attention_entropy",
    "attention_distance",
    "attention_lookback",
    "head_logit_attribution",
)
"""The measures that head maps are made of if none are named."""

INDUCTION = {
    "random": "random tokens that are repeated once",
    "texts": "the texts",
}
"""What the induction score is measured on, in words."""

SEQUENCES, HALF = 8, 48
BLOCKS = 10


@dataclass(frozen=True)
class _Piece:
    """Tokens to read as one sequence; ``unit`` and ``per_block`` say what varies by itself."""

    ids: tuple[int, ...]
    unit: int
    per_block: int


def head_maps(
    model: Model,
    texts: str | Iterable[str] = PARAGRAPHS,
    *,
    measures: Sequence[str] | None = None,
    induction: str = "random",
    seed: int = 0,
    chunk: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, xr.DataArray]:
    """What every head does on average over the tokens of some texts, one map per measure.

    Args:
        model: the model.
        texts: the texts; eight short paragraphs of several kinds if none are given.
        measures: measures of heads with a value for each token; by default :data:`UNLABELLED`,
            without those that this model cannot have.
        induction: ``"random"`` measures the induction score on random tokens that are repeated
            once, as the field does; ``"texts"`` on the texts.
        seed: of the random tokens.
        chunk: tokens per chunk while reading.
        progress: called with how many sequences are read, and how many there are.

    Returns:
        Maps [layer, head] by the name of the measure, each with ``low`` and ``high``, the ends of
        a 95 % interval over texts (over blocks of tokens where there is one text), and with
        ``kv_group`` on its heads where several share keys and values. The lookback ratio takes the
        first half of a text as its context. NaN where a layer has no such head.

    Raises:
        LayergramError: for an unknown measure, one without a value for each head and token, one
            that the model cannot have, a text that is empty or too long, or texts without any
            token that the measure has a value for.
    """
    given = [texts] if isinstance(texts, str) else list(texts)
    if not given:
        raise LayergramError("head maps", got="no text", do="give one, or leave it to the default")
    if induction not in INDUCTION:
        raise unknown_name("ground for induction", induction, INDUCTION)
    records = _records(model, measures)
    pieces = _pieces(model, given)
    apart = [r for r in records if r.requires == "repeats" and induction == "random"]
    drawn = _repeated(model, seed) if apart else []
    jobs = [(piece, [r for r in records if r not in apart]) for piece in pieces]
    jobs = [job for job in (*jobs, *((piece, apart) for piece in drawn)) if job[1]]
    found: dict[str, list[_Sums]] = {record.name: [] for record in records}
    for done, (piece, asked) in enumerate(jobs, start=1):
        reducers = [_Sums(record, piece, model) for record in asked]
        for _ in read(model, piece.ids, reducers, chunk=chunk):
            pass
        for reducer in reducers:
            found[reducer.record.name].append(reducer)
        if progress is not None:
            progress(done, len(jobs))
    return {
        record.name: _map(
            model,
            record,
            found[record.name],
            _ground(given, pieces) if record not in apart else _random_ground(drawn, seed),
        )
        for record in records
    }


def left_out(model: Model) -> dict[str, str]:
    """The measures of :data:`UNLABELLED` that the model cannot have, and why."""
    errors = {name: refusal_of(model, MEASURES[name]) for name in UNLABELLED}
    return {name: error.got for name, error in errors.items() if error is not None}


def _records(model: Model, measures: Sequence[str] | None) -> list[Measure]:
    if measures is None:
        impossible = left_out(model)
        possible = [r for r in chosen(list(UNLABELLED), {}) if r.name not in impossible]
        if not possible:
            raise refusal_of(model, MEASURES[UNLABELLED[0]]) or AssertionError
        return possible
    records = chosen(list(measures), {})
    for record in records:
        if not record.per_head or record.gather != "queries":
            raise LayergramError(
                f"a head map of {record.name}",
                got="a measure without a value for each head and token",
                allowed=", ".join(
                    r.name for r in MEASURES.values() if r.per_head and r.gather == "queries"
                ),
                do="choose among these measures",
            )
        error = refusal_of(model, record)
        if error is not None:
            raise error
    return records


def _pieces(model: Model, texts: Sequence[str]) -> list[_Piece]:
    pieces = []
    for at, text in enumerate(texts):
        check_text(text)
        tokens = encode(model.tokenizer, text)
        check_length(model, len(tokens))
        size = len(tokens) if len(texts) > 1 else max(1, -(-len(tokens) // BLOCKS))
        pieces.append(_Piece(tokens.ids, at, size))
    return pieces


def _repeated(model: Model, seed: int) -> list[_Piece]:
    """Sequences of random tokens, each half twice, behind the beginning of a text if there is one.

    The tokens of a half are different from each other and none of them is special.
    """
    embedding = model.network.get_input_embeddings().weight
    special = set(model.tokenizer.all_special_ids)
    known = min(embedding.shape[0], len(model.tokenizer))
    plain = torch.tensor([i for i in range(known) if i not in special])
    bos = model.tokenizer.bos_token_id
    start = () if bos is None else (int(bos),)
    room = HALF if model.context is None else (model.context - 1) // 2
    half = min(HALF, room, len(plain))
    random = torch.Generator().manual_seed(seed)
    pieces = []
    for at in range(SEQUENCES):
        once = tuple(plain[torch.randperm(len(plain), generator=random)[:half]].tolist())
        pieces.append(_Piece((*start, *once, *once), at, 2 * half + 1))
    return pieces


class _Sums:
    """Sums and counts of a measure's values over the tokens of one sequence, block by block."""

    def __init__(self, record: Measure, piece: _Piece, model: Model) -> None:
        self.record, self.piece, self.needs = record, piece, record.family
        context = (0, max(1, len(piece.ids) // 2))
        self.options = {"context": context} if record.requires == "context" else {}
        blocks = -(-len(piece.ids) // piece.per_block)
        shape = (blocks, model.layers, max(model.anatomy.heads))
        self.sums, self.counts = np.zeros(shape), np.zeros(shape)

    def take(self, view: Any) -> None:
        """Add the view's values [head, token] up."""
        values: Tensor = self.record.function(view, **self.options).float().cpu()
        there = values.isfinite()
        blocks = (torch.arange(values.shape[1]) + view.start) // self.piece.per_block
        for total, part in ((self.sums, values.nan_to_num()), (self.counts, there)):
            own = total[:, view.layer - 1, : len(values)]
            np.add.at(own, blocks.numpy(), part.double().numpy().T)


def _map(
    model: Model, record: Measure, parts: Sequence[_Sums], ground: Mapping[str, Any]
) -> xr.DataArray:
    sums = np.concatenate([part.sums for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    mean, low, high = mean_interval(sums, counts)
    if np.isnan(mean).all():
        raise LayergramError(
            f"a head map of {record.name}",
            got=f"no token that has a value in {ground['over']}: {record.missing}",
            do="give more texts, or longer ones",
        )
    dims = ("layer", "head")
    coords: dict[Hashable, Any] = {
        "low": (dims, np.maximum(low, -np.inf if record.valid_min is None else record.valid_min)),
        "high": (dims, np.minimum(high, np.inf if record.valid_max is None else record.valid_max)),
    }
    shared: dict[str, int] = {}
    groups = key_value_groups(model)
    if groups is not None:
        coords["kv_group"] = ("head", groups)
        shared = {"key_value_groups": len(set(groups))}
    context = " The context is the first half of the text." if record.requires == "context" else ""
    number = int(counts.max(axis=(1, 2)).sum())
    return maps.make(
        mean,
        dims,
        measure=record.name,
        coords=coords,
        long_name=record.long_name,
        units=record.units,
        valid_min=record.valid_min,
        valid_max=record.valid_max,
        null_value=record.null_value,
        missing="no such head in the layer" if np.isnan(mean).any() else None,
        definition=f"{record.definition}{context} Mean over {number} tokens of {ground['over']}, "
        f"with intervals over {ground['units']}.",
        caveat=record.caveat,
        references=record.references or None,
        model=model.name,
        revision=model.revision,
        model_type=model.model_type,
        layers=model.layers,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        options=ground["options"],
        seed=ground["options"].get("seed"),
        **shared,
        **record_of_edits(model),
    )


def _ground(texts: Sequence[str], pieces: Sequence[_Piece]) -> dict[str, Any]:
    """From what a map of texts was made."""
    tokens = sum(len(piece.ids) for piece in pieces)
    one = len(texts) == 1
    return {
        "over": "one text" if one else f"{len(texts)} texts",
        "units": f"blocks of {pieces[0].per_block} tokens" if one else "texts",
        "options": {"texts": len(texts), "tokens": tokens, "texts_digest": digest_of(list(texts))},
    }


def _random_ground(pieces: Sequence[_Piece], seed: int) -> dict[str, Any]:
    ids = [piece.ids for piece in pieces]
    half = pieces[0].per_block // 2
    return {
        "over": f"{len(ids)} sequences of {half} random tokens each, repeated once",
        "units": "sequences",
        "options": {
            "sequences": len(ids),
            "half": half,
            "seed": seed,
            "tokens": sum(map(len, ids)),
            "texts_digest": digest_of([list(own) for own in ids]),
        },
    }


def key_value_groups(model: Model) -> list[int] | None:
    """The number of the keys and values that each query head uses, where several heads share them.

    Read off the cache: so many of a layer's heads in a row share one. ``None`` where every head has
    its own, or layers differ.
    """
    if not model.chunks:
        return None
    ids = torch.ones(1, 2, dtype=torch.long, device=model.device)
    with torch.inference_mode():
        cache = model.network(input_ids=ids, use_cache=True).past_key_values
    shared = set()
    for layer, heads in zip(getattr(cache, "layers", ()), model.anatomy.heads, strict=False):
        keys = getattr(layer, "keys", None)
        if heads and isinstance(keys, Tensor) and keys.ndim == 4 and heads % keys.shape[1] == 0:
            shared.add((heads, keys.shape[1]))
        elif heads:
            return None
    ((heads, groups),) = shared if len(shared) == 1 else {(1, 1)}
    return None if groups == heads else [head * groups // heads for head in range(heads)]
