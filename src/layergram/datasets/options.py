"""The options of a question, and which of them an answer key means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layergram.datasets.cells import cell_text, cell_texts, parsed

LETTERS = "ABCDEFGHIJ"
"""What options are lettered with when they are asked."""

COLUMNS = re.compile(r"(?i:(option|choice|answer|ending|sol|opt?)_?([a-j]|\d))$|([A-J])$")
"""Names of columns that hold one option each: A, B; option1, option2; answerA; ending0; opa."""

LABELLED = re.compile(r"\(?([A-Za-z])\s*[).:]\s*(?=\S)")
KEY = re.compile(r"\(?(\w)\)?[).:]?$")


@dataclass(frozen=True)
class Options:
    """The options of one question.

    Attributes:
        texts: of the options, none of them empty.
        keys: what the set itself calls each option, or the letters where it has no names.
        places: number of each option in its source, from 0, empty ones counted.
        labelled: whether the set itself names the options.
        right: the accepted ones by number, where the set marks them; else empty.
        numeric: whether the options are numbers rather than texts in the source.
    """

    texts: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    labelled: bool = False
    right: tuple[int, ...] = ()
    numeric: bool = False


def option_columns(present: Sequence[str]) -> list[str]:
    """The columns that hold one option each: at least two with names of one kind, in order.

    Example:
        >>> option_columns(["sentence", "option1", "option2", "answer"])
        ['option1', 'option2']
        >>> option_columns(["question", "A", "B", "C", "answer"]), option_columns(["a", "answer"])
        (['A', 'B', 'C'], [])
    """
    kinds: dict[str, list[str]] = {}
    for column in present:
        found = COLUMNS.match(column.strip())
        if found:
            kinds.setdefault((found[1] or "").casefold(), []).append(column)
    kept = [
        columns
        for columns in kinds.values()
        if len(columns) > 1 and _key_of(columns[0]).casefold() in ("a", "0", "1")
    ]
    return kept[0] if kept else []


def _key_of(column: str) -> str:
    return column.strip()[-1]


def read_options(row: Mapping[str, Any], column: str, columns: Sequence[str]) -> Options:
    """The options of a row: those in one cell, or those in columns of their own."""
    if column in row:
        return _of_cell(row[column])
    texts = [" ".join(cell_texts(row[each], separator="")).strip() for each in columns]
    return _kept(texts, [_key_of(each) for each in columns])


def _of_cell(cell: Any) -> Options:
    cell = parsed(cell)
    if isinstance(cell, str):
        pieces = _labelled_run(cell)
        if pieces:
            return _kept([text for _, text in pieces], [key for key, _ in pieces])
        return _kept(cell_texts(cell), None)
    if isinstance(cell, Mapping):
        return _of_mapping(cell)
    if not isinstance(cell, Iterable):
        return _kept(cell_texts(cell), None)
    items = list(cell)
    if items and all(isinstance(item, Mapping) for item in items):
        labels = [
            next((cell_text(item[name]) for name in ("label", "key", "id") if name in item), "")
            for item in items
        ]
        texts = [" ".join(cell_texts(item)) for item in items]
        return _kept(texts, labels if all(labels) else None)
    numeric = bool(items) and all(isinstance(item, int | float) for item in items)
    texts = [" ".join(cell_texts(item, separator="")).strip() for item in items]
    split = [LABELLED.match(text) for text in texts]
    letters = "".join(found[1] for found in split if found).upper()
    if len(texts) > 1 and letters == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(texts)]:
        texts = [text[found.end() :] for text, found in zip(texts, split, strict=True) if found]
        return _kept(texts, list(letters))
    return _kept(texts, None, numeric=numeric)


def _of_mapping(cell: Mapping[str, Any]) -> Options:
    by_name = {str(key).casefold(): value for key, value in cell.items()}
    texts = next((by_name[name] for name in ("text", "choices", "texts") if name in by_name), None)
    if texts is not None:
        listed = [cell_text(text) for text in texts]
        names = next((by_name[name] for name in ("label", "labels") if name in by_name), ())
        marks = [cell_text(name) for name in names]
        if len(marks) != len(listed):
            return _kept(listed, None)
        if "labels" in by_name and set(marks) <= {"0", "1"}:
            return _kept(listed, None, right=[mark == "1" for mark in marks])
        return _kept(listed, marks)
    if cell and all(isinstance(value, int | float) for value in cell.values()):
        return _kept(list(map(str, cell)), None, right=[value == 1 for value in cell.values()])
    return _kept([cell_text(value) for value in cell.values()], list(map(str, cell)))


def _kept(
    texts: Sequence[str],
    keys: Sequence[str] | None,
    *,
    right: Sequence[bool] = (),
    numeric: bool = False,
) -> Options:
    """Options without the empty ones."""
    places = [place for place, text in enumerate(texts) if text.strip()]
    names = [
        (keys[place] if keys else LETTERS[place : place + 1]).strip().strip("().:").casefold()
        for place in places
    ]
    return Options(
        tuple(texts[place] for place in places),
        tuple(names),
        tuple(places),
        labelled=keys is not None,
        right=tuple(at for at, place in enumerate(places) if right and right[place]),
        numeric=numeric,
    )


def _labelled_run(text: str) -> list[tuple[str, str]]:
    """Options and their letters in a text such as ``a ) 38 , b ) 27``, or nothing.

    Example:
        >>> _labelled_run("a ) 38 , b ) 27.5"), _labelled_run("A) oak B) fig"), _labelled_run("x|y")
        ([('a', '38'), ('b', '27.5')], [('A', 'oak'), ('B', 'fig')], [])
    """
    marks = [
        found
        for found in re.finditer(r"(?:^|(?<=[\s,;]))\(?([A-Ja-j])\s*[).:](?=\s|\w)\s*", text)
        if text[: found.start()].strip() or not found.start()
    ]
    chosen: list[re.Match[str]] = []
    for mark in marks:
        if mark[1].upper() == LETTERS[len(chosen) : len(chosen) + 1]:
            chosen.append(mark)
    if len(chosen) < 2 or chosen[0].start():
        return []
    ends = [mark.start() for mark in chosen[1:]] + [len(text)]
    return [
        (mark[1], text[mark.end() : end].strip().rstrip(",;").strip())
        for mark, end in zip(chosen, ends, strict=True)
    ]


KINDS = ("label", "text", "letter", "index from 0", "index from 1")


def key_kind(rows: Sequence[tuple[Options, Sequence[str], bool]]) -> tuple[str, str]:
    """How a column of answers names options, decided over all of its rows, and a warning or "".

    Args:
        rows: the options of each row that has some, its answers as texts, and whether they are
            numbers in the source.

    Returns:
        One of :data:`KINDS`; "" where no kind fits all rows.

    Example:
        >>> options = Options(("8", "2", "24", "120"), ("a", "b", "c", "d"), (0, 1, 2, 3))
        >>> key_kind([(options, ["2"], True)])[0], key_kind([(options, ["24"], True)])[0]
        ('index from 0', 'text')
    """
    if not rows:
        return "", ""
    fits = {
        kind: all(
            any(place_of(answer, options, kind) is not None for answer in answers)
            for options, answers, _ in rows
        )
        for kind in KINDS
    }
    indices = [kind for kind in KINDS[3:] if fits[kind]]
    of_numbers = all(number for *_, number in rows)
    numeric = all(options.numeric for options, *_ in rows)
    unclear = (
        "every answer is the number of an option and also the text of one; it was read as the {}: "
        "write the letters of the right options instead if that is wrong"
    )
    if fits["label"]:
        return "label", ""
    if indices and of_numbers and not (fits["text"] and numeric):
        return indices[0], unclear.format("number") if fits["text"] else _from_0(rows, indices)
    if fits["text"]:
        return "text", unclear.format("text") if indices else ""
    if fits["letter"]:
        return "letter", ""
    return (indices[0], _from_0(rows, indices)) if indices else ("", "")


def _from_0(rows: Sequence[tuple[Options, Sequence[str], bool]], indices: Sequence[str]) -> str:
    zero = any("0" in answers for _, answers, _ in rows)
    if zero or len(indices) < 2:
        return ""
    return (
        "the answers are numbers of options and none is 0 or the highest; they were counted from 0"
    )


def place_of(answer: str, options: Options, kind: str) -> int | None:
    """Which option an answer means, if it is named in this way."""
    plain = answer.strip()
    if kind == "text":
        texts = [text.casefold().strip() for text in options.texts]
        return texts.index(plain.casefold()) if plain.casefold() in texts else None
    if kind in ("label", "letter"):
        if (kind == "label") != options.labelled:
            return None
        found = KEY.match(plain)
        key = (found[1] if found else plain).casefold()
        return options.keys.index(key) if key in options.keys else None
    if not plain.isdecimal() or len(plain) > 3:
        return None
    place = int(plain) - (kind == "index from 1")
    return options.places.index(place) if place in options.places else None


def accepted(answers: Sequence[str], options: Options, kind: str) -> tuple[str, ...]:
    """The accepted answers, with letter and text of each option that they mean.

    Example:
        >>> options = Options(("fig", "oak"), ("1", "2"), (0, 1), labelled=True)
        >>> accepted(["2"], options, "label"), accepted(["fig"], options, "text")
        (('B', 'oak'), ('fig', 'A'))
    """
    found = []
    kinds = [kind] if kind else ["text", "label", "letter"]
    for answer in answers:
        places = ((each, place_of(answer, options, each)) for each in kinds)
        each, place = next(((e, p) for e, p in places if p is not None), ("", None))
        if place is None or place >= len(LETTERS):
            found.append(answer)
        elif each == "text":
            found += [answer, LETTERS[place]]
        else:
            found += [LETTERS[place], options.texts[place]]
    for place in options.right:
        found += [LETTERS[place], options.texts[place]] if place < len(LETTERS) else []
    return tuple(dict.fromkeys(found))
