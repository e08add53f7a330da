"""The correlation over quantile bins against pandas and scipy, and its tied and empty cases."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from layergram.statistics.binned import binned_correlation


def test_equals_quantile_bins_of_pandas():
    random = np.random.default_rng(0)
    scores = random.normal(size=200)
    right = random.random(200) < 1 / (1 + np.exp(-scores))
    table = pd.DataFrame({"score": scores, "right": right.astype(float)})
    bins = table.groupby(pd.qcut(table["score"], 5, labels=False)).mean()
    found = binned_correlation(scores, right)
    np.testing.assert_allclose(found.score, bins["score"])
    np.testing.assert_allclose(found.outcome, bins["right"])
    assert found.r == pytest.approx(stats.pearsonr(bins["score"], bins["right"])[0])


def test_order_of_tied_rows_does_not_matter():
    random = np.random.default_rng(1)
    scores, right = random.integers(0, 7, 93), random.integers(0, 2, 93)
    order = random.permutation(93)
    one, other = binned_correlation(scores, right), binned_correlation(scores[order], right[order])
    np.testing.assert_allclose(one.outcome, other.outcome)
    assert one.outcome.mean() == pytest.approx(right.mean(), abs=0.02)


@pytest.mark.parametrize(
    ("scores", "right"), [([1, 1, 2, 3, 4, 4], [0, 1, 0, 1, 0, 1]), (range(20), [1] * 20)]
)
def test_no_number_where_the_bins_cannot_tell(scores, right):
    assert np.isnan(binned_correlation(list(scores), right).r)
