"""What a run has stored is read by other programs."""

from __future__ import annotations

import numpy as np
import xarray as xr
from stages import arrays_of, arrays_stage

from layergram.storage.folder import RunFolder
from layergram.storage.stage import run_stage


def test_xarray_reads_the_arrays_of_ten_thousand_examples(tmp_path):
    items = [f"question {at}" for at in range(10_000)]
    stage = arrays_stage(items=items, shard_size=500)
    with RunFolder(tmp_path) as folder:
        run_stage(stage, arrays_of, folder)
    found = xr.open_zarr(tmp_path / "states" / "residual" / "arrays.zarr")
    expected = arrays_of(items)
    assert found["features"].dims == ("example", "layer", "role", "feature")
    assert found["example"].values.tolist() == items
    assert found["role"].values.tolist() == ["last", "exact"]
    assert found.attrs["made_from"]["model"] == "m" and found["features"].attrs["units"] == "1"
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values.astype(found[name].dtype))
