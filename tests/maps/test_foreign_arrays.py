"""netCDF and Zarr files of other programs: ranges, versions, groups, attributes and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.io import netcdf_file

from layergram import figures, maps
from layergram.errors import LayergramError


def saved(tmp_path: Path, data: xr.DataArray | xr.Dataset, **options: object) -> Path:
    options = {"engine": "h5netcdf", **options}
    data.to_netcdf(tmp_path / "map.nc", **options)
    return tmp_path / "map.nc"


VALUES = np.arange(6.0).reshape(2, 3) / 8
ARRAY = xr.DataArray(VALUES, dims=("layer", "token"), name="acc")


def test_layers_without_labels_count_from_1_in_every_kind_of_file(tmp_path):
    (tmp_path / "map.csv").write_text("1,2\n3,5\n")
    ARRAY.to_dataset().to_zarr(tmp_path / "map.zarr", consolidated=False)
    for path in (saved(tmp_path, ARRAY), tmp_path / "map.zarr", tmp_path / "map.csv"):
        array = maps.read(path)
        assert array.layer.values.tolist() == [1, 2]
        assert array.token.values.tolist() == list(range(array.sizes["token"]))


@pytest.mark.parametrize(
    ("packing", "ends"),
    [
        ({"scale_factor": 0.125}, (0, 8)),
        ({"scale_factor": 0.125, "add_offset": 1.0}, (-8, 0)),
        ({"scale_factor": -0.125, "add_offset": 1.0}, (0, 8)),
    ],
)
@pytest.mark.parametrize("name", ["valid_min and valid_max", "valid_range"])
def test_a_packed_range_is_unpacked_like_the_data(tmp_path, packing, ends, name):
    low, high = np.int16(ends)
    pair = {"valid_range": np.int16(ends)}
    array = ARRAY.assign_attrs(
        pair if name == "valid_range" else {"valid_min": low, "valid_max": high}
    )
    path = saved(tmp_path, array, encoding={"acc": {"dtype": "i2", "_FillValue": -99, **packing}})
    back = maps.read(path)
    assert (back.attrs["valid_min"], back.attrs["valid_max"]) == (0, 1)
    np.testing.assert_allclose(back.values, VALUES, atol=1e-6)


def test_a_range_in_the_numbers_of_the_data_stays_as_it_is(tmp_path):
    packing = {"dtype": "i2", "_FillValue": -99, "scale_factor": 0.125}
    array = ARRAY.assign_attrs(valid_min=0.0, valid_max=1.0)
    assert maps.read(saved(tmp_path, array, encoding={"acc": packing})).attrs["valid_max"] == 1


def test_the_netcdf_of_earlier_days_is_read(tmp_path):
    array = ARRAY.assign_coords(layer=[1, 2], token=["The", "cat", "sat"])
    back = maps.read(saved(tmp_path, array, engine="scipy", format="NETCDF3_64BIT"))
    np.testing.assert_array_equal(back.values, VALUES)
    assert back.token_text.values.tolist() == ["The", "cat", "sat"]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_maps_in_groups_are_named_and_chosen(tmp_path, suffix):
    path = tmp_path / f"map{suffix}"
    tree = xr.DataTree.from_dict({"/gpt2": ARRAY.to_dataset(), "/bert": (ARRAY + 1).to_dataset()})
    tree.to_netcdf(path, engine="h5netcdf") if suffix == ".nc" else tree.to_zarr(
        path, consolidated=False
    )
    with pytest.raises(LayergramError, match=r"2 variables \(.*gpt2/acc.*\)") as caught:
        maps.read(path)
    assert "--value" in caught.value.do
    for value in ("bert/acc", "/bert/acc", "bert"):
        np.testing.assert_array_equal(maps.read(path, value=value).values, VALUES + 1)
    with pytest.raises(LayergramError, match="did you mean 'bert/acc'"):
        maps.read(path, value="bert/ac")


def test_the_one_map_of_a_tree_takes_the_labels_of_the_groups_above(tmp_path):
    labels = xr.Dataset(coords={"layer": [4, 8], "token": [0, 1, 2]})
    tree = xr.DataTree.from_dict({"/": labels, "/probe": ARRAY.to_dataset()})
    tree.to_netcdf(tmp_path / "map.nc", engine="h5netcdf")
    assert maps.read(tmp_path / "map.nc").layer.values.tolist() == [4, 8]


def test_variables_of_an_interval_belong_to_the_map_beside_them(tmp_path):
    data = xr.Dataset({"auroc": ARRAY, "low": ARRAY - 1, "high": ARRAY + 1})
    array = maps.read(saved(tmp_path, data))
    assert (array.name, maps.cell_coordinates(array)) == ("auroc", ["low", "high"])


@pytest.mark.parametrize(("key", "text"), [("valid_min", "0"), ("valid_max", "0.625")])
def test_numbers_among_the_attributes_may_be_text(tmp_path, key, text):
    assert maps.read(saved(tmp_path, ARRAY.assign_attrs({key: text}))).attrs[key] == float(text)
    with pytest.raises(LayergramError, match=f"the attribute {key} = 'none'"):
        maps.read(saved(tmp_path, ARRAY.assign_attrs({key: "none"})))


def test_a_null_value_that_is_text_is_drawn_as_the_number(tmp_path):
    array = maps.read(saved(tmp_path, ARRAY.assign_attrs(null_value="0.25")))
    assert figures.plan(array).scales[0].centre == 0.25


def test_texts_as_labels_are_texts_of_tokens(tmp_path):
    array = maps.read(saved(tmp_path, ARRAY.assign_coords(token=["it", "is", "it"])))
    assert array.token.values.tolist() == [0, 1, 2]
    assert array.token_text.values.tolist() == ["it", "is", "it"]


def test_dimensions_go_by_as_many_names_as_headers(tmp_path):
    array = maps.read(saved(tmp_path, ARRAY.rename(layer="Layer", token="token_idx")))
    assert array.dims == ("layer", "token")


def test_labels_in_the_order_of_their_texts_are_put_in_that_of_their_numbers(tmp_path):
    names = sorted(f"layer_{at}" for at in range(12))
    values = [int(name[6:]) / 8 for name in names]
    array = maps.read(saved(tmp_path, xr.DataArray(values, {"layer": names}, "layer", "v")))
    assert array.layer.values.tolist() == list(range(12))
    assert array.values.tolist() == [at / 8 for at in range(12)]


@pytest.mark.parametrize(
    ("ends", "packing"),
    [
        ((0, 8), {"dtype": "i2", "scale_factor": 0.125}),  # of a format that has only one int
        ((np.int8(0), np.int8(-56)), {"dtype": "u1", "_Unsigned": "true", "scale_factor": 0.005}),
        ((0, 1), {"dtype": "i2", "scale_factor": 0.125}),
    ],
)
def test_a_range_of_another_type_is_packed_if_the_values_lie_in_it(tmp_path, ends, packing):
    array = ARRAY.assign_attrs(valid_min=ends[0], valid_max=ends[1])
    back = maps.read(saved(tmp_path, array, encoding={"acc": {"_FillValue": 99, **packing}}))
    assert (back.attrs["valid_min"], back.attrs["valid_max"]) == (0, 1)


def test_a_variable_on_other_dimensions_is_no_map(tmp_path):
    data = xr.Dataset({"loss": ("epoch", [1.0, 2.0]), "acc": ARRAY})
    assert maps.read(saved(tmp_path, data)).name == "acc"


def test_texts_of_tokens_may_be_a_variable_beside_the_map(tmp_path):
    data = xr.Dataset({"acc": ARRAY, "tokens": ("token", ["it", "is", "it"])})
    assert maps.read(saved(tmp_path, data)).token_text.values.tolist() == ["it", "is", "it"]


def test_characters_of_netcdf_3_are_text(tmp_path):
    with netcdf_file(tmp_path / "map.nc", "w") as file:
        for name, size in (("layer", 2), ("token", 3), ("length", 4)):
            file.createDimension(name, size)
        file.createVariable("acc", "f4", ("layer", "token"))[:] = VALUES
        texts = np.array([list("The "), list("cat "), list("sat ")], dtype="S1")
        file.createVariable("token_text", "c", ("token", "length"))[:] = texts
    array = maps.read(tmp_path / "map.nc")
    assert [text.strip() for text in array.token_text.values.tolist()] == ["The", "cat", "sat"]
    assert array.dtype == np.float32
