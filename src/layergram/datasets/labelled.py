"""Labelled texts: statements, or questions with replies, each of one of two classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from layergram.datasets.cells import cell_text
from layergram.datasets.duplicates import group
from layergram.datasets.examples import ExampleSet, check_examples
from layergram.datasets.questions import NearDuplicates, said_of_groups
from layergram.datasets.records import Record, match_columns, read_records, set_name
from layergram.errors import LayergramError
from layergram.statistics.folds import FEWEST_OF_CLASS

FIELDS: dict[str, tuple[str, ...]] = {
    "label": ("label", "labels", "class", "target", "is_correct", "correct", "category"),
    "text": ("text", "statement", "sentence", "review", "content", "claim", "document"),
    "question": ("question", "prompt", "query", "input", "instruction"),
    "reply": ("reply", "response", "answer", "output", "completion"),
    "span": ("span", "exact_answer", "highlight"),
    "group": ("group", "group_id", "pair", "pair_id"),
    "id": ("id", "text_id"),
}
"""The fields of a labelled text, and the column names recognised for each, best first."""

CHARACTERS = re.compile(r"[\[(]?\s*(\d+)\s*[:,]\s*(\d+)\s*[\])]?$")


@dataclass(frozen=True)
class LabelledText:
    """A text of one of two classes.

    Attributes:
        id: unique in the set.
        text: the text; the reply, where there is a question.
        label: the class, as the set names it.
        question: what the text replies to, or "".
        span: first character in ``text`` of the words to look at, and one past the last; or none.
        group: texts of one group always stay in one fold of an evaluation.
    """

    id: str
    text: str
    label: str
    question: str = ""
    span: tuple[int, int] | None = None
    group: str = ""


@dataclass(frozen=True)
class LabelledSet(ExampleSet):
    """Labelled texts under a name; those that :func:`labelled` reads have passed every check.

    Attributes:
        name: of the set.
        texts: in the order of their source.
        labels: both labels, the one that probes look for last.
        columns: the column of the source that each field was read from.
        warnings: what a reader of the set should know, in sentences.
    """

    name: str
    texts: tuple[LabelledText, ...]
    labels: tuple[str, str]
    columns: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def examples(self) -> tuple[LabelledText, ...]:
        """The texts."""
        return self.texts

    @property
    def positive(self) -> list[bool]:
        """Whether each text has the label that probes look for."""
        return [text.label == self.labels[1] for text in self.texts]

    def first(self, count: int | None) -> LabelledSet:
        """The first ``count`` texts, or all of them."""
        if count is not None and count < 1:
            raise LayergramError(f"the first {count} texts", allowed="1 or more")
        found = replace(self, texts=self.texts[:count])
        _check_labels(found)
        return found


def labelled(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    near_duplicates: NearDuplicates = "group",
) -> LabelledSet:
    """Labelled texts, with every text checked.

    Probes look for the label that comes last in the alphabet: *true* rather than *false*, 1 rather
    than 0, *unsafe* rather than *safe*. Identical texts are one group, and so are near-duplicates:
    texts that share most of the words that are rare in the set.

    Args:
        source: a file with one row per text, with columns ``text`` (or ``question`` and
            ``reply``) and ``label``, and optionally ``span``, ``group`` and ``id``; or the id of a
            data set on the Hugging Face hub (``org/name:split``). A span is the words themselves,
            where they stand first, or its characters in the text or the reply, ``start:end``, the
            end not included.
        columns: field -> column, where the columns have other names.
        near_duplicates: ``"group"`` keeps texts that differ in a few words on one side of every
            split; ``"separate"`` leaves them as the set has them.

    Raises:
        LayergramError: if there is no such file or column; if a text is empty or has no label, or
            a span is not in its text; if there are not exactly two labels, or fewer than 10 texts
            of one.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "facts.csv")
        ...     rows = [f"Number {n} is even.,{n % 2 == 0}" for n in range(20)]
        ...     _ = path.write_text("\\n".join(["text,label", *rows]))
        ...     found = labelled(path)
        >>> len(found), found.labels, found.texts[0].label
        (20, ('False', 'True'), 'True')
    """
    if near_duplicates not in ("group", "separate"):
        raise LayergramError(f"near_duplicates={near_duplicates!r}", allowed="group, separate")
    name = str(source)
    rows = read_records(name, kind="labelled set", embedded=())
    matched = _match(name, rows[0], columns or {})
    texts = [_text(number, row, matched) for number, row in enumerate(rows, start=1)]
    labels = _labels(name, texts)
    spans = _spans(texts, [row.get(matched.get("span", "")) for row in rows])
    _check(name, texts, spans)
    groups = group(
        [f"{text.question}\n{text.text}" for text in texts],
        given=[text.group for text in texts],
        near=near_duplicates == "group",
        least_words=1,
    )
    first = {number: texts[groups.of.index(number)].group for number in dict.fromkeys(groups.of)}
    found = LabelledSet(
        set_name(name),
        tuple(
            replace(text, label=labels[text.label.casefold()], span=span, group=first[number])
            for text, span, number in zip(texts, spans, groups.of, strict=True)
            if not isinstance(span, str)
        ),
        (labels[min(labels)], labels[max(labels)]),
        tuple(matched.items()),
        tuple(said_of_groups(groups, "texts")),
    )
    _check_labels(found)
    return found


def _match(name: str, row: Record, asked: Mapping[str, str]) -> dict[str, str]:
    matched = match_columns(name, list(row), asked, fields=FIELDS, needed=("label",))
    both = {"question", "reply"} <= set(matched)
    if "text" not in asked and both:
        matched.pop("text", None)  # a question with its reply is all that is read
    if "text" not in matched and not both:
        raise LayergramError(
            f"the texts of '{name}'",
            got=f"the columns {', '.join(row)}",
            allowed="text, or question and reply",
            do="name the columns: --columns text=COLUMN",
        )
    return matched


def _text(number: int, row: Record, columns: Mapping[str, str]) -> LabelledText:
    cells = {field: cell_text(row.get(column)) for field, column in columns.items()}
    name = cells.get("id") or str(number)
    whole = row.get(columns.get("text", columns.get("reply", "")))
    return LabelledText(
        name,
        whole.rstrip()
        if isinstance(whole, str)
        else cell_text(whole),  # spans count from its start
        cells["label"],
        "" if "text" in columns else cells["question"],
        group=cells.get("group") or name,
    )


def _labels(name: str, texts: Sequence[LabelledText]) -> dict[str, str]:
    """Both labels without capitals -> as they are written first."""
    counts = Counter(text.label.casefold() for text in texts if text.label)
    if len(counts) != 2:
        shown = ", ".join(f"'{label}' {count}" for label, count in counts.most_common(5))
        raise LayergramError(
            f"the labels of '{name}'",
            got=f"{len(counts)} different ones: {shown}" if counts else "none",
            allowed="two, of any names",
            do="keep the rows of two labels, or name another column: --columns label=COLUMN",
        )
    written: dict[str, str] = {}
    for text in texts:
        if text.label:
            written.setdefault(text.label.casefold(), text.label)
    return written


Span = tuple[int, int] | str | None  # characters; words that are not in the text; nothing


def _spans(texts: Sequence[LabelledText], cells: Sequence[Any]) -> list[Span]:
    """The span of each text; how spans are written is decided over the whole column."""
    words = [tuple(cell) if _is_pair(cell) else cell_text(cell) for cell in cells]
    given = [(text.text, cell) for text, cell in zip(texts, words, strict=True) if cell]
    as_characters = not all(isinstance(cell, str) and _found(text, cell) for text, cell in given)
    return [
        _span(text.text, cell, as_characters=as_characters)
        for text, cell in zip(texts, words, strict=True)
    ]


def _is_pair(cell: Any) -> bool:
    listed = isinstance(cell, Iterable) and not isinstance(cell, str | Mapping)
    return listed and [isinstance(part, Integral) for part in cell] == [True, True]


def _found(text: str, words: str) -> tuple[int, int] | None:
    """The words in the text: as they stand, or else without capitals; whole words first."""
    for pattern in (rf"(?<!\w){re.escape(words)}(?!\w)", re.escape(words)):
        for flags in (0, re.IGNORECASE):
            found = re.search(pattern, text, flags)
            if found:
                return found.span()
    return None


def _span(text: str, cell: Any, *, as_characters: bool) -> Span:
    if not cell:
        return None
    plain = ":".join(map(str, cell)) if _is_pair(cell) else str(cell)
    numbers = CHARACTERS.match(plain)
    if numbers and as_characters:
        start, end = int(numbers[1]), int(numbers[2])
        return (start, end) if 0 <= start < end <= len(text) else plain
    return _found(text, plain) or plain


def _check(name: str, texts: Sequence[LabelledText], spans: Sequence[Span]) -> None:
    outside = [text.id for text, span in zip(texts, spans, strict=True) if isinstance(span, str)]
    check_examples(
        texts,
        {
            "without a text": [text.id for text in texts if not text.text.strip()],
            "without a label": [text.id for text in texts if not text.label],
            "with a span that is not in the text": outside,
        },
        asked=f"the labelled set '{name}'",
        noun="texts",
        allowed="a unique id, a text and a label for every row, and a span inside the text",
    )


def _check_labels(found: LabelledSet) -> None:
    counts = {label: sum(text.label == label for text in found.texts) for label in found.labels}
    if min(counts.values()) < FEWEST_OF_CLASS:
        raise LayergramError(
            f"probes on the labelled set '{found.name}'",
            got=", ".join(f"{count} texts labelled '{label}'" for label, count in counts.items()),
            allowed=f"at least {FEWEST_OF_CLASS} of each",
            do="bring more texts of the rarer label",
        )
