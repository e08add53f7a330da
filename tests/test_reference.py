"""The reference is as the code would make it now, and complete."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

import layergram
import layergram.figures
import layergram.maps
from layergram.cli import COMMANDS, app

DOCS = Path(__file__).parent.parent / "docs"
REFERENCE = (DOCS / "reference.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def make():
    """The functions of the script that writes the reference."""
    return runpy.run_path(str(DOCS / "make_reference.py"))


def test_the_reference_is_current(make):
    assert make["page"]() == REFERENCE, "run: python docs/make_reference.py"


def test_every_public_name_has_a_docstring_and_a_section():
    sections = set(re.findall(r"^## (\w+)$", REFERENCE, flags=re.MULTILINE))
    assert sections == set(layergram.__all__)
    assert all(inspect.getdoc(getattr(layergram, name)) for name in layergram.__all__)


@pytest.mark.parametrize("package", [layergram, layergram.figures, layergram.maps])
def test_names_for_type_checkers_are_the_public_ones(package):
    source = Path(package.__file__).read_text(encoding="utf-8")
    block = re.search(r"^if TYPE_CHECKING:\n(.*?)^_HOMES", source, flags=re.DOTALL | re.MULTILINE)
    typed = re.findall(r"^    (?:.* as )?(\w+)(?: = .*|  # noqa.*)?$", block[1], re.MULTILINE)
    assert sorted(typed) == sorted(package.__all__)


@pytest.mark.parametrize("package", [layergram.figures, layergram.maps])
def test_a_type_checker_sees_no_function_that_has_every_name(package):
    source = Path(package.__file__).read_text(encoding="utf-8")
    (guarded,) = re.findall(r"^if not TYPE_CHECKING:.*\n((?:\n|    .*\n)+)", source, re.MULTILINE)
    assert source.count("def __getattr__") == guarded.count("def __getattr__") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_the_reference_with_words(name):
    section = REFERENCE.split(f"## layergram {name}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \| (.*?) \|$", section, flags=re.MULTILINE)
    listed = {option for row in rows for option in re.findall(r"`([^`]+)`", row[0])}
    asked = [one for one in app[name].assemble_argument_collection() if one.show]
    assert listed == {option for one in asked for option in one.names}
    assert all(about.strip() for _, _, about in rows)


def test_a_docstring_becomes_markdown(make):
    text = (
        "A thing, see :func:`load`.\n\nMore of it.\n\nArgs:\n    a, b: two\n        lines.\n"
        "    c: ``1``.\n\nReturns:\n    What\n    comes.\n\nExample:\n    >>> 1\n    1"
    )
    assert list(make["markdown"](text)) == [
        "A thing, see `load`.\n\nMore of it.",
        "**Args**\n\n* `a, b`: two lines.\n* `c`: `1`.",
        "**Returns** What comes.",
        "```pycon\n>>> 1\n1\n```",
    ]


def test_defaults_are_the_same_on_every_machine(make):
    assert " at 0x" not in REFERENCE
    assert make["default_text"](tuple(range(99))) == "(99 values)"
    assert make["default_text"](layergram.Style()) == "Style()"
    assert make["default_text"](len) == "len"
