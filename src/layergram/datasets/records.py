"""Rows of files and of the hub's data sets, their columns, and the texts in their cells."""

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
Record = Mapping[str, Any]


def records(name: str, *, kind: str, embedded: Collection[str]) -> list[Record]:
    """The rows of a file, or of a data set of the hub, at least one, all with the same columns.

    Args:
        name: a path, or ``org/name:split``.
        kind: what the rows are, for the messages, such as "question set".
        embedded: the names that would have been another way to ask, for the messages.

    Raises:
        LayergramError: if there is no such file, or it cannot be read, or has no row.
    """
    asked = f"the {kind} '{name}'"
    found = _found(name, asked, kind, embedded)
    if not found:
        raise LayergramError(asked, got="no row", do="check the file")
    return found


def label(name: str) -> str:
    """What rows are called after: the stem of a file's name, or the id of a data set.

    Example:
        >>> label("sets/mine.csv"), label("org/name:test")
        ('mine', 'org/name:test')
    """
    return Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name


def _found(name: str, asked: str, kind: str, embedded: Collection[str]) -> list[Record]:
    sets = f"an embedded set ({', '.join(embedded)})"
    kinds = f"{sets}, a file ({', '.join(SUFFIXES)}), a hub data set"
    path = Path(name).expanduser()
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix not in SUFFIXES:
            raise LayergramError(asked, got=f"the suffix '{suffix}'", allowed=", ".join(SUFFIXES))
        return _read(path, asked)
    if suffix in SUFFIXES or path.exists():
        got = "a folder" if path.exists() else "no such file"
        raise LayergramError(asked, got=got, allowed=kinds, do="check the path")
    if "/" in name:
        return _from_hub(name)
    error = unknown_name(kind, name, embedded)
    raise LayergramError(asked, got="no set or file of that name", allowed=kinds, do=error.do)


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
    lines = list(enumerate(text.split("\n"), start=1))
    try:
        rows = json.loads(text)
        rows = rows if isinstance(rows, list) else [rows]
    except json.JSONDecodeError:
        rows = []
        for number, line in lines:
            try:
                rows += [json.loads(line)] if line.strip() else []
            except json.JSONDecodeError as error:
                raise LayergramError(
                    asked,
                    got=f"line {number} is no JSON: {error.msg}",
                    allowed="one JSON object per line, or one list of objects",
                ) from None
    for number, record in enumerate(rows, start=1):
        if not isinstance(record, dict):
            raise LayergramError(
                asked,
                got=f"row {number} is {type(record).__name__}",
                allowed='objects, such as {"question": "…", "answer": "…"}',
            )
    names = dict.fromkeys(key for record in rows for key in record)
    return [{key: record.get(key) for key in names} for record in rows]


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


def match_columns(
    name: str,
    there: Sequence[str],
    asked: Mapping[str, str],
    *,
    fields: Mapping[str, Sequence[str]],
    needed: Sequence[str],
) -> dict[str, str]:
    """Field -> column: as it was asked for, or else by the column's name.

    Args:
        name: of the set, for the messages.
        there: the columns that there are.
        asked: field -> column, where the columns have other names.
        fields: field -> names of columns that are taken for it, best first.
        needed: the fields that have to be found.

    Raises:
        LayergramError: if there is no such field or column, or a needed one was not found.
    """
    for field, column in asked.items():
        if field not in fields:
            raise unknown_name(f"field of '{name}'", field, fields)
        if column not in there:
            raise unknown_name(f"column of '{name}'", column, there)
    plain = {column.strip().lower(): column for column in there}
    found = dict(asked)
    for field, names in fields.items():
        known = [plain[name] for name in names if name in plain]
        if field not in found and known and known[0] not in found.values():
            found[field] = known[0]
    for field in needed:
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
    return found


def texts(cell: Any, *, split: bool = True) -> list[str]:
    """The texts of a cell: a list, a JSON list, or a text with ``|`` between several.

    Example:
        >>> texts("Bern|Berne"), texts("[9.0]"), texts(["x", "y"]), texts(float("nan"))
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
        return texts(known, split=split)
    if isinstance(cell, Iterable):
        return [text for item in cell for text in texts(item, split=False) if text.strip()]
    return [str(cell)]


def _listed(cell: str) -> list[str] | None:
    if not cell.lstrip().startswith("["):
        return None
    try:
        return texts(json.loads(cell.replace("'", '"') if '"' not in cell else cell))
    except json.JSONDecodeError:
        return None
