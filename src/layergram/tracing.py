"""From a text to its maps: tokens, the loop, the measures, labelled arrays on one token axis."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.engine.run import Generation, Step, read
from layergram.errors import LayergramError
from layergram.measures import MEASURES, Columns, Keys, Measure, chosen
from layergram.models.load import load
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES, Run
from layergram.tokens import Tokens, append, encode, find

HEADS = {"mean": " A cell is the {pool} over the layer's heads.", "each": " One map for each head."}


def trace(
    model: Any = "smollm2",
    text: str | None = None,
    *,
    prompt: str | None = None,
    measures: Iterable[str] = DEFAULT_MEASURES,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> xr.Dataset:
    """Maps of one text, or of a prompt and the answer that the model gives to it.

    Args:
        model: a loaded :class:`layergram.models.Model`, or whatever :func:`layergram.load` takes.
        text: the text to read; or
        prompt: the prompt to answer. Exactly one of the two.
        measures: names of measures (:data:`layergram.measures.MEASURES`).
        options: options of the measures by name, such as ``{"g": 0.4}``. ``query`` is a position,
            a piece of the text, or ``"last"``; ``context`` is a number of tokens, a piece of the
            text, or the ``"prompt"`` of an answer.
        run: how to read and generate.
        on_step: called after each chunk, for a progress bar.

    Returns:
        A dataset with one map per measure, [layer, token] in float32 (settling_depth [token];
        measures of attention [layer, head, token] with ``heads="each"``), all on one token axis
        with the coordinates ``token_text``, ``token_id``, ``char_start``, ``char_end``, ``part``.
        NaN cells have their reason in the attribute ``missing``.

    Raises:
        LayergramError: for an empty text, a name that does not exist, a text longer than the
            model's context, attention asked of a model that shows none.
    """
    run = run or Run()
    if (text is None) == (prompt is None):
        raise LayergramError("maps", got="text and prompt" if text else "no text", do="give one")
    records = chosen(list(measures), dict(options or {}))
    check_text(text if prompt is None else prompt)
    if not isinstance(model, Model):
        model = load(model)
    tokens = _tokens(model, text, prompt, run)
    _check_request(model, tokens, records, options or {}, prompted=prompt is not None)
    generation = None if prompt is None else _generation(model, run, len(tokens))
    resolved = resolve(dict(options or {}), tokens)
    if any("context" in record.options for record in records):
        asked = resolved.get("context", "prompt")
        resolved["context"] = _context(asked, tokens, prompted=prompt is not None)
    reducers = [_reducer(r, resolved, model.layers, run.heads) for r in records if not r.source]
    ids: list[int] = []
    for step in read(
        model, tokens.ids, reducers, chunk=run.chunk, norm=run.norm, generation=generation
    ):
        ids += step.ids
        if on_step is not None:
            on_step(step)
    tokens = append(model.tokenizer, tokens, ids[len(tokens) :]) if prompt is not None else tokens
    provenance = _provenance(model, tokens, run, prompt)
    return _dataset(model, tokens, records, reducers, resolved, run, provenance)


def obstacles(
    model: Model,
    text: str | None = None,
    *,
    prompt: str | None = None,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> dict[str, str]:
    """The measures that :func:`trace` would refuse for such a request, each with the reason."""
    tokens = _tokens(model, text, prompt, run or Run())
    found = {
        record.name: _refusal(model, tokens, record, options or {}, prompted=prompt is not None)
        for record in MEASURES.values()
    }
    return {name: error.got for name, error in found.items() if error is not None}


def _tokens(model: Model, text: str | None, prompt: str | None, run: Run) -> Tokens:
    return (
        encode(model.tokenizer, text or "")
        if prompt is None
        else model.format_prompt(prompt, chat=run.chat)
    )


def check_text(text: str | None) -> None:
    """Refuse a text with nothing in it."""
    if text is None or not text.strip():
        raise LayergramError(
            "maps of a text", got="an empty text", allowed="at least one word", do="give a text"
        )


def _generation(model: Model, run: Run, prompt_tokens: int) -> Generation:
    left = run.max_new_tokens if model.context is None else model.context - prompt_tokens
    return Generation(min(run.max_new_tokens, left), run.temperature, run.seed, model.stop_ids)


def refusal_of(model: Model, record: Measure) -> LayergramError | None:
    """What to answer where a model cannot have a measure; ``None`` where it can."""
    if record.family == "attention" and not model.has_attention:
        return LayergramError(
            f"{record.name} of the model '{model.name}'",
            got=f"an architecture ({model.model_type}) whose layers show no attention weights",
            allowed=", ".join(r.name for r in MEASURES.values() if not r.per_head),
            do="choose among these measures",
        )
    if record.family == "heads":
        try:
            _ = model.attribution
        except LayergramError as error:
            return error
    return None


def _refusal(
    model: Model, tokens: Tokens, record: Measure, options: Mapping[str, Any], *, prompted: bool
) -> LayergramError | None:
    """What to answer where the model or the text cannot have a measure; ``None`` where they can."""
    asked = f"{record.name} of the model '{model.name}'"
    unsaid = options.get("context", "prompt") == "prompt" and not prompted
    if record.requires == "context" and unsaid:
        return LayergramError(
            asked,
            got="a text without an answer, of which nothing says where its context ends",
            allowed="the number of tokens of the context, or a piece of the text",
            do="say what the context is, such as --option context=20, or give a prompt",
        )
    if record.requires == "repeats" and not prompted and not _repeats(tokens.ids):
        return LayergramError(
            asked,
            got="a text in which no token comes back, with another in between",
            do="give a longer text, or one that repeats itself",
        )
    return refusal_of(model, record)


def _repeats(ids: Sequence[int]) -> bool:
    """Whether some token has been there before, and what followed it too."""
    first: dict[int, int] = {}
    return any(first.setdefault(token, at) < at - 1 for at, token in enumerate(ids))


def _check_request(
    model: Model,
    tokens: Tokens,
    records: list[Measure],
    options: Mapping[str, Any],
    *,
    prompted: bool,
) -> None:
    for record in records:
        error = _refusal(model, tokens, record, options, prompted=prompted)
        if error is not None:
            raise error
    model.check_length(len(tokens), room=1 if prompted else 0)


def resolve(options: dict[str, Any], tokens: Tokens) -> dict[str, Any]:
    """The options with ``query`` turned into positions, unless it is ``"last"``."""
    query = options.get("query", "last")
    if query == "last":
        return options
    if isinstance(query, list | tuple):
        positions = tuple(map(int, query))
    elif isinstance(query, str) and not query.lstrip("-").isdigit():
        positions = tuple(find(tokens, query))
    else:
        positions = (int(query) + (len(tokens) if int(query) < 0 else 0),)
    if not all(0 <= position < len(tokens) for position in positions):
        raise LayergramError(
            f"attention from position {query}",
            got=f"a text of {len(tokens)} tokens",
            allowed=f"0 to {len(tokens) - 1}, or −1 and down from the end",
        )
    return {**options, "query": positions}


def _context(asked: Any, tokens: Tokens, *, prompted: bool) -> tuple[int, int]:
    """First position of the context and the one after its last, with tokens to come after it."""
    last = len(tokens) if prompted else len(tokens) - 1
    first = end = 0
    match asked:
        case "prompt":
            end = len(tokens)
        case str() if not asked.isdigit():
            piece = find(tokens, asked)
            first, end = piece.start, piece.stop
        case int() | str():
            end = int(asked)
        case [int(), int()]:
            first, end = asked
    if not 0 <= first < end <= last:
        raise LayergramError(
            f"attention that looks back at the context {asked!r}",
            got=f"a text of {len(tokens)} tokens",
            allowed=f"a context of 1 to {last} tokens, with tokens after it",
        )
    return first, end


def _reducer(record: Measure, options: dict[str, Any], layers: int, heads: str) -> Columns | Keys:
    own = {name: value for name, value in options.items() if name in record.options}
    gather = Keys if record.gather == "keys" else Columns
    return gather(record, own, layers, heads)


def _provenance(model: Model, tokens: Tokens, run: Run, prompt: str | None) -> dict[str, Any]:
    return {
        **model.provenance(),
        "seed": run.seed,
        "run": {**asdict(run), **({} if prompt is None else {"prompt": prompt})},
        "text": tokens.text,
    }


def _dataset(
    model: Model,
    tokens: Tokens,
    records: list[Measure],
    reducers: list[Any],
    options: dict[str, Any],
    run: Run,
    provenance: dict[str, Any],
) -> xr.Dataset:
    coords: dict[Hashable, Any] = {
        "token_text": ("token", np.array(tokens.texts, dtype=object)),
        "token_id": ("token", np.array(tokens.ids)),
        "char_start": ("token", np.array(tokens.char_start)),
        "char_end": ("token", np.array(tokens.char_end)),
        "part": ("token", np.array(tokens.parts, dtype=object)),
    }
    values: dict[str, np.ndarray] = {}
    made: dict[str, xr.DataArray] = {}
    for reducer in reducers:
        record = reducer.record
        array = reducer.values(len(tokens))
        if record.alignment == "predicts":
            array = np.concatenate([np.full_like(array[..., :1], np.nan), array[..., :-1]], axis=-1)
        values[record.name] = array if record.per_head and run.heads == "each" else array[:, 0]
    for record in records:
        own = {name: options.get(name, default) for name, default in record.options.items()}
        extra: dict[str, Any] = {}
        if record.source:
            values[record.name] = record.function(values[record.source], **own)
        if record.summary is not None:
            answer = np.array([part == "answer" for part in tokens.parts])
            over = answer if answer.any() else np.ones(len(tokens), dtype=bool)
            extra = record.summary(values[record.name], layers=model.layers, over=over, **own)
        array = values[record.name].astype(np.float32)
        if np.isnan(array).all():
            raise LayergramError(
                f"{record.name} of the model '{model.name}'",
                got=f"no token that has a value: {_missing(model, record, array)}",
                do="take a longer text",
            )
        made[record.name] = maps.make(
            array,
            ("layer", "head", "token")[-array.ndim :] if array.ndim != 2 else ("layer", "token"),
            measure=record.name,
            coords=coords,
            long_name=record.long_name,
            units=record.units,
            valid_min=record.valid_min,
            valid_max=record.valid_max,
            alignment=record.alignment,
            null_value=record.null_value,
            missing=_missing(model, record, array),
            definition=record.definition
            + (HEADS[run.heads].format(pool=record.pool) if record.per_head else ""),
            caveat=record.caveat,
            references=record.references or None,
            options=own or None,
            **provenance,
            **extra,
        )
    return xr.Dataset(made)


def _missing(model: Model, record: Measure, array: np.ndarray) -> str | None:
    """Why the map has NaN cells; ``None`` if it has none."""
    if not np.isnan(array).any():
        return None
    reasons = []
    if record.alignment == "predicts":
        reasons.append("nothing predicts the first token")
    if record.per_head:
        without = [str(layer) for layer, n in enumerate(model.parts.heads, start=1) if n == 0]
        if without:
            reasons.append(f"no attention weights in layer {', '.join(without)}")
        counts = {n for n in model.parts.heads if n}
        if array.ndim == 3 and len(counts) > 1:
            reasons.append("not all layers have as many heads")
    if record.missing:
        reasons.append(record.missing)
    return "; ".join(reasons)
