"""Pages that are made from the code are as the code would make them now."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_measures_is_current():
    made = runpy.run_path(str(DOCS / "make_measures.py"))["page"]()
    now = (DOCS / "measures.md").read_text(encoding="utf-8")
    assert now == made, "run: python docs/make_measures.py"
