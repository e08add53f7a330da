"""Rows of files, embedded sets and hub data sets, and their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layergram.errors import LayergramError, unknown_name

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
DATA = Path(__file__).with_name("data")
LONGEST_REASON = 200  # characters of a message by another library
WRAPPERS = ("data", "rows", "examples", "questions", "items", "instances", "records")
"""Names under which JSON files keep their list of rows."""

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
        rows = pd.read_parquet(path).to_dict(orient="records")
        return [{key: _lists(value) for key, value in row.items()} for row in rows]
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    try:  # without a header for pandas, which would move the first cells of long rows into an index
        table = pd.read_csv(
            path,
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found is None:
            raise
        raise LayergramError(
            asked,
            got=f"line {found[2]} has {found[3]} cells",
            allowed=f"one cell for each of the {found[1]} columns in line 1",
            do='put quotes around cells that contain the separator: "Bern, Switzerland"',
        ) from None
    names, *rows = table.itertuples(index=False, name=None)
    twice = [name for at, name in enumerate(names) if name and name in names[:at]]
    if twice:
        raise LayergramError(asked, got=f"two columns '{twice[0]}'", do="rename one of them")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _lists(value: Any) -> Any:
    """Lists of a parquet file, which come as arrays, as lists; what is in them too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_lists(each) for each in value]
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return value


def _read_json(path: Path, asked: str) -> list[Record]:
    text = path.read_text(encoding="utf-8-sig")
    try:
        rows = _rows_of(json.loads(text))
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


def _rows_of(whole: Any) -> list[Any]:
    """The rows of a JSON file: a list, lists by column, or a list inside of one object."""
    if isinstance(whole, list):
        return whole
    if not isinstance(whole, dict) or not whole:
        return [whole]
    by_name = {str(key).casefold(): value for key, value in whole.items()}
    if {"columns", "data"} <= set(by_name) and all(
        isinstance(row, list) and len(row) == len(by_name["columns"]) for row in by_name["data"]
    ):
        return [dict(zip(by_name["columns"], row, strict=True)) for row in by_name["data"]]
    for name in WRAPPERS:
        inside = by_name.get(name)
        if isinstance(inside, list) and inside and all(isinstance(row, dict) for row in inside):
            return inside
    kinds = {type(value) for value in whole.values()}
    if kinds == {dict}:  # as pandas writes columns: {"question": {"0": …}}
        columns = {key: list(value.values()) for key, value in whole.items()}
    else:
        columns = whole
    sizes = {len(value) if isinstance(value, list) else -1 for value in columns.values()}
    if len(sizes) > 1 or sizes == {-1}:
        return [whole]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


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
    named = {
        column: feature.int2str
        for column, feature in (getattr(rows, "features", None) or {}).items()
        if hasattr(feature, "int2str")
    }  # classes, which the hub keeps as numbers
    return [
        {
            column: named[column](cell) if column in named and isinstance(cell, int) else cell
            for column, cell in row.items()
        }
        for row in rows
    ]


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
    by_name = {re.sub(r"[\s-]+", "_", column.strip().lower()): column for column in present}
    matched = dict(asked)
    for field, names in fields.items():
        known = [by_name[name] for name in names if name in by_name]
        free = [column for column in known if column not in matched.values()]
        if field not in matched and free:
            matched[field] = free[0]
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
