"""One record per axis: pictures, words and tables call it the same and turn it the same way."""

import re
from itertools import combinations

import numpy as np
import pytest

from layergram import figures, maps, words
from layergram.errors import LayergramError
from layergram.maps import DIMENSIONS


def any_map(dims, shape=(9, 10, 3)):
    """A map with a row, a column and a block that stand out, on any axes."""
    shape = shape[: len(dims)]
    values = np.random.default_rng(0).uniform(0, 0.2, shape)
    values[5:8] += 0.6
    coords = {
        dim: [f"{dim} {at}" for at in range(size)]
        for dim, size in zip(dims, shape, strict=True)
        if DIMENSIONS[dim].kind == "names"
    }
    return maps.make(values, dims, measure="amount", coords=coords)


def in_picture(array):
    """Nouns of the axes that run down and across the picture, and of those with panels."""
    figure = figures.plan(array)
    sides = [getattr(figure.panels[0], side).dim for side in "yx"]
    several = [dim for dim in array.dims if dim not in sides]
    assert len(figure.panels) == np.prod([array.sizes[dim] for dim in several], dtype=int)
    return [maps.dimension_of(array, dim).noun for dim in (*sides, *several) if dim]


def in_words(array):
    """The same as the description of the map says it."""
    order = ["down", "upwards", "across", "one panel each"]
    axes = re.findall(rf"- \*\*(.+)\*\* \(({'|'.join(order)})\)", words.describe(array))
    return [noun.lower() for noun, _ in sorted(axes, key=lambda axis: order.index(axis[1]))]


@pytest.mark.parametrize("name", DIMENSIONS)
def test_words_and_picture_agree_which_axis_runs_down(name):
    others = [other for other in DIMENSIONS if other != name]
    pairs = [[name, other] for other in others]
    threes = [[*pair, name] for pair in combinations(others, 2) if "layer" in (*pair, name)]
    for dims in [[name], *pairs, *threes]:
        array = any_map(dims, shape=(3, 4, 2))
        assert in_words(array) == in_picture(array), dims


@pytest.mark.parametrize("across", ["token", "head", "role"])
def test_layers_run_down_beside_tokens_heads_and_roles_as_in_published_figures(across):
    assert in_picture(any_map([across, "layer"])) == ["layer", DIMENSIONS[across].noun]


def test_no_two_axes_have_the_same_rank():
    for ranks in (
        [axis.across for axis in DIMENSIONS.values()],
        [axis.down for axis in DIMENSIONS.values()],
    ):
        assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_every_axis_has_its_label_and_its_nouns(name):
    axis, array = DIMENSIONS[name], any_map([name])
    assert figures.plan(array).panels[0].x.label == axis.axis_label
    text = words.describe(array)
    assert text.startswith(f"# Amount: 9 {axis.plural}\n")
    assert f"- **{axis.noun.capitalize()}** (" in text
    assert words.describe(array[:1]).startswith(f"# Amount: 1 {axis.noun}\n")


@pytest.mark.parametrize("name", [name for name, axis in DIMENSIONS.items() if not axis.bare])
def test_a_sentence_that_begins_with_an_axis_has_a_capital(name):
    lines = words.describe(any_map([name, "layer" if name != "layer" else "head"])).splitlines()
    told = [line[2] for line in lines if line.startswith("- ")]
    assert told and all(first == first.upper() for first in told)


def test_a_function_beside_the_masked_one_is_the_one_that_was_scored():
    array = any_map(["masked", "function"])
    panel = figures.plan(array).panels[0]
    assert (panel.y.label, panel.x.label) == ("Top heads masked", "Steps scored")
    assert "9 masked functions by 10 scored functions" in words.describe(array)
    assert in_words(array) == ["masked function", "scored function"]


def test_messages_name_several_of_an_axis_in_the_plural():
    queries = maps.make(np.eye(4), ("query", "key"), measure="attention")
    with pytest.raises(LayergramError, match="queries only in"):
        maps.difference(queries, queries[:2])
    figure = figures.plan(queries, style=figures.Style(mark=("1:2,1:2",)))
    assert figure.panels[0].regions[0].text == "queries 1–2 × keys 1–2"
