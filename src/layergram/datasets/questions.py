"""Question sets: questions with accepted answers, embedded, from a file or from the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from layergram.datasets.cells import UnreadableCell, cell_text, cell_texts
from layergram.datasets.duplicates import Groups, group
from layergram.datasets.examples import ExampleSet, check_examples
from layergram.datasets.options import LETTERS as LETTERS
from layergram.datasets.options import (
    Options,
    accepted,
    key_kind,
    option_columns,
    read_options,
)
from layergram.datasets.records import Record, match_columns, read_records, set_name
from layergram.errors import LayergramError

EMBEDDED = ("capitals", "elements", "arithmetic", "countries")
"""The embedded question sets: files of JSON lines like any other."""

FIELDS: dict[str, tuple[str, ...]] = {
    "question": (
        *("question", "prompt", "query", "problem", "q_instruct", "input", "q", "question_stem"),
        *("ctx", "goal", "hypothesis", "statement", "instruction", "sentence", "sentence2"),
    ),
    "answer": (
        *("answer", "answerkey", "answers", "target", "label", "correct_answer", "best_answer"),
        *("answer_key", "answer_idx", "correct", "correct_option", "gold", "gold_label", "cop"),
        *("final_decision", "final_ans", "output", "ground_truth", "golden_answers"),
        *("answers_spans", "correct_answers", "possible_answers", "aliases", "mc1_targets"),
        *("mc2_targets", "target_scores"),
    ),
    "aliases": (
        *("aliases", "answer_aliases", "alternatives", "possible_answers", "correct_answers"),
        "normalized_aliases",
    ),
    "options": ("options", "choices", "endings", "mc1_targets", "mc2_targets", "target_scores"),
    "context": ("context", "passage", "sentence", "premise", "article", "body", "sentence1"),
    "group": ("group",),
    "id": ("id", "question_id", "qid", "questionid"),
}
"""The fields of a question, and the column names recognised for each, best first."""

MARKED = ("mc1_targets", "mc2_targets", "target_scores")
"""Columns that hold options with a mark at the right ones."""

LISTS_WITH_SEMICOLONS = ("correct_answers",)  # as TruthfulQA writes them in a table
NEEDED = ("question", "answer")
FINAL = re.compile(r"####[ \t]*(\S[^\n]*?)\s*$")  # the final answer below a solution, as in GSM8K
TRUE_OR_FALSE = {"true": ("yes", "true"), "false": ("no", "false")}
NearDuplicates = Literal["group", "separate"]


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
        warnings: what a reader of the set should know, in sentences.
    """

    name: str
    questions: tuple[Question, ...]
    columns: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def examples(self) -> tuple[Question, ...]:
        """The questions."""
        return self.questions

    def first(self, count: int | None) -> QuestionSet:
        """The first ``count`` questions, or all of them."""
        if count is not None and count < 1:
            raise LayergramError(f"the first {count} questions", allowed="1 or more")
        return replace(self, questions=self.questions[:count])


def questions(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    near_duplicates: NearDuplicates = "group",
) -> QuestionSet:
    """A question set, with every question checked.

    Answers that name options are read by the set's own labels, by the options' texts, by letters,
    or by their numbers, whichever fits all rows. Every answer below ``####`` is the line after it.
    True and false, without options, are yes and no. Identical questions are one group, and so are
    near-duplicates: questions that share most of the words that are rare in the set.

    Args:
        source: the name of an embedded set (:data:`EMBEDDED`); a file with one row per question,
            with columns ``question`` and ``answer`` and optionally ``options``, ``context``,
            ``group`` and ``id``; or the id of a data set on the Hugging Face hub, with its split
            after a colon (``org/name:validation``), which needs the package ``datasets``.
            Several accepted answers, or options, are a list, or one cell with ``|`` between them.
        columns: field -> column, where the columns have other names.
        near_duplicates: ``"group"`` keeps questions that differ in a few words on one side of
            every split; ``"separate"`` leaves them as the set has them.

    Raises:
        LayergramError: if there is no such set, file or column; if a question has no text or no
            answer, or an answer that is not among its options; if two share an id; or if a list
            that is written as text cannot be read.

    Example:
        >>> capitals = questions("capitals")
        >>> len(capitals), capitals.questions[0].question, capitals.questions[0].aliases
        (246, 'What is the capital of Afghanistan?', ('Kabul',))
    """
    if near_duplicates not in ("group", "separate"):
        raise LayergramError(f"near_duplicates={near_duplicates!r}", allowed="group, separate")
    name = str(source)
    records = read_records(name, kind="question set", embedded=EMBEDDED)
    rows = [flat for row in records for flat in _flat(row)]
    matched = _match(name, rows[0], columns or {})
    several = _option_columns(rows[0], matched)
    read = [_read(name, number, row, matched, several) for number, row in enumerate(rows, start=1)]
    found, warnings = _resolved([question for question, _, _ in read], read)
    _check(QuestionSet(set_name(name), tuple(found)))
    groups = _groups(found, near=near_duplicates == "group")
    first = {number: found[groups.of.index(number)].group for number in dict.fromkeys(groups.of)}
    found = [
        replace(question, group=first[number])
        for question, number in zip(found, groups.of, strict=True)
    ]
    return QuestionSet(
        set_name(name),
        tuple(found),
        (*matched.items(), *((("options", ",".join(several)),) if several else ())),
        (*warnings, *said_of_groups(groups, "questions")),
    )


def _flat(row: Record) -> list[Record]:
    """The questions of a row that holds them inside, as ARC and SQuAD were published."""
    if isinstance(row.get("paragraphs"), list):  # [{"context": …, "qas": [{"question": …}]}]
        return [
            {"context": paragraph.get("context"), **question}
            for paragraph in row["paragraphs"]
            for question in paragraph["qas"]
        ]
    for name, cell in row.items():
        if name.lower() == "question" and isinstance(cell, Mapping) and "stem" in cell:
            return [{**cell, **row, name: cell["stem"]}]
    return [row]


def _match(name: str, row: Record, asked: Mapping[str, str]) -> dict[str, str]:
    matched = match_columns(name, list(row), asked, fields=FIELDS, needed=NEEDED)
    column = matched["answer"]
    keys = [key for key in ("label", "correct", "correct_option") if key in row]
    listed = isinstance(row[column], list) and len(row[column]) > 1
    if column.lower() in MARKED:  # one column has both, options and marks
        matched["options"] = column
    elif column == "answers" and listed and keys and not {"options", "answer"} & set(asked):
        matched |= {"options": column, "answer": keys[0]}  # these are the answers to choose from
    return matched


def _option_columns(row: Record, matched: Mapping[str, str]) -> list[str]:
    free = [column for column in row if column not in matched.values()]
    return [] if "options" in matched else option_columns(free)


Read = tuple[Question, Options, bool]  # a question, its options, whether its answers are numbers


def _read(
    name: str, number: int, row: Record, columns: Mapping[str, str], several: Sequence[str]
) -> Read:
    """A question with its answers as they stand."""

    def text(field: str) -> str:
        return cell_text(row.get(columns.get(field, "")))

    try:
        options = read_options(row, columns.get("options", ""), several)
        answers = [] if columns["answer"] == columns.get("options") else _answers(row, columns)
        own = text("id") or str(number)
        question = Question(
            own,
            text("question"),
            tuple(dict.fromkeys(answers)),
            options=options.texts,
            context=text("context"),
            group=text("group") or own,
        )
    except UnreadableCell as error:
        raise LayergramError(
            f"the question set '{name}'",
            got=f"row {number} with {error}, which cannot be read",
            allowed='a text, several with | between them, or a list such as ["a", "b"]',
            do="correct this cell, or name another column with --columns",
        ) from None
    written = row.get(columns.get("options", ""))
    listed = isinstance(written, str) and written.lstrip().startswith("[")  # as pandas writes lists
    numbers = listed and all(answer.isdecimal() for answer in answers)
    return question, options, numbers or _is_number(row[columns["answer"]])


def _answers(row: Record, columns: Mapping[str, str]) -> list[str]:
    found = []
    for field in ("answer", "aliases"):
        column = columns.get(field, "")
        cell: Any = row.get(column)
        if isinstance(cell, str):
            final = FINAL.search(cell)
            cell = final[1] if final else cell
        semicolons = re.sub(r"\W", "_", column.lower()) in LISTS_WITH_SEMICOLONS
        found += cell_texts(cell, separator=";" if semicolons else "|")
    return found


def _is_number(cell: Any) -> bool:
    cells = cell if isinstance(cell, list) else [cell]
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in cells)


def _resolved(
    questions: Sequence[Question], read: Sequence[Read]
) -> tuple[list[Question], list[str]]:
    """Questions with all accepted answers, as the whole column of answers is to be understood."""
    every = {alias.casefold() for question in questions for alias in question.aliases}
    if every and every <= set(TRUE_OR_FALSE):
        questions = [
            replace(
                question,
                aliases=tuple(
                    text for alias in question.aliases for text in TRUE_OR_FALSE[alias.casefold()]
                ),
            )
            for question in questions
        ]
    marked = [
        (options, question.aliases, number)
        for question, (_, options, number) in zip(questions, read, strict=True)
        if options.texts
    ]
    kind, warning = key_kind([row for row in marked if row[1]])
    found = [
        replace(question, aliases=accepted(question.aliases, options, kind))
        if options.texts
        else question
        for question, (_, options, _) in zip(questions, read, strict=True)
    ]
    codes = not marked and len(every) < 10 and all(alias.isdecimal() for alias in every)
    if codes and len(questions) > 5 * len(every):
        warning = (
            f"the answers are only the numbers {', '.join(sorted(every))}: if these stand for "
            "classes, write the words that the model is to answer instead"
        )
    return found, [warning] if warning else []


def _groups(questions: Sequence[Question], *, near: bool) -> Groups:
    """Which questions belong together; the order of options makes no other question."""
    texts = ["\n".join([q.context, q.question, *sorted(q.options)]).strip() for q in questions]
    asked = [f"{q.context}\n{q.question}" for q in questions]
    parts = asked if any(q.options for q in questions) else None
    return group(texts, given=[q.group for q in questions], near=near, parts=parts)


def said_of_groups(groups: Groups, noun: str) -> list[str]:
    """What was grouped that the set itself does not group, in sentences."""
    found = []
    if groups.identical:
        found.append(
            f"{groups.identical} of {len(groups.of)} {noun} are identical to an earlier one; each "
            "is in one group with it"
        )
    if groups.near:
        found.append(
            f"{groups.near} of {len(groups.of)} {noun} have near-duplicates (most of their rare "
            f"words are the same) and were put into groups with them, of up to {groups.largest}: "
            "a group is never both trained and tested on (to keep them apart: --near-duplicates "
            "separate)"
        )
    return found


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
