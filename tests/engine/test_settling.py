"""Settling depths by bounds: never above the divergence, and the depths of the exact one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

import layergram as lg
import zoo
from layergram.engine.lens import LogitLens
from layergram.engine.lens_views import LensReader, LensRow
from layergram.engine.run import read
from layergram.engine.settling import count_cells, least_divergence, settle
from layergram.measures.lens import divergence, settling_depth
from layergram.models.load import load
from layergram.models.parts import Readout

LAYERS, ROUNDING = 7, 1e-5
SHAPES = ["random", "flat", "peaked", "near", "planted"]
READOUTS = {
    "plain": {},
    "biased": {"bias": True},
    "scaled": {"scale": 0.125},
    "capped": {"cap": 5.0, "bias": True},
    "bfloat16": {"dtype": torch.bfloat16},
    "bfloat16 biased": {"dtype": torch.bfloat16, "bias": True},
}


class Depths:
    """Keeps what settles in a sequence, and where asked for also the exact divergences."""

    def __init__(self, thresholds, needs="settling"):
        self.thresholds, self.needs = thresholds, (needs,)
        self.settled, self.exact = [], {}

    def take(self, view):
        if self.needs == ("settling",):
            self.settled.append(view.settle(self.thresholds))
        else:
            self.exact.setdefault(view.layer, []).append(divergence(view))

    def depths(self):
        return torch.cat([part.layers for part in self.settled], dim=-1).numpy()

    def divergence(self):
        return torch.stack([torch.cat(parts) for _, parts in sorted(self.exact.items())]).numpy()


class OneModel:
    """What the reader of lenses wants of a model."""

    def __init__(self, readout):
        self.parts = type("Parts", (), {"readout": readout})
        self.name, self.dtype, self.device = "made up", torch.float32, torch.device("cpu")


def readout_of(kind, *, vocabulary, width, seed):
    given = {"bias": False, "scale": 1.0, "cap": None, "dtype": torch.float32} | READOUTS[kind]
    torch.manual_seed(seed)
    unembedding = torch.nn.Linear(width, vocabulary, bias=given["bias"]).to(given["dtype"])
    return Readout((), unembedding, given["scale"], given["cap"], vocabulary, given["dtype"])


def streams_of(shape, readout, *, tokens, seed):
    """Streams [L + 1, 1, tokens, width] that come near the last one in different ways."""
    random = torch.Generator().manual_seed(seed)
    width = readout.unembedding.in_features
    h = torch.randn(LAYERS + 1, 1, tokens, width, generator=random)
    if shape == "flat":
        return h * 0.3
    if shape == "peaked":
        return h * 20
    if shape == "near":  # every layer near the last one
        return h[-1:] * 4 + h * torch.linspace(2, 0.01, LAYERS + 1)[:, None, None, None]
    if shape == "planted":  # the stream of the last layer from a drawn layer on
        settles = torch.randint(1, LAYERS + 1, (tokens,), generator=random)
        later = torch.arange(LAYERS + 1)[:, None] >= settles
        return torch.where(later[:, None, :, None], h[-1:], h) * 8
    return h * 5


def both(reader, streams, thresholds):
    """Depths by bounds and the exact divergences, from one reader."""
    ids = torch.zeros(streams.shape[2], dtype=torch.long)
    by_bound, exact = Depths(thresholds), Depths(thresholds, "lens")
    with torch.inference_mode():
        reader.hand_on_settling(list(streams), 0, [LensRow(0, ids, [by_bound])])
        reader.hand_on(list(streams), 0, [LensRow(0, ids, [exact])])
    return by_bound, exact.divergence()


def assert_depths(found, values, thresholds, *, rounding=ROUNDING):
    """The depths are those of the divergences, wherever rounding does not decide."""
    for own, g in zip(found, thresholds, strict=True):
        low, high = (settling_depth(values, g=g + off) for off in (rounding, -rounding))
        assert (low <= own).all() and (own <= high).all(), g


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.1, 2.0, 10.0, 60.0]),
    st.sampled_from([0.0, 0.01, 0.3]),
)
def test_the_bound_is_never_above_the_divergence(seed, spread, off):
    """Against scipy in float64, for logits that are wrong by as much as is admitted."""
    draws = np.random.default_rng(seed)
    n, vocabulary = 5, 300
    a = draws.normal(size=(n, vocabulary)) * spread
    b = a * draws.uniform(0, 1.5) + draws.normal(size=a.shape) * draws.choice([0, 0.1, 1, spread])
    p, q = (np.exp(x - x.max(1, keepdims=True)) for x in (a, b))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    tokens = np.argsort(-p.sum(0))[: draws.integers(1, vocabulary + 1)]
    seen = b[:, tokens] + draws.uniform(-off, off, (n, len(tokens)))
    bound, guess = least_divergence(
        torch.tensor(p[:, tokens]).float().clamp(min=1e-37),
        torch.tensor(seen).float(),
        torch.full((n,), off + 1e-6 * spread),
    )
    expected = [jensenshannon(*rows, base=2) ** 2 for rows in zip(p, q, strict=True)]
    assert (bound.numpy() <= np.nan_to_num(expected) + ROUNDING).all()
    assert guess.isfinite().all() and bound.isfinite().all()


def test_the_bound_of_all_tokens_is_near_the_divergence_and_of_few_tokens_not_far():
    draws = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 20, 400, generator=draws, dtype=torch.float64) * 4
    p, q = a.softmax(-1), b.softmax(-1)
    expected = [jensenshannon(*rows, base=2) ** 2 for rows in zip(p, q, strict=True)]
    tokens = (p + q).sum(0).argsort(descending=True)
    for count, least in ((400, 0.93), (150, 0.4)):
        some, nothing = tokens[:count], torch.zeros(20)
        bound, _ = least_divergence(p[:, some].float(), b[:, some].float(), nothing)
        assert (bound.numpy() >= least * np.array(expected)).all()


@given(
    st.integers(0, 10**6),
    st.sampled_from(SHAPES),
    st.sampled_from(list(READOUTS)),
    st.lists(st.sampled_from([0.0, 1e-6, 0.05, 0.3, 0.5, 0.7, 0.95, 1.0]), min_size=1, unique=True),
)
def test_depths_are_those_of_the_exact_divergence(seed, shape, kind, thresholds):
    readout = readout_of(kind, vocabulary=1500, width=24, seed=seed)
    streams = streams_of(shape, readout, tokens=9, seed=seed)
    reader = LensReader(OneModel(readout), None)
    found, values = both(reader, streams, tuple(thresholds))
    assert_depths(found.depths(), values, thresholds)
    counts = count_cells(found.settled, LAYERS)
    assert sum(counts.values()) == 9 * (LAYERS - 1) and min(counts.values()) >= 0


def test_most_cells_are_certified_where_layers_are_far_from_the_last():
    readout = readout_of("plain", vocabulary=5000, width=32, seed=0)
    streams = streams_of("planted", readout, tokens=40, seed=0) * 2
    found, values = both(LensReader(OneModel(readout), None), streams, (0.5,))
    assert_depths(found.depths(), values, (0.5,))
    counts = count_cells(found.settled, LAYERS)
    above = (np.minimum.accumulate(values, axis=0)[:-1] > 0.5).sum()
    assert counts["cells_certified"] > 0.9 * above
    assert counts["cells_exact"] < 80


def test_a_threshold_that_a_divergence_equals_counts_as_reached():
    readout = readout_of("plain", vocabulary=1500, width=24, seed=1)
    streams = streams_of("near", readout, tokens=9, seed=1)
    reader = LensReader(OneModel(readout), None)
    values = both(reader, streams, (0.5,))[1]
    cells = torch.tensor(values[:-1])
    for g in values[2]:
        settled = settle(
            cells - 0.2, cells, (float(g),), lambda layers, positions: cells[layers, positions]
        )
        assert settled.layers[0].tolist() == settling_depth(values, g=float(g)).tolist()


def test_a_divergence_that_is_not_a_number_has_no_depth_and_ends_the_search():
    values = np.full((4, 3), 0.9, dtype=np.float32)
    values[1, 1], values[2:, 2] = np.nan, 0.1
    cells = torch.tensor(values[:-1])
    nothing = torch.full_like(cells, torch.nan)  # a bound that is none certifies nothing
    settled = settle(nothing, nothing, (0.5,), lambda layers, positions: cells[layers, positions])
    np.testing.assert_array_equal(settled.layers[0], settling_depth(values))
    assert settled.certified.sum() == 0


def test_a_model_of_one_layer_settles_there():
    readout = readout_of("plain", vocabulary=1500, width=24, seed=6)
    streams = streams_of("random", readout, tokens=9, seed=6)[:2]
    found, values = both(LensReader(OneModel(readout), None), streams, (0.0, 0.5))
    assert values.shape == (1, 9) and (found.depths() == 1).all()
    assert set(count_cells(found.settled, 1).values()) == {0}


def test_a_guess_that_misleads_costs_work_and_changes_nothing():
    draws = np.random.default_rng(0)
    values = draws.random((12, 50)).astype(np.float32)
    values[-1] = 0
    cells = torch.tensor(values[:-1])
    for guess in (1 - cells, cells * 0, cells * 0 + 9, cells * torch.nan):
        settled = settle(
            cells - 0.1, guess, (0.3, 0.1), lambda layers, positions: cells[layers, positions]
        )
        for own, g in zip(settled.layers, (0.3, 0.1), strict=True):
            assert own.tolist() == settling_depth(values, g=g).tolist()


class Doubled(LogitLens):
    """A lens that reads the stream doubled."""

    def transform(self, h, layer):
        return 2 * h


class Opaque:
    """A lens of which nothing but its whole logits is known."""

    def __init__(self, readout):
        self.inner = LogitLens(readout)

    def transform(self, h, layer):
        return h

    def logits(self, h, *, out=None):
        return self.inner.logits(h, out=out)


@pytest.mark.parametrize("lens", [Doubled, Opaque])
def test_other_lenses(lens):
    readout = readout_of("plain", vocabulary=1500, width=24, seed=2)
    streams = streams_of("planted", readout, tokens=9, seed=2)
    found, values = both(LensReader(OneModel(readout), lens(readout)), streams, (0.2, 0.5))
    assert_depths(found.depths(), values, (0.2, 0.5))
    certified = count_cells(found.settled, LAYERS)["cells_certified"]
    assert (certified == 0) == (lens is Opaque)


def test_a_hooked_unembedding_and_short_products_are_read_exactly():
    readout = readout_of("plain", vocabulary=1500, width=24, seed=3)
    tokens = torch.arange(70)
    assert readout.of_tokens(tokens) is not None
    torch.set_float32_matmul_precision("medium")
    try:
        assert readout.of_tokens(tokens) is None
    finally:
        torch.set_float32_matmul_precision("highest")
    hook = readout.unembedding.register_forward_hook(lambda module, given, made: made * 3)
    streams = streams_of("planted", readout, tokens=9, seed=3)
    found, values = both(LensReader(OneModel(readout), None), streams, (0.5,))
    assert_depths(found.depths(), values, (0.5,))
    assert count_cells(found.settled, LAYERS)["cells_certified"] == 0
    hook.remove()


@pytest.mark.parametrize("kind", READOUTS)
def test_logits_of_some_tokens_are_within_what_they_say(kind):
    readout = readout_of(kind, vocabulary=900, width=48, seed=4)
    h, tokens = torch.randn(30, 48) * 10, torch.arange(0, 900, 7)
    with torch.inference_mode():
        whole = readout.logits(h, out=torch.empty(30, 900))[:, tokens]
        some, off = readout.of_tokens(tokens).logits(h)
    assert ((whole - some).abs() <= off[:, None]).all()
    assert (off < (0.2 if readout.dtype == torch.bfloat16 else 1e-3)).all()


def test_a_stream_that_is_not_finite_is_refused():
    readout = readout_of("plain", vocabulary=1500, width=24, seed=5)
    streams = streams_of("random", readout, tokens=9, seed=5)
    streams[2, 0, 4] = torch.nan
    with pytest.raises(lg.LayergramError, match="the lens after layer 1 or a later one"):
        both(LensReader(OneModel(readout), None), streams, (0.5,))


TYPES = ["llama", "gemma2", "gpt2", "cohere", "granite"]


@pytest.mark.parametrize("model_type", TYPES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_models_batches_and_chunks(model_type, dtype):
    """Capped, scaled, tied and biased unembeddings; chunks of one; several texts at a time."""
    model = zoo.model(model_type)
    model.network.to(getattr(torch, dtype))
    if dtype == "bfloat16":
        part = replace(model.parts, readout=replace(model.parts.readout, dtype=torch.bfloat16))
        object.__setattr__(model, "parts", part)
    texts = [
        [2 + (at * i * 7919) % (zoo.VOCABULARY - 2) for i in range(1, 20 - 5 * at)] for at in (1, 2)
    ]
    for chunk in (64, 1):
        exact = [Depths((), "lens") for _ in texts]
        for _ in read(model, texts, [[each] for each in exact], chunk=chunk):
            pass
        values = [each.divergence() for each in exact]
        middle = float(np.median(np.concatenate([v[:-1].ravel() for v in values])))
        thresholds = (middle, 0.5)
        found = [Depths(thresholds) for _ in texts]
        for _ in read(model, texts, [[each] for each in found], chunk=chunk):
            pass
        for own, v in zip(found, values, strict=True):
            # products of other shapes round otherwise
            rounding = ROUNDING if dtype == "float32" else 2e-3
            assert_depths(own.depths(), v, thresholds, rounding=rounding)


def test_the_map_alone_equals_the_map_beside_the_divergence(tiny):
    text = "The sum of 8 and 5 is 13, and the capital of France is Paris."
    maps = lg.trace(tiny, text, measures=["divergence"])
    g = float(np.nanmedian(maps["divergence"].values[:-1])) + 1e-7
    alone = lg.trace(tiny, text, measures=["settling_depth"], options={"g": g})
    beside = lg.trace(tiny, text, measures=["divergence", "settling_depth"], options={"g": g})
    assert list(alone) == ["settling_depth"]
    np.testing.assert_array_equal(alone["settling_depth"], beside["settling_depth"])
    own, other = alone["settling_depth"].attrs, beside["settling_depth"].attrs
    counts = {key: own[key] for key in own.keys() - other.keys()}
    assert sum(counts.values()) == alone.sizes["token"] * (tiny.layers - 1)
    assert set(counts) == {"cells_certified", "cells_exact", "cells_not_needed"}
    same = other.keys() - {"created"}
    assert {key: own[key] for key in same} == {key: other[key] for key in same}


@pytest.mark.slow
def test_the_embedded_model(smollm2):
    text = "Settling depth says at which layer a token is as good as decided. Is it 12 or 17?"
    g = (0.3, 0.5, 0.7)
    model = load(smollm2.model, tokenizer=smollm2.tokenizer)
    ids = model.tokenizer(text)["input_ids"]
    found, exact = Depths(g), Depths(g, "lens")
    for _ in read(model, [ids], [[found, exact]]):
        pass
    assert_depths(found.depths(), exact.divergence(), g)
    counts = count_cells(found.settled, model.layers)
    assert counts["cells_certified"] > counts["cells_exact"]
