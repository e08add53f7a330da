"""A server of the app in a thread, and the events of its streams."""

from __future__ import annotations

import base64
import json
import threading
import time
import zlib
from contextlib import contextmanager

import numpy as np
import uvicorn

from layergram.app.server import create_app

ADDRESS = "http://127.0.0.1:8642"


@contextmanager
def served(models, settings):
    """A server on a free port, in a thread; gives its address."""
    config = uvicorn.Config(
        create_app(models, settings),
        host="127.0.0.1",
        port=0,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def events_of(text):
    """The events of a run in a stream's text, without its places in the line.

    A run can come just before the worker has put the last one away, and waits for that moment.
    """
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("data: ")]
        found += [json.loads(line.removeprefix("data: ")) for line in lines]
    return [event for event in found if event["event"] != "queued"]


def arriving(response):
    """The events of a stream as they come."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def unpacked(packed, shape):
    """An array as the app sent it, decoded by hand."""
    if "raw" in packed:
        return np.frombuffer(base64.b64decode(packed["raw"]), "<" + packed["type"]).reshape(shape)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    kind = np.dtype("<" + packed["type"])
    values = np.ascontiguousarray(planes.reshape(kind.itemsize, -1).T).view(kind)
    return values.reshape(shape)


def kept(client, run):
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
            if isinstance(first, str):  # a map without tokens comes whole
                have, first = have[..., :0], 0
            shape = [*have.shape[:-1], len(piece["labels"])]
            new = unpacked(piece["values"], shape)
            found[piece["name"]] = np.concatenate([have[..., :first], new], axis=-1)
            if piece["top"]:
                names = np.array(piece["top"]["words"], dtype=object)
                new = names[unpacked(piece["top"]["index"], shape)]
                words[piece["name"]] = np.hstack([words[piece["name"]][:, :first], new])
    return found, words
