"""Judge answers: right or wrong, the exact answer inside, and the tokens that play each role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from layergram import maps
from layergram.answers.ask import Answer, key_of
from layergram.answers.exact import (
    EDGE,
    JUDGES,
    Exact,
    JudgeName,
    by_rules,
    exact_answer,
    is_numeric,
)
from layergram.answers.kinds import tell
from layergram.answers.matching import is_number
from layergram.answers.roles import role_positions
from layergram.datasets.questions import Question
from layergram.engine.sampling import Sampling, Stream, generate
from layergram.errors import LayergramError, unknown_name
from layergram.models.model import Model
from layergram.storage.files import digest_of
from layergram.storage.folder import RunFolder
from layergram.storage.stage import Stage, run_stage
from layergram.tokens import encode, positions

MODEL = "model"
BATCH = 16
MOST = 16  # tokens of an exact answer that the model copies out of its reply
EXAMPLES = """\
Copy from the reply the few words that answer the question. If there are none, write NO ANSWER.

Question: Which river flows through Cairo?
Reply: Cairo is a large city, and the river that flows through it is the Nile.
Words: the Nile

Question: Who painted the Night Watch?
Reply: That is a famous painting, and many people come to see it.
Words: NO ANSWER

Question: {question}
Reply: {reply}
Words:"""


@dataclass(frozen=True)
class Row:
    """One answer, judged; every rule that was used can be seen.

    Attributes:
        id: of the question.
        sample: 0 for the greedy answer, 1, 2, … for drawn ones.
        group: of the question.
        question: the question.
        accepted: the accepted answers.
        reply: the answer as text.
        right: whether the reply gives an accepted answer.
        exact: the exact answer, or "" where there is none.
        extractor: what found it: ``alias`` (a right reply), a rule
            (:data:`layergram.answers.exact.ABOUT`), ``model``, or "" for nothing.
        exact_chars: its first character in the reply, and one past its last.
        exact_tokens: its first and last token.
        prompt_tokens: tokens of the prompt.
        roles: role -> position in ``ids``, −1 where the answer has no such token.
        ended: ``stop`` or ``length``.
        ids: prompt and answer.
        texts: the piece of text that each of them stands for.
        candidates: how many different answers of the accepted kind the reply mentions.
        by_rule: the exact answer as the rules find it without looking for an accepted one.
    """

    id: str
    sample: int
    group: str
    question: str
    accepted: tuple[str, ...]
    reply: str
    right: bool
    exact: str
    extractor: str
    exact_chars: tuple[int, int] | None
    exact_tokens: tuple[int, int] | None
    prompt_tokens: int
    roles: dict[str, int]
    ended: str
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    candidates: int = 0
    by_rule: str = ""

    @property
    def key(self) -> str:
        """Unique among the answers to a question set."""
        return key_of(self.id, self.sample)

    @property
    def valid(self) -> bool:
        """Whether an exact answer was found, so that the row has all roles of one."""
        return self.exact_tokens is not None


@dataclass(frozen=True)
class Judgement:
    """What is made of one reply.

    Attributes:
        right: whether the reply gives an accepted answer.
        exact: the exact answer as it stands in the reply, or "" where none was found.
        rule: what found it: ``alias`` (a right reply), a rule
            (:data:`layergram.answers.exact.ABOUT`), or "".
    """

    right: bool
    exact: str
    rule: str


def judge(
    accepted: Sequence[str],
    reply: str,
    options: Sequence[str] = (),
    *,
    question: str = "",
    by: JudgeName = "strict",
) -> Judgement:
    """Whether a reply is right, and the exact answer in it, by rules alone.

    The kind of the accepted answers decides how: a number, date or quantity by its value, a choice
    by its label or text, yes or no by what the reply says, a name as a whole word. What a reply
    denies, takes back or only guesses among others is no answer.

    Args:
        accepted: the accepted answers, each as good as the other.
        reply: the reply.
        options: the texts to choose from, lettered A, B, C, …, or none.
        question: the question; words and numbers of it answer nothing.
        by: ``"strict"``, as said; ``"published"`` finds right what contains an accepted answer
            anywhere, ignoring case.

    Raises:
        LayergramError: for a text in place of a list, or a judge that does not exist.

    Source:
        The published rule: Orgad et al., *LLMs Know More Than They Show*, arXiv 2410.02707.

    Example:
        >>> judge(["Paris"], "It is Paris.")
        Judgement(right=True, exact='Paris', rule='alias')
        >>> judge(["9"], "The sum is 19.")
        Judgement(right=False, exact='19', rule='number')
        >>> judge(["Paris"], "It is Lyon, not Paris.").exact
        'Lyon'
        >>> judge(["oak"], "B) oak tree", ["oak", "oak tree"]).right
        False
    """
    for name, given in (("accepted", accepted), ("options", options)):
        if isinstance(given, str):
            raise LayergramError(
                f"the judge, {name}={given!r}", got="a text", allowed=f"a list: [{given!r}]"
            )
    if by not in JUDGES:
        raise unknown_name("judge", by, JUDGES)
    asked = Question("", question, tuple(accepted), tuple(options))
    exact = exact_answer(asked, reply, by)
    if exact is None:
        return Judgement(False, "", "")
    return Judgement(exact.by == "alias", reply[exact.start : exact.end], exact.by)


def judge_answers(
    model: Model,
    answers: Sequence[Answer],
    *,
    accepted: Literal["check", "unknown"] = "check",
    judge: JudgeName = "strict",
    folder: RunFolder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Every answer, judged, in the order of the answers.

    Args:
        model: asked for the exact answer of wrong replies in which no rule finds one; what it
            says counts only if the reply has it word for word.
        answers: what :func:`layergram.answers.ask.ask` gave.
        accepted: ``"check"`` looks for accepted answers; ``"unknown"`` takes those of the questions
            only for examples of what kind of answer is looked for, and calls no reply right.
        judge: ``"strict"`` goes by the kind of answer, ``"published"`` looks for an accepted answer
            anywhere in the reply.
        folder: where what the model copied is kept.
        progress: called with how many replies the model has been asked about, and how many.
    """
    find = exact_answer if accepted == "check" else by_rules
    found = [find(a.question, a.reply, judge) for a in answers]
    lacking = [at for at, exact in enumerate(found) if exact is None and answers[at].reply.strip()]
    if lacking:
        name = "extracts" if judge == "strict" else f"{judge}/extracts"
        asked = _ask_model(model, [answers[at] for at in lacking], folder, name, progress)
        for at, exact in zip(lacking, asked, strict=True):
            found[at] = exact
    return [_row(answer, exact, judge) for answer, exact in zip(answers, found, strict=True)]


def _row(answer: Answer, exact: Exact | None, judge: JudgeName = "strict") -> Row:
    span = None
    if exact is not None:
        span = positions(answer.tokens, answer.start + exact.start, answer.start + exact.end)
    prompt, total = len(answer.prompt), len(answer.prompt) + len(answer.ids)
    places = role_positions(prompt, total, span)
    question = answer.question
    told = by_rules(question, answer.reply, judge)
    return Row(
        id=question.id,
        sample=answer.sample,
        group=question.group or question.id,
        question=question.question,
        accepted=question.aliases,
        reply=answer.reply,
        right=exact is not None and exact.by == "alias",
        exact=answer.reply[exact.start : exact.end] if exact else "",
        extractor=exact.by if exact else "",
        exact_chars=(exact.start, exact.end) if exact else None,
        exact_tokens=(span[0], span[-1]) if span else None,
        prompt_tokens=prompt,
        roles=dict(zip(maps.ROLES, places, strict=True)),
        ended=answer.ended,
        ids=answer.prompt + answer.ids,
        texts=answer.tokens.texts,
        candidates=max((each.candidates for each in tell(question, answer.reply)), default=0),
        by_rule=answer.reply[told.start : told.end] if told else "",
    )


def _ask_model(
    model: Model,
    answers: Sequence[Answer],
    folder: RunFolder | None,
    name: str,
    progress: Callable[[int, int], None] | None,
) -> list[Exact | None]:
    """The exact answers as the model itself copies them out of its replies."""
    prompts = {
        key_of(a.question.id, a.sample): encode(
            model.tokenizer,
            EXAMPLES.format(question=a.question.question, reply=" ".join(a.reply.split())),
        ).ids
        for a in answers
    }
    stage = Stage(
        name,
        tuple(sorted(prompts, key=lambda key: -len(prompts[key]))),
        {
            **model.fingerprint(),
            **model.generation_settings(),
            "prompts": digest_of(list(prompts.values())),
            "most": MOST,
        },
    )

    def work(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        room = model.context or max(map(len, prompts.values())) + MOST
        fits = [key for key in keys if len(prompts[key]) + MOST <= room]
        streams = [Stream(Sampling(MOST)) for _ in fits]
        ids = generate(model, [prompts[key] for key in fits], streams, batch=BATCH) if fits else []
        copied = {
            key: model.tokenizer.decode(own, skip_special_tokens=True)
            for key, own in zip(fits, ids, strict=True)
        }
        return {key: {"copied": copied.get(key, "")} for key in keys}

    records = run_stage(stage, work, folder, progress=progress)
    return [
        _copied(a.question, a.reply, records[key]["copied"])
        for key, a in zip(prompts, answers, strict=True)
    ]


def _copied(question: Question, reply: str, copied: str) -> Exact | None:
    """Where the first line of what the model copied stands in the reply, if it does.

    Words of the question answer nothing, and to a question for a number only a number does.
    """
    line, newline, _ = copied.lstrip().partition("\n")
    words = line.strip(EDGE)
    start = reply.find(words) if newline and words else -1
    if start < 0 or words.casefold() in question.prompt.casefold():
        return None
    if is_numeric(question) and not is_number(words):
        return None
    return Exact(start, start + len(words), MODEL)


def coverage(rows: Sequence[Row]) -> dict[str, Any]:
    """How many answers there are, how many right, how many with an exact answer, and by what rule.

    ``coverage`` is the share of answers with an exact answer; rows without one are left out of
    the role map. ``several_candidates`` is the share of replies that mention more than one answer
    of the accepted kind: those that the judge had to decide between. ``rules_agree`` is the share
    of right replies in which the rules, run without looking for an accepted answer, take the same
    words for the exact answer: how far those of wrong replies can be trusted.
    """
    valid = [row for row in rows if row.valid]
    return {
        "answers": len(rows),
        "right": sum(row.right for row in rows),
        "with_exact_answer": len(valid),
        "coverage": len(valid) / len(rows) if rows else 0.0,
        "right_with_exact_answer": sum(row.right for row in valid),
        "wrong_with_exact_answer": sum(not row.right for row in valid),
        "extractors": dict(Counter(row.extractor or "none" for row in rows).most_common()),
        "several_candidates": _share([row.candidates > 1 for row in rows]),
        "rules_agree": _share([same_words(row.by_rule, row.exact) for row in valid if row.right]),
        "cut_short": sum(row.ended == "length" for row in rows),
    }


def _share(of: Sequence[bool]) -> float:
    return sum(of) / len(of) if of else 0.0


def same_words(one: str, other: str) -> bool:
    """Whether two exact answers are the same, or one is a part of the other.

    Example:
        >>> same_words("Belfast", "Belfast, UK"), same_words("", "Belfast")
        (True, False)
    """
    one, other = one.casefold(), other.casefold()
    return bool(one and other) and (one in other or other in one)
