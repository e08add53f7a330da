"""The simulations of docs/statistics.md, shortened: bounds are three standard errors wider."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "statistics"))

from simulate import SETTINGS, coverage, monte_carlo_error, outcomes

DOCS = Path(__file__).parents[2] / "docs"
SHORT = [setting for setting in SETTINGS if setting.quick]


@pytest.mark.parametrize("setting", SHORT, ids=[setting.name for setting in SHORT])
def test_an_interval_holds_as_often_as_it_says(setting):
    share, _ = coverage(outcomes(setting, setting.quick))
    error = monte_carlo_error(setting, setting.quick)
    assert setting.least - 3 * error <= share <= min(1.0, setting.most + 3 * error)


def test_every_setting_has_its_row_in_the_docs():
    text = (DOCS / "statistics.md").read_text()
    assert [setting.name for setting in SETTINGS if f"| {setting.name} |" not in text] == []
