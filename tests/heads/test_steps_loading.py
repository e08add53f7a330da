"""Labelled steps from files: columns, CogQA's format, groups, unknown labels, refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from layergram.datasets.steps import FUNCTIONS, Step, StepSet, match_function, steps
from layergram.errors import LayergramError

FOLDER = Path(os.environ.get("LAYERGRAM_DATA", "not set"))


def rows(count=10, functions=("Retrieval", "Inference"), **changed):
    """So many good rows per function; ``changed`` says what is different in the first."""
    found = [
        {"question": f"Text {n}.", "step": f"{f} {n}?", "answer": f"a{n}", "function": f}
        for f in functions
        for n in range(count)
    ]
    found[0] |= changed
    return found


def write(folder, table, name="s.json"):
    text = table if isinstance(table, str) else json.dumps(table, ensure_ascii=False)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def refusal(source, **more):
    with pytest.raises(LayergramError) as error:
        steps(source, **more)
    assert error.value.exit_code == 2
    return str(error.value)


def test_every_kind_of_file_says_the_same(tmp_path):
    import pandas as pd

    table = pd.DataFrame(rows(id="x", group="g", template="t")).fillna("")
    wanted = steps(write(tmp_path, table.to_csv(index=False), "s.csv")).steps
    assert wanted[0] == Step("x", "Text 0.", "Retrieval 0?", "a0", "Retrieval", "g", "t")
    assert wanted[1].id == "2" and wanted[1].template == ""
    records = table.to_dict(orient="records")
    lines = "\n".join(json.dumps(record) for record in records)
    for name, text in [
        ("s.tsv", table.to_csv(index=False, sep="\t")),
        ("s.jsonl", lines),
        ("s.json", records),
    ]:
        found = steps(write(tmp_path, text, name))
        assert found.steps == wanted and found.name == "s"


@pytest.mark.parametrize("make", [rows, lambda: cogqa()])
def test_parquet(make, tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    pd.DataFrame(make()).to_parquet(tmp_path / "s.parquet")
    assert steps(tmp_path / "s.parquet").steps == steps(write(tmp_path, make())).steps


def test_steps_that_share_a_main_question_are_one_group_unless_the_file_says_otherwise(tmp_path):
    table = rows()
    table[1]["question"] = ""
    table[2]["group"] = "mine"
    found = steps(write(tmp_path, table)).steps
    assert found[0].group == found[10].group  # "Text 0." twice
    assert [step.group for step in found[:4]] == ["question 1", "step 2", "mine", "question 2"]
    assert found[12].group not in (found[2].group, found[13].group)
    assert len({step.group for step in found}) == 12


def cogqa(name="Retrieval"):
    def step(at, skill):
        return {"subquestion": f"Part\\n{at}?", "answer": at, "cognitive_skill": skill}

    return [
        {
            "question": f"Is it so {n // 2}?\\nOptions:\\n- yes \\nu",
            "answer": "the last word",
            "generated": [step(1, name), step(2, "Math Calculation")],
        }
        for n in range(10)
    ]


def test_main_questions_with_their_steps_inside(tmp_path):
    found = steps(write(tmp_path, cogqa()))
    assert found.counts() == {"Retrieval": 10, "Math Calculation": 10}
    first, second, third = found.steps[:3]
    assert (first.id, second.id, third.id) == ("1.1", "1.2", "2.1")
    assert first.question == "Is it so 0?\nOptions:\n- yes \\nu"  # a line break, but no LaTeX
    assert first.step == "Part\n1?" and first.answer == "1"
    assert first.group == third.group == "question 1" and len({s.group for s in found.steps}) == 5
    lines = "\n".join(json.dumps(record) for record in cogqa())
    assert steps(write(tmp_path, lines, "s.jsonl")).steps == found.steps
    flat = [{"question": "A\\nB", "step": "C?", "answer": "d", "function": f} for f in FUNCTIONS]
    kept = steps(write(tmp_path, flat * 10)).steps[0]
    assert kept.question == "A\\nB"  # only CogQA is known to mean a line break by it


def test_the_columns_of_main_questions_can_have_other_names(tmp_path):
    table = [
        {"main": "M?", "generated": [{"ask": "q?", "reply": "r", "skill": f} for f in FUNCTIONS]}
        for _ in range(10)
    ]
    found = steps(write(tmp_path, table), columns={"step": "ask", "answer": "reply"})
    assert found.steps[1].step == "q?" and found.counts()["Retrieval"] == 10


@pytest.mark.parametrize(
    "label", ["decision_making", "Decision Making", "DECISION-MAKING", " DecisionMaking "]
)
def test_a_function_may_be_spelled_otherwise(label, tmp_path):
    assert match_function(label) == "Decision-making"
    table = rows(functions=(label, "Inference"))
    assert steps(write(tmp_path, table)).counts() == {"Decision-making": 10, "Inference": 10}


def test_counts_are_in_the_order_of_the_functions_and_functions_may_be_absent(tmp_path):
    found = steps(write(tmp_path, rows(12, functions=FUNCTIONS[5:2:-1])))
    assert list(found.counts().items()) == [(f, 12) for f in FUNCTIONS[3:6]]


def test_a_few_strays_are_dropped_and_counted_many_are_refused(tmp_path):
    table = rows(40)
    table += [{"step": "s", "answer": "a", "function": "Induction"}] * 4
    found = steps(write(tmp_path, table))
    assert found.dropped == {"Induction": 4} and len(found) == 80
    table += [{"step": "s", "answer": "a", "function": "Retreival"}] * 5
    text = refusal(write(tmp_path, table))
    assert "9 of 89 steps" in text and "'Retreival' 5, 'Induction' 4" in text
    assert "did you mean 'Retrieval'?" in text and "Knowledge Recall" in text and "5%" in text


def test_no_function_at_all_points_to_the_column(tmp_path):
    table = [row | {"label": "x", "function": f"kind {n}"} for n, row in enumerate(rows())]
    text = refusal(write(tmp_path, table))
    assert "20 of 20" in text and "'function'" in text and "15 other labels" in text
    assert "--columns function=COLUMN" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"answer": "  ", "id": "bad"}, "1 of 20 steps without an answer: 'bad'"),
        ({"answer": None}, "1 of 20 steps without an answer: '1'"),
        ({"step": ""}, "1 of 20 steps without a text: '1'"),
        ({"id": "2"}, "1 of 20 steps with a duplicate id: '2'"),
        ({"function": ""}, "1 of 20 steps without a function: '1'"),
    ],
)
def test_rows_at_fault_are_named(changed, words, tmp_path):
    text = refusal(write(tmp_path, rows(**changed)))
    assert words in text and "Do: " in text and "Allowed: " in text


def test_too_few_steps_of_a_function(tmp_path):
    table = rows(10) + rows(9, functions=("Math Calculation", "Decision-making"))
    text = refusal(write(tmp_path, table))
    assert "fewer than 10 steps of Decision-making, Math Calculation" in text
    assert "(Retrieval 10, Decision-making 9, Inference 10, Math Calculation 9)" in text
    text = refusal(write(tmp_path, rows(functions=("Inference",))))
    assert "steps of only one function (Inference 10)" in text


def test_columns_that_do_not_exist(tmp_path):
    source = write(tmp_path, [{"ask": "q", "answr": "a", "function": "Inference"}])
    assert "did you mean 'ask'?" in refusal(source, columns={"step": "asks"})
    assert "did you mean 'step'?" in refusal(source, columns={"stop": "ask"})
    assert "did you mean 'answr'?" in refusal(source, columns={"step": "ask"})
    assert "--columns step=COLUMN" in refusal(source)
    assert "column of 'functions' 'ask'" in refusal("functions", columns={"step": "ask"})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([], "no row"),
        ("[1, 2]", "row 1 is int"),
        ('[{"question": "q", "generated": [', "line 1, column 34 is not valid JSON"),
        ([{"question": "q", "generated": ["one"]}], "main question 1: 'generated' contains"),
        ([{"question": "q", "generated": []}], "main question 1 without steps"),
        (
            [{"question": "q"}, {"question": "r", "generated": [{"subquestion": "s"}]}],
            "main question 1 without steps in 'generated'",
        ),
    ],
)
def test_files_that_hold_no_steps(table, words, tmp_path):
    assert words in refusal(write(tmp_path, table))


def test_no_such_file_or_set(tmp_path):
    assert "did you mean 'functions'?" in refusal("function")
    text = refusal(tmp_path / "none.csv")
    assert "no such file" in text and "functions" in text
    assert "suffix '.txt'" in refusal(write(tmp_path, "x", "s.txt"))


def test_the_first_of_every_function_and_the_digest():
    found = steps("functions")
    few = found.first(12)
    assert few.counts() == dict.fromkeys(FUNCTIONS, 12) and found.first(None) is found
    assert [step for step in found.steps if step in few.steps] == list(few.steps)
    assert few.digest != found.digest == steps("functions").digest
    assert StepSet("other", found.steps).digest == found.digest
    with pytest.raises(LayergramError, match="first 9 steps"):
        found.first(9)


def test_cogqa_as_published():
    if not (FOLDER / "cogqa_train.json").is_file():
        pytest.skip("LAYERGRAM_DATA names no folder with cogqa_train.json")
    found = steps(FOLDER / "cogqa_train.json")
    assert found.counts() == {
        "Knowledge Recall": 422, "Retrieval": 533, "Logical Reasoning": 230,
        "Decision-making": 144, "Semantic Understanding": 304, "Syntactic Understanding": 182,
        "Inference": 285, "Math Calculation": 583,
    }  # fmt: skip
    assert found.dropped == {
        "Induction": 3, "Self-Evaluation": 1, "Task Comprehension": 1, "Lexical Knowledge": 1,
    }  # fmt: skip
    assert len(found) == 2683 and len({step.group for step in found.steps}) == 572
    assert not [step for step in found.steps if "\\n" in step.question + step.step + step.answer]
    assert found.steps[1].question.count("\n") == 4
