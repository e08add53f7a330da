"""Live runs: every column is that of a trace of the same ids, and the line of those who wait."""

from __future__ import annotations

import threading
import time

import httpx
import numpy as np
import pytest
from app_server import ADDRESS, arriving, grown, kept, served
from fastapi.testclient import TestClient

import layergram as lg
import zoo
from layergram import measures, words
from layergram.app.refusal import answer_of
from layergram.app.requests import RunRequest
from layergram.app.server import create_app
from layergram.app.settings import Limits, Settings

MEASURES = ["divergence", "attention_received", "residual_norm", "settling_depth", "lens_token"]


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


def test_the_app_says_what_it_has(client):
    about = client.get("/api/about").json()
    model = about["models"][0]
    router = {name for name, one in measures.MEASURES.items() if one.family == "router"}
    assert set(model.pop("measures")) == {one["name"] for one in about["measures"]} - router
    assert about["defaults"] == RunRequest(prompt="x").model_dump(exclude={"prompt"})
    assert model == {
        "name": "tiny", "layers": 3, "heads": [4, 4, 4], "editable": [1, 2, 3], "context": 512,
    }  # fmt: skip


def test_every_measure_that_is_offered_can_be_had_while_the_model_answers(client, ran):
    for name in client.get("/api/about").json()["models"][0]["measures"]:
        events = ran(measures=[name], max_new_tokens=6)
        assert events[-1]["event"] == "done" and name in events[-1]["maps"], events[-1]
        assert name in grown(events)[0]


def test_a_model_without_attention_is_offered_no_attention(out, asked):
    app = create_app({"mamba": zoo.model("mamba")}, Settings(out))
    with TestClient(app, base_url=ADDRESS) as client:
        about = client.get("/api/about").json()
        families = {one["name"]: one["family"] for one in about["measures"]}
        offered = about["models"][0]["measures"]
        assert "divergence" in offered and "residual_norm" in offered
        assert not {families[name] for name in offered} & {"attention", "values", "heads"}
        refused = client.post("/api/runs", json=asked(measures=["attention_received"]))
        assert refused.status_code == 400 and "no attention weights" in refused.json()["got"]
        assert client.get("/api/runs").json() == []


def test_the_kept_error_of_a_measure_is_not_raised_itself(out, asked):
    app, raised = create_app({"mamba": zoo.model("mamba")}, Settings(out)), []

    async def noting(_, error):
        raised.append(error)
        return answer_of(error)

    app.add_exception_handler(lg.LayergramError, noting)
    with TestClient(app, base_url=ADDRESS) as client:
        for _ in range(2):
            client.post("/api/runs", json=asked(measures=["attention_received"]))
    kept_error = app.state.layergram.unsupported["mamba"]["attention_received"]
    assert [str(error) for error in raised] == 2 * [str(kept_error)]
    assert len({id(error) for error in [*raised, kept_error]}) == 3, "tracebacks would grow"


def test_a_text_with_a_null_character_is_kept(ran, client):
    done = ran(prompt="a\x00b and more", max_new_tokens=1)[-1]
    assert done["event"] == "done", done
    view = client.get(f"/api/runs/{done['id']}/views/divergence").json()
    texts = next(one["values"] for one in view["beside"] if one["name"] == "token_text")
    assert any("␀" in text for text in texts) and not any("\x00" in text for text in texts)
