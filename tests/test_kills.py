"""Commands that are killed again and again end as if nothing had happened.

``LAYERGRAM_KILLS`` sets how often each command is killed; ``make long`` sets 20.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layergram import maps
from layergram.storage.folder import RunFolder
from layergram.storage.verify import verify

KILLS = int(os.environ.get("LAYERGRAM_KILLS", "2"))
PROGRAM = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import layergram.answers.ask
from test_cli_roles import replies_of
layergram.answers.ask.generate = replies_of
from layergram.cli import main
sys.exit(main(sys.argv[2:]))
"""


def start(words):
    program = [sys.executable, "-c", PROGRAM, Path(__file__).parent, *words]
    return subprocess.Popen(list(map(str, program)), stdout=subprocess.DEVNULL)


def run(words):
    began = time.monotonic()
    assert start(words).wait() == 0
    return time.monotonic() - began


def results(folder):
    """Everything that a command has written but for the time of day."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".nc":
            array = maps.read(path)
            found[name] = (array.values.tobytes(), {**array.attrs, "created": ""})
        elif path.is_file() and path.name != ".run.json" and path.suffix not in (".png", ".md"):
            found[name] = path.read_bytes()
    return found


@pytest.fixture
def roles_words(tmp_path, tiny_llama_folder):
    lines = [f"What is number {at}?,Paris" for at in range(120)]
    (tmp_path / "set.csv").write_text("\n".join(["question,answer", *lines]))
    words = ("roles", tmp_path / "set.csv", "--model", tiny_llama_folder, "--folds", 3)
    return (*words, "--permutations", 20, "--samples", 2, "--quiet")


@pytest.fixture
def heads_words(tiny_llama_folder):
    words = ("heads", "--limit", 20, "--model", tiny_llama_folder, "--folds", 3, "--top", 2)
    return (*words, "--permutations", 10, "--draws", 2, "--sweep", "--quiet")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["roles_words", "heads_words"])
def test_kills_at_random_moments_change_nothing(command, request, tmp_path):
    words = request.getfixturevalue(command)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    seconds = run((*words, "--out", whole))
    chance = random.Random(0)
    for _ in range(KILLS):
        process = start((*words, "--out", killed))
        time.sleep(chance.uniform(0.2, 0.9) * seconds)
        process.kill()
        process.wait()
    run((*words, "--out", killed))
    found, expected = results(killed), results(whole)
    assert found.keys() == expected.keys()
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert verify(killed).whole


def test_a_second_run_in_the_same_folder_is_refused(roles_words, tmp_path):
    out = tmp_path / "out"
    program = [sys.executable, "-c", PROGRAM, Path(__file__).parent, *roles_words, "--out", out]
    with RunFolder(out):
        second = subprocess.run(
            list(map(str, program)), capture_output=True, text=True, check=False
        )
    assert second.returncode == 2 and f"process {os.getpid()}" in second.stderr
    assert not (out / "answers").exists()
