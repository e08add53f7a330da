"""A run on Ray gives the bits of a local one, whatever happens to its workers or its driver.

``make long`` kills 20 times.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time

import psutil
import pytest
from test_execution import results

import layergram as lg
from layergram.cli import main
from layergram.errors import LayergramError
from layergram.experiments.averages import run as averages
from layergram.storage.verify import verify

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
KILLS = 20 if os.environ.get("LAYERGRAM_LONG") == "1" else 2
TEXTS = [f"It is as old as it is. Is it {at}?" for at in range(96)]
TWO = lg.Execution(on="ray", workers=2)
PROGRAM = """
import sys, torch
torch.set_num_threads(1)
from layergram.experiments.averages import run
run.SHARD = 4
from layergram.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def cluster():
    """A Ray that is there already; runs use it, and leave it as it is."""
    quiet = {"logging_level": "critical", "log_to_driver": False, "include_dashboard": False}
    ray.init("local", num_cpus=2, **quiet)
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(averages, "SHARD", 4)


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("one") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(averages, "SHARD", 4)
        lg.average_maps(tiny, TEXTS, measures=["divergence", "residual_norm"], out=folder)
    torch.set_num_threads(before)
    return results(folder)


def average(tiny, out, progress=None):
    measures = ["divergence", "residual_norm"]
    lg.average_maps(tiny, TEXTS, measures=measures, out=out, execution=TWO, progress=progress)


def workers_of(process):
    """The processes of the run's workers that belong to this process, or one that it started."""
    found = []
    for one in process.children(recursive=True):
        try:
            if "ray::Worker" in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


def test_two_workers_give_the_bits_of_one_process(cluster, tiny, undisturbed, tmp_path):
    average(tiny, tmp_path / "ray")
    assert results(tmp_path / "ray") == undisturbed
    assert ray.is_initialized()  # a cluster that was there stays


def test_a_killed_worker_loses_and_doubles_nothing(cluster, tiny, undisturbed, tmp_path):
    chance = random.Random(0)
    for at in range(KILLS):
        moment, delay = chance.randrange(0, 80, 4), chance.uniform(0, 0.2)
        killed, calls = [], []

        def progress(done, total, moment=moment, delay=delay, killed=killed, calls=calls):
            calls.append(done)
            if done >= moment and not killed and (alive := workers_of(psutil.Process())):
                victim = chance.choice(alive)
                killed.append(victim.pid)
                threading.Timer(delay, victim.kill).start()

        out = tmp_path / f"run{at}"
        average(tiny, out, progress)
        assert killed and calls == [*range(0, 97, 4)]
        assert results(out) == undisturbed
        assert verify(out).whole


def test_a_killed_driver_loses_nothing(undisturbed, tiny_llama_folder, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n\n".join(TEXTS))
    words = ["map", "--texts", texts, "--model", tiny_llama_folder, "--out", tmp_path / "run"]
    words += ["--measure", "divergence", "--measure", "residual_norm", "--quiet"]
    command = list(map(str, [sys.executable, "-c", PROGRAM, *words]))
    chance = random.Random(1)
    for at in range(1 if KILLS == 2 else KILLS):
        process = subprocess.Popen([*command, "--on", "ray", "--workers", "2"])
        wanted = chance.randrange(1, 1 + min(20, 1 + at))
        markers = tmp_path / "run" / "averages" / "shards"
        while len(list(markers.glob("0*.json"))) < wanted and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert not verify(tmp_path / "run").counts.keys() & {"torn", "altered"}
    assert subprocess.run(command, check=False).returncode == 0
    assert verify(tmp_path / "run").whole
    found = results(tmp_path / "run")
    assert found == undisturbed


def test_more_workers_than_the_cluster_has_room_for_are_refused(
    cluster, tmp_path, capsys, tiny_llama_folder
):
    (tmp_path / "texts.txt").write_text("It is.\n\nIt was.")
    words = ["map", "--texts", tmp_path / "texts.txt", "--model", tiny_llama_folder]
    words += ["--out", tmp_path / "out", "--on", "ray", "--workers", "9"]
    assert main(list(map(str, words))) == 2
    err = capsys.readouterr().err
    assert "9 workers on Ray" in err and "at most 2 such workers" in err


def test_an_error_of_a_worker_is_the_error_of_the_run(cluster, tiny_llama_folder, tmp_path):
    gone = shutil.copytree(tiny_llama_folder, tmp_path / "model")
    model = lg.load(str(gone), device="cpu")
    shutil.rmtree(gone)
    with pytest.raises(LayergramError, match=r"model'\nGot: no model, file or folder"):
        lg.average_maps(model, TEXTS, out=tmp_path / "out", execution=TWO)
