"""Results that are arrays: one labelled Zarr group per stage, written shard by shard.

A shard is one chunk along the item axis. Its chunk files are made in memory by Zarr and written
like all other files of a stage, so that they are flushed, renamed and listed with checksums.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

GROUP = "arrays.zarr"
"""Folder of the Zarr group inside the folder of a stage."""
Axes = Mapping[str, Sequence[Any] | int]
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class ArraySpec:
    """One array of a stage: what follows the item axis.

    Attributes:
        axes: dimension -> its labels, or its size where it has none.
        dtype: of the numbers, for example ``float32`` or ``float16``.
        chunks: dimension -> size of a chunk, for arrays that are later read piece by piece; a
            dimension that is not named is not cut.
        attrs: attributes of the array (``long_name``, ``units``, …), plain data.
    """

    axes: Axes
    dtype: str = "float32"
    chunks: Mapping[str, int] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes after the item axis."""
        return tuple(axis if isinstance(axis, int) else len(axis) for axis in self.axes.values())

    def plain(self) -> dict[str, Any]:
        """The same as plain data; ``ArraySpec(**plain)`` makes it again."""
        axes = {
            dim: axis if isinstance(axis, int) else list(axis) for dim, axis in self.axes.items()
        }
        rest = {"dtype": self.dtype, "chunks": dict(self.chunks), "attrs": dict(self.attrs)}
        return {"axes": axes, **rest}


@dataclass(frozen=True)
class Arrays:
    """How arrays are checked, written and read.

    Attributes:
        specs: the arrays.
        dim: name of the item axis.
        items: ids along the item axis, as they lie on the disk.
        shard_size: items in a shard.
        attrs: attributes of the group.
    """

    specs: Mapping[str, ArraySpec]
    dim: str
    items: Sequence[str]
    shard_size: int
    attrs: Mapping[str, Any]

    def check(self, ids: Sequence[str], results: Mapping[str, Any]) -> dict[str, Values]:
        """The arrays of one shard in the types that are asked for.

        Raises:
            ValueError: for other arrays or shapes than those of the stage.
            TypeError: for numbers that the type cannot hold.
        """
        if results.keys() != self.specs.keys():
            raise ValueError(f"arrays {sorted(results)}, asked for {sorted(self.specs)}")
        values = {name: np.asarray(results[name]) for name in self.specs}
        for name, spec in self.specs.items():
            if values[name].shape != (wanted := (len(ids), *spec.shape)):
                raise ValueError(f"{name} of shape {values[name].shape}, asked for {wanted}")
            values[name] = values[name].astype(spec.dtype, casting="same_kind", copy=False)
        return values

    def layout(self) -> dict[str, bytes]:
        """The files that all shards share: the metadata of the group, and the labels."""
        import zarr

        buffers: dict[str, Any] = {}
        store = zarr.storage.MemoryStore(store_dict=buffers)
        group = zarr.create_group(store, zarr_format=3, attributes=dict(self.attrs))
        for name in self.specs:
            self._create(group, name)
        for dim, labels in self._labels().items():
            text = labels.dtype.kind == "U"
            coordinate = group.create_array(
                dim,
                shape=labels.shape,
                chunks=(max(1, len(labels)),),
                dtype=str if text else labels.dtype,
                dimension_names=[dim],
                compressors=None,
            )
            coordinate[:] = labels.astype(object) if text else labels
        with warnings.catch_warnings():  # of Zarr: other libraries may not read this shortcut
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            zarr.consolidate_metadata(store)
        return {f"{GROUP}/{key}": buffer.to_bytes() for key, buffer in buffers.items()}

    def encode(self, shard: str, results: Mapping[str, Values]) -> dict[str, bytes]:
        """The chunk files of one shard."""
        import zarr

        buffers: dict[str, Any] = {}
        group = zarr.create_group(zarr.storage.MemoryStore(store_dict=buffers), zarr_format=3)
        first = int(shard) * self.shard_size
        for name, values in results.items():
            self._create(group, name)[first : first + len(values)] = values
        chunks = {key: buffer for key, buffer in buffers.items() if not key.endswith("zarr.json")}
        return {f"{GROUP}/{key}": buffer.to_bytes() for key, buffer in chunks.items()}

    def read(self, folder: Path, shards: Sequence[str], items: Sequence[str]) -> xr.Dataset:
        """All arrays with their labels in the order of ``items``, read from the disk when used."""
        dataset = xr.open_dataset(
            folder / GROUP, engine="zarr", consolidated=True, decode_cf=False, cache=False
        )
        for variable in dataset.variables.values():
            variable.encoding = {}  # of this file, not of those that the results are written to
        dataset = dataset.assign_coords(self._labels())  # texts in numpy's usual type
        if list(items) == list(self.items):
            return dataset
        place = {item: at for at, item in enumerate(self.items)}
        return dataset.isel({self.dim: [place[item] for item in items]})

    def join(self, parts: Sequence[Mapping[str, Values]], items: Sequence[str]) -> xr.Dataset:
        """The same as :meth:`read`, from the arrays of all shards in memory."""
        empty = {name: np.empty((0, *s.shape), s.dtype) for name, s in self.specs.items()}
        arrays = {
            name: (
                (self.dim, *s.axes),
                np.concatenate([p[name] for p in parts or [empty]]),
                s.attrs,
            )
            for name, s in self.specs.items()
        }
        return xr.Dataset(arrays, coords=self._labels(), attrs=self.attrs)

    def size(self, items: int) -> int:
        """Bytes on the disk that so many items need."""
        specs = self.specs.values()
        return items * sum(np.dtype(s.dtype).itemsize * math.prod(s.shape) for s in specs)

    def _labels(self) -> dict[str, Values]:
        axes = {dim: axis for spec in self.specs.values() for dim, axis in spec.axes.items()}
        labels = {dim: np.asarray(axis) for dim, axis in axes.items() if not isinstance(axis, int)}
        return {self.dim: np.asarray(self.items, dtype=str), **labels}

    def _create(self, group: Any, name: str) -> Any:
        """An array of the whole stage in a Zarr group, all of it still empty."""
        spec = self.specs[name]
        chunks = [
            spec.chunks.get(dim, size) for dim, size in zip(spec.axes, spec.shape, strict=True)
        ]
        floating = np.dtype(spec.dtype).kind == "f"
        return group.create_array(
            name,
            shape=(len(self.items), *spec.shape),
            chunks=(self.shard_size, *(max(1, size) for size in chunks)),
            dtype=spec.dtype,
            fill_value=np.nan if floating else 0,
            dimension_names=[self.dim, *spec.axes],
            attributes=dict(spec.attrs),
            compressors=None,  # floats hardly shrink (random ones by 8 %) and are read more slowly
            chunk_key_encoding={"name": "default", "separator": "."},
            config={"write_empty_chunks": True},
        )
