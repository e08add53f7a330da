"""Question sets: questions with accepted answers, embedded, from a file or from the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from layergram.datasets.examples import ExampleSet, check_examples
from layergram.datasets.records import (
    Record,
    cell_text,
    cell_texts,
    match_columns,
    read_records,
    set_name,
)
from layergram.errors import LayergramError

EMBEDDED = ("capitals", "elements", "arithmetic", "countries")
"""The embedded question sets: files of JSON lines like any other."""

FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "query", "problem", "q_instruct", "input", "q"),
    "answer": ("answer", "answers", "aliases", "target", "label", "correct_answer", "best_answer"),
    "options": ("options", "choices"),
    "context": ("context", "passage", "sentence"),
    "group": ("group",),
    "id": ("id", "question_id"),
}
"""The fields of a question, and the column names recognised for each, best first."""

NEEDED = ("question", "answer")
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: unique in the set.
        question: the question itself.
        aliases: the accepted answers, all equally good.
        options: the texts to choose from, lettered A, B, C, …; or none.
        context: a text to read before the question, or "".
        group: questions of one group always stay in one fold of an evaluation.
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
class QuestionSet(ExampleSet):
    """Questions under a name; those that :func:`questions` reads have passed every check.

    Attributes:
        name: of the set.
        questions: in the order of their source.
        columns: the column of the source that each field was read from.
    """

    name: str
    questions: tuple[Question, ...]
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def examples(self) -> tuple[Question, ...]:
        """The questions."""
        return self.questions

    def first(self, count: int | None) -> QuestionSet:
        """The first ``count`` questions, or all of them."""
        if count is not None and count < 1:
            raise LayergramError(f"the first {count} questions", allowed="1 or more")
        return QuestionSet(self.name, self.questions[:count], self.columns)


def questions(source: str | Path, *, columns: Mapping[str, str] | None = None) -> QuestionSet:
    """A question set, with every question checked.

    Args:
        source: the name of an embedded set (:data:`EMBEDDED`); a file with one row per question,
            with columns ``question`` and ``answer`` and optionally ``options``, ``context``,
            ``group`` and ``id``; or the id of a data set on the Hugging Face hub, with its split
            after a colon (``org/name:validation``), which needs the package ``datasets``.
            Several accepted answers, or options, are a list, or one cell with ``|`` between them.
        columns: field -> column, where the columns have other names.

    Raises:
        LayergramError: if there is no such set, file or column; if a question has no text or no
            answer, or an answer that is not among its options; or if two share an id.

    Example:
        >>> capitals = questions("capitals")
        >>> len(capitals), capitals.questions[0].question, capitals.questions[0].aliases
        (246, 'What is the capital of Afghanistan?', ('Kabul',))
    """
    name = str(source)
    rows = read_records(name, kind="question set", embedded=EMBEDDED)
    matched = _match(name, rows[0], columns or {})
    loaded = QuestionSet(
        set_name(name),
        tuple(_question(number, row, matched) for number, row in enumerate(rows, start=1)),
        tuple(matched.items()),
    )
    _check(loaded)
    return loaded


def _match(name: str, row: Record, asked: Mapping[str, str]) -> dict[str, str]:
    """Field -> column; options in columns of their own are ``"A,B,C"``."""
    matched = match_columns(name, list(row), asked, fields=FIELDS, needed=NEEDED)
    letters = [letter for letter in LETTERS if letter in row]
    if "options" not in matched and letters[:2] == ["A", "B"]:
        matched["options"] = ",".join(letters)
    return matched


def _question(number: int, row: Record, columns: Mapping[str, str]) -> Question:
    def text(field: str) -> str:
        return cell_text(row.get(columns.get(field, "")))

    column = columns.get("options", "")
    if column in row:
        options = cell_texts(row[column])
    else:
        options = [" ".join(cell_texts(row[letter])) for letter in column.split(",") if letter]
    aliases = cell_texts(row[columns["answer"]])
    if len(options) <= len(LETTERS):  # more are refused, with the ids of the questions
        aliases = _letters_and_texts(aliases, options)
    name = text("id") or str(number)
    return Question(
        name,
        text("question"),
        tuple(dict.fromkeys(aliases)),
        options=tuple(options),
        context=text("context"),
        group=text("group") or name,
    )


def _letters_and_texts(aliases: Sequence[str], options: Sequence[str]) -> list[str]:
    """Accepted answers, where they are options with both the letter and the text of each.

    Example:
        >>> _letters_and_texts(["B"], ["fig", "oak"]), _letters_and_texts(["fig"], ["fig", "oak"])
        (['B', 'oak'], ['fig', 'A'])
        >>> _letters_and_texts(["1"], ["fig", "oak"])  # an index from 0, as many data sets have it
        ['B', 'oak']
    """
    accepted = list(aliases)
    texts = [text.casefold() for text in options]
    for alias in aliases:
        if alias.casefold() in texts:
            accepted.append(LETTERS[texts.index(alias.casefold())])
        elif alias in LETTERS[: len(options)] and len(alias) == 1:
            accepted.append(options[LETTERS.index(alias)])
        elif alias.isdecimal() and int(alias) < len(options):
            accepted.remove(alias)
            accepted += [LETTERS[int(alias)], options[int(alias)]]
    return accepted


def _check(loaded: QuestionSet) -> None:
    faults = {
        "without a text": [q.id for q in loaded.questions if not q.question.strip()],
        "without an answer": [q.id for q in loaded.questions if not q.aliases],
        "with one option": [q.id for q in loaded.questions if len(q.options) == 1],
        f"with more than {len(LETTERS)} options": [
            q.id for q in loaded.questions if len(q.options) > len(LETTERS)
        ],
        "with an answer that is not among the options": [
            q.id for q in loaded.questions if q.options and not _answer_is_an_option(q)
        ],
    }
    check_examples(
        loaded.questions,
        faults,
        asked=f"the question set '{loaded.name}'",
        noun="questions",
        allowed="a unique id, a text and at least one accepted answer for every question",
    )


def _answer_is_an_option(question: Question) -> bool:
    """Whether an accepted answer is the letter or the text of an option."""
    letters = LETTERS[: len(question.options)]
    options = {*letters, *(text.casefold() for text in question.options)}
    return any(alias in options or alias.casefold() in options for alias in question.aliases)
