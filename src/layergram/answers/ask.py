"""Ask a model every question of a set, in batches, and write its answers down as they come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layergram.datasets.questions import Question, QuestionSet, listed
from layergram.engine.sampling import generate, padding_is_exact
from layergram.errors import LayergramError
from layergram.models.model import Model
from layergram.storage.journal import batched, claim, digest_of
from layergram.tokens import Tokens, append

GREEDY = 0
"""Number of the answer that is made of the likeliest tokens; drawn ones count from 1."""


@dataclass(frozen=True)
class Asking:
    """How questions are put, and how they are answered.

    Attributes:
        max_new_tokens: largest length of an answer.
        samples: answers per question that are drawn at random, besides the greedy one.
        temperature: of the draws.
        seed: of the draws; every answer has a random stream of its own, made from it.
        chat: ``"auto"`` uses the tokenizer's chat template if it has one, ``"template"`` insists
            on it, ``"plain"`` gives the question as it is.
        batch: answers that are generated together; changes speed and memory, nothing else.
    """

    max_new_tokens: int = 32
    samples: int = 0
    temperature: float = 1.0
    seed: int = 0
    chat: str = "auto"
    batch: int = 32

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        least = {"max_new_tokens": 1, "samples": 0, "batch": 1}
        for name, at_least in least.items():
            if getattr(self, name) < at_least:
                raise LayergramError(
                    f"{name} = {getattr(self, name)}", allowed=f"at least {at_least}"
                )
        if not self.temperature > 0:
            raise LayergramError(f"temperature = {self.temperature}", allowed="above 0")


@dataclass(frozen=True)
class Answer:
    """What a model said to a question.

    Attributes:
        question: the question.
        sample: 0 for the greedy answer, 1, 2, … for drawn ones.
        prompt: ids of the prompt, chat template included.
        ids: ids of the answer, the stopping token included where it was reached.
        reply: the answer as text, without the stopping token.
        tokens: prompt and answer as tokens with their places in the text.
        start: where in ``tokens.text`` the reply begins.
    """

    question: Question
    sample: int
    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    reply: str
    tokens: Tokens
    start: int

    @property
    def ended(self) -> str:
        """``"stop"`` if the model ended by itself, ``"length"`` if it was cut."""
        return "stop" if len(self.reply) + self.start < len(self.tokens.text) else "length"


def answer(
    model: Model,
    questions: QuestionSet,
    *,
    asking: Asking | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """The answers of a model to all questions of a set, question by question, sample by sample.

    Prompts are sorted by length and answered in batches, the longest first.

    Args:
        model: the model.
        questions: the set.
        asking: how to ask.
        folder: where ``answers.jsonl`` grows; a run that was killed goes on from there, and its
            answers are those of a run that was not.
        progress: called with how many answers are there, and how many there will be.

    Raises:
        LayergramError: if a question is longer than the model's context allows, or the folder
            holds the answers of another run. Nothing has been asked then.
    """
    asking = asking or Asking()
    prompts = [
        model.format_prompt(question.prompt, chat=asking.chat) for question in questions.questions
    ]
    _check_lengths(model, questions, prompts, asking.max_new_tokens)
    which = [(q, sample) for q in range(len(prompts)) for sample in range(asking.samples + 1)]
    lengths = [len(prompts[q]) for q, _ in which]
    exact = padding_is_exact(model, [prompt.ids for prompt in prompts])
    batches = by_length(lengths, size=asking.batch, mixed="yes" if exact else "no")
    if folder is not None:
        fingerprint = fingerprint_of(model, questions) | {
            "asking": asdict(asking),
            "prompts": digest_of([prompt.ids for prompt in prompts]),
        }
        claim(folder / "answers.manifest.json", fingerprint)

    def work(batch: Sequence[int]) -> list[dict[str, Any]]:
        asked = [which[at] for at in batch]
        seeds = [_seed(asking.seed, questions.questions[q].id, sample) for q, sample in asked]
        replies = generate(
            model,
            [prompts[q].ids for q, _ in asked],
            most=asking.max_new_tokens,
            seeds=seeds,
            temperature=asking.temperature,
        )
        return [
            {
                "id": questions.questions[q].id,
                "sample": sample,
                "reply": model.tokenizer.decode(ids, skip_special_tokens=True),
                "answer_ids": list(ids),
                "prompt_ids": list(prompts[q].ids),
            }
            for (q, sample), ids in zip(asked, replies, strict=True)
        ]

    found: dict[int, tuple[int, ...]] = {}
    journal = None if folder is None else folder / "answers.jsonl"
    for batch, records in zip(batches, batched(journal, batches, work), strict=True):
        for at, record in zip(batch, records, strict=True):
            found[at] = tuple(record["answer_ids"])
        if progress is not None:
            progress(len(found), len(which))
    stops = model.stop_ids
    return [
        answer_of(model, questions.questions[q], sample, prompts[q], found[at], stops=stops)
        for at, (q, sample) in enumerate(which)
    ]


def answer_of(
    model: Model,
    question: Question,
    sample: int,
    prompt: Tokens,
    ids: Sequence[int],
    *,
    stops: Sequence[int],
) -> Answer:
    """An answer from its ids."""
    tokens = append(model.tokenizer, prompt, ids)
    start, end = len(prompt.text), len(tokens.text)
    if ids and ids[-1] in stops:
        end = tokens.char_start[-1]
    reply = tokens.text[start:end]
    return Answer(question, sample, prompt.ids, tuple(ids), reply, tokens, start)


def by_length(lengths: Sequence[int], *, size: int, mixed: str = "yes") -> list[list[int]]:
    """Batches of places, the longest first; with ``mixed="no"`` all of a batch have one length.

    Example:
        >>> by_length([3, 9, 9, 4], size=2), by_length([3, 9, 9, 4], size=2, mixed="no")
        ([[1, 2], [3, 0]], [[1, 2], [3], [0]])
    """
    order = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
    batches: list[list[int]] = []
    for at in order:
        full = not batches or len(batches[-1]) == size
        if full or (mixed == "no" and lengths[batches[-1][0]] != lengths[at]):
            batches.append([])
        batches[-1].append(at)
    return batches


def fingerprint_of(model: Model, questions: QuestionSet) -> dict[str, Any]:
    """What all results of a run depend on: the questions, the model and what is edited in it."""
    return {
        "questions": questions.name,
        "questions_digest": questions.digest,
        **model.fingerprint(),
    }


def _seed(seed: int, question: str, sample: int) -> int | None:
    """The seed of one answer, whatever is asked beside it; ``None`` for the greedy one."""
    if sample == GREEDY:
        return None
    digest = hashlib.sha256(f"{seed}\0{question}\0{sample}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _check_lengths(
    model: Model, questions: QuestionSet, prompts: Sequence[Tokens], most: int
) -> None:
    if model.context is None:
        return
    long = [
        question.id
        for question, prompt in zip(questions.questions, prompts, strict=True)
        if len(prompt) + most > model.context
    ]
    if long:
        longest = max(map(len, prompts))
        raise LayergramError(
            f"answers of up to {most} tokens to the question set '{questions.name}'",
            got=f"{len(long)} questions that are too long for it ({listed(long)}); the longest "
            f"has {longest} tokens",
            allowed=f"{model.context} tokens for question and answer together in '{model.name}'",
            do="shorten or remove these questions, or take a model with a longer context",
        )
