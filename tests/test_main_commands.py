"""The two long commands on the embedded model, to their ends: their findings are what they were."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import layergram as lg
from layergram import maps

pytestmark = pytest.mark.slow


def layergram(*words, code=0):
    program = [sys.executable, "-m", "layergram", *map(str, words)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def roles(smollm2, tmp_path_factory):
    out = tmp_path_factory.mktemp("roles")
    words = ("roles", "capitals", "--limit", 60, "--permutations", 100, "--device", "cpu")
    words += ("--judge", "published")  # the numbers are those of before
    return out, (*words, "--out", out, "--json"), json.loads(layergram(*words, "-o", out, "--json"))


def test_role_map_of_sixty_capitals(roles):
    out, _, found = roles
    counts = found["answers"]
    assert (counts["answers"], counts["right"], counts["with_exact_answer"]) == (60, 18, 51)
    auroc = {name: line["auroc"] for name, line in found["compared"].items()}
    expected = {
        "best_cell": 1.0,
        "chosen_cell": 0.923,
        "exact_answer_last": 0.967,
        "last_q": 0.888,
        "surface": 0.775,
        "all_scores": 0.938,
        "letters": 0.685,
        "rauq": 0.954,
        "p_true": 0.438,
        "logprob_mean": 0.927,
        "answer_tokens": 0.808,
    }
    for name, value in expected.items():
        assert auroc[name] == pytest.approx(value, abs=0.02), name
    assert found["classes"] == {"right answers": 18, "wrong answers": 29}  # four were cut
    array = maps.read(out / "auroc.nc")
    assert float(array.sel(role="exact_answer_last").max()) > 0.95
    assert np.isnan(float(array.sel(layer=0, role="last_q")))  # every prompt ends alike
    assert {path.name for path in out.glob("*.*")} >= {
        "auroc.nc", "auroc.png", "auroc.md", "baselines.csv", "rows.jsonl", "summary.json",
        "manifest.json",
    }  # fmt: skip


def test_the_strict_judge_on_the_same_answers(roles):
    out, _, _ = roles
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text("utf-8").splitlines()]
    found = [lg.judge(r["accepted"], r["reply"], question=r["question"]) for r in rows]
    assert [one.right for one in found] == [row["right"] for row in rows]
    assert sum(bool(one.exact) for one in found) == 51  # one is the subject of its sentence


def test_a_torn_shard_is_found_by_verify_and_made_again(roles):
    out, words, found = roles
    assert "answers" in layergram("verify", out)
    shard = max((out / "answers" / "shards").glob("*.jsonl"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    layergram("verify", out, code=1)
    again = json.loads(layergram(*words))
    assert shard.read_bytes() == whole
    layergram("verify", out)
    assert {**again, "seconds": 0} == {**found, "seconds": 0}


def test_head_maps_of_sixteen_steps_of_each_function(smollm2, tmp_path):
    words = ("heads", "--limit", 16, "--permutations", 20, "--draws", 2, "--device", "cpu")
    found = json.loads(layergram(*words, "--out", tmp_path, "--json"))
    assert found["steps"] == 128 and len(found["functions"]) == 8
    accuracy = {way: row["accuracy"] for way, row in found["accuracy"].items()}
    assert accuracy["joint"] == pytest.approx(0.284, abs=0.06)
    assert accuracy["majority"] == pytest.approx(0.125, abs=0.01)
    assert accuracy["words"] == pytest.approx(0.136, abs=0.02)
    assert accuracy["all_words"] == pytest.approx(0.386, abs=0.02)
    assert "Nothing was masked" in found["findings"][-1]
    importance = maps.read(tmp_path / "importance.nc")
    assert importance.dims == ("function", "layer", "head")
    assert importance.shape == (8, 30, 9) and np.isfinite(importance.values).all()
    previous = maps.read(tmp_path / "attention_previous.nc")
    best = previous.argmax(...)
    place = int(previous["layer"][best["layer"]]), int(previous["head"][best["head"]])
    assert float(previous.max()) > 0.5 and place == (17, 0)
    layergram("verify", tmp_path)
