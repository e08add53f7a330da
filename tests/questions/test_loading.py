"""Question sets: the embedded ones, files with all kinds of columns, and bad ones."""

from __future__ import annotations

import json

import pytest

from layergram.datasets.questions import EMBEDDED, Question, questions
from layergram.errors import LayergramError

MANY = "|".join(f"o{n}" for n in range(12))


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_embedded_sets_are_large_and_give_no_answer_away():
    sets = {name: questions(name) for name in EMBEDDED}
    assert {name: len(loaded) for name, loaded in sets.items()} == {
        "capitals": 246, "elements": 354, "arithmetic": 300, "countries": 246,
    }  # fmt: skip
    for name in ("capitals", "arithmetic"):  # repeating the question is no answer
        for q in sets[name].questions:
            assert not any(a.lower() in q.question.lower().split() for a in q.aliases)


def test_facts_of_the_embedded_sets():
    answers = {q.id: q.aliases for name in EMBEDDED for q in questions(name).questions}
    assert answers["iron number"] == ("26",) and answers["iron symbol"] == ("Fe",)
    for q in questions("arithmetic").questions:
        a, sign, b = q.id.split()
        assert q.aliases == (str(eval(f"{a}{sign.replace('×', '*')}{b}")),)
    for q in questions("countries").questions:
        letter, place = q.aliases
        assert q.options["ABCD".index(letter)] == place and len(set(q.options)) == 4


def test_a_table_with_aliases_options_context_and_group(tmp_path):
    path = write(
        tmp_path, "t.csv",
        "id,question,answer,options,context,group\n"
        'x,Capital?,Bern|Berne,,"Read, this.",swiss\n'
        "y,Fruit?,B,oak|fig,,\n",
    )  # fmt: skip
    loaded = questions(path)
    assert loaded.name == "t" and loaded.questions == (
        Question("x", "Capital?", ("Bern", "Berne"), context="Read, this.", group="swiss"),
        Question("y", "Fruit?", ("B", "fig"), options=("oak", "fig"), group="y"),
    )
    assert loaded.questions[0].prompt == "Read, this.\n\nCapital?"


def test_every_format_gives_the_same_questions(tmp_path):
    rows = [{"question": "1+1?", "answer": 2.0}, {"question": "Où?", "answer": ["là", "ici"]}]
    expected = questions(
        write(tmp_path, "a.tsv", "question\tanswer\n1+1?\t2\nOù?\tlà|ici\n")
    ).questions
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert questions(write(tmp_path, "b.jsonl", lines + "\n\n")).questions == expected
    assert questions(write(tmp_path, "c.json", json.dumps(rows))).questions == expected
    assert [q.id for q in expected] == ["1", "2"]


def test_columns_are_matched_by_name_or_as_asked_for(tmp_path):
    path = write(tmp_path, "q.csv", "sentence,q_instruct,answer,F\nHe ran.,Who?,he,[9.0]\n")
    assert questions(path).questions[0] == Question(
        "1", "Who?", ("he",), context="He ran.", group="1"
    )
    renamed = questions(path, columns={"question": "sentence", "answer": "F"})
    assert renamed.questions[0].question == "He ran." and renamed.questions[0].aliases == ("9",)
    assert dict(renamed.columns)["answer"] == "F"


def test_options_in_columns_of_their_own(tmp_path):
    path = write(tmp_path, "q.csv", "question,A,B,C,answer\nFruit?,oak,fig,elm,fig\n")
    assert questions(path).questions[0].aliases == ("fig", "B")


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("question,answer\nA?,\nB?,b\n", {}, "1 of 2 questions without an answer: '1'"),
        ("question,answer\n,b\nA?,a\n", {}, "1 of 2 questions without a text: '1'"),
        ("id,question,answer\n7,A?,a\n7,B?,b\n", {}, "with a duplicate id: '7'"),
        ("question,reply\nA?,a\n", {}, "no column 'answer'.*--columns answer=COLUMN"),
        ("question,anser\nA?,a\n", {}, "did you mean 'anser'"),
        ("question,answer\nA?,a\n", {"question": "qestion"}, "did you mean 'question'"),
        ("question,answer\nA?,a\n", {"qestion": "question"}, "did you mean 'question'"),
        ("question,answer\n", {}, "no row"),
        ("", {}, "cannot be read"),
        ("question,answer,options\nA?,z,x|y\n", {}, "not among the options: '1'"),
        ("question,answer,options\nA?,²,x|y\n", {}, "not among the options: '1'"),
        ("question,answer,options\nA?,x,x\n", {}, "with one option: '1'"),
        (f"question,answer,options\nA?,o11,{MANY}\n", {}, "with more than 10 options: '1'"),
        (f"question,answer,options\nA?,11,{MANY}\n", {}, "with more than 10 options: '1'"),
        ("question,answer\nHow, then?,a\n", {}, "line 2 has 3 cells.*the 2 columns in line 1"),
        ("question,answer\nA?,a\nHow, then?,b\n", {}, "line 3 has 3 cells"),
        ("question,answer\nA?,a,\n", {}, "line 2 has 3 cells"),
        ("question,answer,answer\nA?,a,b\n", {}, "two columns 'answer'"),
        ('question,answer\nA?,"[a, b]"\n', {}, "row 1 with the list .a, b.*cannot be read"),
        ("question,answer\nA?,\"['a', 'b'\\]\"\n", {}, "row 1 with the list"),
    ],
)
def test_a_faulty_set_is_refused_with_the_fault(text, columns, says, tmp_path):
    path = write(tmp_path, "bad.csv", text)
    with pytest.raises(LayergramError, match="(?s)" + says):
        questions(path, columns=columns)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("capitls", "did you mean 'capitals'"),
        ("gone.csv", "no such file"),
        ("folder.jsonl", "a folder"),
        ("notes.txt", "suffix"),
        ("bad.jsonl", "line 2, column 12 is not valid JSON"),
        ("list.jsonl", "row 1 is int"),
        ("squad/plain", "datasets"),
    ],
)
def test_a_source_that_does_not_exist(source, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.jsonl").mkdir()
    write(tmp_path, "notes.txt", "question,answer\n")
    write(tmp_path, "bad.jsonl", '{"question": "A?", "answer": "a"}\n{"question"\n')
    write(tmp_path, "list.jsonl", "[1]")
    with pytest.raises(LayergramError, match=says):
        questions(source)
