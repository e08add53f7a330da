"""Features as a stream of cells, and what is refused before the work starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.errors import LayergramError, unknown_name
from layergram.maps import DIMENSIONS
from layergram.statistics.arrays import Labels, Numbers
from layergram.statistics.folds import FEWEST_OF_CLASS, numbered

PLAIN_AXES = ("example", "layer", "role", "feature")
RESULT_AXES = ("label", "baseline", "test_fold")
CLASSES = ("negative examples", "positive examples")
Names = tuple[str, str]  # of the negative and of the positive class
Place = tuple[int, int]  # indices of a cell


@dataclass(frozen=True)
class Grid:
    """Features [item, first axis, second axis, feature], read one index of the first at a time.

    Attributes:
        features: the array, which may lie on disk.
        item: name of the axis of examples.
        axes: names of both cell axes.
        present: which examples have features at an index of the second axis [example, second].
        loaded: what was read to know that, until it is used: the first index of the first axis
            where an example has features -> numbers [example, second, feature].
    """

    features: xr.DataArray
    item: str
    axes: tuple[str, str]
    present: Labels
    loaded: dict[int, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def shape(self) -> Place:
        """Size of the first and of the second cell axis."""
        return self.features.sizes[self.axes[0]], self.features.sizes[self.axes[1]]

    @property
    def count(self) -> int:
        """Number of examples."""
        return self.features.sizes[self.item]

    def coordinates(self) -> dict[str, xr.Variable]:
        """The labels of both cell axes, with their attributes."""
        return {axis: self.features[axis].variable for axis in self.axes}

    def cells(self) -> Iterator[tuple[Place, npt.NDArray[np.float32] | None]]:
        """Each cell's place and its features [example that has them, feature], in order.

        None stands for a cell that no example has features for.

        Raises:
            LayergramError: where a feature is infinite, or an example has features at some
                indices of the first axis only.
        """
        begins = min(self.loaded, default=0)
        for first, second in np.ndindex(self.shape):
            if first < begins:
                yield (first, second), None
                continue
            if second == 0:
                kept = self.loaded.pop(first, None)
                values = _read(self.features, self.axes, first) if kept is None else kept
            here = np.asarray(values[:, second], dtype=np.float32)
            self._check(here, (first, second))
            known = here[self.present[:, second]]
            empty = not known.size or np.isnan(known).any()
            yield (first, second), None if empty else known

    def cell(self, place: Place) -> npt.NDArray[np.float32]:
        """The features of one cell, read anew [example that has them, feature]."""
        values = self.features.isel(dict(zip(self.axes, place, strict=True))).load()
        here = np.asarray(values.transpose(self.item, "feature").values, dtype=np.float32)
        return here[self.present[:, place[1]]]

    def _check(self, values: npt.NDArray[np.float32], place: Place) -> None:
        (first, second), item = self.axes, self.item
        if np.isinf(values).any():
            raise LayergramError(
                self._named(place),
                got=f"an infinite number, first in {item} {np.argwhere(np.isinf(values))[0, 0]}",
                allowed=f"finite numbers, or NaN where the {item} has no {second}",
                do="keep the features in float32, which reaches further than float16",
            )
        missing = np.isnan(values).any(1)
        differ = np.flatnonzero(missing != ~self.present[:, place[1]])
        if not missing.all() and differ.size:
            raise LayergramError(
                self._named(place),
                got=f"{item} {differ[0]} has the {second} at some {first}s and NaN at others",
                allowed=f"NaN at every {first}, or at none",
                do=f"compute the features of this {item} again",
            )

    def _named(self, place: Place) -> str:
        parts = zip(self.coordinates().items(), place, strict=True)
        labels = [f"{axis} {labels.values.tolist()[at]!r}" for (axis, labels), at in parts]
        return f"features of {', '.join(labels)}"


def _read(features: xr.DataArray, axes: tuple[str, str], first: int) -> npt.NDArray[Any]:
    """The features at an index of the first cell axis [example, second, feature]."""
    part = features.isel({axes[0]: first}).load()  # an array of its own: nothing else is kept
    return np.asarray(part.transpose(..., axes[1], "feature").values)


def grid_of(features: Any) -> Grid:
    """The grid of an array of features: named, or plain with layers and roles for its cells.

    A plain array's layers are numbered from 0, the embeddings, and so are its roles.

    Raises:
        LayergramError: for other axes, no features, or no numbers.
    """
    if not isinstance(features, xr.DataArray):
        array = features if hasattr(features, "ndim") else np.asarray(features)
        if array.ndim != len(PLAIN_AXES):
            raise _not_features(f"an array of shape {tuple(array.shape)}")
        roles = [str(role) for role in range(array.shape[2])]
        features = xr.DataArray(array, dims=PLAIN_AXES, coords={"role": roles})
    dims = [str(dim) for dim in features.dims]
    axes = [dim for dim in dims[1:] if dim != "feature"]
    if len(dims) != len(PLAIN_AXES) or len(axes) != 2 or dims[0] in RESULT_AXES:
        raise _not_features(f"the axes {', '.join(dims)}")
    for axis in axes:
        if axis not in DIMENSIONS:
            raise unknown_name("axis", axis, DIMENSIONS)
    if not features.size or not np.issubdtype(features.dtype, np.floating):
        raise _not_features(f"shape {features.shape} of type {features.dtype}")
    cells, loaded = (axes[0], axes[1]), dict[int, npt.NDArray[Any]]()
    present = np.zeros((features.sizes[dims[0]], features.sizes[axes[1]]), dtype=np.bool_)
    for first in range(features.sizes[axes[0]]):
        values = _read(features, cells, first)
        here, lacking = ~np.isnan(values).any(-1), ~present.any(0)
        present[:, lacking] = here[:, lacking]
        if here.any() and not loaded:
            loaded = {first: values}
        if present.any(0).all():
            break
    if not loaded:
        raise _not_features("only NaN")
    return Grid(features, dims[0], cells, present, loaded)


def _not_features(got: str) -> LayergramError:
    return LayergramError(
        "probes on features",
        got=got,
        allowed="floating-point numbers whose axes are the examples, two axes of a map, and "
        f"'feature', such as {', '.join(PLAIN_AXES)}",
    )


def checked_labels(positive: Any, count: int, names: Names) -> Labels:
    """The labels of ``count`` examples, True for the positive class.

    Raises:
        LayergramError: for two classes of one name, another number of labels, labels that are not
            true or false, or fewer than 10 of one class.

    Example:
        >>> checked_labels([0, 1] * 10, 20, ("right answers", "wrong answers")).sum()
        np.int64(10)
    """
    if names[0] == names[1]:
        raise LayergramError("a probe of two classes", got=f"two named '{names[0]}'")
    labels = np.asarray(positive)
    if labels.shape != (count,):
        raise LayergramError(f"labels of {count} examples", got=f"an array of shape {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise LayergramError(
            "labels", got="values other than true and false", allowed=f"true for {names[1]}"
        )
    labels = labels.astype(np.bool_)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if min(positives, negatives) < FEWEST_OF_CLASS:
        raise LayergramError(
            f"a probe that tells {names[1]} from {names[0]}",
            got=f"{positives} {names[1]} and {negatives} {names[0]}",
            allowed=f"at least {FEWEST_OF_CLASS} of each",
            do="bring more examples of the rarer class",
        )
    return labels


def examples_of(
    features: npt.ArrayLike, positive: Any, groups: Any, names: Names
) -> tuple[npt.NDArray[np.float32], Labels, Numbers]:
    """Features, labels and numbered groups of those examples of one cell that have features.

    Args:
        features: numbers [example, feature]; NaN where an example has none.
        positive: whether an example is of the positive class [example].
        groups: what belongs together [example].
        names: of both classes.

    Raises:
        LayergramError: for other shapes, infinite features, and as :func:`checked_labels`.
    """
    values = np.asarray(features, dtype=np.float32)
    shapes = [values.shape, np.shape(positive), np.shape(groups)]
    if values.ndim != 2 or not values.shape[1] or len({shape[:1] for shape in shapes}) > 1:
        raise LayergramError(
            f"a probe that tells {names[1]} from {names[0]}",
            got="features {}, labels {} and groups {}".format(*shapes),
            allowed="[example, feature], [example] and [example]",
        )
    if np.isinf(values).any():
        raise LayergramError("a probe", got="infinite features", allowed="finite numbers or NaN")
    known = ~np.isnan(values).any(1)
    truth = checked_labels(np.asarray(positive)[known], int(known.sum()), names)
    return values[known], truth, numbered(np.asarray(groups)[known])
