"""Reasoning depth from the question set to the files, on a tiny model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import layergram as lg
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.storage.verify import verify


@pytest.fixture
def set_file(tmp_path):
    path = tmp_path / "set.csv"
    lines = [f"The sum of {at} and 5 is?,{at + 5}" for at in range(9)]
    path.write_text("\n".join(["question,answer", *lines]), encoding="utf-8")
    return path


FEW = lg.DepthOptions(lg.AnswerOptions(samples=4, max_new_tokens=12), (0.3, 0.5, 0.9))


def test_depths_and_scores_equal_those_of_a_trace(five_layers, set_file):
    result = lg.depth(five_layers, lg.questions(set_file).first(3), options=FEW)
    ratios = [record["dtr_0.5"] for record in result.records["answers"]]
    middle = np.flatnonzero(np.isclose(ratios, sorted(ratios)[(len(ratios) - 1) // 2]))
    chosen = result.maps["answer"]["token_id"].values.tolist()
    assert chosen in [list(result.answers[at].row.ids) for at in middle]
    own = lg.trace(five_layers, ids=chosen, measures=["divergence"])["divergence"]
    np.testing.assert_allclose(result.maps["answer"], own, atol=1e-5)
    depths = np.concatenate([a.depths[0.5] for a in result.answers])
    assert len(set(depths)) >= 3  # of 5 layers
    cells = result.summary["cells"]
    assert set(cells) == {"cells_certified", "cells_exact", "cells_not_needed"}
    assert sum(cells.values()) == 4 * len(depths)  # of the layers before the last
    for answer, record in zip(result.answers, result.records["answers"], strict=True):
        prompt, ids = answer.row.prompt_tokens, torch.tensor(answer.row.ids)
        for g in FEW.g:
            maps = lg.trace(
                five_layers, answer=record, measures=["settling_depth"], options={"g": g}
            )
            expected = maps["settling_depth"].values[prompt:]
            np.testing.assert_array_equal(answer.depths[g], expected)
            assert answer.ratio(g, 5) == np.mean(expected >= 5)
            assert answer.ratio(g, 4, first=3) == np.mean(expected[:3] >= 4)
        with torch.inference_mode():
            log_p = five_layers.network(ids[None]).logits[0, prompt - 1 : -1].double()
        log_p = log_p.log_softmax(-1)
        own = log_p.gather(1, ids[prompt:, None]).mean()
        uniform = torch.full_like(log_p, 1 / log_p.shape[1])
        certainty = (uniform * (uniform.log() - log_p)).sum(-1).mean()
        assert answer.log_prob == pytest.approx(own.item(), abs=1e-4)
        assert answer.entropy == pytest.approx(
            -(log_p.exp() * log_p).sum(-1).mean().item(), abs=1e-4
        )
        assert answer.self_certainty == pytest.approx(certainty.item(), abs=1e-4)


def test_an_interrupted_run_resumes_and_another_rho_reads_nothing(
    five_layers, set_file, tmp_path, monkeypatch
):
    from layergram.experiments.depth import pipeline

    questions, out = lg.questions(set_file), tmp_path / "out"
    whole = lg.depth(five_layers, questions, options=FEW)
    read, calls = pipeline.read, []

    def stopping(*words, **named):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return read(*words, **named)

    monkeypatch.setattr(pipeline, "read", stopping)
    with pytest.raises(KeyboardInterrupt):
        lg.depth(five_layers, questions, out=out, options=FEW)
    resumed = lg.depth(five_layers, questions, out=out, options=FEW)
    assert len(calls) == 6 + 5  # of 9 questions, 4 had been kept
    assert resumed.summary == whole.summary
    assert resumed.records == whole.records
    again = lg.depth(five_layers, questions, out=out, options=replace(FEW, rho=0.5))
    assert len(calls) == 11
    assert again.summary["deep_layer"] == 3
    assert [a.depths[0.5].tolist() for a in again.answers] == [
        a.depths[0.5].tolist() for a in whole.answers
    ]
    assert verify(out).whole


def test_the_command_writes_tables_maps_and_answers(tmp_path, capsys, tiny_llama_folder):
    out, set_file = tmp_path / "out", tmp_path / "set.csv"
    set_file.write_text("question,answer\nWho sings?,Ophelia\nWho is it?,Rosalind\n")
    words = ["depth", set_file, "--limit", 2, "--samples", 3, "--max-new-tokens", 8]
    words += ["--g", 0.4, 0.6, "--model", tiny_llama_folder, "--out", out]
    assert main(list(map(str, words))) == 0
    printed = capsys.readouterr().out
    assert "6 of 6 answers are shorter than 50 tokens; there Think@n saves nothing." in printed
    assert "No correlation: all answers are wrong" in printed
    for name in ("settling_depths.nc", "settling_depths.png", "settling_depths.md", "scores.csv"):
        assert (out / name).stat().st_size > 0
    shares = lg.read(out / "settling_depths.nc")
    records = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    pooled = np.concatenate([record["depths"]["0.4"] for record in records])
    expected = [np.mean(pooled == layer) for layer in shares["layer"].values]
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert (shares["low"] <= shares).all() and (shares <= shares["high"]).all()


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"g": ()}, "g ="),
        ({"g": (0.5, 0.5)}, "g ="),
        ({"g": (1.5,)}, "g ="),
        ({"rho": 0.0}, "rho ="),
        ({"answers": lg.AnswerOptions(samples=1)}, "samples ="),
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_is_asked(tiny, set_file, asked, named):
    with pytest.raises(LayergramError, match=named):
        lg.depth(tiny, lg.questions(set_file), options=lg.DepthOptions(**asked))


def test_the_command_answers_bad_input_with_one_message(capsys, tmp_path):
    for words in (["depth"], ["depth", "arithmetic", "--rho", "2", "--out", str(tmp_path)]):
        assert main(words) == 2
        assert capsys.readouterr().err.count("Asked for:") == 1
