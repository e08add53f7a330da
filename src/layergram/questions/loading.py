"""Question sets out of files, of the hub's data sets, and of layergram itself."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError, unknown_name
from layergram.questions.embedded import EMBEDDED
from layergram.questions.question import LETTERS, Question, QuestionSet, checked, with_options

FIELDS: dict[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "query", "problem", "q_instruct", "input", "q"),
    "answer": ("answer", "answers", "aliases", "target", "label", "correct_answer", "best_answer"),
    "options": ("options", "choices"),
    "context": ("context", "passage", "sentence"),
    "group": ("group",),
    "id": ("id", "question_id"),
}
"""The fields of a question, and the names of columns that are taken for them, best first."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
KINDS = f"an embedded set ({', '.join(EMBEDDED)}), a file ({', '.join(SUFFIXES)}), a hub data set"
Record = Mapping[str, Any]


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
    records = _records(name)
    if not records:
        raise LayergramError(f"the question set '{name}'", got="no row", do="check the file")
    chosen = _columns(name, list(records[0]), columns or {})
    questions = [_question(at, record, chosen) for at, record in enumerate(records, start=1)]
    label = Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name
    return checked(QuestionSet(label, tuple(questions), tuple(chosen.items())))


def _records(name: str) -> list[Record]:
    asked = f"the question set '{name}'"
    path = Path(name).expanduser()
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix not in SUFFIXES:
            raise LayergramError(asked, got=f"the suffix '{suffix}'", allowed=", ".join(SUFFIXES))
        return _read(path, asked)
    if suffix in SUFFIXES or path.exists():
        got = "a folder" if path.exists() else "no such file"
        raise LayergramError(asked, got=got, allowed=KINDS, do="check the path")
    if "/" in name:
        return _from_hub(name)
    error = unknown_name("question set", name, EMBEDDED)
    raise LayergramError(asked, got="no set or file of that name", allowed=KINDS, do=error.do)


def _read(path: Path, asked: str) -> list[Record]:
    import pandas as pd

    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise LayergramError(asked, got="no package pyarrow", do="pip install pyarrow")
    as_text: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        match path.suffix.lower():
            case ".csv":
                table = pd.read_csv(path, **as_text)
            case ".tsv":
                table = pd.read_csv(path, sep="\t", **as_text)
            case ".parquet":
                table = pd.read_parquet(path)
            case _:
                return _read_json(path, asked)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LayergramError(
            asked, got=f"a file that cannot be read: {reason}", do="check that the file is whole"
        ) from None
    return [dict(row) for row in table.to_dict(orient="records")]


def _read_json(path: Path, asked: str) -> list[Record]:
    text = path.read_text(encoding="utf-8-sig")
    lines = list(enumerate(text.splitlines(), start=1))
    try:
        records = json.loads(text)
        records = records if isinstance(records, list) else [records]
    except json.JSONDecodeError:
        records = []
        for number, line in lines:
            try:
                records += [json.loads(line)] if line.strip() else []
            except json.JSONDecodeError as error:
                raise LayergramError(
                    asked,
                    got=f"line {number} is no JSON: {error.msg}",
                    allowed="one JSON object per line, or one list of objects",
                ) from None
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise LayergramError(
                asked,
                got=f"row {number} is {type(record).__name__}",
                allowed='objects, such as {"question": "…", "answer": "…"}',
            )
    names = dict.fromkeys(key for record in records for key in record)
    return [{key: record.get(key) for key in names} for record in records]


def _from_hub(name: str) -> list[Record]:
    asked = f"the data set '{name}'"
    if find_spec("datasets") is None:
        raise LayergramError(
            asked,
            got="no file of that name, and no package datasets to ask the hub with",
            do="pip install datasets, or check the path",
        )
    load_dataset = import_module("datasets").load_dataset
    place, _, split = name.partition(":")
    try:
        found = load_dataset(place, split=split or "test")
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise LayergramError(
            asked, got=reason, allowed="org/name, or org/name:split", do="check id and split"
        ) from None
    return [dict(record) for record in found]


def _columns(name: str, there: Sequence[str], asked: Mapping[str, str]) -> dict[str, str]:
    """Field -> column: as it was asked for, or else by the column's name."""
    for field, column in asked.items():
        if field not in FIELDS:
            raise unknown_name("field of a question", field, FIELDS)
        if column not in there:
            raise unknown_name(f"column of '{name}'", column, there)
    plain = {column.strip().lower(): column for column in there}
    found = dict(asked)
    for field, names in FIELDS.items():
        known = [plain[name] for name in names if name in plain]
        if field not in found and known and known[0] not in found.values():
            found[field] = known[0]
    for field in ("question", "answer"):
        if field not in found:
            near = unknown_name("column", field, there).do
            raise LayergramError(
                f"the {field}s of '{name}'",
                got=f"no column '{field}'",
                allowed=", ".join(there),
                do=near
                if near.startswith("did")
                else f"say which column it is: --columns {field}=COLUMN",
            )
    letters = [letter for letter in LETTERS if letter in there]
    if "options" not in found and "".join(letters[:2]) == "AB":
        found["options"] = ",".join(letters)
    return found


def _question(at: int, record: Record, columns: Mapping[str, str]) -> Question:
    def text(field: str) -> str:
        return " ".join(_texts(record.get(columns.get(field, "")), split=False)).strip()

    lettered = columns.get("options", "")
    if lettered in record:
        options = _texts(record[lettered])
    else:
        options = [" ".join(_texts(record[letter])) for letter in lettered.split(",") if letter]
    aliases = _texts(record[columns["answer"]])
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


def _texts(cell: Any, *, split: bool = True) -> list[str]:
    """The texts of a cell: a list, a JSON list, or a text with ``|`` between several.

    Example:
        >>> _texts("Bern|Berne"), _texts("[9.0]"), _texts(["x", "y"]), _texts(float("nan"))
        (['Bern', 'Berne'], ['9'], ['x', 'y'], [])
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return []
    if isinstance(cell, str):
        if not split:
            return [cell]
        listed = _listed(cell)
        return [t.strip() for t in cell.split("|") if t.strip()] if listed is None else listed
    if isinstance(cell, bool | int | float):
        whole = isinstance(cell, float) and cell.is_integer()
        return [str(int(cell)) if whole else str(cell)]
    if isinstance(cell, Mapping):  # such as {"text": […], "label": […]} or {"aliases": […]}
        known = next((cell[key] for key in ("text", "aliases", "value") if key in cell), None)
        return _texts(known, split=split)
    if isinstance(cell, Iterable):
        return [text for item in cell for text in _texts(item, split=False) if text.strip()]
    return [str(cell)]


def _listed(cell: str) -> list[str] | None:
    if not cell.lstrip().startswith("["):
        return None
    try:
        return _texts(json.loads(cell.replace("'", '"') if '"' not in cell else cell))
    except json.JSONDecodeError:
        return None
