"""Live runs: every column is that of a trace of the same ids, and the history keeps them."""

from __future__ import annotations

import errno
import json
import threading
import time

import httpx
import numpy as np
import pytest
from app_server import ADDRESS, arriving, events_of, served, unpacked
from fastapi.testclient import TestClient
from transformers import AutoModelForCausalLM, AutoTokenizer

import layergram as lg
from layergram import maps, words
from layergram.app.history import History
from layergram.app.requests import RunRequest
from layergram.app.server import create_app
from layergram.app.settings import Limits, Settings

MEASURES = ["divergence", "attention_received", "residual_norm", "settling_depth", "lens_token"]


def kept(client, run, **wanted):
    """The record of a run once it has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        record = client.get(f"/api/runs/{run}").json()
        if record.get("status") not in ("running", None):
            return record
        time.sleep(0.02)
    raise AssertionError(f"run {run} does not end")


def grown(events):
    """The maps, and the likeliest tokens, of a reader who takes every column as it comes."""
    found, words = {}, {}
    for event in events:
        for view in event.get("views", []):
            shape = [len(dim["labels"]) for dim in view["dims"]]
            found[view["name"]] = unpacked(view["values"], shape)
            if view["top"]:
                names = np.array(view["top"]["words"], dtype=object)
                words[view["name"]] = names[unpacked(view["top"]["index"], shape)]
        for piece in event.get("pieces", []):
            have, first = found[piece["name"]], piece["labels"][0]
            shape = [*have.shape[:-1], len(piece["labels"])]
            new = unpacked(piece["values"], shape)
            found[piece["name"]] = np.concatenate([have[..., :first], new], axis=-1)
            if piece["top"]:
                names = np.array(piece["top"]["words"], dtype=object)
                new = names[unpacked(piece["top"]["index"], shape)]
                words[piece["name"]] = np.hstack([words[piece["name"]][:, :first], new])
    return found, words


def test_a_run_from_prompt_to_last_column_is_the_trace_of_its_ids(tiny, ran, client):
    events = ran(measures=MEASURES, max_new_tokens=12)
    assert [event["event"] for event in events][:2] == ["started", "columns"]
    assert events[-1]["event"] == "done" and events[-1]["status"] == "done"
    record = client.get(f"/api/runs/{events[0]['id']}").json()
    tokens = []
    for event in events:
        if "tokens" in event:
            tokens[event["start"] :] = event["tokens"]
    assert [token["id"] for token in tokens] == record["ids"]
    assert [token["part"] for token in tokens].count("answer") == 12
    assert [token["text"] for token in tokens] == record["texts"]
    assert record["answer"] == tiny.tokenizer.decode(record["ids"][record["prompt_tokens"] :])
    traced = lg.trace(tiny, ids=record["ids"], measures=MEASURES)
    live, likeliest = grown(events)
    assert set(live) == set(MEASURES)
    for name, values in live.items():
        np.testing.assert_allclose(values, traced[name], rtol=2e-4, atol=2e-5, err_msg=name)
    assert (likeliest["lens_token"] == traced["lens_token"]["top_token_text"].values).all()


def test_the_maps_of_a_run_that_has_ended_come_with_their_words(ran, client, out):
    events = ran()
    run = events[0]["id"]
    assert events[-1]["maps"] == ["divergence", "attention_received"]
    view = client.get(f"/api/runs/{run}/views/divergence").json()
    array = lg.read(out / "live" / run / "divergence.nc")
    assert (
        len(view["columns"])
        == array.sizes["token"]
        == len(client.get(f"/api/runs/{run}").json()["ids"])
    )
    assert [said["text"] for said in view["said"]] == [one.text for one in words.sentences(array)]
    assert client.get(f"/api/runs/{run}/views/residual_norm").status_code == 404


def test_a_run_stops_before_its_next_token(server, asked):
    with (
        httpx.Client(base_url=server, timeout=30) as client,
        httpx.stream("POST", f"{server}/api/runs", json=asked(max_new_tokens=400)) as response,
    ):
        counted, last, run = 0, None, ""
        for event in arriving(response):
            run = run or event.get("id", "")
            counted += event["event"] == "columns"
            if counted == 4:
                client.post(f"/api/runs/{run}/stop")
            last = event
        assert last["event"] == "done" and last["status"] == "stopped"
        assert counted < 200
        record = kept(client, run)
        assert record["status"] == "stopped"
        assert client.get(f"/api/runs/{run}/views/divergence").status_code == 200


def test_a_reader_who_goes_away_stops_the_run(server, asked):
    with httpx.Client(base_url=server, timeout=30) as client:
        with client.stream("POST", "/api/runs", json=asked(max_new_tokens=480)) as response:
            events = arriving(response)
            run = next(events)["id"]
            assert [next(events)["event"] for _ in range(3)] == ["columns"] * 3
        record = kept(client, run)
        assert record["status"] == "stopped"
        assert record["prompt_tokens"] < len(record["ids"]) < record["prompt_tokens"] + 300
        assert client.post("/api/runs", json=asked(max_new_tokens=2)).status_code == 200


def test_places_in_the_line_are_told_and_the_line_has_an_end(tiny, out, asked):
    settings = Settings(out, limits=Limits(waiting=2))
    with (
        served({"tiny": tiny}, settings) as server,
        httpx.Client(base_url=server, timeout=60) as client,
        client.stream("POST", "/api/runs", json=asked(max_new_tokens=480)) as first,
    ):
        begun = arriving(first)
        run = next(begun)["id"]
        places = {}

        def wait(name):
            with httpx.stream(
                "POST", f"{server}/api/runs", json=asked(max_new_tokens=2), timeout=60
            ) as response:
                for event in arriving(response):
                    places.setdefault(name, []).append(event.get("place", event["event"]))

        threads = []
        for name in ("second", "third"):
            threads.append(threading.Thread(target=wait, args=(name,)))
            threads[-1].start()
            deadline = time.monotonic() + 10
            while name not in places and time.monotonic() < deadline:
                time.sleep(0.01)
        refused = client.post("/api/runs", json=asked())
        assert refused.status_code == 503
        assert refused.json()["got"] == "2 requests that wait for it"
        client.post(f"/api/runs/{run}/stop")
        for thread in threads:
            thread.join(timeout=30)
    assert places["second"][:2] == [1, "started"] and places["second"][-1] == "done"
    assert places["third"][:3] == [2, 1, "started"]


def test_one_who_waits_and_goes_away_gives_up_the_place(server, asked):
    with (
        httpx.Client(base_url=server, timeout=60) as client,
        client.stream("POST", "/api/runs", json=asked(max_new_tokens=480)) as first,
    ):
        run = next(arriving(first))["id"]
        with client.stream("POST", "/api/runs", json=asked()) as second:
            assert next(arriving(second)) == {"event": "queued", "place": 1}
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with client.stream("POST", "/api/runs", json=asked()) as third:
                if next(arriving(third))["place"] == 1:
                    break
        else:
            pytest.fail("the place is still taken")
        client.post(f"/api/runs/{run}/stop")


def test_an_error_of_a_run_is_an_event_and_the_next_run_goes_well(ran, client):
    failed = ran(prompt="one two three " * 400)
    assert failed[-1]["event"] == "error"
    assert "512" in failed[-1]["got"] and failed[-1]["do"]
    record = client.get(f"/api/runs/{failed[0]['id']}").json()
    assert record["status"] == "failed" and record["error"]["asked"] == failed[-1]["asked"]
    assert ran()[-1]["status"] == "done"


def test_a_bug_in_a_run_is_an_event_and_the_next_run_goes_well(ran, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("layergram.app.live.Trace", broken)
        assert ran()[-1]["got"] == "ZeroDivisionError: a bug"
    assert ran()[-1]["status"] == "done"


@pytest.fixture
def loud(tiny_llama_folder, tmp_path):
    """A tiny llama whose heads have a say in its answers."""
    network = AutoModelForCausalLM.from_pretrained(tiny_llama_folder)
    for layer in network.model.layers:
        layer.self_attn.o_proj.weight.data *= 100
    network.save_pretrained(tmp_path / "loud")
    AutoTokenizer.from_pretrained(tiny_llama_folder).save_pretrained(tmp_path / "loud")
    return lg.load(str(tmp_path / "loud"), device="cpu")


def test_ablation_changes_the_answer_and_is_that_of_an_edited_model(loud, out, asked):
    app = create_app({"loud": loud}, Settings(out))
    with TestClient(app, base_url=ADDRESS) as client:

        def ran(**changes):
            return events_of(client.post("/api/runs", json=asked(**changes)).text)

        check_ablation(loud, client, ran)


def check_ablation(model, client, ran):
    heads = [(layer, head) for layer in (1, 2, 3) for head in range(4)]
    chosen = [{"layer": layer, "head": head} for layer, head in heads]
    plain, without = ran(max_new_tokens=24), ran(max_new_tokens=24, ablate=chosen)
    records = [client.get(f"/api/runs/{events[0]['id']}").json() for events in (plain, without)]
    assert records[0]["ids"] != records[1]["ids"]
    with lg.edited(model, lg.HeadEdit(tuple(heads))):
        wanted = lg.trace(model, ids=records[1]["ids"], measures=["divergence"])["divergence"]
        steps = lg.stream(
            model,
            prompt="The capital of France",
            measures=["divergence"],
            run=lg.Run(max_new_tokens=24, temperature=1.0, seed=2),
        )
        ids = [one for step in steps for one in step.ids]
    assert records[1]["ids"] == ids
    assert "edits" in client.get(f"/api/runs/{records[1]['id']}/views/divergence").text
    live = grown(without)[0]["divergence"]
    np.testing.assert_allclose(live, wanted, rtol=2e-4, atol=2e-5)
    assert ran(max_new_tokens=24)[-1]["answer"] == plain[-1]["answer"]  # the edit is gone


def test_a_head_that_is_not_there_is_an_error_of_the_run(ran):
    last = ran(ablate=[{"layer": 9, "head": 0}])[-1]
    assert last["event"] == "error" and "layers 1 to 3" in last["allowed"]


def test_top_tokens_of_a_cell_are_those_of_the_lens(tiny, ran, client):
    events = ran(measures=["lens_token"], seed=5)
    run = events[0]["id"]
    ids = client.get(f"/api/runs/{run}").json()["ids"]
    lens = lg.trace(tiny, ids=ids, measures=["lens_token"])["lens_token"]
    for layer, position in [(1, 1), (2, 4), (3, len(ids) - 1)]:
        asked = {"layer": layer, "position": position}
        found = client.post(f"/api/runs/{run}/cell", json=asked).json()
        shares = [token["probability"] for token in found["tokens"]]
        assert len(shares) == 5 and shares == sorted(shares, reverse=True)
        cell = lens.sel(layer=layer).isel(token=position)
        assert shares[0] == pytest.approx(float(cell), rel=1e-4)
        assert found["tokens"][0]["id"] == int(cell["top_token_id"])
        before = {**asked, "position": position - 1, "alignment": "reads"}
        assert client.post(f"/api/runs/{run}/cell", json=before).json() == found
    nothing = client.post(f"/api/runs/{run}/cell", json={"layer": 1, "position": 0})
    assert nothing.status_code == 404 and "nothing predicts" in nothing.json()["got"]


def test_attention_of_a_token_is_that_of_each_head(tiny, ran, client):
    run = ran(seed=2)[0]["id"]
    ids = client.get(f"/api/runs/{run}").json()["ids"]
    view = client.post(f"/api/runs/{run}/attention", json={"position": 6}).json()
    wanted = lg.trace(tiny, ids=ids[:7], measures=["attention_from"], run=lg.Run(heads="each"))[
        "attention_from"
    ]
    assert [dim["name"] for dim in view["dims"]] == ["layer", "head", "token"]
    values = unpacked(view["values"], wanted.shape)
    np.testing.assert_allclose(values, wanted, rtol=2e-4, atol=2e-5)
    assert len(view["panels"]) == 4
    missing = client.post(f"/api/runs/{run}/attention", json={"position": 10_000})
    assert missing.status_code == 404


def test_looking_at_another_run_does_not_wait_for_the_end_of_a_run(server, asked):
    with httpx.Client(base_url=server, timeout=60) as client:
        done = events_of(client.post("/api/runs", json=asked()).text)[0]["id"]
        with client.stream("POST", "/api/runs", json=asked(max_new_tokens=480)) as response:
            run = next(event["id"] for event in arriving(response) if "id" in event)
            found = client.post(f"/api/runs/{done}/cell", json={"layer": 2, "position": 3})
            assert found.status_code == 200
            assert client.get(f"/api/runs/{run}").json()["status"] == "running"


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


def test_a_run_of_a_model_that_is_not_there_cannot_be_looked_into(tiny, out, ran):
    run = ran()[0]["id"]
    with TestClient(create_app({"other": tiny}, Settings(out)), base_url=ADDRESS) as other:
        refused = other.post(f"/api/runs/{run}/cell", json={"layer": 1, "position": 2})
        assert refused.status_code == 409 and "--model" in refused.json()["do"]
        assert other.get(f"/api/runs/{run}/views/divergence").status_code == 200


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


def test_the_app_says_what_it_has(client):
    about = client.get("/api/about").json()
    assert about["models"][0] == {
        "name": "tiny", "layers": 3, "heads": [4, 4, 4], "editable": [1, 2, 3], "context": 512,
        "has_attention": True,
    }  # fmt: skip
    assert "divergence" in [measure["name"] for measure in about["measures"]]


def test_a_text_with_a_null_character_is_kept(ran, client):
    done = ran(prompt="a\x00b and more", max_new_tokens=1)[-1]
    assert done["event"] == "done", done
    view = client.get(f"/api/runs/{done['id']}/views/divergence").json()
    texts = next(one["values"] for one in view["beside"] if one["name"] == "token_text")
    assert any("␀" in text for text in texts) and not any("\x00" in text for text in texts)


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
