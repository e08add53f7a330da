"""Tables and arrays that other programs and people wrote, as maps."""

from layergram.maps.foreign.datasets import read_netcdf, read_zarr
from layergram.maps.foreign.from_json import read_json
from layergram.maps.foreign.tables import read_table

__all__ = ["read_json", "read_netcdf", "read_table", "read_zarr"]
