"""Right or wrong by the kind of answer, on made-up replies and on replies of a model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import layergram as lg
from layergram.answers.judge import Judgement

DATA = Path(__file__).parent.parent / "data"
SHARED = Path(__file__).parents[3] / "shared" / "cases" / "replies.csv"
KINDS = ("number", "quantity", "date", "option", "yes-no", "name", "denial", "edge", "form")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


MADE_UP = rows_of(DATA / "replies.csv")


def judged(row, **how):
    options = [option for option in row["options"].split("|") if option]
    return lg.judge(row["accepted"].split("|"), row["reply"], options, **how)


def precision_and_recall(rows, **how):
    right = [(judged(row, **how).right, row["right"] == "yes") for row in rows]
    both = sum(one and other for one, other in right)
    return both / max(1, sum(one for one, _ in right)), both / sum(other for _, other in right)


@pytest.mark.parametrize("kind", KINDS)
def test_made_up_replies_of_every_kind(kind):
    rows = [row for row in MADE_UP if row["kind"] == kind]
    assert len(rows) >= 30
    precision, recall = precision_and_recall(rows)
    assert precision >= 0.95 and recall >= 0.95


def test_the_published_rule_is_the_one_that_made_up_replies_break():
    precision, recall = precision_and_recall(MADE_UP)
    published = precision_and_recall(MADE_UP, by="published")
    assert len(MADE_UP) >= 1650 and precision >= 0.97 and recall >= 0.97
    assert published[0] < 0.75 and published[1] < 0.75


def test_the_exact_answer_is_the_one_that_a_reader_marks():
    marked = [row for row in MADE_UP if row["exact"]]
    same = [judged(row).exact == row["exact"] for row in marked]
    assert len(marked) >= 250 and sum(same) >= 0.95 * len(same)


def test_the_judge_reads_a_models_replies_as_a_reader_does():
    lines = (DATA / "readings.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 200 and len({row["set"] for row in rows}) == 4
    same = [
        lg.judge(r["accepted"], r["reply"], r["options"], question=r["question"]).right
        == r["right"]
        for r in rows
    ]
    assert sum(same) >= 0.95 * len(same)


@pytest.mark.skipif(not SHARED.is_file(), reason="../shared/cases/replies.csv is not there")
def test_replies_of_kinds_that_people_report():
    rows = rows_of(SHARED)
    assert [row for row in rows if judged(row).right != (row["right"] == "yes")] == []


@pytest.mark.parametrize(
    ("question", "accepted", "reply", "right"),
    [
        ("What is 7 + 8?", "8", "You asked for 7 + 8.", False),
        ("What is the capital of Luxembourg?", "Luxembourg", "Luxembourg.", True),
        ("Is it Paris or Lyon?", "Paris", "Is it Paris or Lyon? It is Lyon.", False),
        ("Who wrote Hamlet?", "William Shakespeare", "Shakespeare.", True),
        ("What percentage is a quarter?", "25", "It is 25%.", True),
        ("What is 50% of 50?", "25", "It is 25.", True),
        ("How many edges has a cube?", "12", "It has 6 faces and 12 edges.", True),
        ("How many faces has a cube?", "12", "It has 6 faces and 12 edges.", False),
        ("Is the sky blue?", "yes", "The sky is blue.", True),
        ("Is the sky blue?", "yes", "The sky is not blue.", False),
        ("Which is the largest city?", "Lagos", "The capital is Abuja. Lagos is largest.", True),
    ],
)  # fmt: skip
def test_the_question_helps(question, accepted, reply, right):
    assert lg.judge([accepted], reply, question=question).right is right


@pytest.mark.parametrize(
    ("accepted", "how", "says"),
    [
        ("Paris", {}, "['Paris']"),
        (["A"], {"options": "fig"}, "['fig']"),
        (["Paris"], {"by": "me"}, "strict"),
    ],
)
def test_a_wrong_request_to_the_judge_is_one_message(accepted, how, says):
    with pytest.raises(lg.LayergramError) as error:
        lg.judge(accepted, "It is Paris.", **how)
    assert says in str(error.value)


def test_accepted_answers_of_several_kinds_are_each_as_good():
    accepted = ["9 November 1989", "1989", "the year of the Berlin Wall"]
    for reply in ("On November 9, 1989.", "In 1989.", "It was the year of the Berlin Wall."):
        assert lg.judge(accepted, reply).right
    assert not lg.judge(accepted, "In 1990.").right


@pytest.mark.parametrize(
    ("accepted", "reply", "exact"),
    [
        ("Malé", "It is Male\u0301.", "Male\u0301"),
        ("N'Djamena", "N’Djame\u0301na, in Chad", "N’Djame\u0301na"),
        ("1234", "So \\boxed{1{,}234}", "1{,}234"),
        ("5 km", "It is $5\\text{ km}$ long", "5\\text{ km}"),
        ("3/4", "\\(x = \\frac{3}{4}\\)", "\\frac{3}{4}"),
        ("Weißenburg", "In **Weissenburg**.", "Weissenburg"),
        ("Weissenburg", "In _Weißenburg_.", "Weißenburg"),
        ("1.5", "It is  1½ cups", "1½"),
        ("서울", "수도는 서울입니다", "서울"),
        ("10^6", "There are 10⁶.", "10⁶"),
    ],
)
def test_the_exact_answer_is_found_behind_what_is_written_in_another_way(accepted, reply, exact):
    assert lg.judge([accepted], reply) == Judgement(True, exact, "alias")


@given(
    st.sampled_from(MADE_UP),
    st.text(alphabet="aB1 .,-–½³\\{}$*_()ée\u0301ß中ـ０'\"?=/or", max_size=30),
    st.text(alphabet="aB1 .,-–½³\\{}$*_()ée\u0301ß中ـ０'\"?=/no", max_size=30),
)
def test_the_exact_answer_stands_in_the_reply_as_it_was_written(row, before, after):
    reply = f"{before} {row['reply']} {after}"
    options = [option for option in row["options"].split("|") if option]
    found = lg.judge(row["accepted"].split("|"), reply, options)
    assert found.exact in reply and bool(found.exact) == bool(found.rule)
    assert found.exact or not found.right
