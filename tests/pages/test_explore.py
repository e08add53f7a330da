"""Maps in a notebook: the state of the widget, and its script in a real browser."""

from __future__ import annotations

import base64
import builtins
import io
import json

import numpy as np
import pytest
from PIL import Image

import layergram as lg
from layergram import notebook
from layergram.export import page_data

MEASURES = ("divergence", "attention_received", "settling_depth")
STUB = """(state) => {
    const listeners = {};
    return {
        get: (name) => state[name],
        set: (name, value) => { state[name] = value; },
        save_changes: () => {},
        on: (name, call) => { (listeners[name] ??= []).push(call); },
        off: (name, call) => { listeners[name] = listeners[name].filter((one) => one !== call); },
        receive: (name, value) => {
            state[name] = value;
            for (const call of listeners[`change:${name}`] ?? []) call();
        },
        listening: () => Object.values(listeners).flat().length,
    };
}"""


@pytest.fixture(scope="module")
def steps(tiny):
    """The states of an explorer while a tiny model generates, and the maps in the end."""
    view = lg.explore()
    states = []
    for step in lg.stream(
        tiny, prompt="One two three", measures=MEASURES, run=lg.Run(max_new_tokens=6)
    ):
        view.append(step)
        states.append(json.loads(json.dumps(sent(view))))
        final = step.maps
    return states, final


def sent(view):
    """What a notebook is sent of a widget."""
    state = view.widget.get_state()
    return {name: state[name] for name in ("data", "step", "pin")}


def alike(one, other):
    """Whether two pictures are the same but for the smoothing of letters."""
    arrays = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))
        for url in (one, other)
    ]
    if arrays[0].shape != arrays[1].shape:
        return False
    return (np.abs(arrays[0].astype(int) - arrays[1]).max(axis=2) > 60).mean() < 0.002


def test_the_state_is_the_data_of_a_page_and_comes_back_as_sent(steps):
    _, final = steps
    view = lg.explore(final, colours="cividis")
    state = sent(view)
    assert json.loads(json.dumps(state)) == state
    assert state["data"] == page_data(
        {str(name): final[name] for name in final}, style=lg.Style(colours="cividis")
    )
    view.widget.set_state({"pin": {"map": "divergence", "labels": {"layer": 2, "token": 1}}})
    assert view.pin == {"map": "divergence", "labels": {"layer": 2, "token": 1}}
    view.show(final["divergence"])
    assert [one["name"] for one in view.widget.data["maps"]] == ["divergence"]


def test_steps_fill_a_widget_as_the_finished_maps_do(served, steps):
    states, final = steps
    esm = lg.explore().widget._esm
    served.route(
        "http://maps.test/esm.js",
        lambda route: route.fulfill(body=str(esm), content_type="text/javascript; charset=utf-8"),
    )
    served.evaluate(
        f"""async () => {{
            const {{ default: make }} = await import("./esm.js");
            const here = document.getElementById("here");
            window.picture = async () => {{
                await new Promise((done) => setTimeout(done, 400));
                return here.querySelector("canvas").toDataURL();
            }};
            window.begin = async (data) => {{
                const model = ({STUB})({{ data, step: {{}}, pin: null }});
                const widget = make();
                await widget.initialize?.({{ model }});
                window.model = model;
                window.again = () => widget.render({{ model, el: here }});
                window.end = await window.again();
            }};
        }}"""
    )
    served.evaluate("(data) => begin(data)", {"title": None, "maps": []})
    known = begun = None
    for state in states:
        if state["data"] != known:
            served.evaluate("(data) => model.receive('data', data)", state["data"])
            known = state["data"]
            begun = served.evaluate("picture()")
        else:
            served.evaluate("(step) => model.receive('step', step)", state["step"])
    streamed = served.evaluate("picture()")
    assert not alike(streamed, begun)
    served.locator("canvas").first.focus()
    served.keyboard.press("Enter")
    pin = served.evaluate("model.get('pin')")
    assert pin["map"] == "divergence" and pin["labels"]["token"] == 0
    assert "no value" in served.locator("output").inner_text()  # nothing predicts it
    served.keyboard.press("Escape")
    served.evaluate("async () => { end(); document.getElementById('here').replaceChildren(); }")
    served.evaluate("async () => { window.end = await again(); }")  # a second view of it
    assert alike(served.evaluate("picture()"), streamed)
    served.evaluate("() => { end(); document.getElementById('here').replaceChildren(); }")
    assert served.evaluate("model.listening()") == 2  # those of the widget, not of its views
    served.evaluate("(data) => begin(data)", page_data({str(n): final[n] for n in final}))
    assert alike(served.evaluate("picture()"), streamed)
    served.evaluate("() => { end(); document.getElementById('here').replaceChildren(); }")


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.partition(".")[0] == "anywidget":
            raise ImportError(name=name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    notebook._widget_class.cache_clear()
    with pytest.raises(lg.LayergramError, match=r"anywidget(.|\n)*layergram\[notebook\]"):
        lg.explore()
    monkeypatch.undo()
    notebook._widget_class.cache_clear()


def test_what_is_no_map_is_refused():
    with pytest.raises(lg.LayergramError, match="ndarray"):
        lg.explore(np.zeros((2, 2)))
