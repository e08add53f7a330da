"""How well each attention head by itself tells the steps of one function from all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.stats import rankdata

from layergram.heads.steps import FUNCTIONS
from layergram.probes import Evaluation, evaluate_each

NUMBERS = ("auroc", "low", "high", "p_value")


def head_probes(
    features: xr.DataArray,
    functions: Sequence[str],
    *,
    groups: Sequence[str],
    evaluation: Evaluation | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """AUROC, for every function and head, of a linear probe on the head's numbers alone.

    One function against all others, by :func:`layergram.probes.evaluate_each`: folds that keep
    groups together, intervals, p-values of the whole map of a function, shuffled labels.

    Args:
        features: [example, layer, head, feature], each head's own numbers; NaN where there is no
            such head.
        functions: the function of each example, out of :data:`layergram.heads.FUNCTIONS`.
        groups: what belongs together, such as the main question of each example.
        evaluation: how to train and test.
        progress: called with the number of cells done and of all cells.

    Returns:
        On (function, layer, head): ``auroc``, ``low``, ``high``, and with permutations ``p_value``.
        On ``function``: ``chosen_auroc`` with ``chosen_low`` and ``chosen_high``, the head that the
        training folds choose, on the fold left out; ``p_map``; ``p_map_shuffled``, the same for
        labels that were shuffled.

    Raises:
        LayergramError: for fewer than 10 examples of a function, or fewer groups than folds.
    """
    names = [name for name in FUNCTIONS if name in functions]
    labels = np.asarray(functions)
    cells = features.rename(head="role").assign_coords(
        role=[str(head) for head in features["head"].values]
    )
    found = evaluate_each(
        cells,
        {name: labels == name for name in names},
        groups=groups,
        evaluation=evaluation,
        progress=progress,
    )
    joined = xr.concat([_panel(found[name]) for name in names], dim="function").assign_coords(
        function=names
    )
    return joined.rename(role="head").assign_coords(head=features["head"].values)


def _panel(found: xr.Dataset) -> xr.Dataset:
    kept = found[[name for name in (*NUMBERS, "p_map", "p_map_shuffled") if name in found]]
    for name in ("auroc", "low", "high"):
        kept[f"chosen_{name}"] = float(found[f"best_{name}"])
    return kept.drop_attrs()


def rank_correlation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Spearman's rank correlation over the cells that both maps have; NaN where one is constant.

    Example:
        >>> round(rank_correlation([[1.0, 2.0], [3.0, np.nan]], [[10.0, 30.0], [20.0, 5.0]]), 2)
        0.5
    """
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (one, other))
    both = np.isfinite(a) & np.isfinite(b)
    ranks = rankdata(a[both]), rankdata(b[both])
    if min(np.ptp(rank) if rank.size else 0.0 for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
