"""What may be a map, and what a map says about itself."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from layergram import export, maps, pages
from layergram.errors import LayergramError


def test_a_map_says_what_it_is_and_when_it_was_made():
    array = maps.make([[1, 2]], ("layer", "head"), measure="residual_norm", units="1")
    assert array.name == array.attrs["measure"] == "residual_norm"
    assert array.attrs["long_name"] == "residual norm"
    assert array.attrs["schema"] == 1
    assert array.attrs["layergram_version"] == maps.layergram_version()
    assert array.attrs["created"].endswith("+00:00")
    assert (array.layer.values.tolist(), array["head"].values.tolist()) == ([1], [0, 1])
    assert array.dtype == np.float32
    assert set(array.attrs) <= set(maps.ATTRIBUTES)


def test_the_array_that_is_given_is_not_changed():
    values = np.array([["a", "b\0"]], dtype=object)
    texts = {"top": (("layer", "token"), values)}
    maps.make([[1.0, 2.0]], ("layer", "token"), measure="m", coords=texts)
    assert values.tolist() == [["a", "b\0"]]


def build(values, dims=("layer", "token"), **options):
    return maps.make(values, dims, measure="m", **options)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: build([[1.0]], ("layer", "tokens")), "did you mean 'token'"),
        (lambda: build([1.0]), "an array of shape \\(1,\\)"),
        (lambda: build([["a"]]), "could not convert"),
        (lambda: build(np.zeros((0, 3))), "an empty array"),
        (lambda: build([[np.nan]]), "only NaN"),
        (lambda: build([[1.0, np.inf]]), "1 infinite values, the first at layer 1, token 1"),
        (lambda: build([[1.5]], valid_min=0, valid_max=1), "values from 1.5 to 1.5"),
        (lambda: build([[1.0]], alignment="read"), "did you mean 'reads'"),
        (lambda: build([[1.0], [2.0]], coords={"layer": [3, 3]}), "more than once: 3"),
        (lambda: build([[1.0, 2.0]], coords={"token": ["a", "a"]}), "coordinate token_text"),
        (lambda: maps.check(xr.DataArray([[1.0]], dims=("layer", "head"))), "no attribute measure"),
    ],
)
def test_what_cannot_be_a_map_is_one_message(call, words):
    with pytest.raises(LayergramError, match=words):
        call()


def test_rounding_does_not_break_the_valid_range():
    assert build([[1 + 1e-6]], valid_min=0, valid_max=1).shape == (1, 1)


def test_cell_coordinates_are_those_on_all_axes():
    coords = {"low": (("layer", "token"), [[0.0]]), "high": ("layer", [1.0])}
    assert maps.cell_coordinates(build([[0.5]], coords=coords)) == ["low"]


def test_bounds_at_infinity_and_numbers_that_are_none_are_left_out():
    array = maps.make(
        [[1.0, 2.0]], ("layer", "token"), measure="weight", valid_max=np.inf, null_value=np.nan
    )
    assert not {"valid_max", "null_value"} & set(array.attrs)
    assert pages.as_json(export.page_data(array)["maps"][0])


def test_a_map_of_another_program_with_odd_numbers_is_shown(tmp_path):
    odd = {"valid_min": -np.inf, "null_value": np.nan}
    data = xr.DataArray([[1.0, 2.0]], dims=("layer", "token"), attrs=odd, name="a")
    data = data.assign_coords(
        low=(("layer", "token"), [["x", "y"]]), weight=("token", [np.inf, np.nan])
    )
    data.to_dataset().to_netcdf(tmp_path / "odd.nc", engine="h5netcdf")
    array = maps.read(tmp_path / "odd.nc")
    view = export.page_data(array)["maps"][0]
    assert pages.as_json(view) and view["known"] == {}
    assert [one["values"] for one in view["beside"] if one["name"] == "weight"] == [["inf", None]]


def test_a_label_that_is_no_number_is_one_message():
    with pytest.raises(LayergramError, match="a token labelled nan"):
        maps.make(
            [[1.0, 2.0]], ("layer", "token"), measure="weight", coords={"token": [np.nan, 1.0]}
        )
