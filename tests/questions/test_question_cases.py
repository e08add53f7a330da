"""The shared folder of small question sets as people have them, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from layergram import LayergramError, questions

CASES = Path(__file__).parents[3] / "shared" / "cases" / "questions"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"there is no folder {CASES}")

ACCEPTED = {
    "Q01_arc_digit_keys.jsonl": "Mars",
    "Q02_mmlu_numeric_choices.jsonl": "24",
    "Q04_list_with_apostrophe.csv": "N'Djamena",
    "Q05_alias_column_beside_answer.jsonl": "R. Example",
    "Q06_booleans.jsonl": "yes",
    "Q07_columns_of_lists.json": "sky",
    "Q08_same_question_twice.csv": "a0",
    "Q09_ragged_options.csv": "oak",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_right_answer_is_accepted(name):
    found = questions(CASES / name).questions
    assert ACCEPTED[name] in found[0].aliases
    for asked in {question.prompt for question in found}:  # one group for each question
        assert len({question.group for question in found if question.prompt == asked}) == 1
    assert all(all(question.options) for question in found)


def test_a_cell_too_many_is_refused_with_its_line():
    with pytest.raises(LayergramError, match="line 2 has 4 cells"):
        questions(CASES / "Q03_extra_comma.csv")
