"""Screenshots of a page and of the live app, as a browser shows them: docs/images/*.png.

Needs Chromium and the embedded model: ``make screenshots``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import layergram as lg

IMAGES = Path(__file__).parent / "images"
TEXT = (
    "The old lighthouse keeper counted the ships each evening. When a storm came, he wrote their "
    "names in a book. The book is now in a museum, and visitors read it slowly, page by page."
)
MEASURES = ("divergence", "attention_received", "settling_depth", "lens_token")
SIZE = {"width": 900, "height": 980}
APP_SIZE = {"width": 1280, "height": 860}
ADDRESS = re.compile(r"http://\S+")


def pinned(page: Any, right: int, up: int) -> None:
    """Pin a cell, so many columns and rows from the lower left one."""
    page.locator("canvas").first.focus()
    page.keyboard.press("Enter")
    for key, times in (("ArrowRight", right), ("ArrowUp", up)):
        for _ in range(times):
            page.keyboard.press(key)
    page.locator("canvas").first.evaluate("canvas => canvas.blur()")


def main() -> None:
    """Trace a text with the embedded model, write its page, and take the pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("make_screenshots: Chromium is not installed")
    found = lg.trace("smollm2", TEXT, measures=MEASURES)
    path = Path(tempfile.mkdtemp()) / "run.html"
    lg.save_page({name: found[name] for name in MEASURES}, path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, scheme, shown in (
            ("page.png", "light", "divergence"),
            ("page_dark.png", "dark", "attention_received"),
        ):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(path.as_uri())
            page.wait_for_selector("#page[data-ready]")
            page.get_by_role("combobox", name="map").select_option(label=shown)
            pinned(page, right=16, up=25)
            page.wait_for_timeout(300)
            page.screenshot(path=str(IMAGES / name))
        page = browser.new_page(viewport=SIZE)
        page.goto(path.as_uri())
        page.get_by_label("colour of the tokens").select_option(label="the layer where it settles")
        page.wait_for_timeout(300)
        page.locator("details", has=page.locator(".tinted")).screenshot(
            path=str(IMAGES / "page_text.png")
        )
        app(browser)
        browser.close()


def app(browser: Any) -> None:
    """Start the live app, ask it, and take its picture."""
    folder = tempfile.mkdtemp()
    words = [sys.executable, "-m", "layergram", "serve", "--port", "0", "--out", folder]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            address = next(filter(None, map(ADDRESS.search, serving.stdout)))[0]
            page = browser.new_page(viewport=APP_SIZE)
            page.goto(address)
            page.get_by_label("Prompt").fill("What is 17 + 26? Explain in one sentence.")
            page.get_by_role("button", name="Run").click()
            page.get_by_text("Done:").wait_for(timeout=180_000)
            page.wait_for_timeout(500)
            page.screenshot(path=str(IMAGES / "app.png"))
        finally:
            serving.terminate()


if __name__ == "__main__":
    main()
