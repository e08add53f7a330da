"""What averages are taken over: texts, stored answers, or labelled steps, as items to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from layergram.answers.ask import GREEDY, key_of
from layergram.answers.judge import Row
from layergram.datasets.step_sequences import step_sequences
from layergram.datasets.steps import StepSet
from layergram.errors import LayergramError
from layergram.experiments.averages.segments import GIVEN, check_by, segments_of
from layergram.measures import MEASURES, Measure
from layergram.measures.support import unsupported, unsupported_by
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.token_sources import Source
from layergram.tokens import Tokens

LEAST = 2
"""Tokens of the shortest text that says anything of a model."""

Places = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Item:
    """One sequence to read.

    Attributes:
        source: where its tokens come from.
        given: positions of the tokens of each label, where the data says which these are.
    """

    source: Source
    given: Places | None = None

    def places(self, tokens: Tokens, by: str) -> Places:
        """Positions of the tokens of each segment, role or function."""
        if self.given is not None:
            return self.given
        found: list[list[int]] = []
        for at, segment in enumerate(segments_of(tokens, by)):
            found += [[] for _ in range(int(segment) + 1 - len(found))]
            found[segment].append(at)
        return tuple(map(tuple, found))


@dataclass(frozen=True)
class Items:
    """Everything that averages are taken over.

    Attributes:
        noun: what one of the items is called.
        by: what they are averaged by, a key of ``segments.BY``.
        chat: how prompts are put.
        labels: the roles or functions, in order; none for segments, which depend on the texts.
        items: the items by id.
    """

    noun: str
    by: str
    items: Mapping[str, Item]
    labels: tuple[str, ...] = ()

    @property
    def dim(self) -> str:
        """The axis of their labels."""
        return self.by if self.by in GIVEN else "segment"

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The items by number, from 1."""
        return {key: at for at, key in enumerate(self.items, start=1)}

    @property
    def digest(self) -> str:
        """A digest of what is read, and of which tokens are averaged."""
        return digest_of(
            [[one.source.text, one.source.ids, _ids(one), one.given] for one in self.items.values()]
        )


def items_of(model: Model, data: Any, by: str, *, chat: str) -> Items:
    """Texts, stored answers or labelled steps as items.

    Args:
        model: the model that will read them.
        data: a text, texts, stored answers (lines of ``rows.jsonl``), or a step set.
        by: a key of ``segments.BY``.
        chat: how labelled steps are put.

    Raises:
        LayergramError: for a ``by`` that there is not, or that this data does not have.
    """
    check_by(by)
    if isinstance(data, StepSet):
        found = _steps(model, data, by, chat)
    else:
        listed = [data] if isinstance(data, str) else list(data)
        if not listed:
            raise LayergramError("averaged maps", got="no text", do="give at least one text")
        found = _texts(listed, by) if isinstance(listed[0], str) else _answers(listed, by)
    check_by(by, found.noun)
    return found


def _texts(texts: Iterable[str], by: str) -> Items:
    items = {}
    for at, text in enumerate(texts, start=1):
        with naming("text", str(at)):
            items[str(at)] = Item(Source(text))
    return Items("text", by, items)


def _answers(rows: Iterable[Any], by: str) -> Items:
    """The likeliest answer to each question; drawn answers are left out."""
    plain = [asdict(row) if isinstance(row, Row) else row for row in rows]
    if not all(isinstance(row, Mapping) for row in plain):
        raise LayergramError(
            "averaged maps",
            got="neither texts nor stored answers",
            allowed="texts, lines of rows.jsonl as dicts, or a step set",
        )
    greedy = [row for row in plain if row.get("sample", GREEDY) == GREEDY]
    roles = tuple(dict.fromkeys(role for row in greedy for role in row.get("roles", {})))
    items = {}
    for at, row in enumerate(greedy, start=1):
        given = None
        if by == "role":
            known = row.get("roles", {})
            places = [known.get(role, -1) for role in roles]
            given = tuple((place,) if place >= 0 else () for place in places)
        items[key_of(str(row.get("id", at)), GREEDY)] = Item(Source(answer=row), given)
    if by == "role" and not roles:
        raise LayergramError("averages by role", got="answers that say nothing of roles")
    return Items("answer", by, items, roles if by == "role" else ())


def _steps(model: Model, steps: StepSet, by: str, chat: str) -> Items:
    functions = tuple(steps.counts())
    items = {}
    for sequence in step_sequences(model, steps, chat=chat):
        places: list[list[int]] = [[] for _ in functions]
        for span in sequence.spans:
            places[functions.index(steps.steps[span.step].function)] += span.content
        given = tuple(map(tuple, places)) if by == "function" else None
        group = steps.steps[sequence.spans[0].step].group
        items[group] = Item(Source(ids=sequence.ids), given)
    return Items("main question", by, items, functions if by == "function" else ())


def _ids(item: Item) -> Any:
    answer = item.source.answer
    return None if answer is None else [list(answer["ids"]), answer["prompt_tokens"]]


def check_items(
    model: Model, items: Items, records: Sequence[Measure], options: Mapping[str, Any]
) -> None:
    """Refuse items that cannot be read, or cannot have a measure, before anything is read.

    Raises:
        LayergramError: naming the first such item.
    """
    for record in records:
        error = unsupported_by(model, record)
        if error is not None:
            raise error
    lengths = {}
    for key, item in items.items.items():
        with naming(items.noun, key):
            tokens = tokens_of(model, item)
            lengths[key] = len(tokens)
            for record in records:
                error = _refusal(model, tokens, record, options)
                if error is not None and len(tokens) >= LEAST:
                    raise error
    _check_lengths(model, items, lengths)


def possible_measures(
    model: Model, items: Items, options: Mapping[str, Any]
) -> tuple[list[str], dict[str, str]]:
    """The measures that every item can have; and of the others, why and which item cannot."""
    left, refused = dict(MEASURES), {}
    for key, item in items.items.items():
        with naming(items.noun, key):
            tokens = tokens_of(model, item)
        for name, record in list(left.items()):
            error = _refusal(model, tokens, record, options)
            if error is not None:
                refused[name] = f"{items.noun} {key}: {error.got or error.asked}"
                del left[name]
    return list(left), refused


def tokens_of(model: Model, item: Item) -> Tokens:
    """The tokens of an item.

    Raises:
        LayergramError: for an answer that the model's tokenizer cannot have given.
    """
    tokens = item.source.tokens(model, chat="auto")
    answer = item.source.answer
    if answer is not None and tuple(answer.get("texts", tokens.texts)) != tokens.texts:
        raise LayergramError(
            f"to read a stored answer with the model '{model.name}'",
            got="an answer of a model with another tokenizer",
            do="take the model that gave the answers",
        )
    if item.given is not None and any(at >= len(tokens) for one in item.given for at in one):
        raise LayergramError(
            "the roles of a stored answer", got=f"a position beyond its {len(tokens)} tokens"
        )
    return tokens


def _refusal(
    model: Model, tokens: Tokens, record: Measure, options: Mapping[str, Any]
) -> LayergramError | None:
    if record.axis != "token":
        return LayergramError(
            f"{record.name} averaged over texts",
            got=f"a measure with one value for each {record.axis} of a text, not for each token",
            allowed="measures of tokens: an average is a mean over the tokens of a segment",
            do=f"average {record.source}, which it adds up; or make this map of each text, "
            "without --texts",
        )
    try:
        for name, resolver in record.resolvers.items():
            if name in options:
                resolver.resolve(options[name], tokens, prompted=False)
    except LayergramError as error:
        return error
    return unsupported(model, tokens, record, options, room=0)


def _check_lengths(model: Model, items: Items, lengths: Mapping[str, int]) -> None:
    most = model.context
    short = [key for key, length in lengths.items() if length < LEAST]
    long = [key for key, length in lengths.items() if most is not None and length > most]
    for keys, what in ((short, f"fewer than {LEAST} tokens"), (long, f"more than {most} tokens")):
        if keys:
            raise LayergramError(
                f"maps averaged over {len(lengths)} {items.noun}s",
                got=f"{len(keys)} with {what}; the first is {items.noun} {keys[0]}",
                allowed=f"{LEAST} tokens or more{'' if most is None else f', at most {most}'}",
                do="leave these out, or cut them yourself",
            )


@contextmanager
def naming(noun: str, key: str) -> Iterator[None]:
    """A context in which an error says which item it is about."""
    try:
        yield
    except LayergramError as error:
        raise LayergramError(
            f"{error.asked}, in {noun} {key}",
            got=error.got,
            allowed=error.allowed,
            do=error.do,
            exit_code=error.exit_code,
        ) from None
