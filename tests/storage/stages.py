"""Small stages with known results, for the tests of storage and for processes that they start."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

from layergram.storage.folder import RunFolder
from layergram.storage.stage import ArraySpec, Stage, run_stage

ITEMS = [f"question {number}" for number in range(23)]
AXES = {"layer": range(1, 4), "role": ["last", "exact"], "feature": 5}


def number_of(item):
    return int(item.split()[1])


def records_stage(**changes):
    asked = {"name": "answers", "items": ITEMS, "made_from": {"model": "m"}, "shard_size": 4}
    return Stage(**asked | changes)


def arrays_stage(**changes):
    arrays = {
        "features": ArraySpec(AXES, "float16", chunks={"layer": 1}, attrs={"units": "1"}),
        "scores": ArraySpec({"score": ["mean", "last"]}, "float64"),
    }
    asked = {
        "name": "states/residual",
        "items": ITEMS,
        "made_from": {"model": "m", "options": {"roles": ["last", "exact"]}},
        "arrays": arrays,
        "shard_size": 4,
    }
    return Stage(**asked | changes)


def records_of(ids):
    return {item: {"reply": f"«{item}»\n\u2028", "score": number_of(item) / 3} for item in ids}


def arrays_of(ids):
    numbers = np.array([number_of(item) for item in ids], dtype=np.float64)
    features = numbers[:, None, None, None] + np.arange(30).reshape(3, 2, 5) / 32
    features[numbers == 7] = np.nan
    return {"features": features, "scores": np.stack([numbers / 3, -numbers], axis=1)}


def assert_equal(a, b):
    if isinstance(a, xr.Dataset):
        xr.testing.assert_identical(a, b)
        assert all(a[name].dtype == b[name].dtype for name in a.variables)
    else:
        assert list(a.items()) == list(b.items())


def slow(work, seconds):
    """The same work, with a pause before each item."""

    def slowed(ids):
        time.sleep(seconds * len(ids))
        return work(ids)

    return slowed


def run_both(path, seconds=0.0, *, share=None):
    """Both stages in one folder."""
    with RunFolder(path, share=share) as folder:
        print("begun", flush=True)
        records = run_stage(records_stage(), slow(records_of, seconds), folder)
        arrays = run_stage(arrays_stage(), slow(arrays_of, seconds), folder)
    print("done", flush=True)
    return records, arrays


if __name__ == "__main__":
    run_both(Path(sys.argv[1]), float(sys.argv[2]))
