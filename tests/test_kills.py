"""Commands that are killed again and again end as if nothing had happened.

``make long`` kills each command 20 times.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from layergram import maps
from layergram.storage.folder import RunFolder
from layergram.storage.verify import verify

KILLS = 20 if os.environ.get("LAYERGRAM_LONG") == "1" else 2
PROGRAM = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import layergram.engine.samplers, layergram.engine.batch
from test_cli_roles import replies_of
layergram.engine.samplers.generate = replies_of
layergram.engine.batch.BATCH_TOKENS = int(sys.argv[2])
from layergram.cli import main
sys.exit(main(sys.argv[3:]))
"""


def start(words, *, batch=2048):
    program = [sys.executable, "-c", PROGRAM, Path(__file__).parent, batch, *words]
    return subprocess.Popen(list(map(str, program)), stdout=subprocess.DEVNULL)


def run(words, *, batch=2048):
    began = time.monotonic()
    assert start(words, batch=batch).wait() == 0
    return time.monotonic() - began


def kill_and_resume(words, seconds, *, batches, kills=KILLS):
    """Start a command, kill it at a random moment, again and again, and let it end at last."""
    chance = random.Random(0)
    for at in range(kills):
        process = start(words, batch=batches[at % len(batches)])
        time.sleep(chance.uniform(0.2, 0.9) * seconds)
        process.kill()
        process.wait()
    run(words, batch=batches[0])


def files_of(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def results(folder):
    """Everything that a command has written but for the time of day."""
    found = {}
    for name, path in files_of(folder).items():
        if path.suffix == ".nc":
            array = maps.read(path)
            found[name] = (array.values.tobytes(), {**array.attrs, "created": ""})
        elif path.name != ".run.json" and path.suffix not in (".png", ".md", ".html"):
            # a map says when it was made, and is compared above
            found[name] = re.sub(rb'(\.nc": )\[[^]]*\]', rb"\1[]", path.read_bytes())
    return found


@pytest.fixture(scope="module")
def roles_words(tmp_path_factory, tiny_llama_folder):
    lines = [f"What is number {at}?,Paris" for at in range(120)]
    path = tmp_path_factory.mktemp("questions") / "set.csv"
    path.write_text("\n".join(["question,answer", *lines]))
    words = ("roles", path, "--model", tiny_llama_folder, "--folds", 3)
    return (*words, "--permutations", 20, "--samples", 2, "--quiet")


@pytest.fixture(scope="module")
def heads_words(tiny_llama_folder):
    words = ("heads", "--limit", 20, "--model", tiny_llama_folder, "--folds", 3, "--top", 2)
    return (*words, "--permutations", 10, "--draws", 2, "--sweep", "--quiet")


@pytest.fixture(scope="module", params=["roles_words", "heads_words"])
def undisturbed(request, tmp_path_factory):
    """A command, the folder of a run of it that nobody disturbed, and how long that took."""
    words = request.getfixturevalue(request.param)
    whole = tmp_path_factory.mktemp("whole") / "run"
    return words, whole, run((*words, "--out", whole))


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(undisturbed, tmp_path):
    words, whole, seconds = undisturbed
    killed = tmp_path / "killed"
    kill_and_resume((*words, "--out", killed), seconds, batches=(2048,))
    found, expected = results(killed), results(whole)
    assert found.keys() == expected.keys()
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert verify(killed).whole


@pytest.mark.slow
def test_kills_change_no_averages_and_no_maps_of_single_texts(tmp_path, tiny_llama_folder):
    path, whole, killed = (tmp_path / name for name in ("set.txt", "whole", "killed"))
    path.write_text("\n\n".join(f"It is as old as it is. Is it {at}?" for at in range(130)))
    words = ("map", "--texts", path, "--model", tiny_llama_folder, "--by", "sentence", "--quiet")
    words = (*words, "--keep", "maps", "--measure", "residual_norm", "--out")
    kills = KILLS if KILLS == 20 else 1
    kill_and_resume((*words, killed), run((*words, whole)), batches=(2048,), kills=kills)
    found, expected = results(killed), results(whole)
    assert found.keys() == expected.keys() and len(found) > 130
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert verify(killed).whole


@pytest.mark.slow
def test_kills_change_no_depths(tmp_path, tiny_llama_folder):
    path, whole, killed = (tmp_path / name for name in ("set.csv", "whole", "killed"))
    lines = [f"What is number {at}?,Paris" for at in range(40)]
    path.write_text("\n".join(["question,answer", *lines]))
    words = ("depth", path, "--model", tiny_llama_folder, "--samples", 4, "--quiet", "--out")
    kills = KILLS if KILLS == 20 else 1
    kill_and_resume((*words, killed), run((*words, whole)), batches=(2048,), kills=kills)
    found, expected = results(killed), results(whole)
    assert found.keys() == expected.keys() and "answers.jsonl" in found
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert verify(killed).whole


@pytest.mark.slow
def test_another_batch_size_at_each_restart_changes_nothing_but_rounding(undisturbed, tmp_path):
    words, whole, seconds = undisturbed
    killed = tmp_path / "killed"
    kill_and_resume((*words, "--out", killed), seconds, batches=(64, 2048, 256))
    made, expected = files_of(killed), files_of(whole)
    assert made.keys() == expected.keys()
    for name, path in expected.items():
        if path.suffix == ".nc":
            array, other = maps.read(path), maps.read(made[name])
            spread, largest = float(array.max() - array.min()), float(abs(array).max())
            nats = array.attrs["units"].startswith("nat")
            rounding = 1e-6 if nats else 0.0  # of log-likelihoods near 7
            limit = max(1e-5 * spread, 1e-6 * largest, rounding)
            np.testing.assert_allclose(other.values, array.values, rtol=0, atol=limit)
        if path.name == "rows.jsonl":
            assert made[name].read_bytes() == path.read_bytes()


def test_a_second_run_in_the_same_folder_is_refused(roles_words, tmp_path):
    out = tmp_path / "out"
    program = [sys.executable, "-c", PROGRAM, Path(__file__).parent, 2048, *roles_words]
    with RunFolder(out):
        second = subprocess.run(
            list(map(str, (*program, "--out", out))), capture_output=True, text=True, check=False
        )
    assert second.returncode == 2 and f"process {os.getpid()}" in second.stderr
    assert not (out / "answers").exists()
