"""Measures of the lens on distributions written down by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from layergram.engine.prediction import Prediction
from layergram.engine.views import LensView
from layergram.measures import MEASURES
from layergram.models.parts import Readout

LENS_MEASURES = [name for name, record in MEASURES.items() if record.family == "lens"]
DISTRIBUTIONS = arrays(np.float64, (2, 50), elements=st.floats(-30, 30))


def view_of(logits, next_id=0):
    log_p = torch.log_softmax(torch.tensor(logits, dtype=torch.float32), dim=-1)
    here, final = (Prediction(rows, rows.amax(-1)) for rows in (log_p[:1], log_p[1:]))
    return LensView(1, 0, here, final, torch.tensor([next_id]))


def value(name, view):
    return float(MEASURES[name].function(view))


@given(DISTRIBUTIONS)
def test_lens_kl_is_the_relative_entropy_in_bits(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    expected = entropy(p[1], p[0], base=2)
    assert value("lens_kl", view_of(logits)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(DISTRIBUTIONS)
def test_divergence_is_the_squared_jensen_shannon_distance_in_bits(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    expected = jensenshannon(p[0], p[1], base=2) ** 2
    assert value("divergence", view_of(logits)) == pytest.approx(expected, abs=1e-5)


def test_divergence_reaches_its_ends():
    apart = np.array([[50.0, -50.0], [-50.0, 50.0]])
    assert value("divergence", view_of(apart)) == pytest.approx(1, abs=1e-6)
    assert value("divergence", view_of(apart[[0, 0]])) == 0


HEADS = {
    "plain": {},
    "biased": {"bias": True},
    "scaled": {"scale": 0.125},
    "capped": {"cap": 5.0, "bias": True},
    "bfloat16": {"dtype": torch.bfloat16},
}


@pytest.mark.parametrize("spread", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("head", HEADS)
def test_measures_of_a_large_vocabulary_are_those_in_float64(head, spread):
    """Rows that do not fill the cache evenly, from flat distributions to certain ones."""
    given = {"bias": False, "scale": 1.0, "cap": None, "dtype": torch.float32} | HEADS[head]
    torch.manual_seed(0)
    unembedding = torch.nn.Linear(16, 50_001, bias=given["bias"]).to(given["dtype"])
    readout = Readout((), unembedding, given["scale"], given["cap"], 50_001, given["dtype"])
    h, next_ids = torch.randn(2, 7, 16) * spread, torch.arange(7) * 7000 - 1
    with torch.no_grad():
        rows = [readout.logits(each, out=torch.empty(7, 50_001)) for each in h]
        # the model's own products are rounded where it is not in float32
        exact = given["dtype"] == torch.float32
        raw = unembedding.double()(h.double()) if exact else unembedding(h.bfloat16()).double()
    expected = raw * given["scale"]
    if given["cap"]:
        expected = given["cap"] * (expected / given["cap"]).tanh()
    log_q, log_p = expected.log_softmax(-1).numpy()
    q, p = np.exp(log_q), np.exp(log_p)
    view = LensView(1, 0, *map(Prediction, rows), next_ids)
    found = {name: MEASURES[name].function(view) for name in LENS_MEASURES}
    jsd = (
        entropy((p + q) / 2, base=2, axis=-1)
        - (entropy(p, base=2, axis=-1) + entropy(q, base=2, axis=-1)) / 2
    )
    np.testing.assert_allclose(found["divergence"], jsd, atol=1e-5)
    np.testing.assert_allclose(
        found["lens_entropy"], entropy(q, base=2, axis=-1), rtol=1e-6, atol=1e-5
    )
    kl = (p * (log_p - log_q)).sum(-1) / np.log(2)
    np.testing.assert_allclose(found["lens_kl"], kl, rtol=1e-5, atol=1e-5)
    followed = np.array([np.nan, *(q[at, next_ids[at]] for at in range(1, 7))])
    np.testing.assert_allclose(found["lens_probability"], followed, atol=1e-5)
    likeliest = found["lens_token"]
    np.testing.assert_allclose(likeliest.values, q.max(-1), atol=1e-5)
    np.testing.assert_allclose(q[range(7), likeliest.ids], q.max(-1), atol=1e-6)
    np.testing.assert_allclose(view.log_p, log_q, rtol=1e-5, atol=1e-5)
    for at in range(1, 7):
        near = 1e-5 * max(1, spread)  # tokens so near may stand in either order
        least, most = ((log_q[at] > log_q[at, next_ids[at]] + off).sum() for off in (near, -near))
        assert least < found["lens_rank"][at] <= most


def test_equal_rows_diverge_by_exactly_nothing():
    rows = torch.randn(7, 50_000, generator=torch.Generator().manual_seed(0)) * 3
    other = rows.clone()
    other[3, 5] += 9  # one row differs
    view = LensView(1, 0, Prediction(other), Prediction(rows), torch.zeros(7, dtype=torch.long))
    divergence = MEASURES["divergence"].function(view)
    assert (divergence == 0).tolist() == [True, True, True, False, True, True, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_logits_written_into_a_buffer_are_the_same(dtype, hooked, cap):
    torch.manual_seed(0)
    unembedding = torch.nn.Linear(8, 30).to(dtype)
    if hooked:
        unembedding.register_forward_hook(lambda module, given, made: made + 1)
    readout = Readout((torch.nn.LayerNorm(8),), unembedding, 3.0, cap, 30, dtype)
    h, out = torch.randn(5, 8), torch.empty(5, 30)
    with torch.no_grad():
        expected = readout.logits(h)
        assert readout.logits(h, out=out).data_ptr() == out.data_ptr()
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)


def test_rank_and_probability_of_the_token_that_follows():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]))
    assert value("lens_rank", view_of(logits, next_id=0)) == 1
    assert value("lens_rank", view_of(logits, next_id=2)) == 2  # as likely as 1: the better rank
    assert value("lens_probability", view_of(logits, next_id=1)) == pytest.approx(0.25)
    assert np.isnan(value("lens_rank", view_of(logits, next_id=-1)))
    assert np.isnan(value("lens_probability", view_of(logits, next_id=-1)))
