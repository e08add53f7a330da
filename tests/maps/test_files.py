"""Maps in files: everything comes back, half a file never appears, bad ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layergram import maps
from layergram.errors import LayergramError
from layergram.maps.files import WRITERS

SUFFIXES = [".nc", ".zarr", ".json", ".csv"]
FULL = [".nc", ".zarr", ".json"]


def example(**attributes) -> xr.DataArray:
    values = np.float32([[0.1, np.nan, 1 / 3], [2**-30, 0.5, 1]])
    return maps.make(
        values,
        ("layer", "token"),
        measure="divergence",
        coords={
            "layer": [2, 30],
            "token": [4, 5, 6],
            "token_text": ("token", ["is", "🙂 1/3", "مرحبا\n"]),
            "token_id": ("token", [3, 40_000, 3]),
            "part": ("token", ["prompt", "prompt", "answer"]),
            "low": (("layer", "token"), values - 1),
            "top": (("layer", "token"), [["a", ",", "13"], ['"', "", "你"]]),
        },
        **attributes,
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_and_labels_come_back_exactly(tmp_path, suffix):
    array = example()
    back = maps.read(maps.write(array, tmp_path / f"map{suffix}"))
    assert (back.dims, back.name, back.dtype) == (array.dims, array.name, np.float32)
    np.testing.assert_array_equal(back.values, array.values)
    assert set(back.coords) == set(array.coords)
    for name, coord in array.coords.items():
        assert back[name].dims == coord.dims
        np.testing.assert_array_equal(back[name].values, coord.values)
        assert back[name].dtype.kind == coord.dtype.kind


def test_an_interval_that_does_not_hold_its_value_comes_back_too(tmp_path):
    values = np.float32([[0.5, 0.6], [0.7, 0.8]])
    coords = {"low": (("layer", "head"), values + 0.1), "high": (("layer", "head"), values + 0.2)}
    array = maps.make(values, ("layer", "head"), measure="contribution", coords=coords)
    back = maps.read(maps.write(array, tmp_path / "map.csv"))
    assert (back.name, maps.cell_coordinates(back)) == ("contribution", ["low", "high"])
    xr.testing.assert_equal(back, array)


@pytest.mark.parametrize("suffix", FULL)
def test_every_attribute_comes_back(tmp_path, suffix):
    array = example(
        units="bit",
        long_name="Jensen–Shannon divergence",
        valid_min=0,
        valid_max=1.5,
        alignment="predicts",
        missing="",
        options={"norm": "final", "g": 0.5, "text": "你 \\boxed{"},
        run={},
        seed=np.int64(3),
        groups=[0, 0, 1],
        references=["one", "two"],
        text="A\0B \ud800",
        null_value=np.float32(0.5),
        device=None,
    )
    back = maps.read(maps.write(array, tmp_path / f"map{suffix}"))
    assert back.attrs == array.attrs
    assert "device" not in back.attrs
    assert back.attrs["text"] == "A␀B ���"
    assert maps.options_of(back) == {"norm": "final", "g": 0.5, "text": "你 \\boxed{"}
    assert type(back.attrs["seed"]) is int


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=hnp.arrays(
        np.float32, (2, 3), elements=st.floats(allow_infinity=False, allow_nan=True, width=32)
    ),
    texts=st.lists(st.text(max_size=4), min_size=3, max_size=3),
)
def test_any_numbers_and_any_texts_come_back(tmp_path, suffix, values, texts):
    values[0, 0] = 0.1
    array = maps.make(
        values, ("layer", "token"), measure="m", coords={"token_text": ("token", texts)}
    )
    back = maps.read(maps.write(array, tmp_path / f"map{suffix}"))
    np.testing.assert_array_equal(back.values, array.values)
    assert back.dtype == np.float32
    assert back.token_text.values.tolist() == array.token_text.values.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dims", [("function", "layer", "head"), ("token",), ("layer",)])
def test_maps_of_one_and_three_axes_come_back(tmp_path, suffix, dims):
    coords = {"function": ["Inference", "Recall"]} if "function" in dims else {}
    array = maps.make(np.random.default_rng(0).random((2, 3, 4))[(0,) * (3 - len(dims))], dims,
                      measure="m", coords=coords)  # fmt: skip
    back = maps.read(maps.write(array, tmp_path / f"map{suffix}"))
    xr.testing.assert_equal(back, array)
    assert back.dtype == np.float64


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_whose_functions_are_still_called_panels_is_read(tmp_path, suffix):
    dims, values = ("function", "layer", "head"), np.random.default_rng(0).random((2, 3, 4))
    coords = {"function": ["Inference", "Recall"], "low": (dims, values - 0.1)}
    array = maps.make(values, dims, measure="importance", coords=coords)
    WRITERS[suffix](array.rename(function="panel"), tmp_path / f"map{suffix}")
    back = maps.read(tmp_path / f"map{suffix}")
    xr.testing.assert_equal(back, array)
    assert maps.cell_coordinates(back) == ["low"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_crash_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, suffix, monkeypatch):
    path = maps.write(example(), tmp_path / f"map{suffix}")
    maps.write(example(seed=1), path)

    def crash(array, target):
        target.write_text("half") if suffix != ".zarr" else target.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setitem(WRITERS, suffix, crash)
    with pytest.raises(KeyboardInterrupt):
        maps.write(example(), path)
    with pytest.raises(KeyboardInterrupt):
        maps.write(example(), tmp_path / f"other{suffix}")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    np.testing.assert_array_equal(maps.read(path).values, example().values)


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LayergramError, match=r"to write '.*map.nc'"):
        maps.write(example(), tmp_path / "file" / "map.nc")
    with pytest.raises(LayergramError, match=r"the suffix '.xlsx'"):
        maps.write(example(), tmp_path / "map.xlsx")


def test_a_map_of_another_source_is_read_without_its_times_and_types_changed(tmp_path):
    path = tmp_path / "foreign.nc"
    units = {"units": "days since 2000-01-01"}
    array = xr.DataArray([[1, 2]], dims=("layer", "head"), name="t", attrs=units)
    array.to_netcdf(path, engine="h5netcdf")
    back = maps.read(path)
    assert back.values.tolist() == [[1.0, 2.0]]
    assert (back.attrs["units"], back.attrs["measure"]) == (units["units"], "t")


def test_json_is_what_every_reader_of_json_understands(tmp_path):
    def refuse(word):
        raise ValueError(word)

    text = maps.write(example(), tmp_path / "map.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse)["values"][0][1] is None


def write_bad(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    match name:
        case "folder.nc" | "empty.zarr":
            path.mkdir()
        case "text.nc" | "file.zarr":
            path.write_text("this is no map")
        case "empty.nc":
            path.write_bytes(b"")
        case "short.nc":
            whole = maps.write(example(), path).read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        case "two.nc":
            array = example()
            xr.Dataset({"a": array, "b": array}).to_netcdf(path, engine="h5netcdf")
        case "dims.nc":
            xr.DataArray([[1.0]], dims=("layr", "head"), name="x").to_netcdf(
                path, engine="h5netcdf"
            )
        case "words.nc":
            xr.DataArray(["a"], dims="layer", name="x").to_netcdf(path, engine="h5netcdf")
        case "maps":
            maps.write(example(), path / "divergence.nc")
        case "picture.png" | "picture.nc":
            path.write_bytes(b"\x89PNG")
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.nc", "no such file"),
        ("folder.nc", "a folder"),
        ("empty.zarr", "a file that is not a map"),
        ("file.zarr", "a file that is not a map"),
        ("text.nc", "a text file, not a map in netCDF"),
        ("picture.nc", "a PNG picture, not a map in netCDF"),
        ("empty.nc", "an empty file"),
        ("short.nc", "a netCDF file that is torn"),
        ("two.nc", r"2 variables \(a, b\)"),
        ("dims.nc", "did you mean 'layer'"),
        ("words.nc", "values of type"),
        ("picture.png", "the suffix '.png'"),
        ("nosuffix", "the suffix ''"),
        ("maps", "name them, such as '.*maps/divergence.nc'"),
    ],
)
def test_what_is_no_map_is_one_message_that_names_the_file(tmp_path, name, words):
    with pytest.raises(LayergramError, match=words) as caught:
        maps.read(write_bad(tmp_path, name))
    assert name in caught.value.asked


def test_a_file_without_the_right_to_read_it_says_so(tmp_path, monkeypatch):
    path = maps.write(example(), tmp_path / "map.csv")

    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(LayergramError, match="Permission denied"):
        maps.read(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("measure", ["divergence", "lens_token"])
def test_the_likeliest_tokens_go_into_the_file_of_their_own_measure(tmp_path, suffix, measure):
    texts = (("layer", "token"), [["", '"a" 50.0%, "é" 5.0%'] * 2] * 2, {"measure": "lens_token"})
    array = maps.make(
        [[0.5] * 4] * 2, ("layer", "token"), measure=measure, coords={"top_tokens": texts}
    )
    path = maps.write(array, tmp_path / f"map{suffix}")
    if suffix == ".csv":
        assert ("top_tokens" in path.read_text()) == (measure == "lens_token")
        return
    back = maps.read(path)
    assert ("top_tokens" in back.coords) == (measure == "lens_token")
    if measure == "lens_token":
        assert (back.top_tokens.values == array.top_tokens.values).all()


@pytest.mark.parametrize("kind", [str, object])
def test_texts_of_cells_are_compressed_in_netcdf(tmp_path, kind):
    words = [f'"wörd {n}" {n % 97}.5%, "🙂" 1.0%' for n in range(6000)]
    texts = np.array(words, dtype=kind).reshape(30, 200)
    empty = np.full((30, 200), "", dtype=kind)
    array = maps.make(np.ones((30, 200)), ("layer", "token"), measure="lens_token")
    array = array.assign_coords(
        top_tokens=(("layer", "token"), texts), top_token_text=(("layer", "token"), empty)
    )
    path = maps.write(array, tmp_path / "map.nc")
    assert path.stat().st_size < len("".join(words).encode())
    for back in (maps.read(path), maps.read(maps.write(maps.read(path), tmp_path / "again.nc"))):
        assert back.dims == array.dims and set(back.coords) == set(array.coords)
        assert (back.top_tokens.values == texts).all()
        assert (back.top_token_text.values == "").all()
