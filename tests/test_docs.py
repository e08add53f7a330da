"""Pages that are made from the code are as the code would make them now."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_measures_is_current():
    made = runpy.run_path(str(DOCS / "make_measures.py"))["page"]()
    now = (DOCS / "measures.md").read_text(encoding="utf-8")
    assert now == made, "run: python docs/make_measures.py"


def test_the_gallery_is_current():
    made = runpy.run_path(str(DOCS / "make_gallery.py"))["page"]()
    now = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert now == made, "run: python docs/make_gallery.py"


def test_the_gallery_has_every_picture_that_it_shows_and_no_other():
    shown = re.findall(r"\]\(gallery/(.+)\)", (DOCS / "gallery.md").read_text(encoding="utf-8"))
    assert {path.name for path in (DOCS / "gallery").iterdir()} == set(shown)
