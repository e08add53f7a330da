"""The folder that a command writes into."""

from __future__ import annotations

from pathlib import Path

from layergram.errors import LayergramError


def check_folder(out: Path) -> None:
    """Make the folder, and refuse one that cannot be written before any work begins.

    Raises:
        LayergramError: naming the folder, and what stands in the way.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".layergram-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LayergramError(
            f"to write into the folder '{out}'",
            got=str(error.strerror or error),
            do="choose a folder that can be written with --out",
        ) from None
