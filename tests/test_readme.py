"""What the README tells a user to type works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from layergram.cli import COMMANDS, app, main

LONG = ("roles", "ask", "heads", "serve")
"""Commands that need minutes, never end, or need a file from such a command; tests of their own run
them."""

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
TYPED = [shlex.split(line, comments=True)[1:] for line in LINES if line.startswith("layergram ")]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]


def anchors(text):
    """What the headings of a page can be linked to by."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings}


@pytest.mark.slow
def test_the_commands_of_the_readme_work(smollm2, tiny_llama_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-model").symlink_to(tiny_llama_folder)
    (tmp_path / "essay.txt").write_text("A layer reads what the layers before it wrote.")
    (tmp_path / "my.csv").write_text("question,answer\nWhat is up?,the sky\n")
    words = ("--model", "my-model", "--measure", "divergence", "--quiet")
    for name in ("before", "after"):
        assert main(["map", "The sum of 8 and 5 is 13.", *words, "--out", name]) == 0
        (tmp_path / name / "divergence.nc").rename(tmp_path / f"{name}.nc")
    for line in TYPED:
        if line[0] in LONG:
            app.parse_args(line, exit_on_error=False)
        else:
            assert main(line) == 0, (line, capsys.readouterr().err)
    assert {line[0] for line in TYPED} >= {"map", "roles", "ask", "heads", "draw", "diff", "check"}
    assert {line[0] for line in TYPED} <= set(COMMANDS)
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_python_of_the_readme_works(smollm2, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for block in PYTHON:
        exec(block, {})
    assert PYTHON and (tmp_path / "divergence.pdf").exists()
    assert "## Key Observations" in capsys.readouterr().out


def test_the_files_and_headings_that_pages_link_to_exist():
    root = Path(__file__).parent.parent
    pages = [root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md"]
    for page in (*pages, *(root / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for target, heading in re.findall(r"\]\(([^)#:\s]+)(#[\w-]+)?\)", text):
            assert (page.parent / target).exists(), (page.name, target)
            if heading:
                linked = (page.parent / target).read_text(encoding="utf-8")
                assert heading[1:] in anchors(linked), (page.name, target, heading)


def test_the_measure_in_the_contributing_guide_is_the_one_in_the_code():
    root = Path(__file__).parent.parent
    guide = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL):
        code = (root / "src/layergram/measures/lens.py").read_text(encoding="utf-8")
        tests = (root / "tests/test_measures_lens.py").read_text(encoding="utf-8")
        assert block in code or block in tests
