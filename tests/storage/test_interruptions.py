"""Killed processes and damaged files: the next run makes what is not whole, and only that.

``make long`` kills 100 processes instead of 8.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stages
from hypothesis import given
from hypothesis import strategies as st

from layergram.errors import LayergramError
from layergram.maps.files import PARTIAL
from layergram.storage.executor import Share
from layergram.storage.folder import RunFolder
from layergram.storage.stage import run_stage
from layergram.storage.verify import repair, verify

KILLS = 100 if os.environ.get("LAYERGRAM_LONG") == "1" else 8
STAGES = {
    "answers": (stages.records_stage(), stages.records_of),
    "states/residual": (stages.arrays_stage(), stages.arrays_of),
}


def contents(folder):
    """Every file of a run but its lock, as bytes."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with both stages, made without an interruption. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    stages.run_both(folder)
    return folder


def begin(folder, seconds):
    """A process that makes both stages, at its work."""
    command = [sys.executable, stages.__file__, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


def test_killed_at_any_moment_a_run_goes_on_to_the_same_bytes(finished, tmp_path):
    moments = random.Random(4)
    runs = interrupted = 0
    while interrupted < KILLS:
        folder = tmp_path / f"run{runs}"
        runs += 1
        for _ in range(4):
            process = begin(folder, 0.005)
            time.sleep(moments.uniform(0, 0.4))
            process.kill()
            interrupted += process.communicate()[0] != "done\n"
            states = verify(folder).counts
            assert not states.keys() & {"torn", "altered"}, states
        stages.run_both(folder)
        assert contents(folder) == contents(finished)


def redo(name, folder):
    """The results of a stage, and the items that were worked on for them."""
    stage, work = STAGES[name]
    asked = []

    def counting(ids):
        asked.extend(ids)
        return work(ids)

    with RunFolder(folder) as opened:
        results = run_stage(stage, counting, opened)
    return results, asked


def damage(path, how, at):
    """Cut a file, flip one of its bits, or remove it."""
    data = bytearray(path.read_bytes())
    if how == "remove":
        path.unlink()
        return
    if how == "cut":
        data = data[: at % len(data)]
    else:
        data[at // 8 % len(data)] ^= 1 << at % 8
    path.write_bytes(data)


@given(data=st.data(), name=st.sampled_from([*STAGES]), at=st.integers(0, 10**6))
def test_any_damage_is_found_and_only_its_shard_is_made_again(
    tmp_path_factory, finished, data, name, at
):
    folder = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(finished, folder)
    files = [*(folder / name).rglob("*")]
    files = sorted(
        path
        for path in files
        if path.is_file() and path.name != "stage.json" and path.stat().st_size
    )
    path = data.draw(st.sampled_from(files))
    damage(path, data.draw(st.sampled_from(["cut", "flip", "remove"])), at)

    (stage,) = [stage for stage in verify(folder).stages if stage.name == name]
    (bad,) = [shard for shard, state in stage.states.items() if state != "whole"]
    items = stage.items[bad]
    assert bad in path.name or f"c.{int(bad)}." in path.name if items else bad == "layout"

    if data.draw(st.booleans()):
        repair(folder)
        assert verify(folder).counts["missing"] == 1
        assert verify(folder).counts.keys() == {"whole", "missing"}
    results, asked = redo(name, folder)
    assert asked == items
    assert contents(folder) == contents(finished)
    stages.assert_equal(results, run_stage(*STAGES[name], None))


@pytest.mark.parametrize("how", ["cut", "flip", "remove"])
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_whose_definition_is_damaged_is_never_mixed_with_other_results(
    finished, tmp_path, name, how
):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    place = (folder / name / "stage.json").read_bytes().index(b'"m"') + 1
    damage(folder / name / "stage.json", how, place * 8)
    assert not verify(folder).whole
    if how != "remove":
        with pytest.raises(LayergramError, match=r"torn file|model 'l', now 'm'"):
            redo(name, folder)
    repair(folder)
    _, asked = redo(name, folder)
    assert asked == stages.ITEMS
    assert contents(folder) == contents(finished)


def test_results_without_a_definition_do_not_count_for_other_work(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "answers" / "stage.json").unlink()
    other = dataclasses.replace(stages.records_stage(), made_from={"model": "another"})
    with RunFolder(folder) as opened:
        found = run_stage(other, lambda ids: [{"other": True}] * len(ids), opened)
    assert found == {item: {"other": True} for item in stages.ITEMS}


def test_a_marker_of_other_items_does_not_count(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    marker = folder / "answers" / "shards" / "00001.json"
    marker.write_text(marker.read_text().replace('"question 5"', '"question 50"', 1))
    assert verify(folder).counts["altered"] == 1
    assert redo("answers", folder)[1] == stages.ITEMS[4:8]


def test_what_a_killed_process_was_writing_is_swept_away(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    shards = folder / "answers" / "shards"
    (shards / "00002.json").unlink()
    (shards / f".00002.jsonl.0123{PARTIAL}").write_bytes(b"half")
    (folder / f".manifest.json.0123{PARTIAL}").write_bytes(b"half")
    redo("answers", folder)
    assert contents(folder) == contents(finished)


@pytest.mark.parametrize("share", [None, Share(1, 1)], ids=["alone", "a share"])
def test_what_a_killed_worker_was_writing_is_gone_at_the_end(finished, tmp_path, share):
    def loses_a_worker(make, shards):
        for shard in shards:
            place = tmp_path / "run" / "answers" / "shards"
            place.mkdir(exist_ok=True)
            (place / f".{shard}.json.0123{PARTIAL}").write_bytes(b"half")
            yield make(shard)

    with RunFolder(tmp_path / "run", share=share, executor=loses_a_worker) as folder:
        run_stage(stages.records_stage(), stages.records_of, folder)
    assert not list(tmp_path.rglob(f".*{PARTIAL}"))
    assert contents(tmp_path / "run" / "answers") == contents(finished / "answers")


def test_a_disk_that_fills_up_keeps_what_was_done(finished, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    whole = Path.replace

    def full(self, target):
        if "00003" in str(target):
            raise OSError(28, "No space left on device")
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(LayergramError, match=r"No space left[^§]*finished so far is kept") as error:
        redo("answers", folder)
    assert error.value.exit_code == 1
    monkeypatch.undo()
    assert not [*folder.rglob(f"*{PARTIAL}")]
    _, asked = redo("answers", folder)
    assert asked == stages.ITEMS[12:]
