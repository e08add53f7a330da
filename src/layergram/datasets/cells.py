"""The texts in the cells of a table: one, several, or a list that was written as text."""

from __future__ import annotations

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import Any

TEXTS_OF_MAPPING = ("value", "text", "aliases", "spans")
"""Keys of a mapping in a cell whose values are its texts, such as ``{"text": [...]}``."""


class UnreadableCell(ValueError):
    """A cell with a list or a mapping written as text that cannot be read without guessing."""


def cell_text(cell: Any) -> str:
    """The text of a cell as it stands, or "" for an empty one."""
    return " ".join(cell_texts(cell, separator="")).strip()


def cell_texts(cell: Any, *, separator: str = "|") -> list[str]:
    """The texts of a cell: a list, a list written as text, or a text with a separator.

    Args:
        cell: of any type that a file or data set can hold.
        separator: between several texts; "" takes a text as one, lists written as text included.

    Raises:
        UnreadableCell: for a list or mapping that is not one, or has no texts.

    Example:
        >>> cell_texts("Bern|Berne"), cell_texts("[9.0]"), cell_texts(float("nan"))
        (['Bern', 'Berne'], ['9'], [])
        >>> cell_texts(["x", "y|z"]), cell_texts("Bern|Berne", separator="")
        (['x', 'y|z'], ['Bern|Berne'])
        >>> cell_texts("[\\"N'Djamena\\", 'Ndjamena']")
        ["N'Djamena", 'Ndjamena']
    """
    if isinstance(cell, str):
        if not separator:
            return [cell]
        inside = parsed(cell)
        if inside is not cell:
            return cell_texts(inside)
        return [text.strip() for text in cell.split(separator) if text.strip()]
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return []
    if isinstance(cell, bool | int | float):
        whole = isinstance(cell, float) and cell.is_integer()
        return [str(int(cell)) if whole else str(cell)]
    if isinstance(cell, Mapping):
        by_name = {str(key).casefold(): value for key, value in cell.items()}
        inner = [by_name[key] for key in TEXTS_OF_MAPPING if key in by_name]
        if not inner:
            raise UnreadableCell(f"an object with {', '.join(map(str, cell))}")
        return cell_texts(inner)
    if isinstance(cell, Iterable):
        return [text for item in cell for text in cell_texts(item, separator="") if text.strip()]
    return [str(cell)]


def parsed(cell: Any) -> Any:
    """The list or mapping that a text is, as JSON or as Python or numpy print it; else the cell.

    Raises:
        UnreadableCell: for a text that looks like one and cannot be read.

    Example:
        >>> parsed("{'text': array(['fig', 'oak'], dtype=object)}"), parsed("['fig' 'oak']")
        ({'text': ['fig', 'oak']}, ['fig', 'oak'])
        >>> parsed("[0, 1)"), parsed("fig")
        ('[0, 1)', 'fig')
    """
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")) and not re.match(r"\{\s*['\"].*\}$", text):
        return cell
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(_with_commas(text))
    except (ValueError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError):
        if re.search(r"[,'\"]", text):
            raise UnreadableCell(f"the list {text[:60]}") from None
        return cell


def _with_commas(text: str) -> str:
    """A list as Python reads it, from one as numpy prints it: ``['a' 'b']``, ``array([1, 2])``."""
    text = re.sub(r",\s*dtype=[\w<>]+(?=\))", "", re.sub(r"\barray\(", "(", text))
    pieces, before = [], None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            continue
        values = (tokenize.STRING, tokenize.NUMBER)
        if before is not None and before.type in values and token.type in values:
            if before.end == token.start:  # 'it''s': one string or two?
                raise ValueError("two strings without a gap")
            pieces.append(",")
        pieces.append(token.string)
        before = token
    return " ".join(pieces).strip()
