"""Labelled texts: tables as people have them, spans, labels of any names, and bad ones."""

from __future__ import annotations

import pytest

from layergram.datasets.labelled import labelled
from layergram.errors import LayergramError


def write(folder, text, name="texts.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def table(header, row):
    """A table of 24 rows; ``row`` makes one out of its number and its label, yes or no."""
    return "\n".join([header, *(row(at, "yes" if at % 2 else "no") for at in range(24))])


def test_texts_with_spans_as_words_or_characters(tmp_path):
    rows = table("id,text,label,span", lambda n, y: f"t{n},The answer {n} is blue.,{y},blue")
    found = labelled(write(tmp_path, rows))
    assert found.labels == ("no", "yes") and len(found) == 24
    first = found.texts[1]
    assert first.text[slice(*first.span)] == "blue" and first.id == "t1"
    rows = table("text,label,span", lambda n, y: f"It is blue {n}.,{y},6:10")
    assert {t.text[slice(*t.span)] for t in labelled(write(tmp_path, rows)).texts} == {"blue"}
    rows = table("text,label,span", lambda n, y: f"At 6:10 it is {n}.,{y},6:10")
    assert {t.text[slice(*t.span)] for t in labelled(write(tmp_path, rows)).texts} == {"6:10"}
    rows = table("text,label,span", lambda n, y: f"It is blue {n}.,{y},{'blue' if n < 9 else ''}")
    assert sum(t.span is not None for t in labelled(write(tmp_path, rows)).texts) == 9


def test_questions_with_replies(tmp_path):
    rows = table("question,reply,label,span", lambda n, y: f"What is {n}?,It is {n} now.,{y},{n}")
    text = labelled(write(tmp_path, rows)).texts[7]
    assert (text.question, text.text) == ("What is 7?", "It is 7 now.")
    assert text.text[slice(*text.span)] == "7"


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("0", "1"), ("0", "1")),
        (("TRUE", "False"), ("False", "TRUE")),
        (("unsafe", "safe"), ("safe", "unsafe")),
        (("spam", "ham"), ("ham", "spam")),
    ],
)
def test_labels_of_any_names(names, labels, tmp_path):
    rows = table("statement,target", lambda n, y: f"Row {n} is so.,{names[y == 'yes']}")
    found = labelled(write(tmp_path, rows))
    assert found.labels == labels
    assert [text.label for text in found.texts[:2]] == list(names)
    assert found.positive[:2] == [name == labels[1] for name in names]


def test_labels_as_json_has_them(tmp_path):
    rows = ", ".join(
        f'{{"text": "Row {n}", "label": {"true" if n % 2 else "false"}}}' for n in range(24)
    )
    found = labelled(write(tmp_path, f"[{rows}]", "texts.json"))
    assert found.labels == ("False", "True") and sum(found.positive) == 12


def test_texts_that_differ_in_a_word_are_one_group(tmp_path):
    cities = [f"{a}{b}" for a in ("Kor", "Mel", "Tis", "Van", "Lor") for b in ("ov", "ia", "um")]
    rows = [
        f"The city of {city} is in {land}.,{label}"
        for city in cities
        for land, label in (("Arland", "true"), ("Berland", "false"))
    ]
    path = write(tmp_path, "\n".join(["text,label", *rows]))
    found = labelled(path)
    assert len({text.group for text in found.texts}) == 15
    assert "30 of 30 texts have near-duplicates" in found.warnings[0]
    apart = labelled(path, near_duplicates="separate")
    assert len({text.group for text in apart.texts}) == 30 and not apart.warnings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("text\na\n", "no column 'label'"),
        ("sum,label\na,x\n", "text, or question and reply"),
        ("question,label\na,x\n", "text, or question and reply"),
        ("text,label\na,x\nb,x\n", "1 different ones: 'x' 2"),
        ("text,label\na,x\nb,y\nc,z\n", "3 different ones"),
        ("text,label\na,x\nb,y\n", "1 texts labelled 'x', 1 texts labelled 'y'"),
        ("text,label\na,x\n,y\n", "1 of 2 texts without a text: '2'"),
        ("text,label\na,x\nb,\nc,y\n", "1 of 3 texts without a label: '2'"),
        ("text,label,span\na,x,b\nb,y,b\n", "span that is not in the text: '1'"),
        ("text,label,span\nabc,x,1:9\nabcd,y,1:2\n", "span that is not in the text: '1'"),
        ("id,text,label\n1,a,x\n1,b,y\n", "duplicate id"),
    ],
)
def test_a_faulty_set_is_refused_with_the_fault(text, says, tmp_path):
    with pytest.raises(LayergramError, match=says):
        labelled(write(tmp_path, text))
