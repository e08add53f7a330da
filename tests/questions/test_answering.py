"""Answers in batches: the same as one by one, and the same after a kill."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from layergram.answers.ask import Asking, answer, by_length
from layergram.answers.judge import _copied, _row, coverage, judge
from layergram.datasets.questions import Question, QuestionSet
from layergram.engine.sampling import generate, padding_is_exact
from layergram.errors import LayergramError

WORDS = "the quick brown fox of Paris said that a layer reads what others wrote"


def some_questions(count):
    return QuestionSet(
        "some",
        tuple(
            Question(str(at), WORDS[: 5 + at * 23 % 60] + f" {at}?", ("x", str(at)))
            for at in range(count)
        ),
    )


def prompts_of(tiny, questions):
    return [tiny.format_prompt(q.prompt).ids for q in questions.questions]


def test_batched_is_as_one_by_one(tiny):
    prompts = prompts_of(tiny, some_questions(9))
    assert len(set(map(len, prompts))) > 3 and padding_is_exact(tiny, prompts)
    seeds = [None, 1, 2, None, 4, 5, None, 7, 8]
    together = generate(tiny, prompts, most=12, seeds=seeds)
    for prompt, seed, ids in zip(prompts, seeds, together, strict=True):
        assert generate(tiny, [prompt], most=12, seeds=[seed]) == [ids]
    assert len(set(together)) > 4


def test_greedy_is_as_transformers_generates(tiny):
    prompts = prompts_of(tiny, some_questions(4))
    for prompt, ids in zip(
        prompts, generate(tiny, prompts, most=10, seeds=[None] * 4), strict=True
    ):
        given = torch.tensor([prompt])
        out = tiny.network.generate(
            given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=10
        )
        assert tuple(out[0, len(prompt) :].tolist()) == ids


def test_an_answer_ends_at_the_stopping_token(tiny, monkeypatch):
    prompts = prompts_of(tiny, some_questions(6))
    free = generate(tiny, prompts, most=12, seeds=[None] * 6)
    stop = free[0][3]
    monkeypatch.setattr(tiny.network.generation_config, "eos_token_id", stop)
    ended = generate(tiny, prompts, most=12, seeds=[None] * 6)
    for whole, cut in zip(free, ended, strict=True):
        until = whole.index(stop) + 1 if stop in whole else len(whole)
        assert cut == whole[:until]
    assert len(ended[0]) <= 4


def test_a_model_that_padding_would_change_gets_batches_of_one_length(tiny, monkeypatch):
    monkeypatch.setattr("layergram.engine.sampling.SLACK", -1.0)
    assert not padding_is_exact(tiny, prompts_of(tiny, some_questions(4)))
    assert by_length([5, 5, 4, 5], size=2, mixed="no") == [[0, 1], [3], [2]]


def test_drawn_answers_do_not_depend_on_their_company(tiny):
    asking = Asking(samples=2, max_new_tokens=6, batch=3)
    some = some_questions(5)
    found = answer(tiny, some, asking=asking)
    alone = answer(tiny, QuestionSet("some", some.questions[3:4]), asking=asking)
    assert [a.ids for a in found if a.question.id == "3"] == [a.ids for a in alone]
    assert [a.sample for a in alone] == [0, 1, 2] and len({a.ids for a in alone}) == 3
    other = answer(tiny, some, asking=Asking(samples=2, max_new_tokens=6, seed=1))
    assert other[0].ids == found[0].ids and other[1].ids != found[1].ids


PROGRAM = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_answering import ask_and_judge
from layergram.models.load import load
ask_and_judge(load(sys.argv[1], device="cpu"), Path(sys.argv[2]))
"""


def ask_and_judge(model, folder):
    asking = Asking(max_new_tokens=12, samples=1, batch=4)
    judge(model, answer(model, some_questions(30), asking=asking, folder=folder), folder=folder)


def test_a_killed_run_goes_on_and_ends_the_same(tiny, tiny_llama_folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = [sys.executable, "-c", PROGRAM, tiny_llama_folder, killed, Path(__file__).parent]
    process, log = subprocess.Popen(list(map(str, words))), killed / "answers.jsonl"
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < 12):
        time.sleep(0.001)
    process.kill()
    process.wait()
    lines = log.read_bytes().splitlines(keepends=True)
    assert 12 <= len(lines) < 60, "it was to be killed in the middle"
    log.write_bytes(b"".join(lines[:-1]) + lines[-1][:-5])  # as if in the midst of a batch
    ask_and_judge(tiny, killed)
    ask_and_judge(tiny, whole)
    assert {path.name for path in killed.iterdir()} == {path.name for path in whole.iterdir()}
    for name in ("answers.jsonl", "rows.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_a_finished_run_asks_nothing_again(tiny, tmp_path, monkeypatch):
    asking = Asking(max_new_tokens=4)
    first = answer(tiny, some_questions(5), asking=asking, folder=tmp_path)
    monkeypatch.setattr("layergram.answers.ask.generate", None)
    assert answer(tiny, some_questions(5), asking=asking, folder=tmp_path) == first


def test_a_folder_of_another_run_is_left_alone(tiny, tmp_path):
    answer(tiny, some_questions(3), asking=Asking(max_new_tokens=4), folder=tmp_path)
    before = (tmp_path / "answers.jsonl").read_bytes()
    with pytest.raises(LayergramError, match=r"another run: asking.*max_new_tokens': 4"):
        answer(tiny, some_questions(3), asking=Asking(max_new_tokens=5), folder=tmp_path)
    with pytest.raises(LayergramError, match="questions_digest"):
        answer(tiny, some_questions(4), asking=Asking(max_new_tokens=4), folder=tmp_path)
    assert (tmp_path / "answers.jsonl").read_bytes() == before


def test_a_question_longer_than_the_context_is_refused_before_anything_is_asked(tiny, tmp_path):
    long = QuestionSet("long", (Question("a", "Hi?", ("x",)), Question("b", "fox " * 600, ("x",))))
    with pytest.raises(LayergramError, match=r"(?s)1 questions .*'b'.*512 tokens"):
        answer(tiny, long, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def made(tiny, reply, aliases=("Paris",), stop=True):
    """An answer whose reply is this text."""
    from layergram.answers.ask import answer_of

    question = Question("1", "Where?", tuple(aliases))
    ids = tiny.tokenizer(reply, add_special_tokens=False)["input_ids"]
    ids += [tiny.tokenizer.eos_token_id] * stop
    prompt = tiny.format_prompt(question.prompt)
    return answer_of(tiny, question, 0, prompt, ids, stops=(tiny.tokenizer.eos_token_id,))


def row_of(tiny, reply, aliases=("Paris",), **how):
    return judge(tiny, [made(tiny, reply, aliases, **how)])[0]


@pytest.mark.parametrize(
    ("reply", "alias"),
    [
        ("首都是北京，也是大城市。", "北京"),
        ("العاصمة هي القاهرة في مصر.", "القاهرة"),
        ("I say 👩‍🚀🗼 twice: 👩‍🚀🗼", "👩‍🚀🗼"),
        ("It is 31415926 in all.", "31415926"),
        ("Paris, and Paris again.", "Paris"),
        ("At the very end: Paris", "Paris"),
        ("Paris", "Paris"),
    ],
)
def test_the_exact_answer_on_tokens(tiny, reply, alias):
    row = row_of(tiny, reply, (alias,))
    assert row.right and row.exact == alias and row.extractor == "alias"
    first, last = row.exact_tokens
    window = tiny.tokenizer.decode(row.ids[first : last + 1])
    assert alias in window  # the window holds it, and no smaller one does
    assert alias not in tiny.tokenizer.decode(row.ids[first + 1 : last + 1])
    assert alias not in tiny.tokenizer.decode(row.ids[first:last])
    before = tiny.tokenizer.decode(row.ids[row.prompt_tokens : first])
    assert alias not in before
    roles = row.roles
    assert roles["last_q"] == row.prompt_tokens - 1
    assert roles["first_answer"] == row.prompt_tokens
    assert roles["exact_answer_before_first"] == first - 1
    assert (roles["exact_answer_first"], roles["exact_answer_last"]) == (first, last)
    assert roles["exact_answer_after_last"] == min(last + 1, len(row.ids) - 1)
    assert roles["-1"] == len(row.ids) - 1 and roles["-8"] == len(row.ids) - 8
    assert row.ended == "stop"


def test_an_exact_answer_that_ends_the_sequence_is_its_own_after_last(tiny):
    row = row_of(tiny, "It is Paris", stop=False)
    assert row.ended == "length"
    assert row.roles["exact_answer_after_last"] == row.roles["exact_answer_last"] == row.roles["-1"]


def test_a_reply_without_an_exact_answer_has_no_roles_of_one(tiny):
    row = _row(made(tiny, "I have no idea at all, sorry for that."), None)
    assert not row.valid and not row.right and (row.exact, row.extractor) == ("", "")
    assert row.roles["exact_answer_last"] == -1 and row.roles["last_q"] >= 0


def test_an_empty_reply_is_wrong_and_asks_nobody(tiny, monkeypatch):
    monkeypatch.setattr("layergram.answers.judge.generate", None)
    row = row_of(tiny, "")
    assert not row.valid and row.roles["first_answer"] == row.roles["-1"]
    assert row.roles["second_answer"] == -1


def test_what_the_model_copies_counts_only_word_for_word():
    reply = "France is a country near Lyon."
    where = Question("1", "Where is Paris?", ("Paris",))
    found = _copied(where, reply, " Lyon.\nQuestion")
    assert (reply[found.start : found.end], found.by) == ("Lyon", "model")
    assert _copied(where, reply, " Marseille\n") is None
    assert _copied(Question("1", "Where is Lyon?", ("x",)), reply, " Lyon\n") is None
    assert _copied(where, reply, " France is a country near") is None  # cut before its line ended
    assert _copied(where, reply, " NO ANSWER\n") is None
    much = Question("2", "What is 3 + 4?", ("7",))
    assert _copied(much, "Take 3 and 4, have 8.", "8\n") is not None
    assert _copied(much, "Take 3 and 4, have 8.", "3\n") is None
    assert _copied(much, "Take 3 and 4, have 8.", "3 and 4\n") is None


def test_every_rule_is_in_the_rows_file(tiny, tmp_path):
    rows = judge(
        tiny,
        [made(tiny, "It is Paris."), made(tiny, "It is Lyon."), made(tiny, "no idea " * 6)],
        folder=tmp_path,
    )
    told = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(t["right"], t["exact"], t["extractor"]) for t in told[:2]] == [
        (True, "Paris", "alias"), (False, "Lyon", "name"),
    ]  # fmt: skip
    counts = coverage(rows)
    assert counts["answers"] == 3 and counts["right"] == 1
    assert counts["with_exact_answer"] == 2 + bool(told[2]["exact"])
