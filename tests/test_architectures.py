"""The table of architectures says what the code finds now: nothing stops working unseen."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import transformers

import zoo

SCRIPT = Path(__file__).parent.parent / "docs" / "make_architectures.py"
spec = importlib.util.spec_from_file_location("make_architectures", SCRIPT)
make = importlib.util.module_from_spec(spec)
sys.modules["make_architectures"] = make
spec.loader.exec_module(make)

torch.set_num_threads(1)
VERSION, ROWS = make.read_page()
REGENERATE = "run python docs/make_architectures.py and look at what changed"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.model_type)
def test_the_type_is_as_the_table_says(row):
    if row.model_type not in zoo.types():
        pytest.skip(f"transformers {transformers.__version__} does not know '{row.model_type}'")
    found = make.find(row.model_type)
    if row.status != make.NOT and found.status == make.NOT:
        pytest.fail(f"{row.model_type} no longer works: {found.notes}")
    if transformers.__version__ != VERSION:
        return  # it may work better, or for another reason, than with the table's version
    assert found == row, REGENERATE


@pytest.mark.skipif(transformers.__version__ != VERSION, reason="the table is of another version")
def test_the_table_has_every_type():
    assert [row.model_type for row in ROWS] == zoo.types(), REGENERATE


def test_the_page_is_made_from_its_rows(monkeypatch):
    monkeypatch.setattr(make.transformers, "__version__", VERSION)
    assert make.page(ROWS) == make.PAGE.read_text(encoding="utf-8"), REGENERATE
