"""The output folder: which result folders it has, their maps, and its files; nothing outside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from layergram import maps
from layergram.app.refusal import Refusal
from layergram.app.settings import Limits

FOLDER = "live"
"""The folder of live runs in the output folder."""

DEEPEST = 4
SUMMARY = 256 * 1024
"""Bytes of a summary that is shown; a longer one is left to other programs."""


def inside(out: Path, name: str) -> Path:
    """A path inside the output folder.

    Links are followed first, so one that leads out of the folder is refused, too. Hidden files and
    folders are none of the results.

    Args:
        out: the folder, resolved.
        name: of something in it, as it was asked for.

    Raises:
        Refusal: for anything that is not there, or not inside.
    """
    try:
        found: Path | None = (out / name).resolve(strict=True).relative_to(out)
    except (OSError, ValueError, RuntimeError):
        found = None
    asked = [part for part in Path(name).parts if part != "."]
    if found is None or any(part.startswith(".") for part in (*found.parts, *asked)):
        raise Refusal(
            404,
            "a file of the output folder",
            got="no such file in it",
            do="choose one of the list",
        )
    return out / found


class Results:
    """What the output folder holds.

    Args:
        out: the folder.
        limits: how many maps are listed, and how large a file may be.
    """

    def __init__(self, out: Path, limits: Limits) -> None:
        self.out, self.limits = out.resolve(), limits

    def path(self, name: str) -> Path:
        """A path inside the folder; see :func:`inside`."""
        return inside(self.out, name)

    def folders(self) -> list[dict[str, Any]]:
        """The folders with maps, each with the names of its maps, in alphabetical order."""
        found: dict[str, list[str]] = {}
        for path in self._maps():
            folder = path.parent.relative_to(self.out).as_posix()
            found.setdefault(folder, []).append(path.name)
        return [{"folder": folder, "maps": sorted(found[folder])} for folder in sorted(found)]

    def folder(self, name: str) -> dict[str, Any]:
        """One folder: its maps and its summary."""
        folder = self.path(name)
        if not folder.is_dir():
            raise Refusal(404, "a folder of results", got="a file", do="choose one of the list")
        names = sorted(path.name for path in folder.glob("*.nc") if self._is_map(path))
        return {"folder": name, "maps": names, "summary": self._summary(folder)}

    def map(self, folder: str, name: str) -> xr.DataArray:
        """A map of a folder.

        Raises:
            Refusal: where there is none, or one that is too large.
            LayergramError: where the file is no map.
        """
        path = self.path(f"{folder}/{name}")
        if path.suffix != ".nc" or not path.is_file():
            raise Refusal(404, "a map", got="no map file", do="choose one of the list")
        size = path.stat().st_size
        if size > self.limits.file:
            raise Refusal(
                413,
                "a map of the output folder",
                got=f"a file of {size} bytes",
                allowed=f"{self.limits.file} bytes",
                do="make a page of it: layergram draw MAP -o map.html",
            )
        return maps.read(path)

    def _maps(self) -> Iterator[Path]:
        """The map files, folder by folder, without those of live runs."""
        left = self.limits.maps
        for top, names, files in os.walk(self.out):
            folder = Path(top)
            depth = len(folder.relative_to(self.out).parts)
            names[:] = sorted(n for n in names if not n.startswith(".") and depth < DEEPEST)
            if depth == 0:
                names[:] = [name for name in names if name != FOLDER]
            for name in sorted(files):
                if name.endswith(".nc") and self._is_map(folder / name):
                    yield folder / name
                    left -= 1
                    if not left:
                        return

    def _is_map(self, path: Path) -> bool:
        """Whether a file lies inside the folder and can be named in an answer."""
        try:
            path.name.encode()
            self.path(path.relative_to(self.out).as_posix())
        except (UnicodeEncodeError, Refusal):
            return False
        return path.is_file()

    def _summary(self, folder: Path) -> list[list[str]]:
        """The numbers of ``summary.json`` as lines of name and value."""
        try:
            path = self.path((folder / "summary.json").relative_to(self.out).as_posix())
            if path.stat().st_size > SUMMARY:
                return []
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (Refusal, OSError, ValueError, RecursionError):
            return []
        if not isinstance(plain, dict):
            return []
        return [
            [str(key), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]
            for key, value in plain.items()
        ]
