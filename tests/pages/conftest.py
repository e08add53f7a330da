"""A browser page that loads the modules of the page as files, under a strict policy."""

from __future__ import annotations

import shutil
from importlib.resources import files

import pytest

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
SHELL = '<!doctype html><link rel="stylesheet" href="page.css"><div id="here"></div>'


@pytest.fixture(scope="module")
def served():
    """A page whose element ``#here`` is empty; in the end nothing was complained of."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    troubles = []
    folder = files("layergram.pages")

    def answer(route):
        name = route.request.url.rpartition("/")[2]
        kind = {"js": "text/javascript", "css": "text/css"}.get(
            name.rpartition(".")[2], "text/html"
        )
        body = (folder / name).read_text(encoding="utf-8") if name else SHELL
        headers = {"Content-Security-Policy": POLICY}
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8", headers=headers)

    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1000, "height": 900})
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.route("http://maps.test/**", answer)
        page.goto("http://maps.test/")
        yield page
        opened.close()
    assert not [line for line in troubles if "favicon" not in line]
