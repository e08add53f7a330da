"""Columns that come while a page is shown, in a real browser that loads the modules as files."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from layergram import figures, maps
from layergram.export import page_columns, page_data

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
LAYERS = 30


def part_of_a_run(tokens, *, layers=LAYERS, whole=40, likely=False, **attrs):
    """The first tokens of a run of whose length nothing is known but `whole`, its last."""
    rng = np.random.default_rng(5)
    values = (rng.random((whole, layers)).astype(np.float32).T * 0.3)[:, :tokens]
    values[:, 0] += np.float32(5)  # a sink
    words = [f"w{at}" for at in range(tokens)]
    array = maps.make(
        np.ascontiguousarray(values),
        ("layer", "token"),
        measure="attention_received",
        coords={
            "token_text": ("token", words),
            "part": ("token", ["prompt"] * 8 + ["answer"] * (tokens - 8)),
            "top_token_text": (("layer", "token"), np.array([[w.upper() for w in words]] * layers)),
            **(
                {"top_tokens": (("layer", "token"), [[f"five {w}" for w in words]] * layers)}
                if likely
                else {}
            ),
        },
        valid_min=0,
    )
    array.attrs.update(attrs)
    return array


def mounted(served, arrays):
    return served.evaluate(
        """async (data) => {
            window.shown?.destroy();
            const { mount } = await import("./page.js");
            window.shown = await mount(document.getElementById("here"), data);
        }""",
        page_data(arrays),
    )


def last(array, count):
    positions = array.assign_coords(token=np.arange(array.sizes["token"]))
    return positions.isel(token=slice(array.sizes["token"] - count, None))


def frame(served):
    served.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def picture(served):
    served.wait_for_timeout(400)  # the scale of all columns comes when no more of them do
    frame(served)
    return served.locator("canvas").first.evaluate("canvas => canvas.toDataURL()")


def test_columns_that_came_are_drawn_as_those_of_a_finished_map(served):
    mounted(served, part_of_a_run(8))
    for count in range(9, 31):
        pieces = page_columns({"attention_received": last(part_of_a_run(count), 1)})
        served.evaluate("(pieces) => shown.append(pieces)", pieces)
    grown = picture(served)
    with served.expect_download() as waiting:
        served.get_by_role("button", name="CSV").click()
    table = waiting.value.path().read_bytes()
    mounted(served, part_of_a_run(30))
    assert picture(served) == grown  # limits, labels and the line before the answer as well
    with served.expect_download() as waiting:
        served.get_by_role("button", name="CSV").click()
    assert waiting.value.path().read_bytes() == table


def test_columns_that_changed_take_the_place_of_what_was_there(served):
    before = part_of_a_run(20)
    changed = last(part_of_a_run(22), 22) / 2
    mounted(served, before)
    served.evaluate(
        "(pieces) => shown.append(pieces)", page_columns({"attention_received": changed})
    )
    grown = picture(served)
    mounted(served, part_of_a_run(22).copy(data=changed.values))
    assert picture(served) == grown


def test_a_map_that_is_not_shown_gets_its_columns_too(served):
    one, two = part_of_a_run(10), part_of_a_run(10) + np.float32(1)
    mounted(served, {"one": one, "two": two.assign_attrs(one.attrs).rename("two")})
    served.evaluate(
        "(pieces) => shown.append(pieces)", page_columns({"two": last(part_of_a_run(12), 2)})
    )
    served.evaluate("() => shown.show('two')")
    served.locator("canvas").first.focus()
    served.keyboard.press("Enter")
    for _ in range(11):
        served.keyboard.press("ArrowRight")
    wanted = float(part_of_a_run(12).values[0, 11])
    text = served.locator("output").inner_text()
    assert "token 11: w11" in text and "W11" in text
    assert float(text.split("received: ")[1].split(" ")[0]) == pytest.approx(wanted, rel=1e-3)


def test_the_five_likeliest_are_said_until_there_are_too_many_cells(served):
    def told():
        served.locator("canvas").first.focus()
        served.keyboard.press("Escape")
        served.keyboard.press("Enter")
        for _ in range(10):
            served.keyboard.press("ArrowRight")
        return served.locator("output").inner_text()

    def came(count, **more):
        piece = page_columns({"attention_received": last(part_of_a_run(count, **more), 1)})
        served.evaluate("(pieces) => shown.append(pieces)", piece)

    mounted(served, part_of_a_run(10, likely=True))
    came(11, likely=True)
    assert "likeliest tokens: five w10" in told()
    came(12)
    assert "likeliest token: " in told() and "five" not in told()


def test_columns_that_do_not_fit_are_refused(served):
    mounted(served, part_of_a_run(10))
    other = page_columns({"attention_received": last(part_of_a_run(11, layers=3), 1)})
    with pytest.raises(playwright.Error, match="do not fit"):
        served.evaluate("(pieces) => shown.append(pieces)", other)
    with pytest.raises(playwright.Error, match='no map "other"'):
        served.evaluate("(pieces) => shown.append(pieces)", [{**other[0], "name": "other"}])


def test_what_is_pinned_is_told_and_stays_when_the_map_is_replaced(served):
    mounted(served, part_of_a_run(10))
    served.evaluate(
        """() => {
            window.pins = [];
            const here = document.getElementById("here");
            here.addEventListener("pin", (event) => pins.push(event.detail));
        }"""
    )
    served.locator("canvas").first.focus()
    served.keyboard.press("Enter")
    served.keyboard.press("ArrowRight")
    served.evaluate("(map) => shown.set(map)", page_data(part_of_a_run(12))["maps"][0])
    served.keyboard.press("Escape")
    pins = served.evaluate("pins")
    assert [pin and pin["labels"]["token"] for pin in pins] == [0, 1, 1, None]
    assert pins[1]["map"] == "attention_received" and 1 <= pins[1]["labels"]["layer"] <= LAYERS


def test_nothing_is_left_of_a_page_that_was_ended(served):
    mounted(served, part_of_a_run(10))
    served.evaluate("() => shown.destroy()")
    assert served.locator("#here").inner_html() == ""
    served.emulate_media(color_scheme="dark")
    served.set_viewport_size({"width": 800, "height": 900})
    frame(served)  # a listener that stayed would throw
    served.emulate_media(color_scheme="light")


COUNTED = """async (pieces) => {
    const counts = { calls: 0, pictures: 0 };
    const undo = [];
    const count = (owner, name, key) => {
        const plain = owner[name];
        owner[name] = function (...given) { counts[key] += 1; return plain.apply(this, given); };
        undo.push(() => { owner[name] = plain; });
    };
    const pen = CanvasRenderingContext2D.prototype;
    const strokes = ["fillRect", "strokeRect", "fillText", "fill", "stroke"];
    strokes.forEach((name) => count(pen, name, "calls"));
    count(pen, "drawImage", "pictures");
    for (const several of pieces) {
        several.forEach((piece) => shown.append(piece));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
    undo.forEach((one) => one());
    return counts;
}"""


def test_a_new_column_takes_little_script(served):
    """Counted: one picture for each frame, and no more strokes for more columns."""
    counted = {}
    for before in (60, 460):
        mounted(served, part_of_a_run(before, whole=501))
        frame(served)
        counts = range(before + 1, before + 21)
        pieces = [
            page_columns({"attention_received": last(part_of_a_run(count, whole=501), 1)})
            for count in counts
        ]
        pairs = [pieces[at : at + 2] for at in range(0, 20, 2)]  # two come within a frame
        counted[before] = served.evaluate(COUNTED, pairs)
    assert all(one["pictures"] < 15 for one in counted.values())  # 10, and where the columns rest
    assert counted[460]["calls"] < 1.5 * counted[60]["calls"]


def test_limits_and_ticks_follow_the_rule_of_the_figure(served):
    """Many small maps: what the page plans for columns that came is what the figure plans."""
    mounted(served, part_of_a_run(10))
    rng = np.random.default_rng(11)
    cases = []
    for at in range(60):
        ends = {} if at % 3 else {"valid_min": 0, "valid_max": float(rng.choice([1, 3, 1000]))}
        if at % 7 == 1:
            ends["valid_min"] = -1e9
        values = rng.random((3, 8)) ** rng.integers(1, 5) * 10.0 ** rng.integers(-6, 7)
        values -= (at % 5 == 2) * values.mean()
        if "valid_max" in ends and at % 7 != 1:
            values = np.clip(values, ends["valid_min"], ends["valid_max"])
        style = figures.Style(scale="log" if at % 4 == 3 and values.max() > 0 else "auto")
        array = maps.make(values, ("layer", "token"), measure="w", **ends)
        cases.append((array, style, page_data(array, style=style)["maps"][0]))
    found = served.evaluate(
        """async (given) => {
            const { unpackedMap } = await import("./data.js");
            const { scaleNow } = await import("./columns.js");
            return Promise.all(given.map(async (one) => {
                const { kind, low, high, ticks, colours } = scaleNow(await unpackedMap(one), {
                    kind: one.scale.kind, sinks: "off",
                });
                return { kind, low, high, ticks, colours };
            }));
        }""",
        [given for _, _, given in cases],
    )
    kinds = set()
    for (array, style, _), one in zip(cases, found, strict=True):
        scale = figures.plan(array, style=style).scales[0]
        kinds.add((scale.kind, scale.centre is not None and scale.high != -scale.low))
        assert (one["low"], one["high"]) == pytest.approx((scale.low, scale.high), rel=1e-12)
        assert [tick["label"] for tick in one["ticks"]] == [tick.label for tick in scale.ticks]
        # a colour half way between two of the palette may be either of them
        shown, drawn = (
            np.array([to_rgb(c) for c in all_]) for all_ in (one["colours"], scale.colours)
        )
        assert np.abs(shown - drawn).max() < 8 / 255
    assert {("log", False), ("linear", False), ("diverging", True)} <= kinds


def test_a_token_cannot_turn_the_direction_of_the_text_behind_it(served):
    texts = ["\u202eabc", "שלום", "\u2067x", "plain"]
    coords = {"token_text": ("token", texts)}
    array = maps.make(np.eye(2, 4), ("layer", "token"), measure="weight", coords=coords)
    mounted(served, array)
    found = served.locator("#here .tinted span").all_text_contents()
    assert found == ["U+202Eabc", "שלום", "U+2067x", "plain"]
