"""The command line: one file per command, loaded only when that command runs."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError
from rich.console import Console

from layergram.errors import LayergramError

M_MMAP_THRESHOLD = -3  # its number in malloc.h

COMMANDS = {
    "map": "Token maps of one text, or of the model's answer to a prompt.",
    "roles": "A question set -> where a wrong answer shows, layer by token role.",
    "ask": "Answer new questions, and how likely each answer is wrong.",
    "questions": "How a question set is read: asked, accepted, groups, warnings.",
    "heads": "Labelled steps -> what attention heads do, layer by head.",
    "draw": "Pictures from any map file.",
    "describe": "Words from any map file.",
    "diff": "The difference of two maps.",
    "verify": "Are the results in a run's folder whole, torn or altered?",
    "check": "Does this model work here, and what is proved about it?",
}

app = App(
    name="layergram",
    help="Maps of what happens inside a language model, layer by layer.",
    version=lambda: version("layergram"),
    version_flags=["--version"],
)
for _name, _help in COMMANDS.items():
    app.command(f"layergram.cli.{_name}:command", name=_name, help=_help)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 the work failed, 2 the request was wrong."""
    try:
        app(
            None if tokens is None else list(tokens),
            exit_on_error=False,
            print_error=True,
            result_action="return_value",
            error_console=Console(stderr=True),
        )
    except CycloptsError:
        return 2
    except LayergramError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def run() -> None:
    """Entry point of the ``layergram`` command."""
    _return_freed_memory()
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _return_freed_memory() -> None:
    """Tell glibc to return every freed block of a megabyte or more to the system at once.

    Left alone it keeps blocks of up to 32 MiB in its heap, and, as PyTorch asks for aligned ones,
    often cannot use them again: a long text then takes gigabytes more. Other C libraries have no
    such setting and need none. The setting holds for the whole process, so only the command sets
    it, never the library.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 2**20)
