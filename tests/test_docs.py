"""Pages that are made from the code are current, and all pages use names that exist."""

from __future__ import annotations

import re
import runpy
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from cyclopts import CycloptsError

import gallery_runs
import layergram
from layergram import figures
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
    assert {path.name for path in (DOCS / "gallery").iterdir()} == {"data", *shown}


def test_the_maps_of_the_gallery_are_small_and_come_from_the_runs_that_it_lists():
    known = {f"{name}.nc" for name in gallery_runs.NEEDED}
    files = {path.name: path for path in gallery_runs.DATA.iterdir()}
    assert {name for name in files if name.endswith(".nc")} == known
    assert all(path.stat().st_size < 100_000 for path in files.values())
    used = {name for real in gallery_runs.REAL.values() for name in real.names}
    assert used == set(gallery_runs.NEEDED)
    for name, file in gallery_runs.NEEDED.items():
        array = gallery_runs.read(name)
        assert array.attrs["measure"] == file.rpartition("/")[2].removesuffix(".nc")
        assert array.attrs["model"] in ("smollm2", gallery_runs.UNTRAINED)
        assert file.split("/")[0] in gallery_runs.RUNS


def test_the_hard_figures_of_the_gallery_are_what_they_say():
    real = gallery_runs.REAL
    plans = {name: figures.plan(one.maps, style=one.style) for name, one in real.items()}
    assert plans["real_long"].panels[0].values.shape[1] == 556
    assert plans["real_many"].layout == "sheet" and len(plans["real_many"].panels) == 400
    assert plans["real_untrained"].panels[0].values.shape == (32, 32)
    assert plans["real_one_cell"].panels[0].values.shape == (1, 1)
    noise = plans["real_noise"].panels[0]
    assert noise.equal[~np.isnan(noise.values)].all() and noise.equal.any()
    assert plans["real_words"].panels[0].texts is not None
    assert [span.label for span in plans["real_answer"].panels[0].spans] == ["prompt", "answer"]
    assert any(tick.faint for tick in plans["real_answer"].panels[0].x.ticks)
    assert any("far above the others" in note for note in plans["real_sinks"].notes)
