"""Several processes make the shards of one folder at once, each its share, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import stages
from stages import ITEMS, arrays_of, arrays_stage, assert_equal, records_of, records_stage
from test_interruptions import contents

from layergram.errors import LayergramError
from layergram.storage.executor import Share
from layergram.storage.folder import RunFolder
from layergram.storage.stage import run_stage
from layergram.storage.verify import verify

PROGRAM = """
import sys
from pathlib import Path
import stages
from layergram.errors import LayergramError
from layergram.storage.executor import Share
try:
    stages.run_both(Path(sys.argv[1]), 0.005, share=Share.parse(sys.argv[2]))
except LayergramError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def start(folder, share):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)]),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, share],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_processes_that_share_a_folder_give_the_bytes_of_one(tmp_path):
    one, shared = tmp_path / "one", tmp_path / "shared"
    stages.run_both(one)
    for _ in range(3):  # both stages, and once more to read them
        processes = [start(shared, f"{number}/3") for number in (1, 2, 3)]
        ends = [(process.communicate()[0], process.returncode) for process in processes]
        waiting = [text for text, code in ends if code == 1]
        assert all(code in (0, 1) for _, code in ends), ends
        assert all("not made yet, of the shares" in text for text in waiting)
        assert all("run the same command again" in text for text in waiting)
    assert not waiting
    records, arrays = stages.run_both(shared)
    assert contents(shared) == contents(one)
    assert_equal(records, run_stage(records_stage(), records_of, None))
    assert_equal(arrays, run_stage(arrays_stage(), arrays_of, None))
    assert verify(shared).whole


def counted(folder, share, asked):
    def counting(ids):
        asked.extend(ids)
        return records_of(ids)

    with RunFolder(folder, share=share) as opened:
        return run_stage(records_stage(), counting, opened)


def test_every_item_is_made_by_one_share_and_the_last_has_the_results(tmp_path):
    asked = {1: [], 2: [], 3: []}
    for number in (3, 1):
        with pytest.raises(LayergramError) as error:
            counted(tmp_path, Share(number, 3), asked[number])
        assert error.value.exit_code == 1
    assert "2 of 6 shards that are not made yet, of the shares 2/3" in error.value.got
    found = counted(tmp_path, Share(2, 3), asked[2])
    assert sorted(item for items in asked.values() for item in items) == sorted(ITEMS)
    assert asked[2] == [*ITEMS[4:8], *ITEMS[16:20]]
    assert_equal(found, run_stage(records_stage(), records_of, None))
    assert not list(tmp_path.glob(".run*.json"))


def test_a_share_that_finds_a_torn_shard_of_another_waits_for_it(tmp_path):
    with RunFolder(tmp_path) as folder:
        run_stage(records_stage(), records_of, folder)
    (tmp_path / "answers" / "shards" / "00001.jsonl").write_bytes(b"")
    with pytest.raises(LayergramError, match="of the shares 2/3"):
        counted(tmp_path, Share(1, 3), [])
    made = []
    counted(tmp_path, Share(2, 3), made)
    assert made == ITEMS[4:8]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Share(1, 2), Share(1, 2)),
        (Share(1, 2), None),
        (None, Share(1, 2)),
        (Share(1, 2), Share(1, 3)),
        (Share(3, 3), Share(2, 13)),
    ],
)
def test_who_may_not_work_beside_whom(tmp_path, first, second):
    with RunFolder(tmp_path, share=first):
        with RunFolder(tmp_path / "other", share=first):
            pass
        with pytest.raises(LayergramError) as error, RunFolder(tmp_path, share=second):
            pass
        assert error.value.exit_code == 2
        assert f"process {os.getpid()} on " in error.value.got
    with RunFolder(tmp_path, share=second):
        pass


def test_different_shares_work_beside_each_other_and_leave_nothing_to_a_run_alone(tmp_path):
    with RunFolder(tmp_path, share=Share(1, 2)), RunFolder(tmp_path, share=Share(2, 2)):
        holders = sorted(tmp_path.glob(".run*.json"))
        assert [json.loads(path.read_text())["pid"] for path in holders] == 2 * [os.getpid()]
    with RunFolder(tmp_path):
        names = {path.name for path in tmp_path.iterdir()}
    assert names == {"manifest.json", ".run.lock", ".run.json", ".gate.lock"}


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "-1/4", "3", "3/", "a/b", "1/2/3", "1.5/2"])
def test_a_share_out_of_range_is_refused(text):
    with pytest.raises(LayergramError) as error:
        Share.parse(text)
    assert error.value.exit_code == 2 and text in error.value.asked


@pytest.mark.parametrize(("names", "of"), [(10, 3), (2, 5), (0, 2), (7, 7)])
def test_shares_are_a_partition(names, of):
    names = [f"{at:05d}" for at in range(names)]
    parts = [Share(number, of).part(names) for number in range(1, of + 1)]
    assert sorted(name for part in parts for name in part) == names
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for number, part in enumerate(parts, start=1):
        assert Share(1, of).owners(names, part) == ([Share(number, of)] if part else [])
