"""The shared folder of small files of the kinds that people have, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from layergram import figures, maps, words
from layergram.errors import LayergramError

CASES = Path(__file__).parents[3] / "shared" / "cases" / "tables"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"there is no folder {CASES}")

SHAPES = {
    "F01_tiny_values.csv": {"layer": 2, "token": 2},
    "F02_no_header_attention.csv": {"layer": 3, "token": 3},
    "F03_underflow.csv": {"layer": 2, "head": 2},
    "F04_negative_layers.csv": {"layer": 3, "token": 2},
    "F05_records_wide.json": {"layer": 2, "token": 3},
    "F06_value_then_interval.csv": {"layer": 2, "head": 2},
    "F07_capitals.csv": {"layer": 2, "head": 2},
    "F07_unnamed_index.csv": {"layer": 2, "head": 2},
    "F08_lexicographic.csv": {"layer": 24, "token": 6},
    "F10_token_ids.json": {"layer": 2, "token": 3},
    "F11_offset.csv": {"layer": 2, "token": 2},
    "F12_long_panels.json": {"function": 6, "layer": 3, "token": 2},
    "F13_corner_words.csv": {"layer": 2, "token": 3},
    "F14_metrics_as_tokens.csv": {"layer": 3, "measure": 3},
    "N01_packed_range.nc": {"layer": 4, "token": 5},
    "N02_netcdf3.nc": {"layer": 4, "token": 5},
    "N04_null_value_text.nc": {"layer": 4, "token": 5},
    "N05_token_texts_as_labels.nc": {"layer": 4, "token": 5},
}
REFUSED = {
    "F06_two_measures.csv": "'accuracy', 'std'",
    "F09_european.csv": "two decimal marks",
    "N03_groups.nc": "gpt2/acc, bert/acc",
}


def read(name):
    return maps.read(next(CASES.glob(f"{name}*")))


def test_every_file_of_the_folder_is_here():
    assert {path.name for path in CASES.iterdir()} == {*SHAPES, *REFUSED}


@pytest.mark.parametrize("name", SHAPES)
def test_each_is_read_as_what_it_is_drawn_and_described(name):
    array = read(name)
    assert dict(array.sizes) == SHAPES[name]
    figure = figures.plan(array)
    for scale in figure.scales:
        assert len({tick.label for tick in scale.ticks}) == len(scale.ticks) > 2
    titles = [panel.title for panel in figure.panels]
    assert len(set(titles)) == len(titles)
    assert words.describe(array)


@pytest.mark.parametrize("name", REFUSED)
def test_each_unclear_one_is_refused_by_name(name):
    with pytest.raises(LayergramError, match=REFUSED[name]):
        read(name)


def test_values_and_labels_are_the_right_ones():
    assert read("F03").values.ravel().tolist() == [1e-60, 3e-5, 2e-47, 0.5]
    assert read("F04").layer.values.tolist() == [-3, -2, -1]
    assert maps.cell_coordinates(read("F06_value")) == ["low", "high", "p_value"]
    assert read("F08").layer.values.tolist() == list(range(24))
    assert "rises from 0.05 to 1.01" in words.describe(read("F08"))
    assert read("F10").token_text.values.tolist() == ["The", " cat", " sat"]
    assert read("F10").token_id.values.tolist() == [464, 3797, 3332]
    assert read("N01").attrs["valid_max"] == 1
    assert read("N05").token_text.values.tolist() == ["The", "cat", "sat", "on", "it"]
