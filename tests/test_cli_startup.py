"""What the command line imports: for a help page, and before it refuses a request."""

from __future__ import annotations

import subprocess
import sys

import pytest

from layergram.cli import COMMANDS
from layergram.measure_names import measure_options
from layergram.measures import MEASURES

HEAVY = {"torch", "transformers", "xarray", "pandas", "matplotlib", "scipy"}


def imported(*requests):
    """What the command line had imported of the heavy modules after each of some requests."""
    code = (
        "import contextlib, io, sys\n"
        "from layergram.cli import main\n"
        f"for words in {[list(words) for words in requests]}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        code = main(words)\n"
        f"    print(code, *sorted({HEAVY} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_no_help_page_imports_what_only_the_work_needs():
    assert imported(["--help"], *([name, "--help"] for name in COMMANDS)) == ["0"] * (
        len(COMMANDS) + 1
    )


@pytest.mark.parametrize(
    "words",
    [
        ["map", "Hi", "--measure", "divergense"],
        ["map", "Hi", "--measure", "residual_norm", "--option", "g=0.4"],
        ["map", "Hi", "--device", "gpu"],
        ["map", "--texts", "texts.txt", "--measure", "divergense"],
        ["map", "--texts", "texts.txt", "--measure", "residual_norm", "--option", "g=0.4"],
        ["map", "--texts", "texts.txt", "--device", "gpu"],
        ["map", "--texts", "texts.txt", "--by", "role"],
        ["measures", "divergense"],
    ],
)
def test_a_wrong_name_is_refused_before_torch_is_imported(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("One text.\n\nAnother text.\n", encoding="utf-8")
    code, *heavy = imported(words)[0].split()
    assert code == "2"
    assert not {"torch", "transformers"} & set(heavy)


def test_names_read_from_the_records_are_those_of_the_registry():
    assert measure_options() == {name: set(record.all_options) for name, record in MEASURES.items()}
