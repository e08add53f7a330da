"""What a page costs its reader: its size, the time until it is drawn, pointing, a new column.

    python benchmarks/pages.py --rounds 5

Two maps of 64 layers × 8,192 tokens of random float32 values with token texts are written as one
page and opened in headless Chromium. Printed are its size; the time from opening the file to the
drawn page; from a movement of the pointer to the next frame, and the script in it; and, for a page
of 30 layers × 460 tokens that grows, the script of a new column and the painting of it. Medians of
the rounds, with the shortest and the longest.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from playwright.sync_api import Page, sync_playwright

from layergram import maps
from layergram.export import page_columns, page_data, save_page

HOME = "http://maps.test/"
SHELL = '<!doctype html><link rel="stylesheet" href="page.css"><div id="here"></div>'
KINDS = {"js": "text/javascript", "css": "text/css"}
MOUNT = """async (data) => {
    const { mount } = await import("./page.js");
    window.shown = await mount(document.getElementById("here"), data);
}"""
POINTING = """async () => {
    const canvas = document.querySelector("canvas");
    const { left, top, width } = canvas.getBoundingClientRect();
    const times = [];
    for (let at = 0; at < 60; at += 1) {
        const place = { clientX: left + width * (0.2 + at / 100), clientY: top + 60 + 3 * at };
        const began = performance.now();
        canvas.dispatchEvent(new PointerEvent("pointermove", { ...place, bubbles: true }));
        const script = performance.now() - began;
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        times.push([script, performance.now() - began]);
    }
    return times;
}"""
COLUMNS = """async (pieces) => {
    const times = [];
    for (const piece of pieces) {
        await new Promise((done) => {
            let [from, taken] = [0, 0];
            // callbacks of a frame run in the order in which they were asked for
            requestAnimationFrame(() => { from = performance.now(); });
            const began = performance.now();
            shown.append(piece);
            taken = performance.now() - began;
            requestAnimationFrame(() => {
                times.push([taken, performance.now() - from]);
                done();
            });
        });
    }
    return times;
}"""


def random_map(measure: str, layers: int, tokens: int) -> xr.DataArray:
    """A map [layer, token] of random float32 values with token texts."""
    values = np.random.default_rng(0).random((layers, tokens), dtype=np.float32)
    texts = [f" w{at}" for at in range(tokens)]
    return maps.make(
        values, ("layer", "token"), measure=measure, coords={"token_text": ("token", texts)}
    )


def said(what: str, times: Sequence[float], unit: str, goal: str) -> None:
    """Print a median with its range."""
    low, high = min(times), max(times)
    print(f"{what}: {statistics.median(times):.2f} {unit} ({low:.2f}-{high:.2f}); goal {goal}")


def of_a_large_page(browser: Any, home: Path, rounds: int) -> None:
    """Size, opening and pointing."""
    large = {name: random_map(name, 64, 8192) for name in ("first", "second")}
    path = save_page(large, home / "large.html")
    print(f"page: {path.stat().st_size / 1e6:.2f} MB; goal 6")
    opened, pointed = [], []
    for _ in range(rounds):
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("#page[data-ready]")
        opened.append(time.perf_counter() - began)
        pointed += page.evaluate(POINTING)
        page.close()
    said("opened and drawn", opened, "s", "1.5")
    said("pointing, script", [script for script, _ in pointed], "ms", "50")
    said("pointing, until the next frame", [frame for _, frame in pointed], "ms", "50")


def of_new_columns(page: Page, rounds: int) -> None:
    """Script and painting of a column."""
    folder = files("layergram.pages")

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(HOME)
        kind = KINDS.get(name.rpartition(".")[2], "text/html")
        body = (folder / name).read_text(encoding="utf-8") if name else SHELL
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8")

    page.route(f"{HOME}**", answer)
    whole = random_map("divergence", 30, 500)
    pieces = [
        page_columns({"divergence": whole.isel(token=slice(at, at + 1))}) for at in range(460, 500)
    ]
    times = []
    for _ in range(rounds):
        page.goto(HOME)
        page.evaluate(MOUNT, page_data(whole.isel(token=slice(460))))
        times += page.evaluate(COLUMNS, pieces)
    said("a new column, script", [script for script, _ in times], "ms", "2")
    said("a new column, painting", [frame for _, frame in times], "ms", "none")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        of_a_large_page(browser, Path(home), given.rounds)
        of_new_columns(browser.new_page(), given.rounds)
        browser.close()


if __name__ == "__main__":
    main()
