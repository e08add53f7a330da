"""The command ``questions``: what was read, in words and as JSON, with nothing of torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from layergram.cli import main


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text(
        "id,question,A,B,C,answer\nx,Fruit?,oak,fig,,B\ny,Tree?,oak,fig,cup,oak\nz,Fruit?,oak,fig,,B\n"
    )
    return path


def test_json_has_exactly_these_fields(table, capsys):
    assert main(["questions", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["questions"][0] == {
        "id": "x",
        "asked": "Fruit?\nA) oak\nB) fig",
        "accepted": ["B", "fig"],
        "options": ["oak", "fig"],
        "group": "x",
    }
    assert [row["group"] for row in found["questions"]] == ["x", "y", "x"]
    assert set(found) == {"questions", "warnings"} and "identical" in found["warnings"][0]


def test_words_show_the_first_rows_as_they_are_asked(table, capsys):
    assert main(["questions", str(table), "--limit", "2"]) == 0
    out = capsys.readouterr().out
    assert "set: 2 questions in 2 groups" in out and "answer = answer" in out
    assert "Fruit?\nA) oak\nB) fig\naccepted: B | fig" in out and "warning: 1 of 3" in out


def test_near_duplicates_can_be_kept_apart(tmp_path, capsys):
    path = tmp_path / "pairs.csv"
    rows = [
        f"The {a} met the {b} at {c} because {who} was late.,Who was late?,{a}"
        for a, b, c in zip(
            "kqwxz", ("nurse", "cook", "guard", "pilot", "judge"), "abcde", strict=True
        )
        for who in ("he", "she")
    ]
    path.write_text("\n".join(["context,question,answer", *rows]))
    groups = {}
    for kept in ("group", "separate"):
        assert main(["questions", str(path), "--near-duplicates", kept, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        groups[kept] = len({row["group"] for row in found["questions"]})
    assert groups == {"group": 5, "separate": 10}


def test_what_cannot_be_read_is_refused_with_the_line(tmp_path, capsys):
    path = tmp_path / "set.csv"
    path.write_text("question,answer\nUp?,sky\nWhat, in short, is down?,earth\n")
    assert main(["questions", str(path)]) == 2
    assert "line 3 has 4 cells" in capsys.readouterr().err


def test_no_torch_is_needed(table):
    code = (
        "import sys; from layergram.cli import main; main(['questions', sys.argv[1], '-q']); "
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(table)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
