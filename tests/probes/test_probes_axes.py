"""Any two cell axes, classes of any name, and features that are read from a store as needed."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import xarray as xr

from layergram import maps
from layergram.errors import LayergramError
from layergram.experiments.heads.single_heads import head_probes
from layergram.probes import Evaluation, evaluate, evaluate_each, map_of, published_recipe

QUICK = Evaluation(permutations=19)
NAMES = ("other functions", "Retrieval")


def drawn(first, second, item="example", *, n=90, seed=0):
    """3 × 2 cells of 5 features under these names; the classes differ at (1, 1)."""
    generator = np.random.default_rng(seed)
    positive = np.arange(n) % 3 == 0
    values = generator.normal(size=(n, 3, 2, 5)).astype(np.float32)
    values[:, 1, 1, 0] += 3 * positive
    coords = {
        first: (first, [4, 5, 6], {"long_name": "of the first"}),
        second: (second, [7, 8]),
        item: (item, [f"id {at}" for at in range(n)]),
    }
    return xr.DataArray(values, dims=(item, first, second, "feature"), coords=coords), positive


@pytest.mark.parametrize(
    ("first", "second", "item"),
    [("layer", "head", "example"), ("fold", "layer", "step"), ("token", "role", "fold")],
)
def test_the_result_has_the_axes_of_the_features(first, second, item):
    features, positive = drawn(first, second, item)
    result = evaluate(features, positive, groups=np.arange(90), evaluation=QUICK)
    plain = evaluate(features.values, positive, groups=np.arange(90), evaluation=QUICK)
    assert (result.auroc.values == plain.auroc.values).all()
    assert (result.p_value.values == plain.p_value.values).all()
    made = map_of(result)
    assert made.dims == (first, second)
    assert made[first].values.tolist() == [4, 5, 6] and made[second].values.tolist() == [7, 8]
    assert made[first].attrs == {"long_name": "of the first"}
    assert maps.cell_coordinates(made) == ["low", "high", "p_value"]
    assert (result[f"best_{first}"].item(), result[f"best_{second}"].item()) == (5, 8)
    assert (result[f"chosen_{first}"] == 5).all() and (result[f"chosen_{second}"] == 8).all()
    assert result["score"].dims == result[f"{item}_fold"].dims == (item,)
    assert result["score"][item].values[3] == "id 3"
    assert published_recipe(features, positive).auroc.dims == (first, second)


def test_the_map_of_an_evaluation_is_whole_in_its_dataset(tmp_path):
    features, positive = drawn("layer", "head")
    result = evaluate(features, positive, groups=np.arange(90), labels=NAMES, evaluation=QUICK)
    assert maps.check(result["auroc"]).identical(map_of(result))
    back = maps.read(maps.write(map_of(result), tmp_path / "auroc.nc"))
    assert back.attrs["classes"] == '{"other functions": 60, "Retrieval": 30}'
    result.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    again = xr.open_dataset(tmp_path / "all.nc", engine="h5netcdf")
    assert map_of(again).equals(map_of(result))


def test_axes_in_another_order_are_another_map_of_the_same_cells():
    features, positive = drawn("layer", "head")
    options = {"groups": np.arange(90), "evaluation": Evaluation(permutations=0)}
    other = features.transpose("example", "feature", "head", "layer")
    turned, whole = (evaluate(array, positive, **options) for array in (other, features))
    assert turned.auroc.dims == ("head", "layer")
    assert np.allclose(turned.auroc.T.values, whole.auroc.values, atol=1e-9)


def test_a_layer_may_have_fewer_heads_than_a_later_one():
    features, positive = drawn("layer", "head")
    options = {"groups": np.arange(90), "evaluation": QUICK}
    whole = evaluate(features, positive, **options).auroc
    features[:, 0, 1] = np.nan
    result = evaluate(features, positive, **options)
    assert np.isnan(result.auroc[0, 1])
    assert result.counts.sum("label").values.tolist() == [90, 90]
    known = np.isfinite(result.auroc.values)
    assert (result.auroc.values[known] == whole.values[known]).all()


# --- names of classes -------------------------------------------------------------------------


def texts_of(result):
    """All texts of a dataset: names, attributes and labels."""
    for thing in (result, *result.variables.values()):
        yield from (f"{key} {value}" for key, value in thing.attrs.items())
    for name, variable in result.variables.items():
        yield name
        if variable.dtype.kind in "UO":
            yield from map(str, variable.values.ravel())


def test_texts_name_the_classes_of_the_caller_and_no_others():
    features, positive = drawn("layer", "head")
    features[:, 0, 0] = np.nan
    results = [
        evaluate(features, positive, groups=np.arange(90), labels=NAMES, evaluation=QUICK),
        published_recipe(features, positive, labels=NAMES),
    ]
    for result in results:
        text = "\n".join(texts_of(result))
        assert "AUROC of a probe for Retrieval" in text
        assert "tell" in result.auroc.attrs["caveat"]
        for key in ("definition", "caveat", "missing"):
            assert all(name in result.auroc.attrs[key] for name in NAMES), key
        assert not {"wrong", "right", "answer", "role", "question"} & set(text.lower().split())


def test_a_user_of_heads_reads_of_functions_only():
    features, _ = drawn("layer", "head")
    functions = [["Retrieval", "Inference", "Math Calculation"][at % 3] for at in range(90)]
    result = head_probes(features, functions, groups=list(range(90)), evaluation=QUICK)
    text = "\n".join(texts_of(result)).lower()
    assert "wrong" not in text and "right" not in text
    assert result["auroc"].attrs["valid_max"] == 1.0 and "seed" in result["auroc"].attrs
    assert "long_name" not in result["auroc"].attrs  # it differs between functions
    assert result["layer"].attrs == {"long_name": "of the first"}
    few = ["Inference" if at < 5 else functions[2 * (at % 2)] for at in range(90)]
    with pytest.raises(LayergramError) as caught:
        head_probes(features, few, groups=list(range(90)), evaluation=QUICK)
    assert "5 Inference and 85 other functions" in str(caught.value)
    assert "wrong" not in str(caught.value) and "question" not in str(caught.value)


def test_each_class_is_told_from_the_others_as_if_it_were_alone():
    features, positive = drawn("layer", "head")
    options = {"groups": np.arange(90), "evaluation": QUICK}
    both = {"Retrieval": positive, "Inference": np.roll(positive, 1)}
    each = evaluate_each(features, both, others="other functions", **options)
    for name, truth in both.items():
        one = evaluate(features, truth, labels=("other functions", name), **options)
        assert np.allclose(one.auroc, each[name].auroc, atol=0.005)  # both near the optimum
        for same in ("p_value", "example_fold", "counts"):
            assert np.array_equal(one[same], each[name][same])
        assert each[name].auroc.attrs["long_name"] == f"AUROC of a probe for {name}"


# --- features in a store ----------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    """Features in a zarr store, one chunk for each layer, and what is read of it."""
    zarr = pytest.importorskip("zarr")
    from zarr.storage import LocalStore, WrapperStore

    read = []

    class Counting(WrapperStore):
        async def get(self, key, *args, **options):
            if "features/c/" in key:
                read.append(key)
            return await super().get(key, *args, **options)

    features, positive = drawn("layer", "role")
    features[:, 0] = np.nan
    features = features.assign_coords(role=["last_q", "-1"]).drop_vars("example")
    chunks = {"features": {"chunks": (90, 1, 2, 5)}}
    features.to_dataset(name="features").to_zarr(
        tmp_path / "s.zarr", encoding=chunks, consolidated=False
    )
    store = Counting(asyncio.run(LocalStore.open(tmp_path / "s.zarr")))
    assert zarr.open_group(store, mode="r")["features"].chunks == (90, 1, 2, 5)
    lazy = xr.open_zarr(store, chunks=None, consolidated=False)["features"]
    read.clear()
    return lazy, features, positive, read


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_a_store_is_read_once_one_layer_at_a_time(stored):
    lazy, features, positive, read = stored
    steps = []
    options = {"groups": np.arange(90), "evaluation": QUICK}
    result = evaluate(
        lazy, positive, progress=lambda done, _: steps.append((done, len(read))), **options
    )
    chunks = [key.split("/c/")[1] for key in read]
    assert chunks[:3] == ["0/0/0/0", "0/1/0/0", "0/2/0/0"]
    chosen = {f"0/{layer}/0/0" for layer in (1, 2)}  # cells of further partitions, once each
    assert len(chunks) <= 3 + 4 and set(chunks[3:]) <= chosen
    assert steps == [(1, 2), (2, 2), (3, 2), (4, 2), (5, 3), (6, 3)]
    whole = evaluate(features, positive, **options)
    assert result.drop_attrs().equals(whole.drop_attrs())
    assert result.role.values.tolist() == ["last_q", "-1"]
    assert not lazy.variable._in_memory
