"""Every sentence of a description knows the cells that it speaks of."""

from __future__ import annotations

import numpy as np
import pytest

from layergram import maps, words


def chosen(array, block):
    """The cells of a block, by xarray's own selection."""
    return array.sel({dim: list(labels) for dim, labels in block.items()})


def by_start(said, start):
    return next(one for one in said if one.text.startswith(start))


@pytest.fixture
def attention():
    values = np.random.default_rng(0).uniform(0.01, 0.02, (12, 10))
    values[:, 3] = np.linspace(0.5, 0.9, 12)
    values[:, 0] = np.nan
    return maps.make(
        values,
        ("layer", "token"),
        measure="attention_received",
        coords={"token_text": ("token", list("abcdefghij"))},
        missing="nothing comes before the first token",
        valid_min=0,
        valid_max=1,
    )


def test_extremes_are_the_cells_with_the_extreme_values(attention):
    said = by_start(words.sentences(attention), "The values run from")
    low, high = (chosen(attention, block).values.tolist() for block in said.blocks)
    assert low == [[float(np.nanmin(attention))]]
    assert high == [[float(np.nanmax(attention))]]


def test_a_column_without_values_is_named_as_a_whole(attention):
    said = next(one for one in words.sentences(attention) if "no value" in one.text)
    assert said.blocks == ({"token": [0]},)
    assert np.isnan(chosen(attention, said.blocks[0])).all()


def test_the_column_that_dominates_is_the_one_that_lights_up(attention):
    said = next(one for one in words.sentences(attention) if "dominates the map:" in one.text)
    assert said.blocks == ({"token": [3]},)


def test_a_band_along_the_diagonal_is_a_row_of_single_cells():
    values = np.random.default_rng(2).uniform(0.01, 0.02, (16, 16)) + np.eye(16)
    array = maps.make(values, ("query", "key"), measure="attention")
    said = by_start(words.sentences(array), "Diagonal bands")
    assert len(said.blocks) > 1
    for block in said.blocks:
        cell = chosen(array, block)
        assert cell.size == 1 and cell.item() > 1


@pytest.mark.parametrize("dims", [("layer", "token"), ("function", "layer", "head"), ("layer",)])
def test_blocks_name_axes_and_labels_of_the_map(dims):
    shape = (3, 12, 9)[-len(dims) :] if len(dims) > 1 else (12,)
    values = np.random.default_rng(1).uniform(0, 1, shape)
    coords = {"function": ["Recall", "Inference", "Reading"]} if "function" in dims else {}
    array = maps.make(values, dims, measure="importance", coords=coords)
    said = words.sentences(array)
    assert any(one.blocks for one in said)
    for block in (block for one in said for block in one.blocks):
        assert set(block) <= set(dims)
        assert chosen(array, block).size > 0  # a label that is not there raises


def test_sentences_are_those_of_the_facts(attention):
    found = words.facts(attention)
    told = [one.text for one in words.sentences(attention, known=found)]
    plain = words.facts_json(attention)
    known = [fact["sentence"] for fact in [*plain["numbers"], *plain["inference"]]]
    assert set(told) <= set(known)
    assert len(told) == len(set(told))
