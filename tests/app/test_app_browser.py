"""The live app in a real browser: a run to its last column, stop, reload, two tabs, ablation."""

from __future__ import annotations

import re

import httpx
import numpy as np
import pytest
from app_server import served

import layergram as lg
import zoo
from layergram import maps
from layergram.app.settings import Settings

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
SCRIPT = "<img src=x onerror='window.hurt=1'>"
PROMPT = "The capital of France"
LONG = 60_000


@pytest.fixture
def tab(browser, server):
    """Open the app; in the end nothing was complained of, and nothing came from elsewhere."""
    troubles, contexts = [], []

    def open_tab(path="/", **options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on(
            "console",
            lambda said: (
                troubles.append(f"{said.text} {said.location}") if said.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda one: (
                None if one.url.startswith((server, "blob:", "data:")) else troubles.append(one.url)
            ),
        )
        page.goto(server + path)
        page.wait_for_selector("#app[data-ready]")
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert not troubles


def ask(page, prompt=PROMPT, tokens=6, **numbers):
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_label("Tokens at most").fill(str(tokens))
    for label, value in {"Temperature": 1, "Seed": 2, **numbers}.items():
        page.get_by_label(label).fill(str(value))
    page.get_by_role("button", name="Run", exact=True).click()


def finished(page, word="Done"):
    page.wait_for_function(
        "word => document.querySelector('.status').textContent.startsWith(word)", arg=word
    )
    return page.locator(".status").text_content()


def run_of(page):
    return page.url.partition("#")[2].split(",")[0]


def test_the_form_begins_with_what_the_server_asks_by_default(tab, server):
    defaults = httpx.get(f"{server}/api/about").json()["defaults"]
    page = tab()
    page.get_by_label("Prompt").fill(PROMPT)
    with page.expect_request("**/api/runs") as sent:
        page.get_by_role("button", name="Run", exact=True).click()
    finished(page)
    asked = sent.value.post_data_json
    assert asked.pop("prompt") == PROMPT and asked.pop("model") == "tiny"
    assert asked.items() <= defaults.items() and asked["max_new_tokens"] == 128


def test_a_run_to_its_last_column(tab, server, out):
    page = tab()
    ask(page, tokens=9)
    assert finished(page).startswith("Done: 9 tokens")
    record = httpx.get(f"{server}/api/runs/{run_of(page)}").json()
    texts = page.locator(".tokens button")
    assert texts.count() == len(record["ids"])
    assert page.locator(".tokens button.answer").count() == 9
    array = lg.read(out / "live" / run_of(page) / "divergence.nc")
    last = array.sizes["token"] - 1
    canvas = page.locator(".maps canvas").first
    canvas.focus()
    page.keyboard.press("Enter")
    for _ in range(last):
        page.keyboard.press("ArrowRight")
    told = page.locator(".maps output").text_content()
    value = float(re.search(r"final layer: ([\d.e−-]+)", told)[1].replace("−", "-"))
    layer = int(re.search(r"layer (\d+)", told)[1])
    assert f"token {last}" in told
    assert value == pytest.approx(float(array.sel(layer=layer).isel(token=last)), rel=1e-3)
    page.wait_for_selector(".look ol.top li")
    asked = {"layer": layer, "position": last}
    wanted = httpx.post(f"{server}/api/runs/{run_of(page)}/cell", json=asked).json()["tokens"]
    assert page.locator(".look ol.top li").count() == 5
    first = page.locator("ol.top li span").first.text_content()
    assert first == f"{100 * wanted[0]['probability']:.1f} %"
    assert page.locator(".maps .words li").count() > 1


def test_stop(tab, server):
    page = tab()
    ask(page, tokens=480)
    page.wait_for_selector(".tokens button.answer")
    page.get_by_role("button", name="Stop").click()
    told = finished(page, "Stopped")
    assert int(re.search(r"(\d+) token", told)[1]) < 480
    assert httpx.get(f"{server}/api/runs/{run_of(page)}").json()["status"] == "stopped"
    ask(page, tokens=2)
    assert finished(page).startswith("Done: 2 tokens")


def test_a_reload_shows_the_run_again_and_one_at_work_as_far_as_it_came(tab, server):
    page = tab()
    ask(page, tokens=3)
    finished(page)
    texts = page.locator(".tokens").first.text_content()
    page.reload()
    page.wait_for_selector("#app[data-ready]")
    assert page.locator(".tokens").first.text_content() == texts
    assert page.get_by_label("Prompt").input_value() == PROMPT
    ask(page, tokens=480)
    page.wait_for_selector(".tokens button.answer")
    run = run_of(page)
    page.reload()
    page.wait_for_selector("#app[data-ready]")
    assert run_of(page) == run
    record = httpx.get(f"{server}/api/runs/{run}").json()
    assert record["status"] == "stopped" and len(record["ids"]) < 480
    assert page.locator(".tokens button").count() == len(record["ids"])
    assert page.locator(".kept button.name").count() == 2


def test_two_tabs_share_the_model_by_turns(tab):
    first, second = tab(), tab()
    ask(first, tokens=480)
    first.wait_for_selector(".tokens button.answer")
    ask(second, prompt="Another one", tokens=2)
    second.wait_for_function(
        "() => document.querySelector('.status').textContent.includes('place 1')"
    )
    first.get_by_role("button", name="Stop").click()
    finished(first, "Stopped")
    assert finished(second).startswith("Done: 2 tokens")
    assert first.locator(".pane h2").first.text_content() == PROMPT


def test_ablation_beside_and_as_a_difference(tab, server):
    page = tab()
    ask(page, tokens=4)
    finished(page)
    page.get_by_text("Ablated heads: none").click()
    page.get_by_role("button", name="layer 2, head 3").click()
    page.get_by_label("keep the present run beside it").check()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function("() => document.querySelectorAll('.pane[data-shown]').length === 2")
    runs = page.url.partition("#")[2].split(",")
    records = [httpx.get(f"{server}/api/runs/{run}").json() for run in runs]
    assert [record["request"]["ablate"] for record in records] == [[{"layer": 2, "head": 3}], []]
    assert "without head 2.3" in page.locator(".pane .hint").first.text_content()
    page.get_by_role("button", name="Difference").click()
    third = page.get_by_role("region", name="map", exact=True)
    third.locator("canvas").first.wait_for()
    assert third.locator("h2").first.text_content() == "Difference"


def test_a_token_s_attention_offers_its_heads(tab):
    page = tab()
    ask(page, tokens=2)
    finished(page)
    page.locator(".tokens button").nth(4).click()
    page.wait_for_selector(".attention[data-ready] canvas")
    page.locator(".attention canvas").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("Ablate head 0 of layer")).click()
    assert re.fullmatch(r"\d\.0", page.get_by_label("Heads", exact=True).input_value())


def test_saved_files_can_be_downloaded(tab):
    page = tab()
    ask(page, tokens=2)
    finished(page)
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as loaded:
        page.get_by_role("link", name="divergence.nc").click()
    assert maps.read(loaded.value.path().rename(loaded.value.path().with_suffix(".nc"))).name


def test_script_in_names_and_texts_stays_text(tab, out):
    array = maps.make(
        np.random.default_rng(0).random((3, 4)),
        ("layer", "token"),
        measure="weight",
        coords={"token_text": ("token", ["a", SCRIPT, "b", "c"])},
        long_name=SCRIPT,
    )
    lg.write(array, out / SCRIPT.replace("/", "") / f"{SCRIPT}.nc")
    page = tab()
    page.get_by_text(SCRIPT).first.click()
    page.get_by_role("button", name=f"{SCRIPT}.nc").click()
    page.get_by_role("region", name="map", exact=True).locator("canvas").first.wait_for()
    ask(page, prompt=SCRIPT, tokens=2)
    finished(page)
    assert page.evaluate("() => window.hurt") is None
    assert page.locator("img").count() == 0


def test_what_goes_wrong_is_said_in_four_parts(tab):
    page = tab()
    ask(page, prompt="one two three " * 400)
    page.get_by_role("alert").get_by_text("512").wait_for()
    assert finished(page, "The run failed").startswith("The run failed")
    ask(page, tokens=2)
    finished(page)
    assert page.get_by_role("alert").count() == 0


def test_the_app_opens_with_its_token_alone(browser, tiny, out):
    settings = Settings(out, token="a-token-of-some-length")
    with served({"tiny": tiny}, settings) as address:
        context = browser.new_context()
        page = context.new_page()
        assert page.goto(address).status == 401
        page.goto(f"{address}/?token=a-token-of-some-length")
        page.wait_for_selector("#app[data-ready]")
        assert "token" not in page.url
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_nothing_stands_in_the_way_of_anybody(tab, scheme, width):
    page = tab(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    ask(page, tokens=3)
    finished(page)
    page.get_by_text("Ablated heads: none").click()
    page.get_by_role("button", name="layer 2, head 3").click()
    page.get_by_text("Measures:").click()
    page.locator(".tokens button").nth(4).click()
    page.wait_for_selector(".attention[data-ready] canvas")
    found = axe.Axe().run(page)
    serious = [
        (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_measures_are_those_that_the_chosen_model_can_have(browser, tiny, out):
    with served({"tiny": tiny, "mamba": zoo.model("mamba")}, Settings(out)) as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#app[data-ready]")
        page.get_by_text("Measures:").click()
        attention = page.get_by_label("attention received")
        weighted = page.get_by_label("attention value norm")
        assert attention.is_checked() and weighted.is_visible()
        page.get_by_label("Model").select_option("mamba")
        assert not attention.is_visible() and not weighted.is_visible()
        assert page.locator("summary", has_text="Measures: divergence").count() == 1
        assert "attention" not in page.locator("summary", has_text="Measures:").text_content()
        ask(page, prompt="w5 w9 w7", tokens=2)
        assert finished(page).startswith("Done: 2 tokens")
        assert page.locator(".tokens .answer").count() == 2
        assert page.locator(".tokens button").count() == 0  # nothing to be seen behind a token
        page.get_by_label("Model").select_option("tiny")
        assert attention.is_visible() and attention.is_checked()
        context.close()
