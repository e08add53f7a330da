"""Trace: one token sequence on its way through a model, as steps with columns and as maps.

Tokens come from a text, a prompt and the answer that the model gives to it, token ids, or a stored
answer. The engine reads them (:mod:`layergram.engine.run`); the maps can be had at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from layergram import maps, tokens
from layergram.cell_tokens import CellTokens
from layergram.engine.lens_choice import LensChoice, open_lens
from layergram.engine.reducers import MOST_CELLS, Reducer
from layergram.engine.run import read
from layergram.engine.sampling import Sampling, Stream
from layergram.errors import LayergramError
from layergram.maps.build import assemble
from layergram.measures import MEASURES, Measure, select_measures
from layergram.measures.lens import check_reading, through_lens, unsupported_at
from layergram.measures.options import resolved
from layergram.measures.support import unsupported, why_missing
from layergram.models.load import load
from layergram.models.model import Model
from layergram.recipe import DEFAULT_MEASURES, Run
from layergram.token_sources import Source, roles_of, token_coordinates

HEADS = {"mean": " A cell is the {pool} over the layer's heads.", "each": " One map for each head."}


class Trace:
    """One sequence on its way through a model.

    Args:
        model: the model, with the edits that are in force.
        source: where the tokens come from.
        measures: names of measures (:data:`layergram.measures.MEASURES`).
        options: options of the measures by name.
        run: how to read and generate.
        lens: the lens of ``run``, where it is open already.
        cells: ``named`` gives cells of the lens their tokens, ``bare`` leaves these out, where
            values alone are wanted.

    Attributes:
        tokens: the tokens that have been read.

    Raises:
        LayergramError: for what cannot be traced, before anything is read.
    """

    def __init__(
        self,
        model: Model,
        source: Source,
        *,
        measures: Iterable[str] = DEFAULT_MEASURES,
        options: Mapping[str, Any] | None = None,
        run: Run | None = None,
        lens: LensChoice | None = None,
        cells: Literal["named", "bare"] = "named",
    ) -> None:
        self.model, self.source, self.run = model, source, run or Run()
        options = dict(options or {})
        self.records = select_measures(list(measures), options)
        self.lens = lens or open_lens(model, self.run.lens, norm=self.run.norm, at=self.run.at)
        self.given = source.tokens(model, chat=self.run.chat)
        prompted = source.prompt is not None
        room = self.run.max_new_tokens if prompted else 0
        for record in self.records:
            error = unsupported_at(record, self.run.at) or unsupported(
                model, self.given, record, options, room=room
            )
            if error is not None:
                raise error
        model.check_length(len(self.given), room=1 if prompted else 0)
        resolvers = {k: v for record in self.records for k, v in record.resolvers.items()}
        self.options = resolved(options, resolvers, self.given, prompted=prompted)
        self.reducers: dict[str, Reducer] = {
            record.name: record.reducer(
                record.reduction(
                    self.options,
                    layers=model.layers,
                    heads=self.run.heads,
                    most_cells=MOST_CELLS if cells == "named" else 0,
                )
            )
            for record in self.records
            if not record.source
        }
        self.tokens = tokens.cut(self.given, 0, 0)
        self.taken = 0
        self._answering = prompted
        predicts = {record.name for record in self.records if record.alignment == "predicts"}
        named = self.reducers if cells == "named" else {}
        self.cell_tokens = CellTokens(model.tokenizer, named, predicts=predicts)

    def steps(self) -> Iterator[TraceStep]:
        """Read, and generate where there is a prompt: a step after each chunk."""
        stream = [] if self.source.prompt is None else [self._stream()]
        reading = read(
            self.model,
            [self.given.ids],
            [list(self.reducers.values())],
            chunk=self.run.chunk,
            lens=self.lens.lens,
            streams=stream,
        )
        answer: list[int] = []
        for step in reading:
            end, known = step.start + len(step.ids), len(self.given)
            answer += step.ids[max(0, known - step.start) :]
            self.tokens = tokens.cut(self.given, 0, end)
            if answer:
                self.tokens = tokens.append(self.model.tokenizer, self.given, answer)
            self.taken += 1
            yield TraceStep(self, self.taken, step.start, step.ids)
        self._answering = False

    def _stream(self) -> Stream:
        run, context = self.run, self.model.context
        left = run.max_new_tokens if context is None else context - len(self.given)
        most = min(run.max_new_tokens, left)
        return Stream(Sampling(most, run.temperature, run.top_p, run.top_k), seed=run.seed)

    def maps(self) -> xr.Dataset:
        """The maps of the tokens that have been read so far, on one token axis.

        A measure that has no value yet (one that needs a token before it) is left out until the
        end of the text; a text that ends without one is refused.
        """
        firsts = {record.name: 0 for record in self.records}
        named = self.cell_tokens.coordinates(firsts, tokens=len(self.tokens))
        made = {
            record.name: maps.check(self._map(record, array, 0, named[record.name], about))
            for record, array, about in self._finished()
        }
        coords = token_coordinates(self.tokens)
        for array in made.values():  # one axis has one coordinate of a name: that of the last map
            coords |= {n: array[n].variable for n in maps.LENS_COORDINATES if n in array.coords}
        return xr.Dataset(made, coords=coords)

    def columns(self, start: int) -> dict[str, xr.DataArray]:
        """The columns of each map from a position on, and those before it that may have changed.

        Tokens are labelled with their positions. A map that has no tokens comes whole.
        """
        firsts = {one.name: 0 if one.reducer.revises else start for one in self.records}
        named = self.cell_tokens.coordinates(firsts, tokens=len(self.tokens))
        return {
            one.name: self._map(one, array, firsts[one.name], named[one.name], about)
            for one, array, about in self._finished()
        }

    def _finished(self) -> Iterator[tuple[Measure, np.ndarray, dict[str, Any]]]:
        """The measures that have a value, with all their values and what is counted over them."""
        values: dict[str, np.ndarray] = {}
        for record in self.records:
            array = self._values(record, values)
            if np.isnan(array).all():
                if self._answering or len(self.tokens) < len(self.given):
                    continue
                raise LayergramError(
                    f"{record.name} of the model '{self.model.name}'",
                    got=f"no token that has a value: {why_missing(self.model, record, array)}",
                    do="take a longer text",
                )
            summary = record.summarised(
                values[record.name], self.tokens, self.options, layers=self.model.layers
            )
            counts = {} if record.source else self.reducers[record.name].counted()
            yield record, array, summary | counts

    def _values(self, record: Measure, values: dict[str, np.ndarray]) -> np.ndarray:
        """The values of one measure; ``values`` keeps those that derived ones are made from."""
        if record.source:
            given = () if record.axis == "token" else (self._roles(),)
            array = record.function(values[record.source], *given, **record.own(self.options))
        else:
            array = self.reducers[record.name].values(len(self.tokens))
            if record.alignment == "predicts":
                first = np.full_like(array[..., :1], np.nan)
                array = np.concatenate([first, array[..., :-1]], axis=-1)
            if not (record.per_head and self.run.heads == "each"):
                array = array[:, 0]
            if record.family == "settling":  # one value for all layers
                array = array[0]
        values[record.name] = array
        return np.asarray(array, dtype=np.float32)

    def _roles(self) -> list[str]:
        """The role of each token that has been read."""
        return roles_of(self.tokens, self.source)

    def _recorded(self, record: Measure) -> dict[str, Any]:
        """The options of a map and of what it is made from, as they are written down."""
        given = {name: self.options.get(name, v) for name, v in record.all_options.items()}
        return {k: "answer" if isinstance(v, range) else v for k, v in given.items()}

    def _map(
        self,
        record: Measure,
        array: np.ndarray,
        first: int,
        named: dict[Hashable, Any],
        extra: dict[str, Any],
    ) -> xr.DataArray:
        """The columns of a map from the position ``first`` on."""
        run = asdict(self.run)
        if self.source.prompt is not None:
            run["prompt"] = self.source.prompt
        dims = {1: (), 2: ("layer",), 3: ("layer", "head")}[array.ndim] + (record.axis,)
        if record.axis == "role":
            coords: dict[Hashable, Any] = {"role": list(dict.fromkeys(self._roles()))}
        else:
            read = tokens.cut(self.tokens, first, len(self.tokens))
            coords = token_coordinates(read) | (named if "layer" in dims else {})
            coords["token"] = np.arange(first, len(self.tokens))
        about = through_lens(record, self.lens, record.named(self.options, self.tokens))
        if record.per_head:
            about["definition"] += HEADS[self.run.heads].format(pool=record.pool)
        return assemble(
            array[..., first:] if record.axis == "token" else array,
            dims,
            measure=record.name,
            coords=coords,
            units=record.units,
            valid_min=record.valid_min,
            valid_max=record.valid_max,
            alignment=record.alignment if record.axis == "token" else None,
            null_value=record.null_value,
            final_value=record.final_value,
            missing=why_missing(self.model, record, array),
            pooling=record.pooling if record.pooling != "mean" else None,
            references=record.references or None,
            options=self._recorded(record) or None,
            **self.model.provenance(),
            seed=self.run.seed,
            run=run,
            text=self.tokens.text,
            **about,
            **extra,
        )


@dataclass(frozen=True)
class TraceStep:
    """One chunk of a trace: what has been read, and what is new in the maps.

    Attributes:
        trace: the trace.
        number: of the step, from 1.
        start: position of the first new token.
        ids: the new tokens.
    """

    trace: Trace
    number: int
    start: int
    ids: tuple[int, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The pieces of text that the new tokens stand for."""
        return self.trace.tokens.texts[self.start : self.start + len(self.ids)]

    @property
    def maps(self) -> xr.Dataset:
        """The maps of everything read so far.

        Raises:
            LayergramError: once the trace has gone on to the next step.
        """
        return self._trace_now().maps()

    @property
    def columns(self) -> dict[str, xr.DataArray]:
        """The columns of every map that this step has made or changed, labelled with positions.

        The columns of the new tokens; for measures per key, of all tokens that they could see; of a
        map without tokens all.

        Raises:
            LayergramError: once the trace has gone on to the next step.
        """
        return self._trace_now().columns(self.start)

    def _trace_now(self) -> Trace:
        if self.trace.taken != self.number:
            raise LayergramError(
                f"the maps at step {self.number}",
                got=f"a trace that has gone on to step {self.trace.taken}",
                do="take the maps of a step before asking for the next one",
            )
        return self.trace


def trace(  # noqa: PLR0913
    model: Any = "smollm2",
    text: str | None = None,
    *,
    prompt: str | None = None,
    ids: Sequence[int] | None = None,
    answer: Any = None,
    measures: Iterable[str] = DEFAULT_MEASURES,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
    on_step: Callable[[TraceStep], None] | None = None,
) -> xr.Dataset:
    """Maps of one text, of a prompt and the model's answer, of token ids, or of a stored answer.

    Args:
        model: a loaded :class:`layergram.models.model.Model`, or what :func:`layergram.load` takes.
        text: the text to read; or
        prompt: the prompt to answer; or
        ids: the token ids to read; or
        answer: a stored answer with ``ids`` and ``prompt_tokens``. Exactly one of the four.
        measures: names of measures (:data:`layergram.measures.MEASURES`).
        options: options of the measures by name, such as ``{"g": 0.4}``. ``query`` is a position,
            a piece of the text, ``"last"``, or ``"answer"`` for all tokens of an answer;
            ``context`` is a number of tokens, a piece of the text, or the ``"prompt"`` of an
            answer.
        run: how to read and generate.
        on_step: called after each chunk, for a progress bar.

    Returns:
        A dataset with one map per measure, [layer, token] in float32 (settling_depth [token];
        attention_role_mass [layer, role]; measures of heads with a head axis after the layers with
        ``heads="each"``), all on one token axis with the coordinates ``token_text``, ``token_id``,
        ``char_start``, ``char_end``, ``part``;
        ``lens_token`` adds ``top_token_id``, ``top_token_text`` and, up to 20,000 cells,
        ``top_tokens`` over (layer, token), which files and pages of other maps leave out.
        NaN cells have their reason in the attribute ``missing``.

    Raises:
        LayergramError: for an empty text, a name that does not exist, a text longer than the
            model's context, attention asked of a model that shows none.
    """
    source = Source(text, prompt, ids, answer)
    records = select_measures(list(measures), dict(options or {}))
    check_reading(records, run or Run())  # before a model is loaded
    one = Trace(_loaded(model), source, measures=measures, options=options, run=run)
    for step in one.steps():
        if on_step is not None:
            on_step(step)
    return one.maps()


def stream(
    model: Any = "smollm2",
    text: str | None = None,
    *,
    prompt: str | None = None,
    ids: Sequence[int] | None = None,
    measures: Iterable[str] = DEFAULT_MEASURES,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> Iterator[TraceStep]:
    """The steps of :func:`trace` as they come, one per chunk while reading and per token after.

    Takes what :func:`trace` takes. Several streams can go on at the same time, also on one model.

    Yields:
        Steps with ``columns``, the new and changed columns, and ``maps``, everything so far.

    Raises:
        LayergramError: as :func:`trace`, at the call and not at the first step.
    """
    source = Source(text, prompt, ids)
    check_reading(select_measures(list(measures), dict(options or {})), run or Run())
    return Trace(_loaded(model), source, measures=measures, options=options, run=run).steps()


def unsupported_measures(
    model: Model,
    source: Source,
    *,
    options: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> dict[str, str]:
    """The measures that a trace of this source would refuse, each with the reason."""
    run = run or Run()
    given = source.tokens(model, chat=run.chat)
    room = run.max_new_tokens if source.prompt is not None else 0
    found = {
        record.name: unsupported_at(record, run.at)
        or unsupported(model, given, record, options or {}, room=room)
        for record in MEASURES.values()
    }
    return {name: error.got for name, error in found.items() if error is not None}


def _loaded(model: Any) -> Model:
    return model if isinstance(model, Model) else load(model)
