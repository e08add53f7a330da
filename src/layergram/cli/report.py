"""What the commands print of a result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from layergram.cli.common import OutputOptions

if TYPE_CHECKING:
    from layergram.experiments.result import Result
    from layergram.models.model import Model


def print_result(
    result: Result, model: Model, out: Path, seconds: float, output: OutputOptions
) -> None:
    """Print the sentences of an experiment and its files, or its summary as JSON."""
    files = [str(out / name) for name in result.files]
    if output.json:
        plain = {"model": model.name, "revision": model.revision, "seconds": round(seconds, 1)}
        output.summary({**plain, **result.summary, "files": files})
    elif not output.quiet:
        print(f"{result.title} in {seconds:.0f} s")
        for sentence in result.sentences:
            print(f"  - {sentence}")
        print(*files, sep="\n")
