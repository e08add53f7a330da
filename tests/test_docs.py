"""Pages that are made from the code are current, and all pages use names that exist."""

from __future__ import annotations

import re
import runpy
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import CycloptsError

import layergram
from layergram.cli import COMMANDS, app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def text_of(page):
    return page.read_text(encoding="utf-8")


def is_there(name):
    """Whether a dotted name is a module, or something in one."""
    try:
        import_module(name)
    except ModuleNotFoundError:
        home, _, last = name.rpartition(".")
        return bool(home) and is_there(home) and hasattr(import_module(home), last)
    return True


def test_a_name_that_is_not_there_is_seen():
    assert is_there("layergram.maps.ROLES") and is_there("layergram.engine.run")
    assert not is_there("layergram.atlas") and not is_there("layergram.maps.NOTHING")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_use_public_names_and_modules_that_exist(page):
    text = text_of(page)
    assert set(re.findall(r"\blg\.(\w+)", text)) <= set(layergram.__all__)
    dotted = set(re.findall(r"(?<![\w/.-])layergram(?:\.[a-z_]\w*)+(?=[`(\s])", text))
    assert [name for name in sorted(dotted) if not is_there(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_pages_is_python(page):
    for block in re.findall(r"^```python\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE):
        if not block.startswith("lg."):  # a signature
            compile(block, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_pages_are_understood(page):
    for block in re.findall(r"^```\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            words = shlex.split(line, comments=True) if line.startswith("layergram ") else []
            if words:
                assert words[1] in COMMANDS, line
                try:
                    app.parse_args(words[1:], exit_on_error=False, print_error=False)
                except CycloptsError as error:
                    pytest.fail(f"{line}: {error}")


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
