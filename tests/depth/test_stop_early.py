"""Stopping shallow answers early: what is kept, its ids, its cost."""

from dataclasses import replace

import numpy as np
import pytest

import layergram as lg
from layergram.answers.ask import ask, complete_answers
from layergram.cli import main
from layergram.storage.verify import verify


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "set.csv"
    lines = [f"{'Now: ' * at}the sum of {at} and 5 is?,{at + 5}" for at in range(4)]
    path.write_text("\n".join(["question,answer", *lines]), encoding="utf-8")
    return lg.questions(path)


LONG = lg.AnswerOptions(samples=5, max_new_tokens=70, top_p=0.9, top_k=90, temperature=1.3)


def test_completed_answers_have_the_ids_of_uninterrupted_ones(five_layers, questions):
    whole = ask(five_layers, questions, options=LONG, greedy=True)
    begun = ask(five_layers, questions, options=replace(LONG, max_new_tokens=20), greedy=True)
    done = complete_answers(five_layers, begun, options=LONG)
    assert [a.ids for a in done] == [a.ids for a in whole]
    assert [a.tokens for a in done] == [a.tokens for a in whole]
    assert any(len(a.ids) > 20 for a in whole)


def test_the_deeper_half_is_completed(five_layers, questions, tmp_path):
    options = lg.DepthOptions(LONG, (0.5, 0.05), rho=0.6, stop_early=True)
    early = lg.depth(five_layers, questions, out=tmp_path / "early", options=options)
    full = lg.depth(five_layers, questions, options=replace(options, stop_early=False))
    least, spent = early.summary["deep_layer"], 0
    kept = {(a.row.id, a.row.sample): a for a in early.answers}
    by_question = {}
    for answer in full.answers:
        by_question.setdefault(answer.row.id, []).append(answer)
    for own in by_question.values():
        ratios = {a.row.sample: a.ratio(0.5, least, first=50) for a in own}
        taken = {a.row.sample for a in own if (a.row.id, a.row.sample) in kept}
        assert len(taken) == 3
        left = ratios.keys() - taken
        assert min(ratios[s] for s in taken) >= max(ratios[s] for s in left)
        for answer in own:
            if answer.row.sample in taken:
                assert kept[answer.row.id, answer.row.sample].row.ids == answer.row.ids
            spent += answer.tokens if answer.row.sample in taken else min(answer.tokens, 50)
    table = early.tables["selection"]
    assert table["tokens"][0] == spent / len(by_question)
    assert len(early.records["stopped"]) == 4 * 2
    whole = sum(answer.tokens for answer in full.answers)
    low, high = (early.summary[f"tokens_saved_at_{end}"] for end in ("least", "most"))
    assert early.summary["tokens"] == spent
    assert 0 < low <= whole - spent <= high
    cut = [one for one in early.records["stopped"] if one["ended"] == "length"]
    assert (low, high) == (len(cut), len(cut) * 20)
    first, *_, saving, last = early.sentences
    assert "20 answers to 4 questions were begun, 5 to each; of each question the 3 with" in first
    assert f"would have taken {low} to {high} more tokens than the {spent:,} that" in saving
    assert "No correlation" in last
    assert early.maps["settling_depths"].attrs["long_name"].startswith("share of the first 50")
    ratios = [a.ratio(0.5, least, first=50) for a in full.answers]
    assert len(set(ratios)) > len(ratios) / 2  # depths differ, so that the choice says something
    firsts = np.concatenate([a.depths[0.5][:50] for a in full.answers])
    expected = [np.mean(firsts == layer) for layer in range(1, 6)]
    np.testing.assert_allclose(early.maps["settling_depths"], expected, atol=1e-6)
    assert verify(tmp_path / "early").whole
    again = lg.depth(five_layers, questions, out=tmp_path / "early", options=options)
    assert again.summary == early.summary


def test_the_command_says_what_stopping_leaves_unknown(tmp_path, capsys, tiny_llama_folder):
    set_file, out = tmp_path / "set.csv", tmp_path / "out"
    set_file.write_text("question,answer\nWho sings?,Ophelia\nWho is it?,Rosalind\n")
    words = ["depth", set_file, "--samples", 4, "--max-new-tokens", 55, "--stop-early"]
    assert main(list(map(str, [*words, "--model", tiny_llama_folder, "--out", out]))) == 0
    printed = capsys.readouterr().out
    assert "No correlation of depth with being right is given" in printed
    assert "Think@4 is right for" in printed
    assert not (out / "scores.csv").exists()


def test_answers_no_longer_than_the_choice_save_nothing(five_layers, questions):
    short = replace(LONG, max_new_tokens=12)
    result = lg.depth(five_layers, questions, options=lg.DepthOptions(short, stop_early=True))
    said = " ".join(result.sentences)
    assert "in the first 12 tokens" in said and "50" not in said
    assert "Stopping saved nothing: no answer may be longer than 12 tokens" in said
    assert result.summary["tokens_saved_at_most"] == 0
