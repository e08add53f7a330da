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


@pytest.mark.parametrize("scale", [0.1, 3.0, 300.0])
def test_divergence_of_large_vocabularies_is_that_in_float64(scale):
    rows = torch.randn(2, 7, 50_000, generator=torch.Generator().manual_seed(0)) * scale
    here, final = (Prediction(logits, logits.amax(-1)) for logits in rows)
    found = MEASURES["divergence"].function(LensView(1, 0, here, final, torch.zeros(7)))
    p, q = rows.double().softmax(-1).numpy()
    middle, of_p, of_q = (entropy(of, base=2, axis=-1) for of in ((p + q) / 2, p, q))
    np.testing.assert_allclose(found, middle - (of_p + of_q) / 2, atol=1e-5)
    bits = MEASURES["lens_entropy"].function(LensView(1, 0, here, final, torch.zeros(7)))
    np.testing.assert_allclose(bits, entropy(p, base=2, axis=-1), rtol=1e-5, atol=1e-5)
    same = MEASURES["divergence"].function(LensView(1, 0, here, here, torch.zeros(7)))
    np.testing.assert_allclose(same, 0, atol=2e-6)  # float32 holds 10 nats no nearer


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
