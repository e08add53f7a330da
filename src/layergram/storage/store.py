"""A store of numbers with named axes: memory-mapped arrays, and a manifest of what they are.

``ARRAY.npy`` holds the numbers in numpy's own format, ``NAME.json`` the axes with their labels and
what they were made from. The manifest is there once the store is whole; until then
``NAME.part.json`` says which batches are done, so that a killed run goes on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import maps
from layergram.errors import LayergramError

SCHEMA = 1
Axes = Mapping[str, Sequence[Any] | int]
Work = Callable[[Sequence[int]], Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True)
class Layout:
    """What a store holds.

    Attributes:
        name: of the store.
        arrays: array -> its axes in order; an axis has its labels, or a number as its size. The
            first axis is the one that grows, and is of the same size in all of them.
        dtypes: array -> ``float32`` or ``float16``.
        made_from: everything that the numbers depend on.
    """

    name: str
    arrays: Mapping[str, Axes]
    dtypes: Mapping[str, str]
    made_from: Mapping[str, Any]

    def shape(self, array: str) -> tuple[int, ...]:
        """The size of every axis of an array."""
        axes = self.arrays[array].values()
        return tuple(axis if isinstance(axis, int) else len(axis) for axis in axes)

    @property
    def bytes(self) -> int:
        """What the store takes on the disk."""
        sizes = (np.dtype(self.dtypes[a]).itemsize * np.prod(self.shape(a)) for a in self.arrays)
        return int(sum(sizes))

    def plain(self) -> dict[str, Any]:
        """As plain data for JSON."""
        arrays = {
            name: {axis: v if isinstance(v, int) else list(v) for axis, v in axes.items()}
            for name, axes in self.arrays.items()
        }
        return {
            "layergram": "store",
            "schema": SCHEMA,
            "arrays": arrays,
            "dtypes": dict(self.dtypes),
            "made_from": dict(self.made_from),
        }


def fill(
    layout: Layout,
    folder: Path,
    batches: Sequence[Sequence[int]],
    work: Work,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Fill a store batch by batch along its first axis, or find it filled.

    Args:
        layout: what it is to hold.
        folder: where its files are.
        batches: places on the first axis, the same at every call; each batch is done once.
        work: makes the numbers of a batch, array by array.
        progress: called with how many places are done, and how many there are.

    Returns:
        The arrays with their labels, read from the disk as they are used.

    Raises:
        LayergramError: if the folder has a store of that name with other numbers in it, or the
            disk has no room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole, part = folder / f"{layout.name}.json", folder / f"{layout.name}.part.json"
    files = {array: folder / f"{array}.npy" for array in layout.arrays}
    plain = json.loads(json.dumps(layout.plain()))
    done = _done(plain, whole, part, files, len(batches))
    if done == 0 and batches:
        _make(layout, folder, files)
    if done < len(batches):
        opened = {a: np.lib.format.open_memmap(path, mode="r+") for a, path in files.items()}
        for at in range(done, len(batches)):
            for array, values in work(batches[at]).items():
                opened[array][list(batches[at])] = values
                opened[array].flush()
            maps.write_text(json.dumps({"done": at + 1, "layout": plain}), part)
            if progress is not None:
                count = sum(map(len, batches))
                progress(sum(map(len, batches[: at + 1])), count)
    if not whole.exists():
        maps.write_text(json.dumps(plain, ensure_ascii=False), whole)
    part.unlink(missing_ok=True)
    return xr.Dataset(
        {
            array: xr.DataArray(
                np.load(files[array], mmap_mode="r", allow_pickle=False),
                dims=tuple(axes),
                coords={axis: list(v) for axis, v in axes.items() if not isinstance(v, int)},
            )
            for array, axes in layout.arrays.items()
        }
    )


def _make(layout: Layout, folder: Path, files: Mapping[str, Path]) -> None:
    free = shutil.disk_usage(folder).free
    if layout.bytes > free:
        raise LayergramError(
            f"a store of {layout.bytes / 1e9:.1f} GB in '{folder}'",
            got=f"{free / 1e9:.1f} GB of free disk",
            do="choose another folder with --out, fewer questions with --limit, or float16",
        )
    for array, path in files.items():
        np.lib.format.open_memmap(
            path, mode="w+", dtype=layout.dtypes[array], shape=layout.shape(array)
        ).flush()


def _done(
    plain: dict[str, Any], whole: Path, part: Path, files: Mapping[str, Path], batches: int
) -> int:
    """How many batches are on the disk already."""
    path = whole if whole.exists() else part
    if not path.exists() or not all(file.exists() for file in files.values()):
        return 0
    known = json.loads(path.read_text(encoding="utf-8"))
    layout = known if path == whole else known["layout"]
    if layout != plain:
        differ = [key for key in plain if layout.get(key) != plain[key]]
        raise LayergramError(
            f"the store '{path}'",
            got=f"numbers of another run: other {', '.join(differ)}",
            do="choose another folder with --out, or remove this one",
        )
    return batches if path == whole else int(known["done"])
