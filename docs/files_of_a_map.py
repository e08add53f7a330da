"""Print the files of layergram through which `layergram map` runs, from the command to the picture.

A file counts if a function of it runs; `words/`, `measures/` and `errors.py` are left out.
Run it from anywhere: ``python docs/files_of_a_map.py [MODEL]``.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import layergram

SOURCE = Path(layergram.__file__).parent
LEFT_OUT = ("words/", "measures/", "errors.py")


def importing(frame: FrameType | None) -> bool:
    """Whether a frame runs because some module of layergram is being imported."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and "layergram" in frame.f_code.co_filename:
            return not frame.f_code.co_filename.endswith("files_of_a_map.py")
        frame = frame.f_back
    return False


def files_of_a_map(model: str) -> list[str]:
    """The files, in the order in which a function of theirs runs first."""
    from layergram.cli import main

    seen: dict[str, None] = {}

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        runs = event == "call" and code.co_flags & inspect.CO_OPTIMIZED  # no module, no class body
        if runs and not importing(frame):
            seen.setdefault(code.co_filename)

    with tempfile.TemporaryDirectory() as folder:
        words = ["map", "The capital of France is Paris.", "--model", model, "--out", folder]
        sys.setprofile(profile)
        try:
            code = main([*words, "--measure", "divergence", "--quiet"])
        finally:
            sys.setprofile(None)
    assert code == 0
    names = [str(Path(name).relative_to(SOURCE)) for name in seen if name.startswith(str(SOURCE))]
    return [name for name in names if not name.startswith(LEFT_OUT)]


if __name__ == "__main__":
    found = files_of_a_map(*(sys.argv[1:] or ["smollm2"]))
    print(*found, f"{len(found)} files", sep="\n")
