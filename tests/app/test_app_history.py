"""The history and the output folder: runs are kept, saved, compared, and listed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
from app_server import ADDRESS, events_of, unpacked
from fastapi.testclient import TestClient

import layergram as lg
from layergram import maps
from layergram.app.history import History
from layergram.app.requests import RunRequest
from layergram.app.server import create_app
from layergram.app.settings import Settings


def test_the_history_is_there_after_a_restart_and_can_be_run_again(tiny, out, ran, client):
    run = ran(seed=7)[0]["id"]
    before = client.get(f"/api/runs/{run}").json()
    view = client.get(f"/api/runs/{run}/views/divergence").json()
    with TestClient(create_app({"tiny": tiny}, Settings(out)), base_url=ADDRESS) as again:
        assert [record["id"] for record in again.get("/api/runs").json()] == [run]
        assert again.get(f"/api/runs/{run}").json() == before
        assert again.get(f"/api/runs/{run}/views/divergence").json() == view
        events = events_of(again.post("/api/runs", json=before["request"]).text)
        record = again.get(f"/api/runs/{events[0]['id']}").json()
        assert record["ids"] == before["ids"]
    assert not list(out.rglob("*.partial"))


def test_a_run_is_saved_as_maps_page_and_pictures(ran, client, out, tmp_path):
    run = ran()[0]["id"]
    saved = client.post(f"/api/runs/{run}/save", json={"forms": ["nc", "html", "png"]}).json()
    names = [name.rpartition("/")[2] for name in saved["files"]]
    assert names == [
        "divergence.nc", "attention_received.nc", "run.html", "divergence.png",
        "attention_received.png",
    ]  # fmt: skip
    for name in saved["files"]:
        response = client.get(f"/files/{name}")
        assert response.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in response.headers["content-security-policy"]
        assert response.content == (out / name).read_bytes()
    record = client.get(f"/api/runs/{run}").json()
    array = lg.read(out / saved["files"][0])
    assert array.sizes["token"] == len(record["ids"])
    assert json.loads(array.attrs["run"])["prompt"] == record["request"]["prompt"]


def test_the_difference_of_two_runs_is_that_of_their_maps(ran, client, out):
    runs = [ran(seed=seed)[0]["id"] for seed in (1, 2)]
    asked = {"first": runs[0], "second": runs[1], "measure": "divergence"}
    view = client.post("/api/differences", json=asked).json()
    first, second = (lg.read(out / "live" / run / "divergence.nc") for run in runs)
    values = unpacked(view["values"], first.shape)
    np.testing.assert_allclose(values, first.values - second.values, atol=1e-7)
    common = client.post("/api/differences", json={**asked, "match": "common"}).json()
    texts = [list(array["token_text"].values) for array in (first, second)]
    same = next(at for at, pair in enumerate(zip(*texts, strict=True)) if pair[0] != pair[1])
    assert len(common["columns"]) == same


def test_result_folders_are_listed_and_shown(client, out):
    array = maps.make(
        [[0.1, 0.9], [0.2, 0.3]], ("layer", "role"), measure="auroc",
        coords={"role": ["last_q", "exact_answer_last"]},
    )  # fmt: skip
    lg.write(array, out / "capitals" / "auroc.nc")
    (out / "capitals" / "summary.json").write_text('{"items": 60, "text": "x"}')
    listed = client.get("/api/results").json()
    assert listed == [{"folder": "capitals", "maps": ["auroc.nc"]}]
    folder = client.get("/api/results/folder", params={"folder": "capitals"}).json()
    assert folder["summary"] == [["items", "60"], ["text", "x"]]
    asked = {"folder": "capitals", "name": "auroc.nc"}
    view = client.get("/api/results/view", params=asked).json()
    np.testing.assert_allclose(unpacked(view["values"], (2, 2)), array)
    assert view["said"]


def test_a_folder_that_cannot_be_written_is_told_in_plain_words(ran, client, out, monkeypatch):
    (out / "live").write_text("a file where the folder should be")
    told = ran(max_new_tokens=1, measures=["residual_norm"])[-1]
    assert told["event"] == "error" and told["asked"].startswith("to write")
    assert told["do"] == "choose a folder that can be written"
    (out / "live").unlink()
    assert ran(max_new_tokens=1, measures=["residual_norm"])[-1]["event"] == "done"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.mkdtemp", full)
        told = ran(max_new_tokens=1, measures=["residual_norm"])[-1]
    assert told["event"] == "error" and told["do"].startswith("make room")
    assert len(client.get("/api/runs").json()) == 1


def test_a_run_is_at_work_until_its_maps_can_be_read(out):
    array = maps.make([[0.5]], ("layer", "token"), measure="divergence")
    request = RunRequest(prompt="x", measures=["divergence"])
    history = History(out)
    record = history.begin(
        {
            "request": request.model_dump(),
            "model": "m",
            "revision": None,
            "dtype": "float32",
            "layers": 1,
            "ids": [1],
            "texts": ["x"],
            "prompt_tokens": 1,
            "text": "x",
            "answer": "",
            "seconds": 0.5,
            "status": "running",
            "maps": [],
        }
    )
    record |= {"status": "done", "maps": ["divergence"]}  # ended, and not written yet
    assert (history.get(record["id"])["status"], history.get(record["id"])["maps"]) == (
        "running",
        [],
    )
    assert history.list(5)[0]["status"] == "running"
    history.finish(record, {"divergence": array})
    assert history.get(record["id"])["status"] == "done"
    assert history.map(record["id"], "divergence").values.tolist() == [[0.5]]


def test_the_history_is_read_again_when_it_has_changed_and_not_before(
    ran, client, out, monkeypatch
):
    runs = [ran(max_new_tokens=1, measures=["residual_norm"])[0]["id"] for _ in range(3)]
    long_ago = 1_700_000_000
    read = []
    plain = Path.read_text

    def counted(path, *given, **named):
        read.append(path)
        return plain(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", counted)

    def listed():
        read.clear()
        return sorted(record["id"] for record in client.get("/api/runs").json())

    os.utime(out / "live", (long_ago, long_ago))
    assert listed() == sorted(runs) and len(read) == 3
    assert listed() == sorted(runs) and not read
    runs.append(ran(max_new_tokens=1, measures=["residual_norm"])[0]["id"])
    assert listed() == sorted(runs)
    os.utime(out / "live", (long_ago + 9, long_ago + 9))
    assert listed() == sorted(runs) and len(read) == 4
    shutil.rmtree(out / "live" / runs.pop())
    assert listed() == sorted(runs)
    assert listed() == sorted(runs) and len(read) == 3  # changed a moment ago: may change again
