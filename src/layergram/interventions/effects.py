"""What masking heads has done to the scores of steps: means, intervals, and the matrix as a map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from layergram import maps
from layergram.datasets.steps import StepSet
from layergram.errors import unknown_name
from layergram.interventions.masking import Masking
from layergram.interventions.rank_test import rank_test
from layergram.interventions.scoring import FORCED, GENERATED, LABELS, UNITS
from layergram.statistics.arrays import Values
from layergram.statistics.bootstrap import Bootstrap

DEFINITION = (
    "Mean change of the {what} at the steps of a function (columns) when the top heads of a "
    "function (rows) are masked, less the mean change when random heads of the same layers, alike "
    "in norm, are: below 0 where the top heads are worse to lose."
)
CAVEAT = (
    "An interval is that of one random set of heads, not of the mean of many: it leaves 0 out only "
    "where nearly all random sets do less, or more. Off the diagonal is what masking does to other "
    "functions."
)
DOSE = (
    "Mean change of the {what} at the steps of a function when the first so many of its top heads "
    "are masked, less the mean change when as many random heads of the same layers are."
)

Changes = Mapping[str, Values]


def effects(
    passes: Mapping[str, xr.DataArray], steps: StepSet, names: Sequence[str], masking: Masking
) -> xr.Dataset:
    """The changes that :func:`layergram.interventions.causal_test.causal_test` hands out.

    Args:
        passes: scores [step, score] by pass: ``unmasked``; for each function ``NAME/own``, perhaps
            ``NAME/published``, ``NAME/random 1`` and on, ``NAME/dose K/0`` (its own heads) and on.
        steps: the set of the steps.
        names: the functions whose heads were masked.
        masking: how.
    """
    before = passes["unmasked"]
    places = before["step"].values
    groups = [steps.steps[at].group for at in places]
    of = np.array([steps.steps[at].function for at in places])
    functions = [name for name in steps.counts() if (of == name).any()]
    bootstrap = Bootstrap(
        groups, resamples=masking.resamples, level=masking.level, seed=masking.seed
    )
    doses = sorted({int(k.split("/")[1].split()[1]) for k in passes if "/dose " in k})
    found = []
    for score in before["score"].values:
        unmasked = before.sel(score=score).values
        changes = {
            key: scores.sel(score=score).reindex(step=places).values - unmasked
            for key, scores in passes.items()
        }
        found.append(
            _of_score(unmasked, changes, bootstrap, of, functions, names, masking.draws, doses)
        )
    coords = {
        "score": before["score"].values,
        "masked": list(names),
        "function": functions,
        "draw": np.arange(1, masking.draws + 1),
        "dose": doses,
    }
    result = xr.concat(found, "score").assign_coords(coords)
    result["steps"] = ("function", [int((of == name).sum()) for name in functions])
    result["groups"] = (
        "function",
        [len({g for g, one in zip(groups, of, strict=True) if one == name}) for name in functions],
    )
    return result


def _of_score(
    unmasked: Values,
    changes: Changes,
    bootstrap: Bootstrap,
    of: npt.NDArray[Any],
    functions: Sequence[str],
    names: Sequence[str],
    draws: int,
    doses: Sequence[int],
) -> xr.Dataset:
    """Means, intervals and the rank test of one score."""

    def only(values: Values, function: str) -> Values:
        return np.where(of == function, values, np.nan)

    def of_functions(key: str) -> list[tuple[float, float, float]]:
        return [bootstrap.interval(only(changes[key], name)) for name in functions]

    found: dict[str, Any] = {"change": [], "published": [], "random": [], "difference": []}
    sets, dosed = [], []
    for name in names:
        found["change"].append(of_functions(f"{name}/own"))
        published = f"{name}/published"
        found["published"].append(
            of_functions(published if published in changes else f"{name}/own")
        )
        drawn = np.stack([changes[f"{name}/random {at}"] for at in range(1, draws + 1)])
        own = np.where(np.isfinite(drawn[0]), changes[f"{name}/own"], np.nan)
        rows = [_against(bootstrap, *(only(x, f) for x in (own, drawn))) for f in functions]
        found["random"].append([row[0] for row in rows])
        found["difference"].append([row[1:] for row in rows])
        both = np.concatenate([own[None], drawn])
        sets.append([[float(np.nanmean(only(one, f))) for f in functions] for one in both])
        dosed.append([_of_dose(bootstrap, changes, f"{name}/dose {dose}") for dose in doses])
    spread = np.array([np.nanstd(only(unmasked, name)) for name in functions])
    test = rank_test(
        np.array(sets) / np.where(spread > 0, spread, 1.0), [functions.index(n) for n in names]
    )
    grid = ("masked", "function")
    variables: dict[str, Any] = {"random": (grid, np.array(found.pop("random")))}
    found["unmasked"] = [bootstrap.interval(only(unmasked, name)) for name in functions]
    found["dose_change"] = dosed
    axes = {"unmasked": ("function",), "dose_change": ("masked", "dose")}
    for name, values in found.items():
        shape = (*(len(names) if d == "masked" else -1 for d in axes.get(name, grid)), 3)
        cells = np.array(values, dtype=np.float64).reshape(shape if values else (len(names), 0, 3))
        for at, end in enumerate(ENDS):
            variables[f"{name}{end}"] = (axes.get(name, grid), cells[..., at])
    for name in ("statistic", "as_bad", "p", "p_family"):
        variables[name] = ("masked", getattr(test, name))
    variables["statistic_draws"] = (("masked", "draw"), test.draws)
    return xr.Dataset(variables)


ENDS = ("", "_low", "_high")


def _against(bootstrap: Bootstrap, own: Values, drawn: Values) -> tuple[float, float, float, float]:
    """Mean over random sets; own less it, with the ends of its interval for one random set."""
    mean, means = bootstrap.means(own)
    several = [bootstrap.means(row) for row in drawn]
    random = float(np.mean([each for each, _ in several]))
    which = bootstrap.random.integers(len(several), size=means.size)
    one = np.stack([each for _, each in several])[which, np.arange(means.size)]
    return random, mean - random, *bootstrap.ends(means - one)


def _of_dose(bootstrap: Bootstrap, changes: Changes, key: str) -> tuple[float, float, float]:
    """Own heads less random ones at one dose; NaN where a function has fewer top heads."""
    drawn = [values for name, values in changes.items() if name.startswith(f"{key}/")]
    if not drawn:
        return (np.nan,) * 3
    return _against(bootstrap, drawn[0], np.stack(drawn[1:]))[1:]


def causal_matrix(result: xr.Dataset, *, score: str | None = None) -> xr.DataArray:
    """The matrix of a causal test as a map: rows are masked, columns are scored.

    Args:
        result: of :func:`layergram.interventions.causal_test.causal_test`.
        score: which score; the first of the test where none is named.

    Returns:
        A map [masked, function], the change of the score beyond that of random heads, with the
        interval of each cell; 0 where the top heads are like any.

    Raises:
        LayergramError: for a score that the test has not.
    """
    known = [str(name) for name in result["score"].values]
    name = known[0] if score is None else score
    if name not in known:
        raise unknown_name("score of this test", name, known)
    return _map(result, name, "difference", ("masked", "function"), f"masked_{name}", DEFINITION)


def dose_map(result: xr.Dataset) -> xr.DataArray:
    """What masking the first 1, 2, 4, … top heads does beyond random heads [function, dose]."""
    dosed = result.drop_dims("function").rename(masked="function")
    name = str(result["score"].values[0])
    return _map(dosed, name, "dose_change", ("function", "dose"), f"dose_{name}", DOSE)


def _map(
    result: xr.Dataset, score: str, name: str, dims: tuple[str, ...], measure: str, definition: str
) -> xr.DataArray:
    cells = result.sel(score=score)
    coords: dict[Hashable, Any] = {dim: result[dim].values for dim in dims}
    coords |= {end: (dims, cells[f"{name}_{end}"].values) for end in ("low", "high")}
    reach = {"valid_min": -2.0, "valid_max": 2.0} if score not in UNITS else {}
    kept = {key: value for key, value in result.attrs.items() if key in maps.ATTRIBUTES}
    return maps.make(
        cells[name].values,
        dims,
        measure=measure,
        coords=coords,
        long_name=f"change in {LABELS[score]}, own less random heads",
        units=UNITS.get(score, "1"),
        null_value=0.0,
        missing="fewer top heads" if np.isnan(cells[name]).any() else None,
        definition=definition.format(what=(FORCED | GENERATED)[score]),
        caveat=CAVEAT,
        references="arXiv:2512.10978, with random heads to compare with, and intervals",
        **reach,
        **kept,
    )
