"""Requests that are made up from the app's description of itself."""

from __future__ import annotations

import collections
import os

import httpx
import schemathesis
from app_server import ADDRESS
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, seed, settings, strategies

import layergram as lg
from layergram.app.requests import RunRequest
from layergram.app.server import create_app
from layergram.app.settings import Settings

REQUESTS = 10_000 if os.environ.get("LAYERGRAM_LONG") else 500


def test_invented_requests_find_no_mistake(tiny, out, ran, monkeypatch, capsys):
    """The app's description of itself, tried with requests made up from it: none is a 5xx."""
    run = ran(max_new_tokens=3, measures=["residual_norm"])[0]["id"]
    monkeypatch.setattr("layergram.app.routes.save_run", lambda *_: [])  # pictures take a second
    monkeypatch.setattr(RunRequest, "run", property(lambda self: lg.Run(max_new_tokens=2)))
    app = create_app({"tiny": tiny}, Settings(out))
    operations = [
        one.ok() for one in schemathesis.openapi.from_dict(app.openapi()).get_all_operations()
    ]
    assert len(operations) == 14
    statuses = collections.Counter()

    def tried(client, operation, turn, most):
        @seed(turn)
        @settings(
            max_examples=most,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), known=strategies.booleans())
        def one(case, known):
            if known and "run" in (case.path_parameters or {}):
                case.path_parameters["run"] = run
            case.cookies = {}
            plain = case.as_transport_kwargs(base_url=ADDRESS)
            try:
                response = client.request(**{k: v for k, v in plain.items() if v is not None})
            except (httpx.InvalidURL, UnicodeError):
                return  # the client sends no such thing
            statuses[response.status_code // 100] += 1
            assert response.status_code < 500, response.text

        one()

    turn = 0
    with TestClient(app, base_url=ADDRESS) as client:
        # some operations take few different requests, and are done before the others
        while (left := REQUESTS - statuses.total()) > 0:
            for operation in operations:
                tried(client, operation, turn, -(-left // len(operations)))
            turn += 1
    with capsys.disabled():  # for the dated output of `make long`
        print(f" {statuses.total():,} requests, {statuses[5]} of them 5xx ", end="")
    assert statuses.total() >= REQUESTS and not statuses[5]
    assert statuses[2] > REQUESTS / 20 and statuses[4] > REQUESTS / 20, statuses
