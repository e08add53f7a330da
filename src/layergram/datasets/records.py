"""Rows of files, embedded sets and hub data sets, their columns, and the texts in their cells."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError, unknown_name

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
DATA = Path(__file__).with_name("data")
LONGEST_REASON = 200  # characters of a message by another library
Record = Mapping[str, Any]


def read_records(source: str, *, kind: str, embedded: Collection[str]) -> list[Record]:
    """The rows of a data set, at least one, all with the same columns.

    Args:
        source: the name of an embedded set, a path, or ``org/name:split`` on the hub.
        kind: what the data set is, for the messages, such as "question set".
        embedded: the names of the embedded sets of this kind.

    Raises:
        LayergramError: if there is no such file or set, or it cannot be read, or has no row.
    """
    asked = f"the {kind} '{source}'"
    kinds = (
        f"an embedded set ({', '.join(embedded)}), a file ({', '.join(SUFFIXES)}), a hub data set"
    )
    path = DATA / f"{source}.jsonl" if source in embedded else Path(source).expanduser()
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix not in SUFFIXES:
            raise LayergramError(asked, got=f"the suffix '{suffix}'", allowed=", ".join(SUFFIXES))
        rows = _read_file(path, asked)
    elif suffix in SUFFIXES or path.exists():
        got = "a folder" if path.exists() else "no such file"
        raise LayergramError(asked, got=got, allowed=kinds, do="check the path")
    elif "/" in source:
        rows = _read_hub(source)
    else:
        near = unknown_name(kind, source, embedded).do
        raise LayergramError(asked, got="no set or file of that name", allowed=kinds, do=near)
    if not rows:
        raise LayergramError(asked, got="no row", do="check the file")
    return rows


def set_name(source: str) -> str:
    """The name of a data set: the stem of a file's name, or the id that was asked for.

    Example:
        >>> set_name("sets/mine.csv"), set_name("org/name:test"), set_name("capitals")
        ('mine', 'org/name:test', 'capitals')
    """
    return Path(source).stem if Path(source).suffix.lower() in SUFFIXES else source


def _read_file(path: Path, asked: str) -> list[Record]:
    suffix = path.suffix.lower()
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise LayergramError(asked, got="no package pyarrow", do="pip install pyarrow")
    try:
        return (
            _read_json(path, asked) if suffix in (".json", ".jsonl") else _read_table(path, asked)
        )
    except (ValueError, OSError) as error:
        raise LayergramError(
            asked,
            got=f"a file that cannot be read: {_reason(error)}",
            do="check that the file is complete",
        ) from None


def _read_table(path: Path, asked: str) -> list[Record]:
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path)
    else:
        separator = "," if path.suffix.lower() == ".csv" else "\t"
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
        if not isinstance(table.index, pd.RangeIndex):  # pandas moved the first cells into it
            raise LayergramError(
                asked,
                got="rows with more cells than there are columns in line 1",
                allowed="one cell for each column",
                do='put quotes around cells that contain the separator: "Bern, Switzerland"',
            )
    return [dict(row) for row in table.to_dict(orient="records")]


def _read_json(path: Path, asked: str) -> list[Record]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        rows = json.loads(text)
        rows = rows if isinstance(rows, list) else [rows]
    except json.JSONDecodeError:
        rows = _read_json_lines(text, asked)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise LayergramError(
                asked,
                got=f"row {number} is {type(row).__name__}",
                allowed='objects, such as {"question": "…", "answer": "…"}',
            )
    names = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in names} for row in rows]


def _read_json_lines(text: str, asked: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise LayergramError(
                asked,
                got=f"line {number}, column {error.colno} is not valid JSON: {error.msg}",
                allowed="one JSON object per line, or one list of objects",
            ) from None
    return rows


def _read_hub(source: str) -> list[Record]:
    asked = f"the data set '{source}'"
    if find_spec("datasets") is None:
        raise LayergramError(
            asked,
            got="no file of that name, and no package datasets to load it from the hub",
            do="pip install datasets, or check the path",
        )
    name, _, split = source.partition(":")
    try:
        rows = import_module("datasets").load_dataset(name, split=split or "test")
    except Exception as error:
        raise LayergramError(
            asked,
            got=_reason(error),
            allowed="org/name, or org/name:split",
            do="check id and split",
        ) from None
    return [dict(row) for row in rows]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:LONGEST_REASON]


def match_columns(
    name: str,
    present: Sequence[str],
    asked: Mapping[str, str],
    *,
    fields: Mapping[str, Sequence[str]],
    needed: Sequence[str],
) -> dict[str, str]:
    """Field -> column: as it was asked for, or else by the column's name.

    Args:
        name: of the set, for the messages.
        present: the columns of the set.
        asked: field -> column, where the columns have other names.
        fields: field -> the column names recognised for it, best first.
        needed: the fields that must have a column.

    Raises:
        LayergramError: if there is no such field or column, or a needed field has no column.
    """
    for field, column in asked.items():
        if field not in fields:
            raise unknown_name(f"field of '{name}'", field, fields)
        if column not in present:
            raise unknown_name(f"column of '{name}'", column, present)
    by_name = {column.strip().lower(): column for column in present}
    matched = dict(asked)
    for field, names in fields.items():
        known = [by_name[name] for name in names if name in by_name]
        if field not in matched and known and known[0] not in matched.values():
            matched[field] = known[0]
    for field in needed:
        if field not in matched:
            near = unknown_name("column", field, present).do
            raise LayergramError(
                f"the {field}s of '{name}'",
                got=f"no column '{field}'",
                allowed=", ".join(present),
                do=near if near.startswith("did") else f"name the column: --columns {field}=COLUMN",
            )
    return matched


def cell_text(cell: Any) -> str:
    """The text of a cell as it stands, or "" for an empty one."""
    return " ".join(cell_texts(cell, separator="")).strip()


def cell_texts(cell: Any, *, separator: str = "|") -> list[str]:
    """The texts of a cell: a list, a JSON list, or a text with a separator between several.

    Args:
        cell: of any type that a file or data set can hold.
        separator: between several texts; "" takes a text as one, JSON lists included.

    Example:
        >>> cell_texts("Bern|Berne"), cell_texts("[9.0]"), cell_texts(float("nan"))
        (['Bern', 'Berne'], ['9'], [])
        >>> cell_texts(["x", "y|z"]), cell_texts("Bern|Berne", separator="")
        (['x', 'y|z'], ['Bern|Berne'])
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return []
    if isinstance(cell, str):
        if not separator:
            return [cell]
        items = _json_list(cell)
        if items is not None:
            return cell_texts(items)
        return [text.strip() for text in cell.split(separator) if text.strip()]
    if isinstance(cell, bool | int | float):
        whole = isinstance(cell, float) and cell.is_integer()
        return [str(int(cell)) if whole else str(cell)]
    if isinstance(cell, Mapping):  # such as {"text": […], "label": […]} or {"aliases": […]}
        inner = next((cell[key] for key in ("text", "aliases", "value") if key in cell), None)
        return cell_texts(inner, separator=separator)
    if isinstance(cell, Iterable):
        return [text for item in cell for text in cell_texts(item, separator="") if text.strip()]
    return [str(cell)]


def _json_list(cell: str) -> Any:
    """The list that a text is in JSON, also with single quotes, or ``None``."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        return json.loads(cell.replace("'", '"') if '"' not in cell else cell)
    except json.JSONDecodeError:
        return None
