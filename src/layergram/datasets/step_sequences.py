"""Labelled steps as the token sequences that a model reads, with the spans of their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from layergram.datasets.steps import Step, StepSet
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.tokens import Tokens, encode, positions

_LITTLE_CONTENT = """
    a an the of in on at to by for from with as into than that this these those it its is are was
    were be been being am do does did has have had and or but so if there which who whom whose what
    when where he she they we you i his her their our your my him them us me will would can could
    should may might must shall
"""
FUNCTION_WORDS = frozenset(_LITTLE_CONTENT.split())
"""English words that sentences need whatever they say; *yes*, *no* and *not* are none of them."""


@dataclass(frozen=True)
class AnswerSpan:
    """The answer of one step in a sequence.

    Attributes:
        step: place of the step in its set.
        first: position of the answer's first token.
        last: position of its last token.
        content: positions of the tokens that carry its content, at least one.
    """

    step: int
    first: int
    last: int
    content: tuple[int, ...]

    def tokens(self, which: str | int) -> list[int]:
        """Positions of the chosen tokens: ``content`` (also for a number), or another name."""
        return {
            "first": [self.first],
            "last": [self.last],
            "all": list(range(self.first, self.last + 1)),
        }.get(str(which), list(self.content))


@dataclass(frozen=True)
class StepSequence:
    """The steps of one main question, one after the other, as one sequence.

    Later steps change nothing at earlier ones, because every layer is causal; an answer is read
    after the answers of the steps before it.

    Attributes:
        ids: the tokens.
        spans: the answers, in order.
    """

    ids: tuple[int, ...]
    spans: tuple[AnswerSpan, ...]


def step_sequences(model: Model, steps: StepSet, *, chat: str = "auto") -> list[StepSequence]:
    """The sequences that a model reads to be looked into at the answers of labelled steps.

    With a chat template each step is a question of the user and its answer one of the assistant;
    without, steps and answers are lines of a text.

    Args:
        model: the model that will read them.
        steps: the steps.
        chat: ``"auto"`` uses the chat template if there is one, ``"template"`` insists on it,
            ``"plain"`` does without.

    Raises:
        LayergramError: if a main question with its steps is longer than the model's context, or
            the chat template changes the words of a step.
    """
    groups: dict[str, list[int]] = {}
    for at, step in enumerate(steps.steps):
        groups.setdefault(step.group, []).append(at)
    found = []
    for which in groups.values():
        tokens, answers = _tokens(model, [steps.steps[at] for at in which], chat)
        spans = [
            _span(tokens, at, start, end) for at, (start, end) in zip(which, answers, strict=True)
        ]
        found.append(StepSequence(tokens.ids, tuple(spans)))
    _check_lengths(model, steps, found)
    return found


def _tokens(model: Model, steps: Sequence[Step], chat: str) -> tuple[Tokens, list[tuple[int, int]]]:
    """The tokens of a main question with its steps, and the characters of each answer."""
    asked, passage = [], ""
    for step in steps:
        new = step.question not in ("", step.step, passage)
        asked.append(f"{step.question}\n{step.step}" if new else step.step)
        passage = step.question
    has_template = bool(getattr(model.tokenizer, "chat_template", None))
    if chat == "plain" or not has_template:
        if chat == "template":
            model.format_prompt(asked[0], chat=chat)  # refuses: there is no template
        pieces = [f"{ask}\n{step.answer}" for ask, step in zip(asked, steps, strict=True)]
        tokens = encode(model.tokenizer, "\n".join(pieces))
    else:
        turns = [
            turn
            for ask, step in zip(asked, steps, strict=True)
            for turn in (
                {"role": "user", "content": ask},
                {"role": "assistant", "content": step.answer},
            )
        ]
        text = model.tokenizer.apply_chat_template(turns, tokenize=False)
        tokens = encode(model.tokenizer, text, special="none")
    return tokens, list(_answers(tokens.text, asked, steps))


def _answers(text: str, asked: Sequence[str], steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """Start and end of each answer: the first time it stands after its own question."""
    at = 0
    for ask, step in zip(asked, steps, strict=True):
        for piece in (ask, step.answer):
            start = text.find(piece, at)
            if start < 0:
                raise LayergramError(
                    f"the step '{step.id}' in the model's chat template",
                    got=f"a text without the words {piece[:60]!r}",
                    do="read the steps with --chat plain",
                )
            at = start + len(piece)
        yield start, at


def _span(tokens: Tokens, step: int, start: int, end: int) -> AnswerSpan:
    whole = positions(tokens, start, end)
    starts = [tokens.char_start[at] - start for at in whole]
    ends = [tokens.char_end[at] - start for at in whole]
    content = tuple(whole[at] for at in content_tokens(tokens.text[start:end], starts, ends))
    return AnswerSpan(step, whole[0], whole[-1], content or tuple(whole))


def content_tokens(text: str, starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Which tokens of an answer carry its content: parts of words that say something.

    Args:
        text: the answer.
        starts: first character of each token.
        ends: one past the last character.

    Returns:
        The tokens by number; those of all words where an answer has only function words, none
        where it has no words.

    Example:
        >>> content_tokens("at an airport", [0, 2, 5], [2, 5, 13])
        [2]
    """
    words = [(word.start(), word.end(), word[0].lower()) for word in re.finditer(r"\w+", text)]
    chosen = [word for word in words if word[2] not in FUNCTION_WORDS] or words
    return [
        at
        for at, (start, end) in enumerate(zip(starts, ends, strict=True))
        if any(start < last and first < end for first, last, _ in chosen)
    ]


def digest_of_sequences(sequences: Sequence[StepSequence]) -> str:
    """A digest of the tokens and of where the answers are."""
    return digest_of([[one.ids, list(map(astuple, one.spans))] for one in sequences])


def _check_lengths(model: Model, steps: StepSet, found: Sequence[StepSequence]) -> None:
    if model.context is None:
        return
    long = [reading for reading in found if len(reading.ids) > model.context]
    if long:
        longest = max(long, key=lambda reading: len(reading.ids))
        group = steps.steps[longest.spans[0].step].group
        raise LayergramError(
            f"steps of '{steps.name}' read by '{model.name}'",
            got=f"{len(long)} main questions that are too long with their steps; the longest, "
            f"'{group}', has {len(longest.ids)} tokens",
            allowed=f"{model.context} tokens",
            do="remove or shorten them, or take a model with a longer context",
        )
