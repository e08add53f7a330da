"""A question with its accepted answers, and a set of them that is known to be sound."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from layergram.errors import LayergramError

LETTERS = "ABCDEFGHIJ"
SHOWN = 5


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: unlike that of any other question of the set.
        question: the question itself.
        aliases: the accepted answers, each as good as the other.
        options: the texts to choose from, or none; they are lettered A, B, C, …
        context: a text to be read before the question, or "".
        group: questions of one group never stand in two folds of an evaluation.
    """

    id: str
    question: str
    aliases: tuple[str, ...]
    options: tuple[str, ...] = ()
    context: str = ""
    group: str = ""

    @property
    def prompt(self) -> str:
        """What the model is asked: context, question and lettered options.

        Example:
            >>> print(Question("1", "Which is a fruit?", ("A",), options=("fig", "oak")).prompt)
            Which is a fruit?
            A) fig
            B) oak
        """
        options = [f"{letter}) {text}" for letter, text in zip(LETTERS, self.options, strict=False)]
        asked = "\n".join([self.question, *options])
        return f"{self.context}\n\n{asked}" if self.context else asked


@dataclass(frozen=True)
class QuestionSet:
    """Questions that passed every check, under a name.

    Attributes:
        name: of the set.
        questions: in the order of their source.
        columns: which column of the source each field came from.
    """

    name: str
    questions: tuple[Question, ...]
    columns: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def digest(self) -> str:
        """``sha256:`` and 16 digits that change with any word of the set."""
        plain = json.dumps([asdict(q) for q in self.questions], ensure_ascii=False)
        return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()[:16]}"

    def first(self, count: int | None) -> QuestionSet:
        """The first ``count`` questions, or all of them."""
        if count is not None and count < 1:
            raise LayergramError(f"the first {count} questions", allowed="1 or more")
        return QuestionSet(self.name, self.questions[:count], self.columns)


def checked(found: QuestionSet) -> QuestionSet:
    """The set itself, if every question has words, an answer and an id of its own.

    Nothing is left out in silence: a set with a question that cannot be judged is refused.

    Raises:
        LayergramError: naming the questions that are at fault.
    """
    asked = f"the question set '{found.name}'"
    if not found.questions:
        raise LayergramError(asked, got="no question", do="check that the file is whole")
    times = Counter(q.id for q in found.questions)
    faults = (
        ("without words", [q.id for q in found.questions if not q.question.strip()]),
        ("without an answer", [q.id for q in found.questions if not q.aliases]),
        ("with the id of another", [name for name, count in times.items() if count > 1]),
        ("with one option", [q.id for q in found.questions if len(q.options) == 1]),
        (
            f"with more than {len(LETTERS)} options",
            [q.id for q in found.questions if len(q.options) > len(LETTERS)],
        ),
        ("whose answer is none of its options", [q.id for q in found.questions if _astray(q)]),
    )
    for fault, ids in faults:
        if ids:
            raise LayergramError(
                asked,
                got=f"{len(ids)} of {len(found)} questions {fault}: {listed(ids)}",
                allowed="an id of its own, words and at least one accepted answer in every row",
                do="repair or remove these rows",
            )
    return found


def listed(ids: Sequence[str]) -> str:
    """The first few ids in words.

    Example:
        >>> listed(["1", "2", "3", "4", "5", "6", "7"])
        "'1', '2', '3', '4', '5' and 2 more"
    """
    shown = ", ".join(f"'{name}'" for name in ids[:SHOWN])
    return shown + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")


def _astray(question: Question) -> bool:
    """Whether there are options, and no accepted answer is the letter or the text of one."""
    letters = LETTERS[: len(question.options)]
    known = {*letters, *(text.casefold() for text in question.options)}
    return bool(question.options) and not any(
        alias in known or alias.casefold() in known for alias in question.aliases
    )


def with_options(aliases: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """The accepted answers of a question with options: the text of an option, and its letter.

    Example:
        >>> with_options(["B"], ["fig", "oak"]), with_options(["fig"], ["fig", "oak"])
        (('B', 'oak'), ('fig', 'A'))
        >>> with_options(["1"], ["fig", "oak"])  # numbered from 0, as data sets do
        ('B', 'oak')
    """
    found = list(aliases)
    texts = [text.casefold() for text in options]
    for alias in aliases:
        if alias.casefold() in texts:
            found.append(LETTERS[texts.index(alias.casefold())])
        elif alias in LETTERS[: len(options)] and len(alias) == 1:
            found.append(options[LETTERS.index(alias)])
        elif alias.isdigit() and int(alias) < len(options):
            found.remove(alias)
            found += [LETTERS[int(alias)], options[int(alias)]]
    return tuple(dict.fromkeys(found))
