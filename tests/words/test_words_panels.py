"""Head panels: which band is sharpest, and where the bands begin and end."""

import numpy as np
import pytest

from layergram import maps, words

NAMES = [
    "Knowledge Recall",
    "Retrieval",
    "Logical Reasoning",
    "Decision-making",
    "Semantic Understanding",
    "Syntactic Understanding",
    "Inference",
    "Math Calculation",
]


def panels(widths, *, first=6, last=28, falling=False):
    rng = np.random.default_rng(3)
    at = np.arange(32)
    inside = ((at >= first) & (at <= last))[:, None]
    bands = [np.exp(-((at[:, None] - at) ** 2) / (2 * w**2)) * inside for w in widths]
    values = 0.0005 + 0.0035 * np.stack(bands) + 0.0004 * rng.uniform(0, 1, (8, 32, 32))
    if falling:
        values = values[:, :, ::-1]
    coords = {"function": NAMES, "layer": at}
    return maps.make(values, ("function", "layer", "head"), measure="importance", coords=coords)


@pytest.mark.parametrize("seed", range(3))
def test_panels_are_ranked_by_sharpness(seed):
    widths = np.random.default_rng(seed).permutation([0.6, 1.0, 1.5, 2.0, 2.6, 3.3, 4.1, 5.0])
    fact = next(f for f in words.facts(panels(widths)) if f.kind == "diagonal")
    told = [band["function"][0] for band in fact.coordinates["bands"]]
    assert told == [NAMES[at] for at in np.argsort(widths)]


def test_ends_of_the_band_are_named():
    text = words.describe(panels([1.0] * 8))
    assert text.count("from layer 6, head 6 to layer 28, head 28") == 8
    moved = words.describe(panels([1.0] * 8, first=10, last=20))
    assert moved.count("from layer 10, head 10 to layer 20, head 20") == 8


def test_falling_diagonal_is_told_from_a_rising_one():
    text = words.describe(panels([1.0] * 8, falling=True))
    assert text.count("falling from layer 6, head 25 to layer 28, head 3") == 8


def test_sharpness_comes_first_in_the_observations():
    text = words.describe(panels([0.6, 1.0, 1.5, 2.0, 2.6, 3.3, 4.1, 5.0]))
    observations = text.split("## Key Observations\n\n")[1].splitlines()
    first = next(line for line in observations if "sharpest first" in line)
    assert "sharpest first: Knowledge Recall, from" in first
    assert first.index("Retrieval") < first.index("Math Calculation")
