"""What commands print: JSON of one shape for scripts, lines that fit for a terminal."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from layergram import maps
from layergram.cli import main
from layergram.cli.common import LARGE, large_folders, tell, written

TEXT = "One, two, three; one, two, three."
SNAKE = re.compile(r"[a-z][a-z0-9_]*")
LABELS = {"stages", "counts", "shards", "items"}
"""Objects whose keys are names or states of the user's own run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_llama_folder):
    """A folder with two maps of a text, by a tiny model, and the summary that was printed."""
    folder = tmp_path_factory.mktemp("out")
    (folder / "set.csv").write_text("question,answer\nWhat is 1 + 1?,2\nWhat is 2 + 1?,3\n")
    return folder


@pytest.fixture
def summary(capsys, monkeypatch, folder, tiny_llama_folder):
    """Run a command in the folder, and read the JSON that it prints."""
    monkeypatch.chdir(folder)

    def run(*words, code=0):
        words = [str(tiny_llama_folder) if word == "MODEL" else word for word in words]
        assert main([*words, "--json"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run


def keys_of(plain):
    """All keys of an object, at any depth, but for those that are labels."""
    if isinstance(plain, list):
        return {key for one in plain for key in keys_of(one)}
    if not isinstance(plain, dict):
        return set()
    below = {k for key, one in plain.items() if key not in LABELS for k in keys_of(one)}
    return set(plain) | below


def shape(plain):
    """The keys of an object and the shapes below them."""
    return {key: shape(one) for key, one in plain.items()} if isinstance(plain, dict) else "…"


MAP = ("map", TEXT, "--model", "MODEL", "--out", "m")
TWO = ("--measure", "divergence", "--measure", "settling_depth")
ONE_SHAPE = {
    "map": (MAP, {"model", "revision", "tokens", "texts", "answer", "answer_span", "maps"}),
    "check": (("check", "MODEL"), {"model", "layers", "heads_per_layer", "proofs"}),
    "describe": (("describe", "m/divergence.nc"), {"maps"}),
    "draw": (("draw", "m/divergence.nc"), {"figures"}),
    "diff": (("diff", "m/divergence.nc", "m/divergence.nc", "-o", "d"), {"files", "range", "mean"}),
    "questions": (("questions", "set.csv"), {"questions", "warnings"}),
    "measures": (("measures",), {"measures"}),
}  # fmt: skip


@pytest.mark.parametrize("command", ONE_SHAPE)
def test_json_is_one_object_with_keys_in_snake_case(command, summary):
    summary(*MAP, *TWO)
    words, keys = ONE_SHAPE[command]
    plain = summary(*words, *(TWO if command == "map" else ()))
    assert set(plain) >= keys
    assert [key for key in keys_of(plain) if not SNAKE.fullmatch(key)] == []


def test_verify_gives_the_same_object_for_a_whole_run_and_one_that_is_not(summary, folder):
    words = ("map", "--texts", "texts.txt", "--model", "MODEL", "--out", "averages")
    (folder / "texts.txt").write_text("\n\n".join([TEXT] * 12))
    summary(*words, "--measure", "residual_norm", "--by", "whole")
    whole = summary("verify", "averages")
    assert whole["whole"] is True and set(whole) == {"folder", "whole", "counts", "stages"}
    shard = next(path for path in (folder / "averages").rglob("shards/*") if path.is_file())
    shard.write_bytes(b"")
    assert set(summary("verify", "averages", code=1)) == set(whole)


def test_the_numbers_of_a_map_are_numbers_and_ranges_are_pairs(summary, folder):
    found = summary(*MAP, *TWO)
    divergence, settling = found["maps"]
    array = maps.read(folder / "m/divergence.nc")
    assert divergence["range"] == [float(np.nanmin(array)), float(np.nanmax(array))]
    assert divergence["mean"] == pytest.approx(float(np.nanmean(array)))
    assert divergence["cells"] == int(np.isfinite(array.values).sum())
    assert divergence["valid_range"] == [0, 1] and divergence["units"] == "bit"
    assert divergence["dims"] == {"layer": 3, "token": found["tokens"]}
    assert shape(divergence)["deep_thinking_ratio"] == shape(settling)["deep_thinking_ratio"]
    assert divergence["deep_thinking_ratio"] is None and settling["deep_thinking_ratio"] is not None
    assert "".join(found["texts"]) == TEXT
    assert found["answer"] is None and found["answer_span"] is None


def test_an_answer_is_named_by_its_span(summary):
    words = ("map", "--prompt", "One, two", "--max-new-tokens", "3", "--model", "MODEL")
    found = summary(*words, "--out", "p", "--measure", "residual_norm")
    first, last = found["answer_span"]
    assert last == found["tokens"] - 1 and last - first + 1 <= 3
    assert "".join(found["texts"][first : last + 1]) == found["answer"]


def test_describe_has_one_shape_for_one_map_and_for_two(summary):
    summary(*MAP, *TWO)
    one = summary("describe", "m/divergence.nc")
    two = summary("describe", "m/divergence.nc", "m/settling_depth.nc")
    assert two["maps"][0] == one["maps"][0] and len(two["maps"]) == 2


def test_a_block_of_layers_is_a_pair(tmp_path, capsys):
    values = np.full((12, 10), 0.1)
    values[3:8, 2] = 0.9  # layers 4 to 8 at token 2
    array = maps.make(values, ("layer", "token"), measure="amount")
    maps.write(array, tmp_path / "a.nc")
    assert main(["describe", str(tmp_path / "a.nc"), "--json"]) == 0
    (plain,) = json.loads(capsys.readouterr().out)["maps"]
    facts = [fact for kind in ("numbers", "inference") for fact in plain[kind]]
    pairs = [(fact["ranges"], fact["coordinates"]) for fact in facts if fact["ranges"]]
    assert pairs
    for ranges, coordinates in pairs:
        for axis, spans in ranges.items():
            labels = [label for low, high in spans for label in range(low, high + 1)]
            assert labels == sorted(coordinates[axis])


LINE = "  - " + "a sentence of many words " * 4
FILES = [f"out/{name}.{end}" for name in ("one", "two", "three") for end in ("nc", "png", "md")]


def test_a_pipe_gets_whole_lines_and_every_file(capsys):
    tell("head", LINE)
    assert capsys.readouterr().out == f"head\n{LINE}\n"
    assert written([*FILES, "out/summary.json"]) == [*FILES, "out/summary.json"]


def test_a_terminal_gets_lines_that_fit_and_one_per_folder(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    tell("head", LINE)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 2 and max(map(len, lines)) <= 40
    assert all(line.startswith("    ") for line in lines[2:])
    assert " ".join(" ".join(lines[1:]).split()) == " ".join(LINE.split())
    assert written([*FILES, "out/summary.json"]) == [
        "out/: one, two, three (.nc .png .md); summary (.json)"
    ]
    assert written(FILES[:3]) == FILES[:3]
    assert written(FILES[:3], few=0) == ["out/one (.nc .png .md)"]


def test_large_folders_are_named_with_their_size(tmp_path):
    for name, size in (("features", LARGE + 2**20), ("answers", 100)):
        (tmp_path / name / "shards").mkdir(parents=True)
        with (tmp_path / name / "shards" / "x").open("wb") as file:
            file.truncate(size)
    (line,) = large_folders(tmp_path)
    assert "features/ takes 21 MB" in line and "may be deleted" in line
