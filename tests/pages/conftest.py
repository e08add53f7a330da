"""A browser page that loads the modules of the page as files, under a strict policy."""

from __future__ import annotations

from importlib.resources import files

import pytest

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
SHELL = '<!doctype html><link rel="stylesheet" href="page.css"><div id="here"></div>'


@pytest.fixture(scope="module")
def served(browser):
    """A page whose element ``#here`` is empty; in the end nothing was complained of."""
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

    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.route("http://maps.test/**", answer)
    page.goto("http://maps.test/")
    yield page
    page.close()
    assert not [line for line in troubles if "favicon" not in line]
