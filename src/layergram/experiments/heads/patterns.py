"""Layer × head maps without labels: what heads look at and what they add, averaged over texts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from layergram import maps
from layergram.datasets.paragraphs import PARAGRAPHS
from layergram.engine.reducers import Averages, QueryColumns
from layergram.engine.run import read
from layergram.errors import LayergramError, unknown_name
from layergram.measures import MEASURES, Measure, select_measures
from layergram.measures.support import unsupported_by
from layergram.models.model import Model
from layergram.statistics.arrays import Values
from layergram.statistics.intervals import mean_interval
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.token_sources import check_text
from layergram.tokens import encode

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


def attention_patterns(
    model: Model,
    texts: str | Iterable[str] = PARAGRAPHS,
    folder: RunFolder | None = None,
    *,
    measures: Sequence[str] | None = None,
    induction: str = "random",
    seed: int = 0,
    chunk: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, xr.DataArray]:
    """What every head does on average over the tokens of some texts, one map per measure.

    Args:
        model: the model.
        texts: the texts; eight short paragraphs of several kinds if none are given.
        folder: where sums over each sequence are kept as they are made; an interrupted run resumes.
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
    sums = _sums(model, jobs, folder, chunk=chunk, progress=progress)
    found = {
        record.name: [one[record.name] for one in sums if record.name in one] for record in records
    }
    return {
        record.name: _map(
            model,
            record,
            found[record.name],
            _ground(given, pieces) if record not in apart else _random_ground(drawn, seed),
        )
        for record in records
    }


def _sums(
    model: Model,
    jobs: Sequence[tuple[_Piece, list[Measure]]],
    folder: RunFolder | None,
    *,
    chunk: int,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, tuple[Values, Values]]]:
    """For each sequence the sums and counts [block, layer, head] of its measures."""
    by_key = {f"{at}": job for at, job in enumerate(jobs)}
    asked = [[piece.ids, piece.per_block, [r.name for r in records]] for piece, records in jobs]
    digest = digest_of(asked).removeprefix("sha256:")  # other texts or seeds stand beside these
    made_from = {**model.fingerprint(), "sequences": digest}
    stage = Stage(f"patterns/{digest}", tuple(by_key), made_from)

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        of_keys = [by_key[key] for key in keys]
        made = [{r.name: _averages(model, r, piece) for r in own} for piece, own in of_keys]
        ids = [piece.ids for piece, _ in of_keys]
        for _ in read(model, ids, [list(one.values()) for one in made], chunk=chunk):
            pass
        return {
            key: {name: [own.sums.tolist(), own.counts.tolist()] for name, own in one.items()}
            for key, one in zip(keys, made, strict=True)
        }

    records = run_stage(stage, work, folder, progress=progress)
    return [
        {name: (np.array(sums), np.array(counts)) for name, (sums, counts) in one.items()}
        for one in records.values()
    ]


def unsupported_patterns(model: Model) -> dict[str, str]:
    """The measures of :data:`UNLABELLED` that the model cannot have, and why."""
    errors = {name: unsupported_by(model, MEASURES[name]) for name in UNLABELLED}
    return {name: error.got for name, error in errors.items() if error is not None}


def _records(model: Model, measures: Sequence[str] | None) -> list[Measure]:
    if measures is None:
        impossible = unsupported_patterns(model)
        possible = [r for r in select_measures(list(UNLABELLED), {}) if r.name not in impossible]
        if not possible:
            raise unsupported_by(model, MEASURES[UNLABELLED[0]]) or AssertionError
        return possible
    records = select_measures(list(measures), {})
    for record in records:
        if not _of_each_query(record):
            raise LayergramError(
                f"a head map of {record.name}",
                got="a measure without a value for each head and token",
                allowed=", ".join(r.name for r in MEASURES.values() if _of_each_query(r)),
                do="choose among these measures",
            )
        error = unsupported_by(model, record)
        if error is not None:
            raise error
    return records


def _of_each_query(record: Measure) -> bool:
    """Whether the measure has a value for each head and each token that attends."""
    return record.per_head and record.reducer is QueryColumns and not record.source


def _pieces(model: Model, texts: Sequence[str]) -> list[_Piece]:
    pieces = []
    for at, text in enumerate(texts):
        check_text(text)
        tokens = encode(model.tokenizer, text)
        model.check_length(len(tokens))
        size = len(tokens) if len(texts) > 1 else max(1, -(-len(tokens) // BLOCKS))
        pieces.append(_Piece(tokens.ids, at, size))
    return pieces


def _repeated(model: Model, seed: int) -> list[_Piece]:
    """Sequences of random tokens, each half twice, behind the beginning of a text if there is one.

    The tokens of a half are different from each other and none of them is special.
    """
    special = set(model.tokenizer.all_special_ids)
    known = min(model.vocabulary, len(model.tokenizer))
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


def _averages(model: Model, record: Measure, piece: _Piece) -> Averages:
    half = (0, max(1, len(piece.ids) // 2))
    options = {"context": half} if "context" in record.resolvers else {}
    return Averages(
        record.reduction(options, layers=model.layers, heads="each"),
        tokens=len(piece.ids),
        block=piece.per_block,
        heads=max(model.parts.heads),
    )


def _map(
    model: Model, record: Measure, parts: Sequence[tuple[Values, Values]], ground: Mapping[str, Any]
) -> xr.DataArray:
    sums, counts = (np.concatenate(one) for one in zip(*parts, strict=True))
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
    groups = model.parts.kv_groups
    if groups is not None:
        coords["kv_group"] = ("head", list(groups))
        shared = {"key_value_groups": len(set(groups))}
    context = " The context is the first half of the text." if "context" in record.resolvers else ""
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
        **model.provenance(),
        options=ground["options"],
        seed=ground["options"].get("seed"),
        **shared,
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
