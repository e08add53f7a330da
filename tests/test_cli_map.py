"""The commands ``map`` and ``check``, from the words typed to the files written."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest

import layergram as lg
from layergram import maps
from layergram.cli import main
from layergram.figures import plan
from layergram.measures import MEASURES

TEXT = "The capital of France is Paris. \\boxed{(D)}"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_two_measures_write_map_picture_and_words_each(run, tiny_llama_folder, tmp_path):
    code, out, err = run(
        "map", TEXT, "--measure", "divergence", "--measure", "attention_received",
        "--model", tiny_llama_folder, "--out", "here",
    )  # fmt: skip
    assert (code, err) == (0, "")
    names = {path.name for path in (tmp_path / "here").iterdir()}
    assert names == {
        f"{n}.{s}"
        for n in ("divergence", "attention_received")
        for s in ("nc", "png", "md", "html")
    }
    assert maps.read(tmp_path / "here/divergence.nc").attrs["text"] == TEXT
    assert "## Key Observations" in (tmp_path / "here/divergence.md").read_text()
    for name in names:
        assert name in out
    assert out.count("\n  - ") >= 4  # findings


def test_map_draw_and_the_python_call_make_one_picture(run, tiny_llama_folder, tmp_path):
    asked = ("--measure", "attention_from", "--measure", "residual_norm", "--query", "last")
    assert run("map", TEXT, *asked, "--model", tiny_llama_folder, "--out", "here")[0] == 0
    for name in ("attention_from", "residual_norm"):
        file = tmp_path / "here" / f"{name}.nc"
        assert run("draw", file, "-o", "drawn.png")[::2] == (0, "")
        assert (tmp_path / "drawn.png").read_bytes() == file.with_suffix(".png").read_bytes()
        ends = [axes.get_ylim() for axes in lg.draw(lg.read(file)).axes]
        assert plan(maps.read(file)).scales[0].high in [end for pair in ends for end in pair]


def test_json_is_all_that_stdout_holds(run, tiny_llama_folder):
    code, out, _ = run("map", TEXT, "--model", tiny_llama_folder, "--json", "--picture", "svg")
    summary = json.loads(out)
    assert code == 0 and summary["tokens"] > 5
    measures = [entry["measure"] for entry in summary["maps"]]
    assert measures == ["divergence", "settling_depth", "attention_received", "residual_norm"]
    assert all(entry["findings"] for entry in summary["maps"])
    assert summary["maps"][0]["files"][1].endswith("divergence.svg")
    assert 0 <= summary["maps"][1]["deep_thinking_ratio"] <= 1


def test_quiet_prints_nothing(run, tiny_llama_folder):
    words = ("map", TEXT, "--model", tiny_llama_folder, "--measure", "residual_norm", "--quiet")
    assert run(*words) == (0, "", "")


def test_a_prompt_is_answered_and_mapped(run, tiny_llama_folder, tmp_path):
    words = ("--model", tiny_llama_folder, "--measure", "lens_rank", "--max-new-tokens", 5)
    code, out, _ = run("map", "--prompt", "Hi", *words)
    assert code == 0 and "answer:" in out
    array = maps.read(tmp_path / "maps/lens_rank.nc")
    parts = array["part"].values.tolist()
    assert parts.count("answer") == 5 and parts[0] == "prompt"
    assert array["token_text"].values[0] == "<|user|>"


def test_all_is_what_the_text_can_have_and_a_note_says_what_it_cannot(
    run, tiny_llama_folder, monkeypatch
):
    monkeypatch.setattr(  # twenty pictures take long
        "layergram.cli.map._write",
        lambda maps, measures, *rest: [
            {"measure": name, "files": [], "findings": []} for name in measures
        ],
    )
    words = ("--measure", "all", "--model", tiny_llama_folder, "--json")
    code, out, err = run("map", "xyz", *words)
    made = {entry["measure"] for entry in json.loads(out)["maps"]}
    experts = {"router_entropy", "router_weight"}  # which this model has none of
    never = {"attention_lookback", "attention_induction"} | experts
    assert code == 0 and made == set(MEASURES) - never
    assert "no attention_lookback: a text without an answer" in err
    assert "no attention_induction: a text in which no token occurs again" in err
    code, out, err = run("map", TEXT, *words, "--option", "context=2")
    assert code == 0 and len(err.splitlines()) == len(experts) and "no router_entropy: " in err
    assert {entry["measure"] for entry in json.loads(out)["maps"]} == set(MEASURES) - experts


def test_text_from_a_file_and_from_standard_input(run, tiny_llama_folder, tmp_path, monkeypatch):
    (tmp_path / "t.txt").write_text(TEXT, encoding="utf-8")
    words = ("--model", tiny_llama_folder, "--measure", "lens_entropy")
    assert run("map", "--file", "t.txt", *words, "--out", "a")[0] == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run("map", "-", *words, "--out", "b")[0] == 0
    a, b = (maps.read(tmp_path / f"{x}/lens_entropy.nc") for x in "ab")
    np.testing.assert_array_equal(a, b)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xff")))
    code, out, err = run("map", "-", *words)
    assert (code, out) == (2, "") and "standard input" in err and "UTF-8" in err


def test_like_takes_measure_options_and_run_from_a_map(run, tiny_llama_folder, tmp_path):
    words = ("--model", tiny_llama_folder, "--option", "g=0.9", "--norm", "none")
    assert run("map", TEXT, *words, "--measure", "settling_depth", "--out", "a")[0] == 0
    code, _, err = run("map", "--like", "a/settling_depth.nc", TEXT, "--out", "b")
    assert (code, err) == (0, "")
    a, b = (maps.read(tmp_path / f"{x}/settling_depth.nc") for x in "ab")
    np.testing.assert_array_equal(a, b)
    assert maps.options_of(b)["g"] == 0.9 and maps.options_of(b, "run")["norm"] == "none"
    assert a.attrs["revision"] == b.attrs["revision"]


def test_check_prints_every_proof(run, tiny_llama_folder):
    code, out, _ = run("check", tiny_llama_folder)
    assert code == 0 and out.count("proved  ") == 10
    code, out, _ = run("check", tiny_llama_folder, "--json")
    proofs = json.loads(out)["proofs"]
    names = {"lens", "tap", "rows", "future", "heads", "chunks", "padding", "dropping"}
    names |= {"blocks", "softmax"}
    assert {p["name"] for p in proofs} == names
    assert {p["status"] for p in proofs} == {"proved"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["map", ""], "an empty text"),
        (["map"], "no text"),
        (["map", "Hi", "--prompt", "Ho"], "TEXT and --prompt"),
        (["map", "Hi", "--measure", "divergense"], "did you mean 'divergence'?"),
        (["map", "Hi", "--model", "smolm2"], "did you mean 'smollm2'?"),
        (["map", "Hi", "--model", "empty"], "config.json"),
        (["map", "Hi", "--device", "gpu"], "cuda"),
        (["map", "Hi", "--dtype", "float8"], "bfloat16"),
        (["map", "Hi", "--out", "file.txt/maps"], "folder that can be written"),
        (["map", "Hi", "--option", "g"], "NAME=VALUE"),
        (["map", "Hi", "--chunk", "0"], "at least 1"),
        (["map", "Hi", "--heads", "all"], "mean, each"),
        (["map", "Hi", "--picture", "gif"], "png, svg, pdf"),
        (["map", "Hi", "--like", "file.txt"], "suffix"),
        (["map", "Hi", "--like", "gone.nc"], "no such file"),
        (["map", "--file", "gone.txt"], "gone.txt"),
        (["map", "Hi", "--mesure", "divergence"], "--measure"),
        (["check", "cut.gguf"], "cut.gguf"),
        (["draw", "file.nc"], "not a map"),
        (["describe", "file.nc"], "not a map"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_2(run, words, says, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("no map")
    (tmp_path / "file.nc").write_text("no map")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\x01" * 12)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split()) and "Traceback" not in err


def test_a_text_longer_than_the_context_names_both_lengths(run, tiny_llama_folder):
    code, _, err = run("map", "word " * 700, "--model", tiny_llama_folder)
    assert code == 2 and "a context of 512 tokens" in err and "tokens\n" in err


def imported_by(code: str) -> set[str]:
    """The modules in memory after running this code in a new Python."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split("\n")[-2].split())


def test_help_and_refusals_do_not_wait_for_torch():
    help_ = "from layergram.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    loaded = imported_by(help_)
    assert "layergram.cli" in loaded and not {"torch", "xarray", "numpy"} & loaded
    refused = "from layergram.cli import main\nassert main(['map', 'Hi', '--model', 'smolm2']) == 2"
    assert "torch" not in imported_by(refused)


@pytest.mark.parametrize("by", ["word", "sentence"])
def test_columns_of_one_text_are_joined_as_draw_and_python_join_them(
    by, run, tiny_llama_folder, tmp_path
):
    words = ("map", TEXT, "--measure", "residual_norm", "--measure", "divergence")
    words += ("--model", tiny_llama_folder)
    assert run(*words, "--out", "tokens")[0] == 0
    code, out, _ = run(*words, "--by", by, "--out", by, "--json")
    assert code == 0
    for entry in json.loads(out)["maps"]:
        name = entry["measure"]
        joined = maps.read(tmp_path / by / f"{name}.nc")
        expected = maps.join_tokens(maps.read(tmp_path / "tokens" / f"{name}.nc"), by=by)
        np.testing.assert_allclose(joined.values, expected.values, rtol=1e-6)
        assert joined["token_text"].values.tolist() == expected["token_text"].values.tolist()
        assert entry["dims"]["token"] == expected.sizes["token"] < len(json.loads(out)["texts"])
    assert run("draw", f"tokens/{name}.nc", "--by", by, "-o", "drawn.png")[0] == 0
    assert (tmp_path / "drawn.png").read_bytes() == (tmp_path / by / f"{name}.png").read_bytes()
