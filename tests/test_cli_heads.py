"""The command ``heads``, from the words typed to the files written."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main
from layergram.datasets.steps import FUNCTIONS
from layergram.errors import LayergramError
from layergram.measures.support import unsupported_by


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


FEW = ("--folds", 3, "--permutations", 20, "--draws", 2, "--top", 2)


@pytest.fixture
def steps_file(tmp_path):
    """Two functions, 20 steps each, in pairs under one main question."""
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["passage", "step", "answer", "function"])
        for at in range(20):
            passage = f"Box {at} holds {at + 2} balls."
            writer.writerow([passage, "What holds balls?", f"box {at}", "Retrieval"])
            writer.writerow([passage, f"What is {at} + 2?", at + 2, "Math Calculation"])
    return path


def test_the_embedded_steps_become_maps_pictures_words_and_tables(run, tiny_llama_folder, tmp_path):
    words = ("heads", "--limit", 20, "--model", tiny_llama_folder, "--out", "here", *FEW)
    code, out, err = run(*words, "--sweep")
    assert (code, err) == (0, "")
    here = tmp_path / "here"
    importance = maps.read(here / "importance.nc")
    assert importance.dims == ("function", "layer", "head")
    assert importance["function"].values.tolist() == list(FUNCTIONS)
    assert (importance.sizes["layer"], importance.sizes["head"]) == (3, 4)
    assert {"low", "high"} <= set(importance.coords)
    assert {"p_value"} <= set(importance.coords)
    alone = maps.read(here / "importance_alone.nc")
    assert alone.dims == importance.dims and not np.allclose(alone, importance)
    auroc = maps.read(here / "head_auroc.nc")
    assert {"low", "high", "p_value"} <= set(auroc.coords)
    assert maps.read(here / "masked_log_likelihood.nc").dims == ("masked", "function")
    assert maps.read(here / "dose_log_likelihood.nc").dims == ("function", "dose")
    assert maps.read(here / "without_head_log_likelihood.nc").dims == ("layer", "head")
    for name in ("attention_previous", "attention_first", "attention_induction"):
        assert maps.read(here / f"{name}.nc").dims == ("layer", "head")
    assert (here / "importance.png").stat().st_size > 20_000
    text = (here / "importance.md").read_text()
    assert "## Steps, Probes, Masking" in text
    assert "160 steps of" in out
    tops = list(csv.DictReader((here / "top_heads.csv").open()))
    assert len(tops) == 8 * 2
    for row in tops:
        cell = {
            "function": row["function"],
            "layer": int(row["layer"]),
            "head": int(row["head"]),
        }
        assert float(row["importance"]) == pytest.approx(float(importance.sel(cell)), 1e-4)
    records = [json.loads(line) for line in (here / "steps.jsonl").read_text().splitlines()]
    assert len(records) == 160
    used = {use: {r["group"] for r in records if r["use"] == use} for use in ("map", "test")}
    assert used["map"] and used["test"] and not used["map"] & used["test"]
    assert all((r["predicted"] is None) == (r["use"] == "test") for r in records)
    causal = list(csv.DictReader((here / "masking.csv").open()))
    assert {row["score"] for row in causal} == {"log_likelihood", "token_accuracy", "exact"}
    assert {row["masked"] for row in causal} == set(FUNCTIONS)
    for row in causal:
        assert bool(row["p"]) == (row["masked"] == row["function"])


def test_without_information_there_are_no_top_heads_and_nothing_is_masked(
    run, steps_file, tiny_llama_folder, tmp_path
):
    words = ("heads", steps_file, "--columns", "question=passage", *FEW[:-2], "--test-share", 0.4)
    code, out, err = run(*words, "--model", tiny_llama_folder)
    assert (code, err) == (0, "")
    assert "There are no top heads of any function: the probe is not clear of" in " ".join(
        out.split()
    )
    assert "Nothing was masked: no function has top heads." in " ".join(out.split())
    here = tmp_path / "heads"
    assert not (here / "masking.csv").exists() and not (here / "top_heads.csv").exists()
    found = json.loads((here / "summary.json").read_text())["functions"]
    assert all(not one["top_heads"] and one["why_none"] for one in found.values())


def test_a_second_run_reads_nothing_again_and_gives_the_same(
    run, steps_file, tiny_llama_folder, tmp_path, monkeypatch
):
    words = ("heads", steps_file, "--columns", "question=passage", *FEW)
    words += ("--model", tiny_llama_folder, "--json", "--test-share", 0.4)
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    first = json.loads(out)
    assert first["steps"] == 40 and set(first["functions"]) == {"Retrieval", "Math Calculation"}
    before = maps.read(tmp_path / "heads/importance.nc")
    told = {one["name"]: one for one in first["maps"]}
    assert told["importance"]["dims"] == dict(before.sizes)
    assert told["importance"]["range"] == [float(before.min()), float(before.max())]
    monkeypatch.setattr("layergram.engine.run.forward", None)
    code, out, err = run(*words)
    again = json.loads(out)
    assert (code, err) == (0, "")
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert before.identical(
        maps.read(tmp_path / "heads/importance.nc").assign_attrs(created=before.attrs["created"])
    )


def test_own_answers_of_a_model_that_cannot_have_every_map(
    run, steps_file, tiny_llama_folder, tmp_path, monkeypatch
):
    def refused(model, record):
        if record.name == "attention_entropy":
            return LayergramError("it", got="layers of another kind")
        return unsupported_by(model, record)

    monkeypatch.setattr("layergram.experiments.heads.patterns.unsupported_by", refused)
    words = ("heads", steps_file, "--columns", "question=passage", "--answers", "own", *FEW)
    words += ("--model", tiny_llama_folder, "--mask", "none")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert "There is no map of attention_entropy: layers of another kind." in out
    assert not (tmp_path / "heads/attention_entropy.nc").exists()
    assert (tmp_path / "heads/attention_first.nc").exists()
    records = [
        json.loads(line) for line in (tmp_path / "heads/steps.jsonl").read_text().splitlines()
    ]
    assert {record["use"] for record in records} == {"map"}
    assert not (tmp_path / "heads/masking.csv").exists()


@pytest.mark.parametrize(
    "words, told",
    [
        (("nothing.csv",), "nothing.csv"),
        (("functons",), "functions"),
        (("--tokens", "middle"), "content, first, last, all"),
        (("--tokens", "0"), "from 1 on"),
        (("--limit", "3"), "10"),
        (("--tokens", "²"), "content, first, last, all"),
        (("--answers", "own", "--score", "generated"), "own answers"),
        (("--folds", "20", "--limit", "16"), "20 folds"),
        (("--top", "0"), "1 or more"),
        (("--limit", "10"), "test the masking"),
        (("--test-share", "0.9"), "0.1 to 0.5"),
        (("--split", "words"), "templates"),
        (("--draws", "1"), "2 or more"),
        (("--columns", "answer"), "FIELD=COLUMN"),
        (("--model", "no/such/model/here"), "no/such/model/here"),
    ],
)
def test_a_wrong_request_is_one_message_before_anything_is_loaded(
    run, words, told, monkeypatch, tmp_path
):
    monkeypatch.setattr("layergram.models.load.open_source", None)
    code, out, err = run("heads", *words)
    assert (code, out) == (2, "")
    assert told in err and "Traceback" not in err
    assert not (tmp_path / "heads").exists() or not any((tmp_path / "heads").iterdir())
