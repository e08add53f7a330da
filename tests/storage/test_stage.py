"""A stage makes every item once, whatever happens in between, and gives results by item."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import (
    AXES,
    ITEMS,
    arrays_of,
    arrays_stage,
    assert_equal,
    number_of,
    records_of,
    records_stage,
)

from layergram.errors import LayergramError
from layergram.storage.folder import RunFolder
from layergram.storage.stage import ArraySpec, Stage, run_stage
from layergram.storage.verify import verify

pytestmark = pytest.mark.filterwarnings("error")

KINDS = {"records": (records_stage, records_of), "arrays": (arrays_stage, arrays_of)}
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
each_kind = pytest.mark.parametrize("kind", KINDS)


def counted(work):
    """Work that writes down what it was asked for."""
    asked = []

    def counting(ids):
        asked.append(list(ids))
        return work(ids)

    return counting, asked


def never(ids):
    raise AssertionError("nothing was left to do")


@each_kind
def test_results_are_the_same_kept_or_not_and_are_made_once(kind, tmp_path):
    stage, work = KINDS[kind][0](), KINDS[kind][1]
    counting, asked = counted(work)
    loose = run_stage(stage, work, None)
    with RunFolder(tmp_path) as folder:
        first = run_stage(stage, counting, folder)
        again = run_stage(stage, never, folder)
    assert_equal(first, loose)
    assert_equal(again, loose)
    assert asked == [ITEMS[at : at + 4] for at in range(0, 23, 4)]


def test_records_are_what_the_work_made():
    assert run_stage(records_stage(), records_of, None) == records_of(ITEMS)
    listed = run_stage(records_stage(), lambda ids: list(records_of(ids).values()), None)
    assert listed == records_of(ITEMS)


def test_arrays_are_what_the_work_made_with_labels(tmp_path):
    with RunFolder(tmp_path) as folder:
        found = run_stage(arrays_stage(), arrays_of, folder)
    made = arrays_of(ITEMS)
    assert found["features"].dims == ("example", *AXES)
    assert list(found["example"].values) == ITEMS
    assert list(found["role"].values) == ["last", "exact"]
    assert found["features"].dtype == np.float16 and found["features"].attrs == {"units": "1"}
    np.testing.assert_array_equal(found["features"], made["features"].astype(np.float16))
    np.testing.assert_array_equal(found["scores"], made["scores"])
    assert found.attrs["made_from"] == {"model": "m", "options": {"roles": ["last", "exact"]}}


@given(
    st.lists(st.text(TEXT, min_size=1, max_size=5), unique=True, max_size=9),
    st.integers(1, 5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_any_ids_and_plain_values_come_back(tmp_path_factory, ids, size, value):
    stage = Stage("any", ids, {}, shard_size=size)
    axes = {"feature": 2}
    arrays = Stage("arrays", ids, {}, {"x": ArraySpec(axes, "int32")}, shard_size=size)

    def numbers(some):
        return {"x": np.array([[ids.index(item), -1] for item in some]).reshape(-1, 2)}

    with RunFolder(tmp_path_factory.mktemp("run")) as folder:
        found = run_stage(stage, lambda some: [{"value": value} for _ in some], folder)
        stored = run_stage(arrays, numbers, folder)
    assert list(found.items()) == [(item, {"value": value}) for item in ids]
    assert_equal(stored, run_stage(arrays, numbers, None))
    assert stored["example"].values.tolist() == ids


@each_kind
@given(order=st.permutations(ITEMS), size=st.integers(1, 30), done=st.integers(0, 6))
def test_another_order_or_shard_size_goes_on_and_moves_nothing(
    tmp_path_factory, kind, order, size, done
):
    stage, work = KINDS[kind][0](), KINDS[kind][1]
    path = tmp_path_factory.mktemp("run")
    first, asked = counted(work)
    unfinished = pytest.raises(LayergramError, match="not made yet") if done < 6 else nullcontext()
    some = RunFolder(path, executor=lambda make, names: map(make, names[:done]))
    with some as folder, unfinished:
        run_stage(stage, first, folder)
    with RunFolder(path) as folder:
        other = dataclasses.replace(stage, items=order, shard_size=size)
        rest, more = counted(work)
        found = run_stage(other, rest, folder)
    assert [item for ids in asked + more for item in ids] == ITEMS  # in the order fixed first
    assert_equal(found, run_stage(other, work, None))
    assert verify(path).whole


@each_kind
def test_an_error_in_the_work_keeps_what_was_done(kind, tmp_path):
    stage, work = KINDS[kind][0](), KINDS[kind][1]

    def fails(ids):
        if number_of(ids[0]) >= 12:
            raise RuntimeError("out of memory")
        return work(ids)

    rest, asked = counted(work)
    with RunFolder(tmp_path) as folder, pytest.raises(RuntimeError, match="out of memory"):
        run_stage(stage, fails, folder)
    with RunFolder(tmp_path) as folder:
        found = run_stage(stage, rest, folder)
    assert asked == [ITEMS[12:16], ITEMS[16:20], ITEMS[20:]]
    assert_equal(found, run_stage(stage, work, None))


@each_kind
def test_progress_counts_items_and_what_was_done_before(kind, tmp_path):
    stage, work = KINDS[kind][0](), KINDS[kind][1]
    calls = []
    with RunFolder(tmp_path) as folder:
        run_stage(stage, work, folder, progress=lambda *call: calls.append(call))
        run_stage(stage, never, folder, progress=lambda *call: calls.append(call))
    run_stage(stage, work, None, progress=lambda *call: calls.append(call))
    whole = [(done, 23) for done in (0, 4, 8, 12, 16, 20, 23)]
    assert calls == [*whole, (23, 23), *whole]


@each_kind
def test_many_processes_write_shards_of_one_stage(kind, tmp_path):
    stage, work = KINDS[kind][0](shard_size=1), KINDS[kind][1]
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(3, mp_context=spawn) as pool,
        RunFolder(tmp_path, executor=pool.map) as folder,
    ):
        found = run_stage(stage, work, folder)
        run_stage(stage, never, folder)
    assert_equal(found, run_stage(stage, work, None))


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (lambda ids: [{}] * (len(ids) - 1), ValueError),
        (lambda ids: {"other": {}}, ValueError),
        (lambda ids: [{"x": object()}] * len(ids), TypeError),
    ],
)
def test_records_that_are_not_those_asked_for_are_refused(made, error, tmp_path):
    with RunFolder(tmp_path) as folder, pytest.raises(error):
        run_stage(records_stage(), made, folder)
    assert not list(tmp_path.rglob("0*"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda made: made.pop("scores"), ValueError),
        (lambda made: made.update(scores=made["scores"][:1]), ValueError),
        (lambda made: made.update(features=made["features"][:, :2]), ValueError),
        (lambda made: made.update(scores=made["scores"].astype(complex)), TypeError),
    ],
)
def test_arrays_that_are_not_those_asked_for_are_refused(change, error, tmp_path):
    def made(ids):
        arrays = arrays_of(ids)
        change(arrays)
        return arrays

    with RunFolder(tmp_path) as folder, pytest.raises(error):
        run_stage(arrays_stage(), made, folder)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../elsewhere"},
        {"name": "/root"},
        {"name": "a/shards"},
        {"name": ""},
        {"shard_size": 0},
        {"items": [1, 2]},
        {"items": ["a\0"]},
        {"arrays": {"x": ArraySpec({"example": 3})}},
        {"arrays": {"x": ArraySpec({"layer": 3}), "y": ArraySpec({"layer": 4})}},
        {"arrays": {"x": ArraySpec({"layer": 3}, chunks={"role": 1})}},
    ],
)
def test_stages_that_cannot_be_kept_are_refused(change):
    with pytest.raises(ValueError):
        records_stage(**change)


def test_ids_come_once():
    with pytest.raises(LayergramError, match=r"2 ids that come more than once \(such as 'a'\)"):
        records_stage(items=["a", "b", "a", "b", "c"])


def test_a_full_disk_is_refused_before_any_work(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with RunFolder(tmp_path) as folder, pytest.raises(LayergramError, match="free disk"):
        run_stage(arrays_stage(), never, folder)


def test_zarr_opens_a_finished_stage_where_layergram_is_not(tmp_path):
    with RunFolder(tmp_path) as folder:
        known = run_stage(arrays_stage(), arrays_of, folder)
    code = """
import json, sys
sys.modules["layergram"] = None
import xarray as xr
found = xr.open_zarr(sys.argv[1])
print(json.dumps({
    "dims": list(found["features"].dims),
    "examples": [str(item) for item in found["example"].values],
    "roles": [str(role) for role in found["role"].values],
    "made_from": found.attrs["made_from"],
    "dtype": str(found["features"].dtype),
    "values": found["features"].sel(layer=2, role="exact").values.tolist(),
    "score": found["scores"].sel(example="question 5", score="last").item(),
}))
"""
    path = tmp_path / "states" / "residual" / "arrays.zarr"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["dims"] == ["example", "layer", "role", "feature"]
    assert found["examples"] == ITEMS and found["roles"] == ["last", "exact"]
    assert found["made_from"] == known.attrs["made_from"] and found["dtype"] == "float16"
    values = known["features"].sel(layer=2, role="exact").values
    np.testing.assert_array_equal(np.array(found["values"]), values)
    assert found["score"] == -5


def test_one_layer_is_read_without_the_others(tmp_path):
    with RunFolder(tmp_path) as folder:
        found = run_stage(arrays_stage(), arrays_of, folder)
    for chunk in (tmp_path / "states/residual/arrays.zarr/features").glob("c.*.1.0.0"):
        chunk.write_bytes(b"not a chunk")
    known = arrays_of(ITEMS)["features"].astype(np.float16)
    np.testing.assert_array_equal(found["features"].sel(layer=3), known[:, 2])
    with pytest.raises(ValueError):
        found["features"].sel(layer=2).load()


def test_results_are_read_as_they_are_used(tmp_path):
    with RunFolder(tmp_path) as folder:
        found = run_stage(arrays_stage(), arrays_of, folder)
    assert found["scores"].values[3].tolist() == [1, -3]
    chunk = tmp_path / "states/residual/arrays.zarr/scores/c.0.0"
    chunk.write_bytes(bytes(chunk.stat().st_size))
    assert found["scores"].values[3].tolist() == [0, 0]  # read again, not held in memory
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle")]


def test_a_damaged_chunk_without_a_number_is_written_again(tmp_path):
    stage = Stage("empty", ["a", "b"], {}, {"x": ArraySpec({"feature": 3})})
    for _ in range(2):
        with RunFolder(tmp_path) as folder:
            found = run_stage(stage, lambda ids: {"x": np.full((2, 3), np.nan)}, folder)
        assert np.isnan(found["x"].values).all()
        (tmp_path / "empty" / "arrays.zarr" / "x" / "c.0.0").write_bytes(bytes(4 * 2 * 3))


def test_the_examples_of_the_page_work(tmp_path, monkeypatch, capsys):
    page = Path(__file__).parent.parent.parent / "docs" / "results.md"
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, {})
    assert capsys.readouterr().out == "CAPITAL OF PERU?\n(3, 576)\n"
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    listed = ["manifest.json", "answers/shards/00000.jsonl", "features/shards/layout.json"]
    assert files >= {f"roles/{name}" for name in listed} | {"roles/features/arrays.zarr"}
