"""The cells of a text file with a table in it, and the numbers in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layergram.errors import LayergramError

MISSING = frozenset(["", "nan", "na", "n/a", "none", "null", "-"])
DELIMITERS = (",", ";", "\t")
FLOAT32_DIGITS = 9  # float32 numbers are written with at most so many


@dataclass(frozen=True)
class Cells:
    """The cells of a table as text.

    Args:
        source: the file, for messages.
        header: the first row.
        rows: the others, all as long as the header.
        lines: the line of the file where each row ends.
        comma: ``"decimal"`` where ``0,5`` means a half.
    """

    source: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    comma: Literal["decimal", "none"] = "none"


def read_cells(path: Path) -> Cells:
    """The table in a file; errors say in which line it stops being one."""
    text = _text(path)
    delimiter = max(DELIMITERS, key=lambda mark: _fit(text, mark))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        numbered = [(row, reader.line_num) for row in reader if any(row)]
    except csv.Error as error:
        raise LayergramError(
            f"the table '{path}'",
            got=f"line {reader.line_num}: {error}",
            allowed='a quote only around a whole cell, and doubled inside one: """"',
        ) from None
    if not numbered:
        raise LayergramError(
            f"the table '{path}'", got="an empty file", allowed="a header and at least one row"
        )
    header = numbered[0][0]
    for row, line in numbered:
        if len(row) != len(header):
            raise LayergramError(
                f"the table '{path}'",
                got=f"{len(row)} cells in line {line}, {len(header)} in the header",
                allowed="as many cells in every row as in the header",
                do="fill the row, or quote a token that contains the separator",
            )
    if len(header) < 2:
        raise LayergramError(
            f"the table '{path}'",
            got="one column",
            allowed="columns with commas, semicolons or tabs between them",
        )
    if _bare(header):
        numbered = [(["", *map(str, range(len(header)))], 0)] + [
            ([str(at), *row], line) for at, (row, line) in enumerate(numbered, start=1)
        ]
        numbered[0][0][0] = "layer/token"
    elif len(numbered) == 1:
        raise LayergramError(
            f"the table '{path}'", got="a header without a row", allowed="at least one row"
        )
    comma: Literal["decimal", "none"] = "none" if delimiter == "," else "decimal"
    return Cells(
        str(path),
        numbered[0][0],
        [row for row, _ in numbered[1:]],
        [line for _, line in numbered[1:]],
        comma,
    )


def _text(path: Path) -> str:
    data = path.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise LayergramError(
            f"the table '{path}'",
            got=f"bytes that are not text, the first at byte {error.start}",
            allowed="a text file in UTF-8",
            do="export the table as CSV in UTF-8",
        ) from None
    if "\0" in text:
        raise LayergramError(
            f"the table '{path}'", got="a binary file", allowed="a text file in UTF-8"
        )
    return text


def _fit(text: str, delimiter: str) -> tuple[float, int]:
    """How well a delimiter explains the first rows: share of equal width, then the width."""
    rows = csv.reader(io.StringIO(text[:1_000_000], newline=""), delimiter=delimiter)
    try:
        widths = [len(row) for row in islice(rows, 20) if any(row)]
    except csv.Error:
        return 0.0, 0
    if not widths or max(widths) == 1:
        return 0.0, 0
    wide = [width for width in widths if width > 1]
    return sum(width == widths[0] for width in wide) / len(widths), widths[0]


def _bare(header: Sequence[str]) -> bool:
    """Whether the first row is already values: numbers all, and not all of them whole."""
    try:
        numbers = [float(cell) for cell in header]
    except ValueError:
        return False
    return any(not number.is_integer() for number in numbers)


def values_of(cells: Cells, first: int, last: int) -> tuple[Any, str]:
    """The numbers in the columns ``first`` to ``last`` (excluded), and their unit."""
    sample = next((c for row in cells.rows for c in row[first:last] if not missing(c)), "")
    unit = "%" if sample.rstrip().endswith("%") else "1"
    parse = _parser(unit, cells.comma)
    numbers: list[list[float]] = []
    for row, line in zip(cells.rows, cells.lines, strict=True):
        try:
            numbers.append([parse(cell) for cell in row[first:last]])
        except ValueError:
            raise _not_a_number(cells, row, line, parse, first) from None
    texts = (cell for row in cells.rows for cell in row[first:last])
    return np.array(numbers, dtype=float_type(texts)), unit


def missing(cell: str) -> bool:
    """Whether a cell says that it has no value."""
    return cell.strip().lower() in MISSING


def _parser(unit: str, comma: str) -> Callable[[str], float]:
    def parse(cell: str) -> float:
        if missing(cell):
            return float("nan")
        if "_" in cell:
            raise ValueError(cell)
        number = cell.strip()
        if unit == "%":
            if not number.endswith("%"):
                raise ValueError(cell)
            number = number[:-1]
        if comma == "decimal" and "." not in number:
            number = number.replace(",", ".")
        return float(number)

    return parse


def _not_a_number(
    cells: Cells, row: list[str], line: int, parse: Callable[[str], float], first: int
) -> LayergramError:
    def wrong(cell: str) -> bool:
        try:
            parse(cell)
        except ValueError:
            return True
        return False

    at = next(at for at in range(first, len(row)) if wrong(row[at]))
    cell = row[at]
    return LayergramError(
        f"the table '{cells.source}'",
        got=f"{cell[:60]!r} in line {line}, column {at + 1} ({cells.header[at][:60]!r})",
        allowed="a number, or an empty cell or NA where there is none",
    )


def float_type(texts: Iterable[str]) -> type:
    """float32 where every number has few enough digits to be one, float64 otherwise."""

    def digits(text: str) -> int:
        return len(text.strip(" +-0.").lower().split("e")[0].replace(".", ""))

    exact = all(len(text) <= FLOAT32_DIGITS or digits(text) <= FLOAT32_DIGITS for text in texts)
    return np.float32 if exact else np.float64
