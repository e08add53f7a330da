"""``layergram verify``: what it finds, what it says, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from stages import arrays_stage, records_of, records_stage, run_both

from layergram.cli import main
from layergram.errors import LayergramError
from layergram.storage.folder import RunFolder
from layergram.storage.stage import run_stage
from layergram.storage.verify import repair, verify


@pytest.fixture
def folder(tmp_path):
    run_both(tmp_path)
    return tmp_path


@pytest.fixture
def damaged(folder):
    """One torn shard of the answers, one altered and one missing shard of the arrays."""
    shards, group = folder / "answers" / "shards", folder / "states/residual/arrays.zarr"
    (shards / "00001.jsonl").write_bytes((shards / "00001.jsonl").read_bytes()[:-1])
    chunk = group / "features" / "c.2.1.0.0"
    chunk.write_bytes(bytes(len(chunk.read_bytes())))
    (folder / "states/residual/shards/00005.json").unlink()
    return folder


def test_a_whole_folder_is_whole(folder, capsys):
    assert verify(folder).whole and verify(folder).counts == {"whole": 13}
    capsys.readouterr()
    assert main(["verify", str(folder)]) == 0
    printed = capsys.readouterr()
    assert printed.out == ("answers: 6 of 6 shards whole\nstates/residual: 7 of 7 shards whole\n")
    assert not printed.err


def test_what_is_wrong_is_named_with_its_items(damaged, capsys):
    capsys.readouterr()
    assert main(["verify", str(damaged)]) == 1
    printed = capsys.readouterr()
    assert printed.out == (
        "answers: 5 of 6 shards whole; 1 torn (00001, items 'question 4' to 'question 7')\n"
        "states/residual: 5 of 7 shards whole; "
        "1 missing (00005, items 'question 20' to 'question 22'); "
        "1 altered (00002, items 'question 8' to 'question 11')\n"
    )
    assert "1 torn, 1 altered, 1 missing" in printed.err and "start the run again" in printed.err


def test_json_names_every_shard(damaged, capsys):
    capsys.readouterr()
    assert main(["verify", str(damaged), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["whole"]
    assert found["counts"] == {"whole": 10, "torn": 1, "altered": 1, "missing": 1}
    states = found["stages"]["states/residual"]
    assert states["shards"]["layout"] == "whole" and states["shards"]["00002"] == "altered"
    assert states["items"]["00005"] == ["question 20", "question 21", "question 22"]


def test_verify_changes_nothing_and_repair_only_the_bad_shards(damaged, capsys):
    def files():
        return {path for path in damaged.rglob("*") if path.is_file()}

    before = files()
    verify(damaged)
    assert files() == before
    assert main(["verify", str(damaged), "--repair", "--quiet"]) == 1
    gone = {str(path.relative_to(damaged)) for path in before - files()}
    assert gone == {"answers/shards/00001.json", "states/residual/shards/00002.json"}
    assert verify(damaged).counts == {"whole": 10, "missing": 3}
    run_both(damaged)
    assert main(["verify", str(damaged), "--quiet"]) == 0


def test_a_run_at_work_can_be_verified_but_not_repaired(tmp_path):
    with RunFolder(tmp_path) as opened:
        run_stage(records_stage(), records_of, opened)
        assert verify(tmp_path).whole
        with pytest.raises(LayergramError, match="another run at work"):
            repair(tmp_path)


def test_an_altered_definition_is_not_taken_for_the_stage(folder):
    path = folder / "states/residual/stage.json"
    path.write_text(path.read_text().replace('"exact"', '"eXact"'))
    (report,) = [stage for stage in verify(folder).stages if not set(stage.states) - {"stage.json"}]
    assert report.name == arrays_stage().name and report.states == {"stage.json": "altered"}


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.touch(), None])
def test_what_is_no_folder_of_a_run_is_refused(tmp_path, capsys, make):
    if make is not None:
        make(tmp_path / "run")
    for options in ([], ["--repair"]):
        assert main(["verify", str(tmp_path / "run"), *options]) == 2
        says = "no such folder" if make is None else "no file"
        assert says in capsys.readouterr().err
    assert not (tmp_path / "run").is_dir() or not [*(tmp_path / "run").iterdir()]


def test_a_folder_of_version_1_is_named(tmp_path, capsys):
    (tmp_path / "features.json").write_text('{"layergram": "store", "schema": 1}')
    assert main(["verify", str(tmp_path)]) == 2
    assert "older layergram" in capsys.readouterr().err


def test_a_folder_without_a_stage_is_whole(tmp_path, capsys):
    with RunFolder(tmp_path):
        pass
    assert main(["verify", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no stage has begun\n"


def test_verify_runs_without_torch(folder):
    code = "import sys\nfrom layergram.cli import main\n"
    code += f"assert main(['verify', {str(folder)!r}]) == 0\n"
    code += "assert not {'torch', 'transformers', 'zarr'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_of_maps_is_no_run_and_says_what_can_be_done(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "divergence.nc").touch()
    for path in (tmp_path / "maps", tmp_path / "maps" / "divergence.nc"):
        with pytest.raises(LayergramError, match="layergram describe or draw"):
            verify(path)
    with pytest.raises(LayergramError, match="no such folder"):
        verify(tmp_path / "gone")
