"""Texts without labels: the rows of a data set, or the paragraphs of a text file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from layergram.datasets.records import match_columns, read_records
from layergram.errors import LayergramError

COLUMNS = ("text", "texts", "content", "sentence", "paragraph", "document")
"""Column names that are recognised, best first."""


def read_texts(source: str, *, columns: Mapping[str, str] | None = None) -> list[str]:
    """The texts of a file or a hub data set, in its order.

    Args:
        source: a path (csv, tsv, jsonl, json, parquet; in a txt file paragraphs are separated by
            empty lines), or ``org/name:split`` on the hub.
        columns: ``{"text": NAME}``, where the column has a name that is not recognised.

    Raises:
        LayergramError: if it cannot be read, has no text or no such column, or a cell is empty or
            is not text.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() == ".txt":
        if columns:
            raise LayergramError(
                f"columns of '{source}'",
                got="a txt file, which has no columns",
                do="leave the columns out",
            )
        return _paragraphs(path)
    rows = read_records(source, kind="set of texts", embedded=())
    matched = match_columns(
        source, list(rows[0]), columns or {}, fields={"text": COLUMNS}, needed=["text"]
    )
    cells = [row[matched["text"]] for row in rows]
    bad = [at for at, cell in enumerate(cells, 1) if not isinstance(cell, str) or not cell.strip()]
    if bad:
        raise LayergramError(
            f"the texts of '{source}'",
            got=f"{len(bad)} cells of '{matched['text']}' without text; the first is in row "
            f"{bad[0]}",
            do="leave these rows out, or name another column",
        )
    return cells


def _paragraphs(path: Path) -> list[str]:
    try:
        whole = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LayergramError(
            f"the texts of '{path}'", got=str(error), allowed="a file in UTF-8"
        ) from None
    found = [part.strip() for part in re.split(r"\n\s*\n", whole) if part.strip()]
    if not found:
        raise LayergramError(f"the texts of '{path}'", got="no text", do="check the file")
    return found
