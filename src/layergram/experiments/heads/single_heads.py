"""How well each attention head by itself tells the steps of one function from all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from layergram.datasets.steps import FUNCTIONS
from layergram.probes import Evaluation, evaluate_each

NUMBERS = ("auroc", "chosen_auroc", "chosen_low", "chosen_high", "p_map", "p_map_shuffled")


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
    groups together, intervals, p-values that hold for the maps of all functions, shuffled labels.

    Args:
        features: [example, layer, head, feature], each head's own numbers; NaN where there is no
            such head.
        functions: the function of each example, out of :data:`FUNCTIONS`.
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
    found = evaluate_each(
        features,
        {name: labels == name for name in names},
        groups=groups,
        others="other functions",
        evaluation=evaluation,
        p_over="maps",
        progress=progress,
    )
    kept = [name for name in NUMBERS if name in found[names[0]]]
    return xr.concat(
        [found[name][kept] for name in names],
        dim=xr.Variable("function", names),
        data_vars="all",
        coords="all",
        compat="equals",
        join="exact",
        combine_attrs="drop_conflicts",
    )
