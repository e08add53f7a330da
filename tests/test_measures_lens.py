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

from layergram.engine.views import LensView
from layergram.measures import MEASURES

DISTRIBUTIONS = arrays(np.float64, (2, 50), elements=st.floats(-30, 30))


def view_of(logits, next_id=0):
    log_p = torch.log_softmax(torch.tensor(logits, dtype=torch.float32), dim=-1)
    return LensView(1, 0, log_p[:1], log_p[1:], torch.tensor([next_id]))


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


def test_rank_and_probability_of_the_token_that_follows():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]))
    assert value("lens_rank", view_of(logits, next_id=0)) == 1
    assert value("lens_rank", view_of(logits, next_id=2)) == 2  # as likely as 1: the better rank
    assert value("lens_probability", view_of(logits, next_id=1)) == pytest.approx(0.25)
    assert np.isnan(value("lens_rank", view_of(logits, next_id=-1)))
    assert np.isnan(value("lens_probability", view_of(logits, next_id=-1)))
