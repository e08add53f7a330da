"""The command ``roles``, from the words typed to the files written."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main
from layergram.probes import Probe


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def replies_of(model, prompts, streams, *, batch):
    """Stands in for the model's own answers: right to every second question, but for luck."""
    said = []
    for prompt, stream in zip(prompts, streams, strict=True):
        text = model.tokenizer.decode(prompt)
        number = int(text.split("number ")[1].split("?")[0])
        drawn = stream.sampling.temperature > 0
        lucky = drawn and stream.random.initial_seed() % 5 == 0
        name = "Paris" if number % 2 ^ lucky else ("Lyon", "Rome", "Porto Novo")[number % 3]
        ids = model.tokenizer(f"It is {name}, said fox {number}.")["input_ids"]
        said.append((*ids, model.tokenizer.eos_token_id))
    return said


@pytest.fixture
def set_file(tmp_path, monkeypatch):
    monkeypatch.setattr("layergram.engine.samplers.generate", replies_of)
    lines = [f"What is number {at}?,Paris" for at in range(60)]
    path = tmp_path / "set.csv"
    path.write_text("\n".join(["query,answer", *lines]), encoding="utf-8")
    return path


FEW = ("--folds", 3, "--permutations", 50)


def test_a_set_becomes_a_map_picture_words_and_a_table(run, set_file, tiny_llama_folder, tmp_path):
    words = ("roles", set_file, "--model", tiny_llama_folder, "--out", "here", *FEW)
    code, out, err = run(*words, "--difference", "last_q", "--paper")
    assert (code, err) == (0, "")
    auroc = maps.read(tmp_path / "here/auroc.nc")
    assert auroc.dims == ("layer", "role") and auroc["role"].values.tolist() == list(maps.ROLES)
    assert auroc["layer"].values.tolist() == [0, 1, 2, 3]
    assert {"low", "high", "p_value"} <= set(auroc.coords)
    assert float(auroc.sel(role="exact_answer_last").max()) > 0.95  # the name gives it away
    assert auroc.attrs["right"] == 30 and auroc.attrs["coverage"] == 1.0
    assert maps.options_of(auroc)["questions"] == "set"
    for name in ("auroc_published", "auroc_random_weights"):  # random weights by default
        assert maps.read(tmp_path / f"here/{name}.nc").dims == ("layer", "role")
    assert (tmp_path / "here/auroc.png").stat().st_size > 10_000
    text = (tmp_path / "here/auroc.md").read_text()
    assert "## Answers, Controls, Rivals" in text and "letters of the exact answer" in text
    assert "random weights" in text and "30 right answers, 30 wrong answers" in out
    first = out.splitlines()[1]  # the nested choice leads
    assert "tells wrong answers from right answers with an AUROC of" in first
    assert "The best joint control" in out and "not clear of 0" in out  # names alone tell it here
    rows = list(csv.DictReader((tmp_path / "here/baselines.csv").open()))
    kinds = {row["name"]: row["kind"] for row in rows}
    assert {name for name, kind in kinds.items() if kind == "joint"} == {"surface", "all_scores"}
    controls = {"letters", "question_ngrams", "random_weights", "shuffled", "words"}
    assert {name for name, kind in kinds.items() if kind == "control"} == controls
    rivals = {"rauq", "previous_attention", "layer_ensemble", "p_true"}
    assert {name for name, kind in kinds.items() if kind == "rival"} == rivals
    assert {"logprob_mean", "exact_prob_min", "answer_tokens"} <= set(kinds)
    assert all(0 <= float(row["auroc"]) <= 1 for row in rows)
    paired = [row for row in rows if row["name"] not in ("chosen_cell", "best_cell", "shuffled")]
    ends = ("gain_low", "gain", "gain_high")
    assert all(-1 <= float(row["gain_low"]) <= float(row["gain_high"]) <= 1 for row in paired)
    assert all(float(row[end]) for row in paired for end in ends if row["name"] == "last_q")
    difference = maps.read(tmp_path / "here/auroc_difference.nc")
    assert "last_q" not in difference["role"].values and {"low", "high"} <= set(difference.coords)
    cell, gap = {"layer": 1, "role": "exact_answer_last"}, auroc.sel(layer=1)
    expected = float(gap.sel(role="exact_answer_last") - gap.sel(role="last_q"))
    assert float(difference.sel(cell)) == pytest.approx(expected, abs=1e-6)
    assert difference["low"].attrs["holds_for"] == "map" and difference.attrs["model"]
    judged = [json.loads(line) for line in (tmp_path / "here/rows.jsonl").read_text().splitlines()]
    assert {row["extractor"] for row in judged} == {"alias", "name"}


def test_a_second_run_goes_on_where_the_first_ended(
    run, set_file, tiny_llama_folder, tmp_path, monkeypatch
):
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--json")
    code, out, _ = run(*words)
    first = json.loads(out)
    assert code == 0 and first["answers"]["coverage"] == 1.0
    calibration = first["calibration"]
    assert 0 < first["t_rank_correlation"] <= 1 and first["movable"] == 60
    assert calibration["brier"] < calibration["brier_base_rate"]  # the name gives it away
    assert sum(row["examples"] for row in calibration["reliability"]) == 60
    assert first["compared"]["chosen_cell"]["auroc"] == pytest.approx(first["nested_auroc"], 1e-3)
    before = maps.read(tmp_path / "roles/auroc.nc")
    told = first["maps"][0]
    assert (told["name"], told["measure"]) == ("auroc", "auroc")
    assert told["dims"] == dict(before.sizes)
    assert told["range"] == [float(before.min()), float(before.max())]
    monkeypatch.setattr("layergram.engine.samplers.generate", None)
    monkeypatch.setattr("layergram.engine.run.forward", None)
    assert run(*words)[0] == 0
    after = maps.read(tmp_path / "roles/auroc.nc")
    np.testing.assert_array_equal(before, after)
    assert before["p_value"].equals(after["p_value"])


def test_cut_answers_are_left_out_and_counted(
    run, set_file, tiny_llama_folder, tmp_path, monkeypatch
):
    def some_cut(model, prompts, streams, *, batch):
        said = replies_of(model, prompts, streams, batch=batch)
        numbers = [
            int(model.tokenizer.decode(p).split("number ")[1].split("?")[0]) for p in prompts
        ]
        return [ids[:-1] if at % 6 in cut else ids for at, ids in zip(numbers, said, strict=True)]

    cut = {0}

    monkeypatch.setattr("layergram.engine.samplers.generate", some_cut)
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--control", "none")
    code, out, _ = run(*words)
    assert code == 0 and "50 of 60 answers make the map: 30 right answers, 20 wrong" in out
    assert "10 were cut at the token limit." in out and "Most answers were cut" not in out
    assert not (tmp_path / "roles/auroc_random_weights.nc").exists()
    code, out, _ = run(*words, "--cut", "keep", "--out", "kept")
    assert code == 0 and "60 make the map: 30 right answers, 30 wrong" in out
    cut ^= {0, 1, 2, 4, 5}
    code, out, _ = run(*words, "--out", "mostly")
    assert code == 0 and "20 of 60 answers make the map: 10 right answers" in out
    assert "40 were cut at the token limit. Most answers were cut: a larger" in out


def test_labels_that_cannot_be_exchanged_are_told(run, set_file, tiny_llama_folder, tmp_path):
    sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]  # no two groups are alike
    groups = [f"g{size}" for size in sizes for _ in range(size)]
    lines = [f"What is number {at}?,Paris,{group}" for at, group in enumerate(groups)]
    (tmp_path / "groups.csv").write_text("\n".join(["query,answer,group", *lines]))
    words = ("--model", tiny_llama_folder, *FEW, "--control", "none")
    code, out, _ = run("roles", "groups.csv", *words)
    assert code == 0 and "Only 0 % of the labels could be exchanged" in out


def test_another_judge_reads_the_same_answers(
    run, set_file, tiny_llama_folder, tmp_path, monkeypatch
):
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--json")
    code, out, _ = run(*words, "--audit", 5)
    strict = json.loads(out)
    assert code == 0 and len(strict["audit"]) == 5
    assert {"question", "reply", "right", "extractor", "exact"} <= strict["audit"][0].keys()
    assert strict["answers"]["several_candidates"] == 0 and strict["answers"]["rules_agree"] == 1
    monkeypatch.setattr("layergram.engine.samplers.generate", None)
    code, out, err = run(*words, "--judge", "published")
    assert (code, err) == (0, "") and (tmp_path / "roles/published/features").is_dir()
    assert json.loads(out)["answers"] == strict["answers"]  # these replies are plain
    options = maps.options_of(maps.read(tmp_path / "roles/auroc.nc"))
    assert options["judge"] == "published"
    code, out, _ = run(*words[:-1], "--audit", 60)
    assert code == 0 and out.count("\n  accepted: Paris\n") == 60
    assert out.count("right; exact answer 'Paris' by alias") == 30


def test_only_the_first_questions_and_quietly(run, set_file, tiny_llama_folder, tmp_path):
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--limit", 40, "--quiet")
    assert run(*words, "--where", "mlp", "--columns", "question=query") == (0, "", "")
    auroc = maps.read(tmp_path / "roles/auroc.nc")
    assert auroc["layer"].values.tolist() == [1, 2, 3] and auroc.attrs["answers"] == 40
    code, _, err = run(*words, "--max-new-tokens", 7)
    assert code == 2 and "another run" in err


def test_every_use_of_the_probe_has_a_file(run, set_file, tiny_llama_folder, tmp_path):
    (tmp_path / "more.csv").write_text(set_file.read_text().replace("What is", "Name"))
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--quiet", "--limit", 40)
    uses = ("--samples", 6, "--also", "more.csv", "--save-probe", "probe.npz")
    assert run(*words, *uses) == (0, "", "")
    chosen = list(csv.DictReader((tmp_path / "roles/choice.csv").open()))
    accuracy = {row["strategy"]: float(row["accuracy"]) for row in chosen}
    assert set(accuracy) == {"greedy", "random", "majority", "probe", "possible"}
    assert accuracy["greedy"] == 0.5 and accuracy["random"] < accuracy["possible"]
    assert accuracy["probe"] > accuracy["random"] + 0.1  # the name gives a right answer away
    types = list(csv.DictReader((tmp_path / "roles/error_types.csv").open()))
    kinds = json.loads((tmp_path / "roles/summary.json").read_text())["error_types"]
    assert {row["type"] for row in types} == {"A", "B1", "B2", "C1", "C2", "D", "E1", "E2"}
    assert len(kinds) == 40 and "C1" in {kind for of in kinds.values() for kind in of}
    matrix = maps.read(tmp_path / "roles/generalisation.nc")
    assert matrix["train"].values.tolist() == matrix["test"].values.tolist() == ["set", "more"]
    assert float(matrix.min()) > 0.9

    ask = ("ask", "probe.npz", "What is number 7?")
    code, out, _ = run(*ask, "What is number 8?", "--out", "asked", "--json")
    assert code == 0
    told = json.loads(out)
    assert set(told) == {"model", "revision", "predictions", "files"}
    right, wrong = told["predictions"]
    assert right["exact_answer"] == "Paris" and wrong["exact_answer"] == "Porto Novo"
    assert right["probability_wrong"] < 0.5 < wrong["probability_wrong"]
    assert wrong["token"] and wrong["position"] > 0 and wrong["role"] in maps.ROLES
    assert json.loads((tmp_path / "asked/predictions.json").read_text()) == [right, wrong]
    code, out, _ = run(*ask, "--judge", "published")
    assert code == 0 and "wrong with probability" in out and "Paris" in out


def test_a_probe_judges_its_own_model_only(run, set_file, tiny_llama_folder, tmp_path):
    made = {"model": "another", "revision": "x", "like": ["Paris"]}
    Probe(np.ones(32), 0.0, np.zeros(32), np.ones(32), provenance=made).save(tmp_path / "p.npz")
    ask = ("ask", "p.npz", "What is number 7?")
    code, _, err = run(*ask, "--model", tiny_llama_folder)
    assert code == 2 and "a probe of 'another'" in err
    code, _, err = run(*ask)
    assert code == 2 and "the model 'another'" in err


def test_too_few_of_a_class_is_a_refusal_with_the_counts(run, tiny_llama_folder, tmp_path):
    lines = [f"What is number {at}?,Paris" for at in range(30)]
    (tmp_path / "one.csv").write_text("\n".join(["question,answer", *lines]))
    code, out, err = run(
        "roles", "one.csv", "--model", tiny_llama_folder, "--max-new-tokens", 3, "--out", "o"
    )
    assert (code, out) == (2, "")
    assert "0 right and " in err and "at least 10 of each" in err and "kept in 'o'" in err
    shards = (tmp_path / "o/answers/shards").glob("*.jsonl")
    assert sum(len(path.read_text().splitlines()) for path in shards) == 30  # nothing is lost


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no question set"),
        (["capitls"], "did you mean 'capitals'"),
        (["gone.csv"], "no such file"),
        (["set.csv", "--columns", "answer=anser"], "did you mean 'answer'"),
        (["set.csv", "--columns", "answer"], "FIELD=COLUMN"),
        (["few.csv"], "3 questions"),
        (["noanswer.csv"], "1 of 2 questions without an answer"),
        (["twice.csv"], "with a duplicate id"),
        (["capitals", "--save-probe", "p.pkl"], ".npz"),
        (["capitals", "--also", "elemnts"], "did you mean 'elements'"),
        (["capitals", "--limit", "0"], "1 or more"),
        (["capitals", "--seed", "-1"], "0 to 4294967294"),
        (["capitals", "--limit", "12"], "12 questions"),
        (["capitals", "--control", "random"], "random-weights"),
        (["capitals", "--cut", "some"], "leave-out"),
        (["capitals", "--difference", "last_w"], "did you mean 'last_q'"),
        (["capitals", "--where", "mlpp"], "mlp"),
        (["capitals", "--folds", "1"], "folds"),
        (["capitals", "--judge", "me"], "published"),
        (["capitals", "--audit", "-1"], "0 or more"),
        (["capitals", "--max-new-tokens", "0"], "at least 1"),
        (["capitals", "--model", "smolm2"], "did you mean 'smollm2'"),
        (["capitals", "--device", "gpu"], "cuda"),
        (["capitals", "--out", "set.csv/x"], "folder that can be written"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_2(run, words, says, set_file, tmp_path):
    (tmp_path / "few.csv").write_text("question,answer\na?,x\nb?,x\nc?,x\n")
    (tmp_path / "noanswer.csv").write_text("question,answer\na?,x\nb?,\n")
    (tmp_path / "twice.csv").write_text("id,question,answer\n1,a?,x\n1,b?,x\n")
    code, out, err = run("roles", *words)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split()) and "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["p.npz"], "no question"),
        (["gone.npz", "Hi?"], "no such file"),
        (["few.csv", "Hi?"], ".npz"),
    ],
)
def test_a_wrong_question_to_a_probe_is_one_message(run, words, says, tmp_path):
    (tmp_path / "few.csv").write_text("question,answer\na?,x\n")
    code, out, err = run("ask", *words)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split()) and "Traceback" not in err


def test_a_map_is_kept_when_a_set_beside_it_cannot_be_used(
    run, set_file, tiny_llama_folder, tmp_path
):
    lines = [f"What is number {at}?,Paris" for at in range(1, 60, 2)]
    (tmp_path / "right.csv").write_text("\n".join(["question,answer", *lines]))
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--save-probe", "probe.npz")
    code, _, err = run(*words, "--also", "right.csv")
    assert code == 2 and "at least 10 of each" in err
    for name in ("roles/auroc.nc", "roles/baselines.csv", "roles/rows.jsonl", "probe.npz"):
        assert (tmp_path / name).exists()
    code, _, err = run(*words, "--also", set_file)
    assert code == 2 and "name each set once" in err


def test_an_option_of_the_model_leaves_the_probes_own_model(run, set_file, tiny_llama_folder):
    words = ("roles", set_file, "--model", tiny_llama_folder, *FEW, "--quiet")
    assert run(*words, "--save-probe", "probe.npz") == (0, "", "")
    code, out, err = run("ask", "probe.npz", "What is number 7?", "--device", "cpu")
    assert (code, err) == (0, "") and "wrong with probability" in out
