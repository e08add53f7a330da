"""Ask a model every question of a set, in batches, and keep its answers as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from layergram.answers.exact import JUDGES, JudgeName
from layergram.datasets.examples import quoted_ids
from layergram.datasets.questions import Question, QuestionSet
from layergram.engine.samplers import OWN, check_sampler, open_sampler, record_of
from layergram.engine.sampling import Sampling, Stream, generate, seed_of
from layergram.errors import LayergramError, check_seed, unknown_name
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.tokens import Tokens, append

GREEDY = 0
"""Number of the answer that is made of the likeliest tokens; drawn ones count from 1."""


SHARD = 32
"""Answers that are kept together: what an interruption can lose, and the largest batch."""

VLLM_SHARD = 1024
"""The same where vLLM samples, which is given all prompts of a shard at once, and waits for the
slowest of them: it is fast while it has many."""


@dataclass(frozen=True)
class AnswerOptions:
    """How questions are put, and how they are answered.

    Attributes:
        max_new_tokens: largest length of an answer.
        samples: answers per question that are drawn at random, besides the greedy one.
        temperature: of the draws.
        top_p: tokens are drawn from the likeliest ones that together have this probability.
        top_k: tokens are drawn from so many of the likeliest; 0 for all.
        seed: of the draws; every answer has a random stream of its own, made from it.
        chat: ``"auto"`` uses the tokenizer's chat template if it has one, ``"template"`` insists
            on it, ``"plain"`` gives the question as it is.
        batch: answers that layergram's own sampler generates together; changes speed and memory,
            nothing else.
        judge: ``"strict"`` judges a reply by the kind of answer, ``"published"`` calls it right
            where it contains an accepted answer. Answers are asked and kept the same.
        sampler: ``"layergram"``, or ``"vllm"`` to sample the ids of the answers with vLLM; all
            that is measured of them is read from the ids in the same way.
    """

    max_new_tokens: int = 32
    samples: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    chat: str = "auto"
    batch: int = 32
    judge: JudgeName = "strict"
    sampler: str = OWN

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
        if self.judge not in JUDGES:
            raise unknown_name("judge", self.judge, JUDGES)
        check_seed(self.seed)
        self.stream("", GREEDY + 1)  # refuses what cannot be drawn
        check_sampler(self.sampler, temperature=self.temperature)

    @property
    def record(self) -> dict[str, Any]:
        """These options as plain data, with the version of a sampler that is not layergram's."""
        plain = {name: value for name, value in asdict(self).items() if name != "sampler"}
        return plain | record_of(self.sampler)

    def stream(self, question: str, sample: int, *, drawn: int = 0) -> Stream:
        """How one answer is drawn, whatever is asked beside it.

        Args:
            question: id of the question.
            sample: number of the answer.
            drawn: so many of its tokens have been drawn before.
        """
        if sample == GREEDY:
            return Stream(Sampling(self.max_new_tokens))
        sampling = Sampling(self.max_new_tokens, self.temperature, self.top_p, self.top_k)
        return Stream(sampling, seed=seed_of(self.seed, question, sample), drawn=drawn)


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


def ask(
    model: Model,
    questions: QuestionSet,
    *,
    options: AnswerOptions | None = None,
    folder: RunFolder | None = None,
    progress: Callable[[int, int], None] | None = None,
    greedy: bool = True,
    stage: str = "answers",
) -> list[Answer]:
    """The answers of a model to all questions of a set, question by question, sample by sample.

    Args:
        model: the model.
        questions: the set.
        options: how to ask.
        folder: where the answers are kept as they come; an interrupted run resumes, and its
            answers are those of a run that was not interrupted.
        progress: called with how many answers are there, and how many there will be.
        greedy: whether the greedy answer is one of them.
        stage: the name under which they are kept.

    Raises:
        LayergramError: if a question is longer than the model's context allows, the sampler cannot
            answer as this model does, or the folder holds the answers of another run. Nothing has
            been asked then.
    """
    options = options or AnswerOptions()
    prompts = {
        question.id: model.format_prompt(question.prompt, chat=options.chat)
        for question in questions.questions
    }
    _check_lengths(model, questions, prompts, options.max_new_tokens)
    longest = max(map(len, prompts.values()), default=0) + options.max_new_tokens
    sampler = open_sampler(options.sampler, model, batch=options.batch, longest=longest)
    asked = {
        key_of(question.id, sample): (question, sample)
        for question in questions.questions
        for sample in range(GREEDY if greedy else GREEDY + 1, options.samples + 1)
    }
    kept = Stage(
        stage,
        tuple(sorted(asked, key=lambda key: -len(prompts[asked[key][0].id]))),  # longest first
        {
            **_drawn_with(model, options),
            "questions": questions.name,
            "questions_digest": questions.digest,
            "prompts": digest_of([prompt.ids for prompt in prompts.values()]),
        },
        shard_size=_shard_size(options, len(asked), folder),
    )

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        batch = [asked[key] for key in keys]
        replies = sampler.sample(
            [prompts[question.id].ids for question, _ in batch],
            [options.stream(question.id, sample) for question, sample in batch],
        )
        return {
            key: {
                "id": question.id,
                "sample": sample,
                "reply": model.tokenizer.decode(ids, skip_special_tokens=True),
                "answer_ids": list(ids),
            }
            for key, (question, sample), ids in zip(keys, batch, replies, strict=True)
        }

    with closing(sampler):
        found = run_stage(kept, work, folder, progress=progress)
    return [
        answer_of(model, question, sample, prompts[question.id], found[key]["answer_ids"])
        for key, (question, sample) in asked.items()
    ]


def complete_answers(
    model: Model,
    begun: Sequence[Answer],
    *,
    options: AnswerOptions,
    folder: RunFolder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Complete answers that were cut, with the ids that they would have if never cut.

    Args:
        model: the model.
        begun: answers asked with a smaller ``max_new_tokens`` and these options otherwise, by
            layergram's own sampler.
        options: how to ask, with the length that they may have.
        folder: where the answers are kept as they come.
        progress: called with how many answers are there, and how many there will be.

    Returns:
        The answers in this order; those that had ended as they are. As with :func:`ask`, rounding
        can tip a choice between tokens that are equally likely to 1e-5.
    """
    cut = {
        key_of(answer.question.id, answer.sample): answer
        for answer in begun
        if answer.ended == "length" and len(answer.ids) < options.max_new_tokens
    }
    stage = Stage(
        "whole_answers",
        tuple(sorted(cut, key=lambda key: -len(cut[key].prompt))),
        {
            **_drawn_with(model, options),
            "begun": digest_of([(*a.prompt, *a.ids) for a in cut.values()]),
        },
        shard_size=SHARD,
    )

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        batch = [cut[key] for key in keys]
        answers = generate(
            model,
            [a.prompt for a in batch],
            [options.stream(a.question.id, a.sample, drawn=len(a.ids)) for a in batch],
            batch=options.batch,
            begun=[a.ids for a in batch],
        )
        return {key: {"answer_ids": list(ids)} for key, ids in zip(keys, answers, strict=True)}

    found = run_stage(stage, work, folder, progress=progress) if cut else {}
    whole = []
    for answer in begun:
        key = key_of(answer.question.id, answer.sample)
        if key in cut:
            prompt = model.format_prompt(answer.question.prompt, chat=options.chat)
            ids = found[key]["answer_ids"]
            answer = answer_of(model, answer.question, answer.sample, prompt, ids)
        whole.append(answer)
    return whole


def _shard_size(options: AnswerOptions, answers: int, folder: RunFolder | None) -> int:
    """Answers in a shard of a new stage; where others make shares, there is one for each."""
    if options.sampler == OWN:
        return SHARD
    shares = 1 if folder is None or folder.share is None else folder.share.of
    return max(SHARD, min(VLLM_SHARD, -(-answers // shares)))


def _drawn_with(model: Model, options: AnswerOptions) -> dict[str, Any]:
    """What the ids of answers depend on beside the prompts."""
    return {
        **model.fingerprint(),
        **model.generation_settings(),
        **{k: v for k, v in options.record.items() if k not in ("batch", "chat", "judge")},
    }


def key_of(question: str, sample: int) -> str:
    """The key of an answer among those to a question set."""
    return question if sample == GREEDY else f"{question}\t#{sample}"  # ids have no tabs


def answer_of(
    model: Model, question: Question, sample: int, prompt: Tokens, ids: Sequence[int]
) -> Answer:
    """An answer from its ids."""
    tokens = append(model.tokenizer, prompt, ids)
    start, end = len(prompt.text), len(tokens.text)
    if ids and ids[-1] in model.stop_ids:
        end = tokens.char_start[-1]
    reply = tokens.text[start:end]
    return Answer(question, sample, prompt.ids, tuple(ids), reply, tokens, start)


def _check_lengths(
    model: Model, questions: QuestionSet, prompts: Mapping[str, Tokens], most: int
) -> None:
    if model.context is None:
        return
    long = [question for question, prompt in prompts.items() if len(prompt) + most > model.context]
    if long:
        longest = max(map(len, prompts.values()))
        raise LayergramError(
            f"answers of up to {most} tokens to the question set '{questions.name}'",
            got=f"{len(long)} questions that are too long for it ({quoted_ids(long)}); the longest "
            f"has {longest} tokens",
            allowed=f"{model.context} tokens for question and answer together in '{model.name}'",
            do="shorten or remove these questions, or take a model with a longer context",
        )
