"""What masking heads has done to the scores of steps: means, intervals, and the matrix as a map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import maps
from layergram.datasets.steps import StepSet
from layergram.errors import unknown_name
from layergram.interventions.masking import Masking
from layergram.interventions.scoring import FORCED, GENERATED, LABELS, UNITS
from layergram.statistics.arrays import Values
from layergram.statistics.bootstrap import Bootstrap

DEFINITION = (
    "Mean change of the {what} at the steps of a function (columns) when the top heads of a "
    "function (rows) are masked: masked less unmasked."
)
CAVEAT = (
    "A model gets worse without any of its heads: only what the top heads do beyond as many random "
    "others speaks for them. Off the diagonal is what their masking does to other functions."
)


@dataclass(frozen=True)
class Passes:
    """The scores [step, score] of every pass of a causal test.

    Attributes:
        unmasked: of the model as it is.
        masked: for each function, with its top heads masked.
        random: for each function, with other heads masked, draw by draw, on its own steps.
    """

    unmasked: xr.DataArray
    masked: Mapping[str, xr.DataArray]
    random: Mapping[str, Sequence[xr.DataArray]]


def effects(passes: Passes, steps: StepSet, masking: Masking) -> xr.Dataset:
    """The changes that :func:`layergram.interventions.causal_test.causal_test` hands out."""
    places = passes.unmasked["step"].values
    groups = np.array([steps.steps[at].group for at in places])
    of = np.array([steps.steps[at].function for at in places])
    functions = [name for name in steps.counts() if (of == name).any()]
    bootstrap = Bootstrap(
        groups.tolist(), resamples=masking.resamples, level=masking.level, seed=masking.seed
    )
    names = [str(name) for name in passes.unmasked["score"].values]
    found = [_of_score(name, passes, of, functions, bootstrap) for name in names]
    axes = {
        "unmasked": ("score", "function"),
        "change": ("score", "masked", "function"),
        "random": ("score", "masked"),
        "difference": ("score", "masked"),
    }
    variables: dict[str, Any] = {
        f"{name}{end}": (dims, np.array([one[name] for one in found])[..., at])
        for name, dims in axes.items()
        for at, end in enumerate(("", "_low", "_high"))
    }
    variables["random_draws"] = (
        ("score", "masked", "draw"),
        np.array([one["random_draws"] for one in found]),
    )
    variables["steps"] = ("function", [int((of == name).sum()) for name in functions])
    variables["groups"] = ("function", [len(set(groups[of == name])) for name in functions])
    coords = {
        "score": names,
        "masked": list(passes.masked),
        "function": functions,
        "draw": np.arange(1, masking.draws + 1),
    }
    return xr.Dataset(variables, coords=coords)


def _of_score(
    score: str,
    passes: Passes,
    of: npt.NDArray[Any],
    functions: Sequence[str],
    bootstrap: Bootstrap,
) -> dict[str, list[Any]]:
    """Means with the ends of their intervals, for one score."""
    before = passes.unmasked.sel(score=score).values

    def only(values: Values, function: str) -> Values:
        return np.where(of == function, values, np.nan)

    found: dict[str, list[Any]] = {
        "unmasked": [bootstrap.interval(only(before, name)) for name in functions],
        "change": [],
        "random": [],
        "random_draws": [],
        "difference": [],
    }
    for name, masked in passes.masked.items():
        change = masked.sel(score=score).values - before
        found["change"].append([bootstrap.interval(only(change, other)) for other in functions])
        drawn = [
            one.sel(score=score).reindex(step=passes.unmasked["step"]).values - before
            for one in passes.random[name]
        ]
        own, own_means = bootstrap.means(only(change, name))
        random, random_means = bootstrap.counterparts(np.stack(drawn))
        found["random"].append((random, *bootstrap.ends(random_means)))
        found["difference"].append((own - random, *bootstrap.ends(own_means - random_means)))
        found["random_draws"].append([float(np.nanmean(one)) for one in drawn])
    return found


def causal_matrix(result: xr.Dataset, *, score: str | None = None) -> xr.DataArray:
    """The matrix of a causal test as a map: rows are masked, columns are scored.

    Args:
        result: of :func:`layergram.interventions.causal_test.causal_test`.
        score: which score; the first of the test where none is named.

    Returns:
        A map [masked, function], the change of the score, with the interval of each cell; 0 where
        masking does nothing.

    Raises:
        LayergramError: for a score that the test has not.
    """
    known = [str(name) for name in result["score"].values]
    name = known[0] if score is None else score
    if name not in known:
        raise unknown_name("score of this test", name, known)
    cells = result.sel(score=name)
    what = (FORCED | GENERATED)[name]
    dims = ("masked", "function")
    coords: dict[Hashable, Any] = {dim: result[dim].values for dim in dims}
    coords |= {end: (dims, cells[f"change_{end}"].values) for end in ("low", "high")}
    reach = {"valid_min": -1.0, "valid_max": 1.0} if name not in UNITS else {}
    kept = {key: value for key, value in result.attrs.items() if key in maps.ATTRIBUTES}
    return maps.make(
        cells["change"].values,
        dims,
        measure=f"masked_{name}",
        coords=coords,
        long_name=f"change in {LABELS[name]}",
        units=UNITS.get(name, "1"),
        null_value=0.0,
        definition=DEFINITION.format(what=what),
        caveat=CAVEAT,
        references="arXiv:2512.10978, with random heads to compare with, and intervals",
        **reach,
        **kept,
    )
