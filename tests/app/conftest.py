"""The app with the tiny llama: in this process for single requests, as a server for streams."""

from __future__ import annotations

import pytest

fastapi = pytest.importorskip("fastapi", reason="the extra 'app' is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

from app_server import ADDRESS, events_of, served  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402

from layergram.app.server import create_app  # noqa: E402
from layergram.app.settings import Settings  # noqa: E402


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def client(tiny, out):
    """The app in this process; a stream arrives when it has ended."""
    with TestClient(create_app({"tiny": tiny}, Settings(out)), base_url=ADDRESS) as opened:
        yield opened


@pytest.fixture
def server(tiny, out):
    with served({"tiny": tiny}, Settings(out)) as address:
        yield address


@pytest.fixture
def asked():
    """A request for a short run, with changes."""

    def make(**changes):
        plain = {
            "prompt": "The capital of France",
            "max_new_tokens": 8,
            "temperature": 1.0,
            "seed": 2,
        }
        return {**plain, "measures": ["divergence", "attention_received"], **changes}

    return make


@pytest.fixture
def ran(client, asked):
    """A finished run: its events."""

    def run(**changes):
        response = client.post("/api/runs", json=asked(**changes))
        assert response.status_code == 200, response.text
        return events_of(response.text)

    return run
