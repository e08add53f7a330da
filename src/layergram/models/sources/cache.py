"""The cache folder of the user, and folders in it that are either whole or not there."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from layergram.errors import LayergramError


def cache_folder() -> Path:
    """Where layergram keeps converted models: the user's cache folder, or ``LAYERGRAM_CACHE``.

    Without ``LAYERGRAM_CACHE`` it is ``layergram`` in ``XDG_CACHE_HOME`` if that is set, else in
    ``~/Library/Caches`` (macOS), ``%LOCALAPPDATA%`` (Windows) or ``~/.cache``.
    """
    own = os.environ.get("LAYERGRAM_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    if not shared and sys.platform == "darwin":
        shared = "~/Library/Caches"
    if not shared and sys.platform == "win32":
        shared = os.environ.get("LOCALAPPDATA")
    return Path(shared or "~/.cache").expanduser().absolute() / "layergram"


def built_once(name: str, build: Callable[[Path, Path], None], *, needs: int = 0) -> Path:
    """The folder ``name`` of the cache, built on first use; it appears whole or not at all.

    Args:
        name: name of the folder.
        build: called as ``build(result, work)`` with two empty folders: what it leaves in
            ``result`` becomes the cached folder, ``work`` is thrown away.
        needs: bytes that the result takes, about; refused before the work if the disk is too full.

    Returns:
        The folder. Several processes may ask at once: one builds, the others wait for it. What a
        killed process left behind is removed by the next one that builds.

    Raises:
        LayergramError: where the cache cannot be written, or has no room.

    Example:
        >>> import os
        >>> os.environ["LAYERGRAM_CACHE"] = tempfile.mkdtemp()
        >>> folder = built_once("greeting", lambda result, work: (result / "a").write_text("hello"))
        >>> (folder / "a").read_text()
        'hello'
        >>> shutil.rmtree(os.environ.pop("LAYERGRAM_CACHE"))
    """
    from filelock import FileLock

    cache = cache_folder()
    final = cache / name
    if final.is_dir():
        return final
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{name}.lock"):
            if not final.is_dir():
                _build(cache, name, build, needs=needs)
    except OSError as error:
        raise LayergramError(
            f"to keep a converted model in '{cache}'",
            got=str(error.strerror or error),
            allowed="a folder that can be written",
            do="set LAYERGRAM_CACHE to another folder",
            exit_code=1,
        ) from error
    return final


def _build(cache: Path, name: str, build: Callable[[Path, Path], None], *, needs: int) -> None:
    """Build in a temporary folder beside the final one, and rename it at the end."""
    for left in cache.glob(f".{name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    free = shutil.disk_usage(cache).free
    if free < needs:
        raise LayergramError(
            f"to keep a converted model of {needs / 1e9:.1f} GB in '{cache}'",
            got=f"{free / 1e9:.1f} GB free",
            do="make room, or set LAYERGRAM_CACHE to a folder on another disk",
            exit_code=1,
        )
    with tempfile.TemporaryDirectory(
        dir=cache, prefix=f".{name}-", ignore_cleanup_errors=True
    ) as temporary:
        result, work = Path(temporary) / "result", Path(temporary) / "work"
        result.mkdir()
        work.mkdir()
        build(result, work)
        result.rename(cache / name)
