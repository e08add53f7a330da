"""Question sets out of files, of the hub's data sets, and of layergram itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from layergram.datasets.embedded_questions import EMBEDDED
from layergram.datasets.questions import LETTERS, Question, QuestionSet, checked, with_options
from layergram.datasets.records import Record, label, match_columns, records, texts
from layergram.errors import LayergramError

FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "query", "problem", "q_instruct", "input", "q"),
    "answer": ("answer", "answers", "aliases", "target", "label", "correct_answer", "best_answer"),
    "options": ("options", "choices"),
    "context": ("context", "passage", "sentence"),
    "group": ("group",),
    "id": ("id", "question_id"),
}
"""The fields of a question, and the names of columns that are taken for them, best first."""


def load(source: str | Path, *, columns: Mapping[str, str] | None = None) -> QuestionSet:
    """A question set, every question of it checked.

    Args:
        source: the name of an embedded set (:data:`EMBEDDED`); a file, one row per question, with
            columns ``question`` and ``answer`` and, where there are any, ``options``, ``context``,
            ``group`` and ``id``; or the id of a data set on the Hugging Face hub, with its split
            after a colon (``org/name:validation``), for which ``datasets`` has to be installed.
            Several accepted answers, or options, stand in one cell with ``|`` between them, or
            are a list.
        columns: field -> column, where the columns have other names.

    Raises:
        LayergramError: if there is no such set or column, or a question lacks words or an answer,
            or two have one id.

    Example:
        >>> capitals = load("capitals")
        >>> len(capitals), capitals.questions[0].question, capitals.questions[0].aliases
        (246, 'What is the capital of Afghanistan?', ('Kabul',))
    """
    name = str(source)
    if name in EMBEDDED:
        if columns:
            raise LayergramError(
                f"columns of the embedded set '{name}'", allowed="columns of a file or data set"
            )
        return checked(EMBEDDED[name].load())
    rows = records(name, kind="question set", embedded=EMBEDDED)
    chosen = _columns(name, rows[0], columns or {})
    questions = [_question(at, record, chosen) for at, record in enumerate(rows, start=1)]
    return checked(QuestionSet(label(name), tuple(questions), tuple(chosen.items())))


def _columns(name: str, there: Record, asked: Mapping[str, str]) -> dict[str, str]:
    found = match_columns(name, list(there), asked, fields=FIELDS, needed=("question", "answer"))
    letters = [letter for letter in LETTERS if letter in there]
    if "options" not in found and "".join(letters[:2]) == "AB":
        found["options"] = ",".join(letters)
    return found


def _question(at: int, record: Record, columns: Mapping[str, str]) -> Question:
    def text(field: str) -> str:
        return " ".join(texts(record.get(columns.get(field, "")), split=False)).strip()

    lettered = columns.get("options", "")
    if lettered in record:
        options = texts(record[lettered])
    else:
        options = [" ".join(texts(record[letter])) for letter in lettered.split(",") if letter]
    aliases = texts(record[columns["answer"]])
    if options:
        aliases = list(with_options(aliases, options))
    name = text("id") or str(at)
    return Question(
        name,
        text("question"),
        tuple(dict.fromkeys(aliases)),
        options=tuple(options),
        context=text("context"),
        group=text("group") or name,
    )
