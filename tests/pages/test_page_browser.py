"""A page in a real browser: what a reader points at, types and downloads."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from PIL import Image

from layergram import figures, maps
from layergram.export import save_page

SCRIPT = "</script ><!-- <script>window.hurt = 1</script ><img src=x onerror='window.hurt=1'>"


@pytest.fixture
def opened(browser, tmp_path):
    """Open maps as a page; in the end nothing was complained of and nothing was fetched."""
    troubles, pages = [], []

    def show(arrays, *, style=None, **options):
        path = save_page(arrays, tmp_path / "page.html", style=style)
        page = browser.new_page(viewport={"width": 1000, "height": 900}, **options)
        pages.append(page)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:"))
                else troubles.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("#page[data-ready]")
        return page

    yield show
    for page in pages:
        page.close()
    assert not troubles


def example(**attrs):
    values = np.random.default_rng(3).random((6, 5)).astype(np.float32)
    texts = ["The", ' "cat"', " sat,", "\n", SCRIPT]
    array = maps.make(
        values,
        ("layer", "token"),
        measure="weight",
        coords={
            "token_text": ("token", texts),
            "low": (("layer", "token"), values - np.float32(0.25)),
            "high": (("layer", "token"), values + np.float32(0.25)),
        },
    )
    array.attrs.update(attrs)
    return array


def said_value(text, label):
    return float(text.split(f"{label}: ")[1].split(" ")[0].replace("−", "-"))


def test_the_pinned_cell_has_the_value_of_the_array(opened):
    array = example()
    page = opened(array)
    page.locator("canvas").first.focus()
    page.keyboard.press("Enter")
    readout = page.locator("output")
    layer, token = 0, 0
    rows = []
    for key in ("", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowUp", "ArrowLeft"):
        if key:
            page.keyboard.press(key)
        text = readout.inner_text()
        layer = array.layer.values.tolist().index(int(text.split("layer ")[1].split(" ")[0]))
        token = int(text.split("token ")[1].split(":")[0])
        rows.append((layer, token))
        cell = array.values[layer, token]
        assert said_value(text, array.attrs["long_name"]) == pytest.approx(cell, rel=1e-3)
        assert said_value(text, "interval") == pytest.approx(cell - 0.25, rel=1e-3, abs=1e-4)
    assert len(set(rows)) >= 4
    page.keyboard.press("Escape")
    assert readout.inner_text() == ""


def test_the_pointer_reads_a_cell_and_a_click_pins_it(opened):
    page = opened(example())
    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 70)
    tip = page.locator(".tip")
    assert tip.is_visible()
    page.mouse.down()
    page.mouse.up()
    assert page.locator("output").inner_text().split(" · ") == tip.inner_text().split("\n")
    assert page.locator("canvas").nth(1).is_visible()


@pytest.mark.parametrize(
    ("scale", "limits"),
    [("linear", None), ("log", None), ("diverging", None), ("diverging", (-0.5, 0.2))],
)
def test_cells_have_the_colours_of_the_figure(opened, scale, limits):
    values = np.random.default_rng(1).random((4, 6)) + 0.1
    array = maps.make(values - (0.6 if scale == "diverging" else 0), ("layer", "head"), measure="w")
    style = figures.Style(scale=scale, limits=limits)
    planned = figures.plan(array, style=style).scales[0]
    ends = {"vmin": planned.low, "vmax": planned.high}
    norm = {
        "linear": lambda: Normalize(**ends),
        "log": lambda: LogNorm(**ends),
        "diverging": lambda: Normalize(**ends),
    }[scale]()
    wanted = ListedColormap(planned.colours)(norm(array.values), bytes=True)[..., :3]
    page = opened(array, style=style)
    tip = page.locator(".tip")
    box = page.locator("canvas").first.bounding_box()
    painted = pixels(page)
    found = set()
    for y in range(36, 270, 30):
        for x in range(60, int(box["width"]) - 100, 70):
            page.mouse.move(box["x"] + x, box["y"] + y)
            if tip.is_hidden():
                continue
            text = tip.inner_text().split("\n")
            cell = array.layer.values.tolist().index(int(text[0][6:])), int(text[1][5:])
            found.add(cell)
            near = painted[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3).tolist()
            assert wanted[cell].tolist() in near  # the point itself may be on a border
    assert len(found) == array.size


def test_the_pin_stands_where_it_was_put_in_every_panel(opened):
    values = np.arange(24.0).reshape(2, 4, 3)
    array = maps.make(values, ("function", "layer", "head"), measure="weight")
    page = opened(array)
    canvas = page.locator("canvas").first
    box = canvas.bounding_box()
    for panel, x in enumerate((0.2, 0.7)):
        x, y = int(box["width"] * x), 50
        page.mouse.click(box["x"] + x, box["y"] + y)
        page.wait_for_timeout(100)
        text = page.locator("output").inner_text().split(" · ")
        layer = array.layer.values.tolist().index(int(text[1].removeprefix("layer ")))
        head = int(text[2].removeprefix("head "))
        assert float(text[3].split(": ")[1]) == values[panel, layer, head]
        ys, xs = np.nonzero((pixels(page) == (0x0B, 0x57, 0xD0)).all(axis=2))
        assert xs.min() < x < xs.max() and ys.min() < y < ys.max()


def test_zoom_shows_fewer_columns_and_0_shows_all(opened):
    array = maps.make(
        np.random.default_rng(0).random((3, 40)), ("layer", "token"), measure="weight"
    )
    page = opened(array)
    canvas = page.locator("canvas").first
    box = canvas.bounding_box()

    def right_end():
        page.wait_for_timeout(60)
        page.mouse.move(box["x"] + box["width"] - 110, box["y"] + 70)
        return int(page.locator(".tip").inner_text().split("token ")[1].split("\n")[0])

    assert right_end() >= 38
    canvas.focus()
    for _ in range(4):
        page.keyboard.press("+")
    assert right_end() < 30
    page.keyboard.press("0")
    assert right_end() >= 38


def test_a_sentence_lights_its_cells_up(opened):
    page = opened(example())
    canvas = page.locator("canvas").first
    shown = canvas.evaluate("canvas => canvas.toDataURL()")
    button = page.locator("ul.words button").first
    button.click()
    page.wait_for_timeout(100)
    assert button.get_attribute("aria-pressed") == "true"
    assert canvas.evaluate("canvas => canvas.toDataURL()") != shown
    button.click()
    page.wait_for_timeout(100)
    assert canvas.evaluate("canvas => canvas.toDataURL()") == shown


def test_the_downloaded_table_is_the_array(opened, tmp_path):
    array = example()
    page = opened(array)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    waiting.value.save_as(tmp_path / "back.csv")
    back = maps.read(tmp_path / "back.csv")
    assert back.dims == array.dims
    np.testing.assert_array_equal(back.values, array.values)
    for name in ("token_text", "low", "high"):
        np.testing.assert_array_equal(back[name].values, array[name].values)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="PNG").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_table_view_has_every_value(opened):
    array = example()
    page = opened(array)
    page.get_by_text("Table of the values").click()
    page.locator("caption").wait_for()
    cells = [float(text) for text in page.locator("table td").all_inner_texts() if text[:2] == "0."]
    np.testing.assert_allclose(cells[: array.size], array.values.ravel(), rtol=1e-3)


def test_script_in_texts_and_attributes_is_harmless(opened):
    page = opened({SCRIPT: example(model=SCRIPT, long_name=SCRIPT), "other": example()})
    page.get_by_text("Notes and legend").click()
    page.get_by_text("Table of the values").click()
    page.locator("canvas").first.focus()
    page.keyboard.press("Enter")
    assert SCRIPT in page.locator("output").inner_text()
    assert page.evaluate("window.hurt") is None
    assert page.locator("img").count() == 0


def pixels(page):
    """What stands on the large canvas: rows × columns of red, green, blue."""
    page.wait_for_timeout(100)
    picture = page.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
    data = base64.b64decode(picture.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def rgb(colour):
    return tuple(bytes.fromhex(colour[1:]))


def test_limits_kind_and_sinks_of_the_scale_can_be_changed(opened):
    """Two rows of four columns, the first a sink; colours are those of a norm of matplotlib."""
    values = np.array([[8, 0.02, 0.1, 0.4], [9, 0.04, 0.2, 0.3]])
    array = maps.make(values, ("layer", "token"), measure="w", valid_min=0)
    planned = figures.plan(array).scales[0]
    assert planned.above == 2  # the figure leaves the sink off its scale as well
    page = opened(array)
    width = page.locator("canvas").first.bounding_box()["width"]

    def wanted(norm):
        return [rgb(planned.colours[min(255, int(norm(v) * 256))]) for v in values[1, 1:]]

    def shown():  # the upper row is the last layer
        row = pixels(page)[60]
        return [tuple(row[int(75 + (width - 180) * (at + 0.5) / 4)].tolist()) for at in (1, 2, 3)]

    assert shown() == wanted(Normalize(planned.low, planned.high))
    page.get_by_label("sinks off the scale").uncheck()
    kept = figures.plan(array, style=figures.Style(first_token="keep")).scales[0]
    assert kept.high > 8
    assert shown() == wanted(Normalize(kept.low, kept.high))
    page.get_by_label("sinks off the scale").check()
    page.get_by_label("scale", exact=True).select_option("log")
    log = figures.plan(array, style=figures.Style(scale="log")).scales[0]
    assert shown() == wanted(LogNorm(log.low, log.high))
    page.get_by_label("scale", exact=True).select_option("linear")
    page.get_by_label("to", exact=True).fill("1.5")
    page.get_by_label("to", exact=True).press("Enter")
    assert shown() == wanted(Normalize(planned.low, 1.5))
    page.get_by_label("colours from").fill("2")
    page.get_by_label("colours from").press("Enter")
    assert page.get_by_label("colours from").get_attribute("aria-invalid") == "true"
    assert shown() == wanted(Normalize(planned.low, 1.5))
    page.get_by_role("button", name="Reset colours").click()
    assert shown() == wanted(Normalize(planned.low, planned.high))


def test_the_text_has_the_colours_of_the_chosen_layer_or_of_where_it_settles(opened):
    array = example()
    depth = maps.make(
        np.array([2, 6, 4, 3, 5]), ("token",), measure="settling_depth", units="layer",
        coords={"token_text": ("token", array["token_text"].values)}, layers=6, valid_min=1,
    )  # fmt: skip
    page = opened({"weight": array, "settling_depth": depth})
    scale = figures.plan(array).scales[0]
    tokens = page.locator(".tinted span")
    texts = tokens.evaluate_all("spans => spans.map((span) => span.textContent)")
    assert texts == array["token_text"].values.tolist()

    def colours():
        page.wait_for_timeout(100)
        found = tokens.evaluate_all("s => s.map((one) => getComputedStyle(one).backgroundColor)")
        return [tuple(int(part) for part in one[4:-1].split(",")) for one in found]

    for layer in (2, 5):
        page.get_by_label("colour of the tokens").select_option(label=f"layer {layer}")
        norm = Normalize(scale.low, scale.high)
        row = norm(array.sel(layer=layer).values)
        assert colours() == [rgb(scale.colours[min(255, int(v * 256))]) for v in row]
    page.get_by_label("colour of the tokens").select_option(label="the layer where it settles")
    light = [sum(colour) for colour in colours()]
    assert np.argsort(light).tolist() == np.argsort(-depth.values).tolist()
    tokens.nth(2).click()
    assert "token 2" in page.locator("output").inner_text()


def test_the_drawing_to_download_has_every_label_and_the_cells(opened, tmp_path):
    array = maps.make(
        np.random.default_rng(3).random((6, 5)), ("layer", "head"), measure="weight",
        long_name=SCRIPT,
    )  # fmt: skip
    page = opened(array)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="SVG").click()
    drawing = ElementTree.parse(waiting.value.path()).getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = [node.text for node in drawing.iter(f"{space}text")]
    planned = figures.plan(array)
    for tick in (*planned.scales[0].ticks, *planned.panels[0].x.ticks):
        assert tick.label in texts
    assert not list(drawing.iter(f"{space}script"))
    (cells,) = drawing.iter(f"{space}image")
    picture = Image.open(io.BytesIO(base64.b64decode(cells.get("href").split(",")[1])))
    norm = Normalize(planned.scales[0].low, planned.scales[0].high)
    colours = ListedColormap(planned.scales[0].colours)(norm(array.values), bytes=True)[..., :3]
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), colours[::-1])


def test_another_map_is_chosen(opened):
    first, second = example(), example()
    second.values[:] = 7
    page = opened({"first": first, "second": second}, color_scheme="dark")
    page.get_by_role("combobox", name="map").select_option(label="second")
    page.locator("canvas").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert said_value(page.locator("output").inner_text(), second.attrs["long_name"]) == 7


def test_the_name_of_the_picture_says_what_kind_it_is(opened):
    depths = maps.make(np.arange(1.0, 6.0), ("token",), measure="settling_depth", layers=6)
    bins = {"bin": [1, 2, 3], "bin_score": ("bin", [0.1, 0.2, 0.6])}
    right = maps.make([0.2, 0.5, 0.9], ("bin",), measure="accuracy", coords=bins)
    page = opened({"weight": example(), "depth": depths, "right": right})
    kinds = {"weight": "heatmap", "depth": "bar chart", "right": "line chart"}
    for name, kind in kinds.items():
        page.get_by_role("combobox", name="map").select_option(label=name)
        page.locator(f"canvas[aria-label$=': {kind}; the table below has its values']").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_accessibility_checker_finds_nothing_serious(opened, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    array = example()
    bars = maps.make(
        np.arange(1.0, 6.0), ("token",), measure="settling_depth", units="layer", layers=6,
        coords={"token_text": ("token", array["token_text"].values)}, valid_min=1,
    )  # fmt: skip
    page = opened({"weight": array, "depth": bars}, color_scheme=scheme)
    page.get_by_text("Notes and legend").click()
    page.get_by_text("Table of the values").click()
    for name in ("weight", "depth"):
        page.get_by_role("combobox", name="map").select_option(label=name)
        page.locator("canvas").first.focus()
        page.keyboard.press("Enter")
        page.locator("ul.words button").first.click()
        page.wait_for_timeout(100)
        found = axe.Axe().run(page)
        serious = [
            (one["id"], [node["html"][:200] for node in one["nodes"]])
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious
        assert len(found.response["passes"]) > 15  # it has looked
