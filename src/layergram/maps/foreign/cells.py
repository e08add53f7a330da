"""The cells of a text file with a table in it, and the numbers in them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layergram.errors import LayergramError

MISSING = frozenset(["", "nan", "na", "n/a", "none", "null", "-"])
DELIMITERS = (",", ";", "\t")


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
    if all(len(row) == 1 for row, _ in numbered):
        numbered = [(row[0].split(), line) for row, line in numbered]  # as numpy.savetxt writes
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
            allowed="columns with commas, semicolons, tabs or spaces between them",
        )
    comma: Literal["decimal", "none"] = "none" if delimiter == "," else "decimal"
    if all(is_number(cell, comma) for cell in header):  # nothing but numbers is no header
        _no_counting(str(path), [row for row, _ in numbered], comma)
        names = ["layer/token", *map(str, range(len(header)))]
        rows = [([str(at), *row], line) for at, (row, line) in enumerate(numbered, start=1)]
        numbered = [(names, 0), *rows]
    elif len(numbered) == 1:
        raise LayergramError(
            f"the table '{path}'", got="a header without a row", allowed="at least one row"
        )
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
        text = data.decode(encoding).lstrip("\ufeff")
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


def _no_counting(source: str, rows: list[list[str]], comma: str) -> None:
    """Refuse a table of numbers whose first row or column only counts: it may be labels."""
    counted = {
        "first row": (rows[0], [cell for row in rows[1:] for cell in row]),
        "first column": ([row[0] for row in rows], [cell for row in rows for cell in row[1:]]),
    }
    for where, (line, others) in counted.items():
        whole = all(re.fullmatch(r"[+-]?\d+", cell.strip()) for cell in others)
        if len(line) < 3 or whole:
            continue
        if [cell.strip() for cell in line] == [str(at) for at in range(len(line))]:
            raise LayergramError(
                f"the table '{source}'",
                got=f"nothing but numbers, and a {where} that counts: {', '.join(line[:4])} …",
                allowed="values only, or labels with a header that names them",
                do=f"remove the {where}, or let the first cell of a header name the axes, such as "
                "layer/token",
            )


def values_of(cells: Cells, at: Sequence[int]) -> tuple[Any, str]:
    """The numbers in the columns ``at``, rows × columns, and their unit."""
    texts = [row[column] for row in cells.rows for column in at]
    known = [text for text in texts if not missing(text)]
    unit = "%" if known and known[0].rstrip().endswith("%") else "1"
    if cells.comma == "decimal":
        _one_decimal_mark(cells, at)
    numbers: list[float] = []
    for row, line in zip(cells.rows, cells.lines, strict=True):
        for column in at:
            try:
                numbers.append(number_in(row[column], cells.comma, unit))
            except ValueError:
                raise LayergramError(
                    f"the table '{cells.source}'",
                    got=f"{row[column][:60]!r} in line {line}, column {column + 1} "
                    f"({cells.header[column][:60]!r})",
                    allowed="a number, or an empty cell or NA where there is none",
                ) from None
    return as_written(np.array(numbers).reshape(len(cells.rows), len(at))), unit


def missing(cell: str) -> bool:
    """Whether a cell says that it has no value."""
    return cell.strip().lower() in MISSING


def number_in(cell: str, comma: str, unit: str = "1") -> float:
    """The number that a cell holds; NaN where it says that there is none.

    Raises:
        ValueError: for anything else, also for ``1_0``, which Python would take.
    """
    if missing(cell):
        return float("nan")
    number = cell.strip().replace("−", "-")
    if "_" in number or (unit == "%" and not number.endswith("%")):
        raise ValueError(cell)
    number = number.removesuffix("%") if unit == "%" else number
    if comma == "decimal" and "." not in number:
        number = number.replace(",", ".")
    return float(number)


def is_number(cell: str, comma: str) -> bool:
    """Whether a cell holds a number, with or without a percent sign, or ``nan``."""
    text = cell.strip()
    try:
        number = number_in(text.removesuffix("%"), comma)
    except ValueError:
        return False
    return number == number or text.lower() == "nan"


def _one_decimal_mark(cells: Cells, at: Sequence[int]) -> None:
    """Refuse numbers with a comma beside others with a point, and commas of thousands."""
    seen: dict[str, str] = {}
    decimal = False
    for row, line in zip(cells.rows, cells.lines, strict=True):
        for column in at:
            cell = row[column].strip()
            decimal |= "," in cell and not re.fullmatch(r"[-+−]?[1-9]\d{0,2},\d{3}%?", cell)
            for mark in ",.":
                if mark in cell:
                    place = f"{cell[:30]!r} in line {line}, column {column + 1}"
                    seen.setdefault(mark, place)
    asked = f"the table '{cells.source}'"
    if len(seen) == 2:
        raise LayergramError(
            asked,
            got=f"two decimal marks: {seen['.']}, and {seen[',']}",
            allowed="one decimal mark in all numbers, and no separator of thousands",
            do="write all numbers with a point",
        )
    if seen.get(",") and not decimal:
        raise LayergramError(
            asked,
            got=f"{seen[',']}, whose comma may be a decimal mark or one of thousands",
            allowed="numbers that can be read in one way only",
            do="write all numbers with a point, and without a separator of thousands",
        )


def as_written(values: Any) -> Any:
    """The float64 numbers in float32, if it gives back every one as it was written.

    Example:
        >>> [as_written(np.array([x])).dtype.name for x in (0.1, 1e-60, 1e39, 16777217.0)]
        ['float32', 'float64', 'float64', 'float64']
    """
    with np.errstate(over="ignore", under="ignore"):
        short = values.astype(np.float32)
    back = short.astype(str).astype(np.float64)  # the shortest decimal that means this float32
    return short if (np.isnan(values) | (back == values)).all() else values
