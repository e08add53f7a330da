"""The record of a measure, and the list of all of them.

A measure is one function with its record. The command line, the table in the docs, the captions and
the contract tests read the records; nothing else has to know that a measure exists.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from layergram.engine.reducers import MOST_CELLS, QueryColumns, Reducer, Reduction, SettledColumns
from layergram.measure_names import check_measure_names
from layergram.measures.options import Resolver
from layergram.tokens import Tokens

MEASURES: dict[str, Measure] = {}

FAMILIES = {
    "attention": "an AttentionView, one layer of one chunk at a time",
    "values": "a ValuesView, one layer of one chunk at a time",
    "router": "a RouterView, one layer of one chunk at a time",
    "lens": "a LensView, one layer of a block of positions at a time",
    "residual": "a ResidualView, one chunk at a time",
    "heads": "a HeadsView, one layer of one chunk at a time",
    "settling": "a SettlingView, a block of positions at a time",
    "derived": "the finished values of another measure",
}

OF_HEADS = ("attention", "values", "heads")
"""Families whose views have heads."""


@dataclass(frozen=True)
class Measure:
    """What there is to know about one measure.

    Attributes:
        name: name of the function, of the map, and on the command line.
        function: takes what its family is handed, and its options as keywords.
        family: a key of :data:`FAMILIES`.
        long_name: what a cell is, fit for a colour bar.
        units: unit of the values; ``"1"`` where there is none.
        valid_min: smallest possible value, or ``None``.
        valid_max: largest possible value, or ``None``.
        alignment: ``reads`` or ``predicts``.
        reducer: how the values of chunks become those of a sequence
            (:mod:`layergram.engine.reducers`).
        pool: what the heads of a layer come to together: their ``mean``, or their ``sum``.
        pooling: what neighbouring tokens come to in a picture too narrow for them: their ``mean``,
            or their ``max`` where few cells are strong and none may be lost.
        source: of a derived measure: the measure that it is made from.
        axis: what the columns of its maps are: ``token``, or ``role`` for a derived measure whose
            function is also given the role of each token.
        direct: of a derived measure that can be had without its source: the function of a
            SettlingView, with the same options.
        caveat: what the measure does not say.
        requires: what there must be for it: a token that ``repeats`` in the text, ``attention in
            every layer`` of the model, or nothing.
        resolvers: option -> how its value becomes positions of a text, for options that depend on
            the text.
        references: where it was published.
        null_value: the value of a cell without any effect, or ``None``.
        final_value: what the values of the final layer are by definition, or ``None``.
        missing: why some cells are NaN, beside the reasons that hold for all measures.
        summary: of a derived measure: attributes computed from its finished values.
    """

    name: str
    function: Callable[..., Any]
    family: str
    long_name: str
    units: str
    valid_min: float | None
    valid_max: float | None
    alignment: str
    caveat: str
    reducer: type[Reducer] = QueryColumns
    requires: str = ""
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)
    pool: str = "mean"
    pooling: str = "mean"
    source: str = ""
    axis: str = "token"
    direct: Callable[..., Any] | None = None
    references: str = ""
    null_value: float | None = None
    final_value: float | None = None
    missing: str = ""
    summary: Callable[..., dict[str, Any]] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a reducer that lacks a method when the measure is registered."""
        lacking = sorted(self.reducer.__abstractmethods__)
        if lacking:
            raise TypeError(
                f"the reducer {self.reducer.__name__} of {self.name} lacks {', '.join(lacking)}"
            )

    @property
    def definition(self) -> str:
        """The measure in one sentence: the first of its function's docstring."""
        return " ".join(str(inspect.getdoc(self.function)).split("\n\n")[0].split())

    @property
    def all_options(self) -> dict[str, Any]:
        """The options that its maps depend on, with their defaults: its own and its source's."""
        of_source = MEASURES[self.source].options if self.source else {}
        return {**of_source, **self.options}

    @property
    def interval(self) -> str:
        """The range of the values in words, without the unit."""
        if self.valid_min is None:
            return "any"
        if self.valid_max is None:
            return f"{self.valid_min:g} and up"
        return f"{self.valid_min:g} to {self.valid_max:g}"

    @property
    def per_head(self) -> bool:
        """Whether the values exist for each head."""
        if self.source:
            return MEASURES[self.source].per_head
        return self.family in OF_HEADS and self.reducer.per_head

    def named(self, options: Mapping[str, Any], tokens: Tokens) -> str:
        """The long name for one text: with the token itself for 'the query'."""
        name = self.long_name
        for option, resolver in self.resolvers.items():
            name = name.replace(f"the {option}", resolver.named(options[option], tokens))
        return name

    def reduction(
        self,
        options: Mapping[str, Any],
        *,
        layers: int,
        heads: str,
        most_cells: int = MOST_CELLS,
    ) -> Reduction:
        """What the measure's reducer is made from; options of other measures are ignored."""
        own = {name: value for name, value in options.items() if name in self.options}
        function: Callable[..., Any] = partial(self.function, **own)
        if self.family == "settling" and self.direct is not None:
            function = partial(self.direct, **{**self.options, **own})
        return Reduction(function, self.family, layers, heads, self.pool, most_cells)

    def own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The measure's own options, those that are not given by default."""
        return {name: options.get(name, default) for name, default in self.options.items()}

    def summarised(
        self, values: np.ndarray, tokens: Tokens, options: Mapping[str, Any], *, layers: int
    ) -> dict[str, Any]:
        """Attributes computed from the finished values, over the answer if there is one."""
        if self.summary is None:
            return {}
        answer = np.array([part == "answer" for part in tokens.parts])
        over = answer if answer.any() else np.ones(len(tokens), dtype=bool)
        return self.summary(values, layers=layers, over=over, **self.own(options))

    def without_source(self) -> Measure:
        """A derived measure as one that is made directly."""
        return replace(self, family="settling", source="", reducer=SettledColumns)


def measure(family: str, **record: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as a measure; the keywords are its record."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        parameters = inspect.signature(function).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        MEASURES[name] = Measure(name, function, family, options=options, **record)
        return function

    return register


def select_measures(names: list[str] | tuple[str, ...], options: dict[str, Any]) -> list[Measure]:
    """The measures of these names, each once, a derived one after its source.

    One that can be had without its source is, unless its source is asked for, or another measure
    of the source's family, which reads every cell anyway.

    Raises:
        LayergramError: for a name that does not exist, an option that none of them has, or none.
    """
    known = {name: record.all_options for name, record in MEASURES.items()}
    check_measure_names(names, options, known)
    families = {MEASURES[name].family for name in names}
    wanted: dict[str, Measure] = {}
    for name in names:
        record = MEASURES[name]
        if record.source and record.direct and MEASURES[record.source].family not in families:
            record = record.without_source()
        elif record.source:
            wanted.setdefault(record.source, MEASURES[record.source])
        wanted.setdefault(name, record)
    return list(wanted.values())
