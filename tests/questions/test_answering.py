"""Answers in batches: the same as one by one, and the same after a kill."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from layergram.answers.ask import AnswerOptions, answer_of, ask
from layergram.answers.judge import _copied, _row, coverage, judge_answers
from layergram.datasets.questions import Question, QuestionSet
from layergram.engine.batch import by_length
from layergram.engine.sampling import Sampling, Stream, generate, padding_is_exact
from layergram.errors import LayergramError
from layergram.storage.folder import RunFolder

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


def greedy(model, prompts, most):
    return generate(model, prompts, [Stream(Sampling(most)) for _ in prompts])


def test_batched_is_as_one_by_one(tiny):
    prompts = prompts_of(tiny, some_questions(9))
    assert len(set(map(len, prompts))) > 3 and padding_is_exact(tiny, prompts)
    hot = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]

    def streams():
        return [Stream(Sampling(12, temperature=t), seed=at) for at, t in enumerate(hot)]

    together = generate(tiny, prompts, streams())
    for prompt, stream, ids in zip(prompts, streams(), together, strict=True):
        assert generate(tiny, [prompt], [stream]) == [ids]
    assert len(set(together)) > 4


def test_greedy_is_as_transformers_generates(tiny):
    prompts = prompts_of(tiny, some_questions(4))
    for prompt, ids in zip(prompts, greedy(tiny, prompts, 10), strict=True):
        given = torch.tensor([prompt])
        out = tiny.network.generate(
            given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=10
        )
        assert tuple(out[0, len(prompt) :].tolist()) == ids


def test_an_answer_ends_at_the_stopping_token(tiny, monkeypatch):
    prompts = prompts_of(tiny, some_questions(6))
    free = greedy(tiny, prompts, 12)
    stop = free[0][3]
    monkeypatch.setattr(tiny.network.generation_config, "eos_token_id", stop)
    ended = greedy(tiny, prompts, 12)
    for whole, cut in zip(free, ended, strict=True):
        until = whole.index(stop) + 1 if stop in whole else len(whole)
        assert cut == whole[:until]
    assert len(ended[0]) <= 4


def test_a_model_that_padding_would_change_gets_batches_of_one_length(tiny, monkeypatch):
    monkeypatch.setattr("layergram.engine.sampling.SLACK", -1.0)
    assert not padding_is_exact(tiny, prompts_of(tiny, some_questions(4)))
    assert by_length([5, 5, 4, 5], size=2, mixed=False) == [[0, 1], [3], [2]]


def test_drawn_answers_do_not_depend_on_their_company(tiny):
    options = AnswerOptions(samples=2, max_new_tokens=6, batch=3)
    some = some_questions(5)
    found = ask(tiny, some, options=options)
    alone = ask(tiny, QuestionSet("some", some.questions[3:4]), options=options)
    assert [a.ids for a in found if a.question.id == "3"] == [a.ids for a in alone]
    assert [a.sample for a in alone] == [0, 1, 2] and len({a.ids for a in alone}) == 3
    other = ask(tiny, some, options=AnswerOptions(samples=2, max_new_tokens=6, seed=1))
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


def ask_and_judge(model, path):
    options = AnswerOptions(max_new_tokens=12, samples=1, batch=4)
    with RunFolder(path) as folder:
        answers = ask(model, some_questions(150), options=options, folder=folder)
        return judge_answers(model, answers, folder=folder)


def test_a_killed_run_resumes_and_ends_the_same(tiny, tiny_llama_folder, tmp_path):
    killed = tmp_path / "killed"
    words = [sys.executable, "-c", PROGRAM, tiny_llama_folder, killed, Path(__file__).parent]
    process = subprocess.Popen(list(map(str, words)))
    while process.poll() is None and not list(killed.glob("answers/shards/*")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    done = len(list(killed.glob("answers/shards/*")))
    assert 1 <= done < 5, "it was to be killed in the middle"
    assert ask_and_judge(tiny, killed) == ask_and_judge(tiny, tmp_path / "whole")


def test_another_batch_size_at_the_restart_gives_the_same_answers(tiny, folder):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    many = some_questions(80)
    with pytest.raises(KeyboardInterrupt):
        ask(tiny, many, options=AnswerOptions(12, batch=32), folder=folder, progress=stop)
    resumed = ask(tiny, many, options=AnswerOptions(12, batch=3), folder=folder)
    assert resumed == ask(tiny, many, options=AnswerOptions(12))


def test_a_finished_run_asks_nothing_again(tiny, folder, monkeypatch):
    options = AnswerOptions(max_new_tokens=4)
    first = ask(tiny, some_questions(5), options=options, folder=folder)
    monkeypatch.setattr("layergram.engine.samplers.generate", None)
    assert ask(tiny, some_questions(5), options=options, folder=folder) == first


def test_a_folder_of_another_run_is_left_alone(tiny, folder):
    def of(path):
        return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}

    ask(tiny, some_questions(3), options=AnswerOptions(max_new_tokens=4), folder=folder)
    before = of(folder.path / "answers")
    with pytest.raises(LayergramError, match="max_new_tokens"):
        ask(tiny, some_questions(3), options=AnswerOptions(max_new_tokens=5), folder=folder)
    with pytest.raises(LayergramError, match="questions_digest"):
        ask(tiny, some_questions(4), options=AnswerOptions(max_new_tokens=4), folder=folder)
    assert of(folder.path / "answers") == before


def test_a_question_longer_than_the_context_is_refused_before_anything_is_asked(tiny, folder):
    long = QuestionSet("long", (Question("a", "Hi?", ("x",)), Question("b", "fox " * 600, ("x",))))
    with pytest.raises(LayergramError, match=r"(?s)1 questions .*'b'.*512 tokens"):
        ask(tiny, long, folder=folder)
    assert not (folder.path / "answers").exists()


def made(tiny, reply, aliases=("Paris",), stop=True):
    """An answer whose reply is this text."""
    question = Question("1", "Where?", tuple(aliases))
    ids = tiny.tokenizer(reply, add_special_tokens=False)["input_ids"]
    ids += [tiny.tokenizer.eos_token_id] * stop
    return answer_of(tiny, question, 0, tiny.format_prompt(question.prompt), ids)


def row_of(tiny, reply, aliases=("Paris",), **how):
    return judge_answers(tiny, [made(tiny, reply, aliases, **how)])[0]


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


def test_every_row_says_by_what_rule_it_was_judged(tiny):
    replies = ["It is Paris.", "It is Lyon.", "no idea " * 6]
    rows = judge_answers(tiny, [made(tiny, reply) for reply in replies])
    assert [(row.right, row.exact, row.extractor) for row in rows[:2]] == [
        (True, "Paris", "alias"), (False, "Lyon", "name"),
    ]  # fmt: skip
    counts = coverage(rows)
    assert counts["answers"] == 3 and counts["right"] == 1
    assert counts["with_exact_answer"] == 2 + bool(rows[2].exact)


def test_ids_that_look_like_samples_are_kept_apart(tiny):
    some = QuestionSet(
        "some", (Question("q", "Hi?", ("x",)), Question("q #1", "Hi there?", ("x",)))
    )
    found = ask(tiny, some, options=AnswerOptions(max_new_tokens=3, samples=1))
    assert [(a.question.id, a.sample) for a in found] == [
        ("q", 0), ("q", 1), ("q #1", 0), ("q #1", 1),
    ]  # fmt: skip


def test_answers_under_other_generation_settings_are_not_taken(tiny, folder, monkeypatch):
    options = AnswerOptions(max_new_tokens=4)
    ask(tiny, some_questions(3), options=options, folder=folder)
    monkeypatch.setattr(tiny.network.generation_config, "repetition_penalty", 1.7)
    with pytest.raises(LayergramError, match="generation"):
        ask(tiny, some_questions(3), options=options, folder=folder)
