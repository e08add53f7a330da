"""What the command line imports: for a help page, and before it refuses a request."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from layergram import measure_names
from layergram.cli import COMMANDS, main
from layergram.errors import LayergramError
from layergram.measure_names import check_measure_names, options_in_source
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
    registered = {name: set(record.all_options) for name, record in MEASURES.items()}
    assert options_in_source() == registered


def test_a_measure_that_a_user_has_registered_is_accepted(monkeypatch, capsys):
    mine = replace(MEASURES["residual_norm"], name="my_norm")
    monkeypatch.setitem(MEASURES, "my_norm", mine)
    assert main(["measures", "my_norm"]) == 0
    assert "my_norm" in capsys.readouterr().out
    for texts in (["Hi"], ["--texts", "functions"]):
        assert main(["map", *texts, "--measure", "my_norm", "--device", "gpu"]) == 2
        assert "my_norm" not in (error := capsys.readouterr().err) and "gpu" in error


def test_an_installation_without_source_asks_the_registry(monkeypatch, tmp_path):
    monkeypatch.setattr(measure_names, "RECORDS", tmp_path)  # as in a zip archive
    monkeypatch.delitem(sys.modules, measure_names.REGISTRY)
    check_measure_names(["divergence"])
    monkeypatch.delitem(sys.modules, measure_names.REGISTRY)
    with pytest.raises(LayergramError, match="did you mean 'divergence'"):
        check_measure_names(["divergense"])
