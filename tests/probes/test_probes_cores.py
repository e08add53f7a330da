"""Cells on several cores: the same numbers, errors carried over, no process left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from layergram.errors import LayergramError
from layergram.probes import Evaluation, cores, evaluate, evaluation


@pytest.fixture
def two(monkeypatch):
    """Two processes, whatever the size of the work and the machine."""
    monkeypatch.setattr(cores, "WORTH", 1)
    monkeypatch.setattr(cores, "cpu_count", lambda: 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def process_of(number):
    return number, os.getpid()


def refuse(number):
    raise LayergramError(f"number {number}", got=f"process {os.getpid()}", exit_code=1)


def calls(count):
    return ((number,) for number in range(count))


@pytest.mark.slow
def test_a_map_is_the_same_on_one_core_and_on_two(two, monkeypatch):
    generator = np.random.default_rng(0)
    wrong = generator.random(90) < 0.5
    features = generator.normal(size=(90, 4, 5, 70)).astype(np.float32)
    features[:, 2, 1, 0] += 2 * wrong
    features[:30, :, 3] = np.nan
    options = {"groups": np.arange(90), "evaluation": Evaluation(permutations=40)}
    seen = []
    shared = evaluate(
        features,
        wrong,
        **options,
        progress=lambda done, total: seen.append((done, total)),
    )
    monkeypatch.setattr(cores, "WORTH", 10**15)
    alone = evaluate(features, wrong, **options)
    assert seen == [(done, 20) for done in range(1, 21)]
    assert shared.best_layer == 2
    for name in alone.data_vars:
        assert shared[name].equals(alone[name]), name


def test_equally_good_cells_are_chosen_by_place_not_by_time(monkeypatch):
    generator = np.random.default_rng(0)
    wrong = np.arange(60) % 2 == 0
    features = (
        generator.normal(size=(60, 3, 2, 6)).astype(np.float32) + 20 * wrong[:, None, None, None]
    )
    options = {"groups": np.arange(60), "evaluation": Evaluation(permutations=0)}
    forwards = evaluate(features, wrong, **options)
    monkeypatch.setattr(
        evaluation, "on_cores", lambda work, calls, **_: reversed([work(*call) for call in calls])
    )
    backwards = evaluate(features, wrong, **options)
    assert (forwards.chosen_layer == 0).all()
    for name in forwards.data_vars:
        assert backwards[name].equals(forwards[name]), name


@pytest.mark.slow
def test_work_is_shared_and_all_of_it_is_done(two):
    found = dict(cores.on_cores(process_of, calls(400), size=10))
    assert sorted(found) == list(range(400))
    assert os.getpid() in found.values()
    assert len(set(found.values())) == 2


@pytest.mark.slow
def test_an_error_of_another_process_says_the_same(two):
    with pytest.raises(LayergramError) as caught:
        list(cores.on_cores(refuse, calls(2), size=10))  # both wait for the other process
    assert caught.value.exit_code == 1
    assert caught.value.got.startswith("process ") and str(os.getpid()) not in caught.value.got
    assert "Asked for: number" in str(caught.value)
    assert str(caught.value).count("Asked for") == 1
    assert dict(cores.on_cores(process_of, calls(5), size=10)).keys() == set(range(5))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")
def test_other_processes_end_with_one_that_is_killed():
    script = """
import os, time, torch
from layergram.probes import cores
cores.WORTH, cores.cpu_count = 1, lambda: 2
torch.set_num_threads(2)
def work(number):
    time.sleep(0.2)
    return os.getpid()
for process in cores.on_cores(work, ((number,) for number in range(1000)), size=10):
    print(process, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as killed:
        other = next(int(line) for line in killed.stdout if int(line) != killed.pid)
        assert runs(other)
        killed.kill()
    until = time.monotonic() + 30
    while runs(other) and time.monotonic() < until:
        time.sleep(0.2)
    assert not runs(other)


def runs(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.parametrize("reason", ["little work", "one thread", "another device"])
def test_work_stays_here(two, monkeypatch, reason):
    size, device = 10, "cpu"
    if reason == "little work":
        monkeypatch.setattr(cores, "WORTH", 100)
    elif reason == "one thread":
        torch.set_num_threads(1)
    else:
        device = "meta"
    found = dict(cores.on_cores(process_of, calls(30), size=size, device=device))
    assert set(found.values()) == {os.getpid()}


def threads_of(number):
    return torch.get_num_threads(), {pool["num_threads"] for pool in threadpool_info()}


@pytest.mark.parametrize("size", [0, pytest.param(10, marks=pytest.mark.slow)])
def test_a_suspended_map_leaves_the_threads_of_this_process_as_they_are(two, size):
    before = threads_of(0)
    assert before[0] == 2
    work = cores.on_cores(threads_of, calls(6), size=size)
    for found in work:
        assert found == (1, {1})
        assert threads_of(0) == before
        torch.set_num_threads(1)  # the caller's own wish stays too
        assert next(work) == (1, {1})
        assert torch.get_num_threads() == 1
        torch.set_num_threads(2)


def test_threads_are_as_before_also_after_an_error(two):
    with pytest.raises(ZeroDivisionError):
        list(cores.on_cores(divmod, [(1, 1), (1, 0)], size=0))
    assert torch.get_num_threads() == 2
