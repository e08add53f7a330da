"""Memory stays near that of the plain forward pass, however long the text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from memory import peak_mib

ROOM = 600  # MiB


@pytest.mark.slow
def test_attention_of_4096_tokens_stays_near_the_plain_forward_pass(smollm2):
    # all weights at once would be 30 layers × 9 heads × 4096² × 4 bytes: 18 GB
    plain = peak_mib(4096, measures=())
    assert peak_mib(4096, measures=("attention_received", "residual_norm")) < plain + ROOM


@pytest.mark.slow
def test_the_lens_does_not_grow_with_the_text(smollm2):
    # two lengths that differ by what 30 × 896 × 49152 × 4 bytes would add: 5.3 GB
    short, long = (peak_mib(tokens, measures=("divergence",)) for tokens in (128, 1024))
    assert long < short + ROOM
