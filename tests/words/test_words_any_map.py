"""Any map can be described: axes, gaps, sizes and texts of every sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from markdown_it import MarkdownIt

from layergram import maps, words
from layergram.figures import plan
from layergram.words.names import Names

TEXTS = [
    "|",
    "*",
    "_",
    "`",
    "\\boxed{",
    "\\",
    "$x$",
    "<b>",
    "&amp;",
    "~~a~~",
    "你",
    "ال",
    "\n",
    " a",
    "[x](y)",
    "**b**",
]


@st.composite
def any_map(draw):
    dims = draw(
        st.lists(st.sampled_from(list(maps.DIMENSIONS)), min_size=1, max_size=3, unique=True)
    )
    shape = tuple(draw(st.integers(1, 9)) for _ in dims)
    kind = draw(st.sampled_from(["uniform", "constant", "huge", "tiny", "stepped", "any"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = {
        "uniform": lambda: rng.uniform(-1, 1, shape),
        "constant": lambda: np.full(shape, draw(st.sampled_from([0.0, -3.5, 1e9]))),
        "huge": lambda: rng.normal(0, 1e30, shape),
        "tiny": lambda: rng.uniform(0, 1e-20, shape),
        "stepped": lambda: np.cumsum(rng.integers(-1, 2, shape), axis=0).astype(float),
        "any": lambda: draw(hnp.arrays(np.float64, shape, elements=st.floats(-1e6, 1e6, width=32))),
    }[kind]()
    gaps = rng.uniform(size=shape) < draw(st.sampled_from([0.0, 0.1, 0.9]))
    if not gaps.all():
        values = np.where(gaps, np.nan, values)
    coords = {}
    for dim, size in zip(dims, shape, strict=True):
        if dim == "layer":
            coords[dim] = np.cumsum(rng.integers(1, 4, size))
        if maps.DIMENSIONS[dim].kind == "names":
            coords[dim] = [f"{TEXTS[at % len(TEXTS)]}{at}" for at in range(size)]
        if dim == "token":
            coords["token_text"] = (dim, rng.choice(TEXTS, size).tolist())
    extra = draw(st.sampled_from([{}, {"null_value": 0.0}, {"units": "bit"}, {"units": "%"}]))
    measure = draw(st.sampled_from(["noise", "divergence", "attention_received"]))
    return maps.make(values, dims, measure=measure, coords=coords, **extra)


@settings(max_examples=60, deadline=None)
@given(any_map())
def test_any_map_is_described_and_every_fact_holds(array):
    text = words.describe(array)
    assert text.startswith("# ") and text.endswith("\n") and "nan" not in text.lower().split()
    assert "\n" not in words.alt_text(array)
    for fact in words.facts(array):
        assert words.holds(array, fact), fact


def seen(markdown):
    """What a reader sees of Markdown: its text, and the cells of its tables."""
    found = []
    for block in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(markdown):
        for token in block.children or []:
            assert token.type in (
                "text",
                "text_special",
                "strong_open",
                "strong_close",
                "softbreak",
            ), token
        if block.type == "inline":
            found.append("".join(token.content for token in block.children))
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_is_shown_as_it_is(text):
    values = 0.1 + 0.01 * np.random.default_rng(0).uniform(size=(6, 4))
    values[2, 1] = 1.0
    coords = {"token_text": ("token", ["a", text, "b", text])}
    array = maps.make(values, ("layer", "token"), measure="value", coords=coords)
    shown = seen(words.describe(array))
    wanted = Names(array, "plain").one("token", 1)
    label = wanted.removesuffix(" (position 1)")
    assert f"{label} (1)" in shown
    assert f"A peak at layer 3: {wanted} with 1.00." in shown
    assert wanted in words.alt_text(array)


def test_unit_and_gaps_are_told():
    values = np.linspace(0, 1, 40).reshape(8, 5)
    values[:, 0] = np.nan
    array = maps.make(
        values, ("layer", "token"), measure="x", units="bit", missing="nothing predicts it"
    )
    text = words.describe(array)
    assert "1.00 bit" in text
    assert "8 cells of 40 (20 %) have no value; nothing at all is known of position 0." in text
    assert "The reason: nothing predicts it." in text


def test_caveat_closes_the_text():
    array = maps.make(
        [[0.1, 0.2]],
        ("layer", "token"),
        measure="x",
        definition="attention that a token receives",
        caveat="attention is not importance",
        references="a paper",
    )
    assert words.describe(array).endswith("\n\nAttention is not importance.\n")
    bare = maps.make([[0.1, 0.2]], ("layer", "token"), measure="x")
    assert "does not say what the numbers mean" in words.describe(bare)


def test_long_map_is_described_in_time_and_space():
    rng = np.random.default_rng(0)
    depth = rng.integers(3, 30, 4096)
    values = 1 / (1 + np.exp(np.arange(1, 31)[:, None] - depth))
    array = maps.make(values, ("layer", "token"), measure="divergence", units="bit")
    text = words.describe(array)
    assert len(text) < 9000
    assert "tokens settle (come down to 0.5) by layer" in text


@pytest.mark.parametrize("share", [0.6, 0.9, 1.0])
@pytest.mark.parametrize("size", [1.0, 1e10])
@pytest.mark.filterwarnings("error")
def test_maps_with_mostly_equal_cells_are_described_without_overflow(share, size):
    rng = np.random.default_rng(0)
    values = rng.normal(0, size, (12, 20))
    values[rng.random(values.shape) < share] = 5
    array = maps.make(
        values, ("layer", "token"), measure="m", long_name="m", valid_min=None, valid_max=None
    )
    assert "inf" not in words.describe(array) and "nan" not in words.describe(array)


@pytest.mark.parametrize(
    ("dims", "kind"),
    [(("token",), "Bar chart"), (("layer",), "Line plot"), (("layer", "token"), "Heatmap")],
)
def test_alt_text_names_the_kind_of_picture_that_is_drawn(dims, kind):
    array = maps.make(np.arange(4.0).reshape((4,) if len(dims) == 1 else (2, 2)), dims, measure="m")
    assert words.alt_text(array).startswith(f"{kind} of m ")
    panel = plan(array).panels[0]
    looks = {"bars": "Bar chart", "lines": "Line plot"}
    assert looks.get(getattr(panel, "look", ""), "Heatmap") == kind
