"""Features of a question set as a stream of cells, and what is refused before the work starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram.errors import LayergramError
from layergram.statistics.arrays import Labels

AXES = ("example", "layer", "role", "feature")
FEWEST = 10  # examples of a class below which no probe is trained


@dataclass(frozen=True)
class Grid:
    """Features [example, layer, role, feature], read one layer at a time.

    Attributes:
        features: the array, which may lie on disk.
        present: which examples have which role [example, role].
    """

    features: xr.DataArray
    present: Labels

    @property
    def shape(self) -> tuple[int, int]:
        """Number of layers and of roles."""
        return self.features.sizes["layer"], self.features.sizes["role"]

    @property
    def layers(self) -> list[int]:
        """Numbers of the layers."""
        return [int(layer) for layer in self.features["layer"].values]

    @property
    def roles(self) -> list[str]:
        """Names of the roles."""
        return [str(role) for role in self.features["role"].values]

    def cells(self) -> Iterator[tuple[tuple[int, int], npt.NDArray[np.float32] | None]]:
        """Each cell's place and its features [example with the role, feature], layer by layer.

        None stands for a cell that no example has features for.

        Raises:
            LayergramError: where a feature is infinite, or an example has a role at some layers
                only.
        """
        for layer in range(self.shape[0]):
            values = _layer(self.features, layer)
            for role in range(self.shape[1]):
                here = np.asarray(values[:, role], dtype=np.float32)
                self._check(here, layer, role)
                known = here[self.present[:, role]]
                empty = not known.size or np.isnan(known).any()
                yield (layer, role), None if empty else known

    def _check(self, values: npt.NDArray[np.float32], layer: int, role: int) -> None:
        name = f"features of layer {self.layers[layer]}, role '{self.roles[role]}'"
        if np.isinf(values).any():
            example = int(np.argwhere(np.isinf(values))[0, 0])
            raise LayergramError(
                name,
                got=f"an infinite number, first in example {example}",
                allowed="finite numbers, or NaN for an example without the role",
                do="keep the features in float32, which reaches further than float16",
            )
        missing = np.isnan(values).any(1)
        if not missing.all() and (missing != ~self.present[:, role]).any():
            example = int(np.flatnonzero(missing != ~self.present[:, role])[0])
            raise LayergramError(
                name,
                got=f"example {example} has the role at some layers and NaN at others",
                allowed="NaN at every layer, or at none",
                do="compute the features of this example again",
            )


def _layer(features: xr.DataArray, layer: int) -> npt.NDArray[Any]:
    return np.asarray(features.isel(layer=layer).transpose("example", "role", "feature").values)


def grid_of(features: Any) -> Grid:
    """The grid of an array of features, named or with its four axes in order.

    A plain array's layers are numbered from 0, the embeddings, and so are its roles.

    Raises:
        LayergramError: for other axes, no features, or no numbers.
    """
    if not isinstance(features, xr.DataArray):
        array = features if hasattr(features, "ndim") else np.asarray(features)
        if array.ndim != len(AXES):
            raise _not_features(f"an array of shape {tuple(array.shape)}")
        roles = [str(role) for role in range(array.shape[2])]
        features = xr.DataArray(array, dims=AXES, coords={"role": roles})
    if set(features.dims) != set(AXES):
        raise _not_features(f"the axes {', '.join(map(str, features.dims))}")
    if not features.size or not np.issubdtype(features.dtype, np.floating):
        raise _not_features(f"shape {features.shape} of type {features.dtype}")
    for layer in range(features.sizes["layer"]):
        present = ~np.isnan(_layer(features, layer)).any(-1)
        if present.any():
            return Grid(features, present)
    raise _not_features("only NaN")


def _not_features(got: str) -> LayergramError:
    return LayergramError(
        "probes on features",
        got=got,
        allowed=f"floating-point numbers with the axes {', '.join(AXES)}",
    )


def checked_labels(wrong: Any, count: int) -> Labels:
    """The labels of ``count`` examples, True for wrong.

    Raises:
        LayergramError: for another number of labels, labels that are not true or false, or fewer
            than 10 of one class.

    Example:
        >>> checked_labels([0, 1] * 10, 20).sum()
        np.int64(10)
    """
    labels = np.asarray(wrong)
    if labels.shape != (count,):
        raise LayergramError(f"labels of {count} examples", got=f"an array of shape {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise LayergramError(
            "labels", got="values other than true and false", allowed="true for a wrong answer"
        )
    labels = labels.astype(np.bool_)
    bad, good = int(labels.sum()), int((~labels).sum())
    if min(bad, good) < FEWEST:
        raise LayergramError(
            "probes that tell wrong answers from right ones",
            got=f"{bad} wrong and {good} right",
            allowed=f"at least {FEWEST} of each",
            do="ask more questions, or questions on which the model is neither always right nor "
            "always wrong",
        )
    return labels
