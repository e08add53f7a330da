"""Runs with ablated heads, and looking closer at cells and tokens of a run."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from app_server import ADDRESS, arriving, events_of, grown, served, unpacked
from fastapi.testclient import TestClient
from transformers import AutoModelForCausalLM, AutoTokenizer

import layergram as lg
from layergram.app.server import create_app
from layergram.app.settings import Settings


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


def test_a_look_between_two_tokens_is_under_the_edits_of_the_run_and_once_under_them(
    loud, out, asked
):
    heads = [{"layer": layer, "head": head} for layer in (1, 2, 3) for head in range(2)]
    plain = asked(measures=["residual_norm"], ablate=heads, how="scale")
    with (
        served({"loud": loud}, Settings(out)) as server,
        httpx.Client(base_url=server, timeout=60) as client,
    ):
        run = events_of(client.post("/api/runs", json=plain).text)[0]["id"]

        def looked():
            view = client.post(f"/api/runs/{run}/attention", json={"position": 5}).json()
            about = dict(view.pop("about"))
            del about["created"]
            return view, about

        alone = looked()
        with client.stream("POST", "/api/runs", json={**plain, "max_new_tokens": 480}) as response:
            other = next(event["id"] for event in arriving(response) if "id" in event)
            between = looked()
            assert client.get(f"/api/runs/{other}").json()["status"] == "running"
    assert between == alone
    assert (
        alone[1]["edits"]
        == lg.HeadEdit(tuple((h["layer"], h["head"]) for h in heads), "scale").words
    )


def test_a_run_of_a_model_that_is_not_there_cannot_be_looked_into(tiny, out, ran):
    run = ran()[0]["id"]
    with TestClient(create_app({"other": tiny}, Settings(out)), base_url=ADDRESS) as other:
        refused = other.post(f"/api/runs/{run}/cell", json={"layer": 1, "position": 2})
        assert refused.status_code == 409 and "--model" in refused.json()["do"]
        assert other.get(f"/api/runs/{run}/views/divergence").status_code == 200
