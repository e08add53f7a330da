"""What the command line imports: for a help page, and before it refuses a request."""

from __future__ import annotations

import subprocess
import sys

from layergram.cli import COMMANDS

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
