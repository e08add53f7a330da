"""What the numbers of an evaluation hold for: a cell, all cells of a map, or all maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from layergram import maps
from layergram.errors import LayergramError
from layergram.probes import (
    Evaluation,
    difference_map,
    evaluate,
    evaluate_each,
    map_of,
    region,
)

ONCE = Evaluation(permutations=0, partitions=1)


def noise(seed, n=80, layers=3, roles=2, width=6):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, layers, roles, width)), generator.permutation(n) < n // 2


def evaluated(features, wrong, evaluation=ONCE, **options):
    groups = np.arange(wrong.size)
    return evaluate(features, wrong, groups=groups, evaluation=evaluation, **options)


def planted(n=200, *, effect=1.5):
    """Two cells that are equally good (role 1 of layers 1 and 2), and four that are not."""
    features, wrong = noise(0, n)
    features[:, 1:, 1, 0] += effect * wrong[:, None]
    return features, wrong


def test_attributes_say_what_intervals_and_p_values_hold_for(tmp_path):
    result = evaluated(*planted(), Evaluation(permutations=19, partitions=1))
    auroc = map_of(result)
    said = {name: auroc[name].attrs["holds_for"] for name in ("low", "high", "p_value")}
    assert said == {"low": "cell", "high": "cell", "p_value": "map"}
    assert result["best_low"].attrs["holds_for"] == "map"
    path = maps.write(auroc, tmp_path / "auroc.nc")
    assert maps.read(path)["low"].attrs["holds_for"] == "cell"


def test_the_highest_cell_has_an_interval_for_all_cells():
    """Of maps of noise, in at most 5 of 100 the highest cell's interval leaves out one half."""
    pointwise = together = 0
    for seed in range(60):
        result = evaluated(*noise(seed))
        at = np.unravel_index(result.auroc.values.argmax(), result.auroc.shape)
        pointwise += result.low.values[at] > 0.5
        together += float(result.best_low) > 0.5
        assert result.best_low < result.low.values[at] < result.best_auroc
        assert result.best_auroc == result.auroc.max()
    assert pointwise >= 5
    assert together <= 60 * 0.05 + 3 * (60 * 0.05 * 0.95) ** 0.5


def test_a_cell_where_no_feature_varies_has_no_value():
    features, wrong = planted()
    features[:, 0, 0] = 7.25
    result = evaluated(features, wrong, Evaluation(permutations=19, partitions=1))
    assert np.isnan(result.auroc.values[0, 0]) and np.isnan(result.p_value.values[0, 0])
    assert np.isfinite(result.auroc.values).sum() == 5
    assert map_of(result).attrs["missing"] == "no feature varies"
    assert not region(result).values[0, 0]
    with pytest.raises(LayergramError, match="the same for all examples"):
        evaluated(np.ones_like(features), wrong)


def test_the_rank_correlation_is_that_of_p_and_auroc():
    result = evaluated(*planted(), Evaluation(permutations=199, partitions=1))
    by_p = -spearmanr(result.p_value.values.ravel(), result.auroc.values.ravel()).statistic
    assert 0.5 < result.attrs["t_rank_correlation"] <= 1
    assert by_p > 0.5


def test_p_over_all_maps_counts_every_chance():
    generator = np.random.default_rng(4)
    features, kinds = generator.normal(size=(90, 2, 2, 5)), np.arange(90) % 3
    features[:, 1, 1, 0] += 0.9 * (kinds == 2)
    classes = {str(kind): kinds == kind for kind in range(3)}
    options = {"groups": np.arange(90), "evaluation": Evaluation(permutations=199, partitions=1)}
    each = evaluate_each(features, classes, **options)
    every = evaluate_each(features, classes, p_over="maps", **options)
    for name in classes:
        assert (every[name].auroc.values == each[name].auroc.values).all()
        assert (every[name].p_value.values >= each[name].p_value.values).all()
        assert every[name].p_value.attrs == {"long_name": "p of all 3 maps", "holds_for": "maps"}
    lowest = [np.median([found[name].p_value for name in "01"]) for found in (each, every)]
    assert lowest[1] > lowest[0]
    with pytest.raises(LayergramError, match="p_over"):
        evaluate_each(features, classes, p_over="all", **options)


def test_differences_are_those_of_the_cells_and_hold_all_at_once():
    features, wrong = planted()
    features[:, 0, 0] = 1.0
    result = evaluated(features, wrong)
    found = difference_map(result, at={"role": "0"})
    auroc = result.auroc.values
    assert found.values[1:] == pytest.approx(auroc[1:] - auroc[1:, :1])
    assert np.isnan(found.values[0]).all()
    assert (found.low.values[1:, 1] > 0).all() and (found.values[1:, 0] == 0).all()
    assert found.low.attrs["holds_for"] == "map" and found.attrs["null_value"] == 0
    column = difference_map(result.sel(role=["1"]), result, at={"role": "0"})
    assert column.values[1:, 0] == pytest.approx(found.values[1:, 1])
    assert column.low.values[1, 0] >= found.low.values[1, 1]
    other = evaluated(np.random.default_rng(9).normal(size=features.shape), wrong)
    assert (difference_map(result, other).low.values[1:, 1] > 0).all()


def test_maps_of_noise_have_no_differences():
    flagged = 0
    for seed in range(60):
        found = difference_map(evaluated(*noise(seed)), at={"role": "0"})
        flagged += bool(((found.low > 0) | (found.high < 0)).any())
    assert flagged <= 60 * 0.05 + 3 * (60 * 0.05 * 0.95) ** 0.5


def test_the_region_has_the_best_cell_and_shrinks_with_examples():
    sizes, missed = [], 0
    for seed in range(40):
        features, wrong = noise(seed, 100)
        features[..., 0] += np.array([[0.2, 0.4], [0.6, 0.8], [0.9, 1.0]]) * wrong[:, None, None]
        inside = region(evaluated(features, wrong)).values
        missed += not inside[2, 1]
        sizes.append(inside.sum())
    assert missed <= 40 * 0.05 + 3 * (40 * 0.05 * 0.95) ** 0.5
    features, wrong = planted(400, effect=2.0)
    assert region(evaluated(features, wrong)).values.tolist() == [
        [False, False],
        [False, True],
        [False, True],
    ]
    assert np.mean(sizes) > 2
