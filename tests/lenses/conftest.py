"""Fitted lenses that several files of tests share."""

import pytest
from lens_cases import FAST, random_ids

import layergram as lg


@pytest.fixture(scope="package")
def lenses(tiny, tmp_path_factory):
    """Both lenses of the tiny llama, fitted on random tokens, in folders by kind."""
    root = tmp_path_factory.mktemp("lenses")
    ids = random_ids(tiny, texts=12, length=20)
    return {
        kind: (root / kind, lg.fit_lens(tiny, kind, ids, options=FAST, out=root / kind))
        for kind in ("tuned", "jacobian")
    }
