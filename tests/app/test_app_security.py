"""Closed by default: who and what is refused, and that the server goes on answering."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, unquote

import httpx
import numpy as np
import pytest
from app_server import ADDRESS, events_of
from fastapi.testclient import TestClient

import layergram as lg
from layergram import maps
from layergram.app.refusal import plain_error
from layergram.app.server import create_app
from layergram.app.settings import Limits, Settings

TOKEN = "a-token-of-some-length"
SCRIPT = "</script ><!-- <img src=x onerror='window.hurt=1'>"
FOUR = {"asked", "got", "allowed", "do"}


def refused(response, status):
    assert response.status_code == status, response.text
    assert set(response.json()) == FOUR
    assert response.json()["asked"] and response.json()["got"]
    return response.json()


def test_every_answer_has_the_headers_of_safety(client):
    for path in ("/", "/static/app.js", "/api/about", "/nothing", "/files/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in client.get("/").headers["content-security-policy"]


def test_the_page_has_no_script_or_style_of_its_own(client):
    page = client.get("/").text
    assert '<script type="module" src=' in page
    assert page.count("<script") == 1 and "<style" not in page and " style=" not in page
    assert " on" not in "".join(page.split('"')[::2])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://localhost:8642"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_request_of_another_site_is_refused(client, asked, headers):
    refused(client.post("/api/runs", json=asked(), headers=headers), 403)
    refused(client.get("/api/runs", headers=headers), 403)
    assert client.get("/api/runs").json() == []


def test_the_page_s_own_requests_are_let_in(client, asked):
    own = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/runs", json=asked(), headers=own).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    refused(client.get("/api/runs", headers=link), 403)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8642", "192.168.1.5", "", "["]
)
def test_a_foreign_host_is_refused(client, host):
    refused(client.get("/api/about", headers={"Host": host}), 403)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:8642", "[::1]:8642"])
def test_names_of_this_machine_are_known(client, host):
    assert client.get("/api/about", headers={"Host": host}).status_code == 200


@pytest.fixture
def open_client(tiny, out):
    """The app as it is on a host that others can reach."""
    app = create_app({"tiny": tiny}, Settings(out, host="0.0.0.0", token=TOKEN))
    with TestClient(app, base_url="http://192.168.1.5:8642", follow_redirects=False) as opened:
        yield opened


def test_without_the_token_nothing_is_answered(open_client, asked):
    for path in ("/", "/static/app.js", "/api/about", "/openapi.json", "/?token=", "/?token=x"):
        refused(open_client.get(path), 401)
    refused(open_client.post("/api/runs", json=asked()), 401)
    wrong = {"Authorization": "Bearer another-token-of-length"}
    refused(open_client.get("/api/about", headers=wrong), 401)
    refused(open_client.get("/api/about", headers={"Cookie": "layergram-8642=é".encode()}), 401)


def test_the_token_is_taken_from_address_cookie_and_header(open_client):
    header = {"Authorization": f"Bearer {TOKEN}"}
    assert open_client.get("/api/about", headers=header).status_code == 200
    entered = open_client.get(f"/?token={TOKEN}")
    assert entered.status_code == 303 and entered.headers["location"] == "/"
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert open_client.get("/api/about").status_code == 200  # by the cookie
    others = f'theirs={{"a": "b, c"}}; =; layergram-8642={TOKEN}'
    assert open_client.get("/api/about", headers={"Cookie": others}).status_code == 200


def test_a_host_that_others_reach_has_a_token_in_any_case(out):
    made = Settings(out, host="0.0.0.0")
    assert len(made.token) >= 32 and made.token != Settings(out, host="0.0.0.0").token
    assert made.url.endswith(f"?token={made.token}")
    assert Settings(out).token == "" and Settings(out).url == "http://127.0.0.1:8642/"
    assert not made.knows_host("evil.example") and made.knows_host(socket.gethostname())
    with pytest.raises(lg.LayergramError, match="16 or more"):
        Settings(out, token="short")


def test_a_prompt_of_10_megabytes_is_refused_and_the_next_is_answered(server, asked):
    with httpx.Client(base_url=server, timeout=60) as client:
        told = refused(client.post("/api/runs", json=asked(prompt="a" * 10_000_000)), 413)
        assert "262144" in told["allowed"]
        pieces = (b"a" * 65536 for _ in range(160))
        refused(client.post("/api/runs", content=pieces), 413)  # of no declared length
        assert client.post("/api/runs", json=asked(max_new_tokens=1)).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "a" * 20_001),
        ("prompt", "\ud800"),
        ("max_new_tokens", 10**6),
        ("max_new_tokens", 0),
        ("temperature", float("1e9")),
        ("temperature", -1),
        ("top_p", 0),
        ("seed", -1),
        ("measures", []),
        ("measures", ["divergence"] * 9),
        ("ablate", [{"layer": 0, "head": 0}]),
        ("nonsense", 1),
    ],
)
def test_what_is_beyond_the_limits_is_refused(client, asked, field, value):
    content = json.dumps(asked(**{field: value}))
    told = refused(
        client.post("/api/runs", content=content, headers={"Content-Type": "application/json"}), 422
    )
    assert field in told["asked"]


def test_unknown_names_are_refused_with_the_nearest(client, asked):
    told = refused(client.post("/api/runs", json=asked(measures=["divergense"])), 400)
    assert told["do"] == "did you mean 'divergence'?"
    refused(client.post("/api/runs", json=asked(model="other")), 400)


PATHS = [
    "../secret.txt",
    "live/../../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "link/secret.txt",
    "linked.nc",
    ".hidden",
    "a\x00b",
    "..\\secret.txt",
    "x" * 5000,
]


@pytest.mark.parametrize("path", PATHS)
def test_only_the_output_folder_is_readable(client, out, path):
    (out.parent / "secret.txt").write_text("secret")
    (out / "link").symlink_to(out.parent)
    (out / "linked.nc").symlink_to(out.parent / "secret.txt")
    (out / ".hidden").write_text("secret")
    status, body = asyncio.run(answer_to(client.app, f"/files/{unquote(path)}"))
    assert status == 404 and b"secret" not in body
    for name in ("folder", "view"):
        asked = {"folder": path[:1000], "name": path[:1000]}
        response = client.get(f"/api/results/{name}", params=asked)
        assert response.status_code in (404, 422) and set(response.json()) == FOUR
    view = {"folder": ".", "name": path[:1000]}
    assert client.get("/api/results/view", params=view).status_code in (404, 422)
    assert client.get("/api/results").json() == []


async def answer_to(app, path):
    """Status and body of a GET whose path no client has tidied up."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http"}
    scope |= {"headers": [(b"host", b"127.0.0.1:8642")], "http_version": "1.1", "root_path": ""}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


ODD_IDS = [
    "20260101-000000-abcdeg",
    "20260101-000000-ABCDEF",
    "20260101-000000-abcdef0",
    "٢٠٢٦٠١٠١-٠٠٠٠٠٠-abcdef",
    "20260101-000000-abcdef\n",
    "live",
    ".hidden",
    "x" * 5000,
]


@pytest.mark.parametrize("run", ODD_IDS)
def test_an_id_of_another_shape_never_reaches_the_disk(client, out, monkeypatch, run):
    def reached(*_):
        raise AssertionError("the file system was asked")

    monkeypatch.setattr("layergram.app.history.inside", reached)
    for form in ("", "/views/divergence"):
        refused(client.get(f"/api/runs/{quote(run)}{form}"), 422)
    posts = {
        "stop": {},
        "save": {},
        "cell": {"layer": 1, "position": 1},
        "attention": {"position": 1},
    }
    for form, asked in posts.items():
        refused(client.post(f"/api/runs/{quote(run)}/{form}", json=asked), 422)
    asked = {"first": run, "second": run, "measure": "divergence"}
    refused(client.post("/api/differences", json=asked), 422)
    refused(client.get(f"/api/runs/20260101-000000-abcdef/views/{quote(f'-{run}')}"), 422)


def test_a_run_that_is_a_link_out_of_the_folder_is_not_shown(client, out, ran):
    run = ran()[0]["id"]
    (out / "live" / run).rename(out.parent / "elsewhere")
    (out / "live" / run).symlink_to(out.parent / "elsewhere")
    assert client.get("/api/runs").json() == []
    refused(client.get(f"/api/runs/{run}"), 404)
    refused(client.get(f"/api/runs/{run}/views/divergence"), 404)


def test_a_record_of_another_program_is_no_run(client, out):
    for number, text in enumerate(
        ["", "[]", "{}", '{"request": {"prompt": 3}, "ids": []}', "\xff"]
    ):
        folder = out / "live" / f"20260101-00000{number}-abcdef"
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(text.encode("latin-1"))
    assert client.get("/api/runs").json() == []


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": float("nan")},
        {"seconds": "long"},
        {"maps": 5},
        {"maps": [["a"]]},
        {"maps": ["../run"]},
        {"ids": [-5]},
        {"ids": [float("inf")]},
        {"status": "running"},
        {"created": None},
    ],
)
def test_a_broken_record_hides_itself_and_no_other(client, out, ran, change):
    run = ran(max_new_tokens=1, measures=["residual_norm"])[0]["id"]
    record = json.loads((out / "live" / run / "run.json").read_text())
    broken = "20990101-000000-abcdef"
    (out / "live" / broken).mkdir()
    (out / "live" / broken / "run.json").write_text(json.dumps({**record, **change}))
    (out / "live" / "20990101-000001-abcdef").mkdir()
    (out / "live" / "20990101-000001-abcdef" / "run.json").write_text("[" * 100_000)
    assert [one["id"] for one in client.get("/api/runs").json()] == [run]
    refused(client.get(f"/api/runs/{broken}"), 404)
    refused(client.post(f"/api/runs/{broken}/save", json={}), 404)


def test_a_summary_that_is_too_deep_is_left_out(client, out):
    lg.write(maps.make([[0.5, 1.0]], ("layer", "token"), measure="weight"), out / "deep" / "a.nc")
    (out / "deep" / "summary.json").write_text("[" * 100_000)
    found = client.get("/api/results/folder", params={"folder": "deep"}).json()
    assert found == {"folder": "deep", "maps": ["a.nc"], "summary": []}


@pytest.mark.parametrize("body", ["[" * 100_000, '{"seed": ' + "9" * 5000 + "}", b"\xff", ""])
def test_a_body_that_is_no_json_is_refused_in_plain_words(client, body):
    json_type = {"Content-Type": "application/json"}
    response = client.post("/api/runs", content=body, headers=json_type)
    told = refused(response, 422 if body == "" else 400)
    assert "request" in told["asked"] and "the the" not in told["asked"] and told["do"]
    assert not told["asked"].startswith("the request's the")


def test_script_in_a_map_file_stays_text(client, out):
    array = maps.make(
        np.random.default_rng(0).random((3, 4)),
        ("layer", "token"),
        measure="weight",
        coords={"token_text": ("token", ["a", SCRIPT, "b", "c"])},
        long_name=SCRIPT,
    )
    folder = out / "<img src=x onerror=alert(1)>"
    lg.write(array, folder / "<b>map.nc")
    response = client.get("/api/results")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [{"folder": folder.name, "maps": ["<b>map.nc"]}]
    asked = {"folder": folder.name, "name": "<b>map.nc"}
    view = client.get("/api/results/view", params=asked)
    assert view.headers["content-type"] == "application/json"
    assert SCRIPT in view.json()["columnNames"][1] or view.json()["beside"]
    served_file = client.get(f"/files/{folder.name}/<b>map.nc")
    assert served_file.headers["content-type"] == "application/octet-stream"
    assert served_file.headers["content-disposition"].startswith("attachment")


def test_a_file_that_is_no_map_is_refused(client, out):
    (out / "bad.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + os.urandom(200))
    told = refused(client.get("/api/results/view", params={"folder": ".", "name": "bad.nc"}), 400)
    assert told["got"].startswith("a netCDF file that is torn")
    small = Settings(out, limits=Limits(file=10))
    app = create_app(client.app.state.layergram.models, small)
    with TestClient(app, base_url=ADDRESS) as other:
        asked = {"folder": ".", "name": "bad.nc"}
        refused(other.get("/api/results/view", params=asked), 413)


def test_50_clients_at_once_are_answered_or_told_to_come_again(server, asked):
    def one(number):
        with httpx.Client(base_url=server, timeout=120) as client:
            response = client.post(
                "/api/runs", json=asked(max_new_tokens=1, measures=["residual_norm"], seed=number)
            )
            if response.status_code == 503:
                return refused(response, 503)["do"]
            return events_of(response.text)[-1]["status"]

    with ThreadPoolExecutor(50) as pool:
        ends = list(pool.map(one, range(50)))
    assert set(ends) <= {"done", "try again in a while"} and ends.count("done") >= 16
    assert httpx.get(f"{server}/api/about").status_code == 200


def test_a_mistake_of_the_app_s_own_says_nothing_of_its_inside(tiny, out, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a path or a secret")

    monkeypatch.setattr("layergram.app.history.History.list", broken)
    app = create_app({"tiny": tiny}, Settings(out))
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        told = refused(client.get("/api/runs"), 500)
        assert "secret" not in str(told)
        assert client.get("/api/about").status_code == 200


def test_four_parts_of_an_error_as_plain_data():
    error = lg.LayergramError("x", got="y", allowed="z", do="w")
    assert plain_error(error) == {"asked": "x", "got": "y", "allowed": "z", "do": "w"}
