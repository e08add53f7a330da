"""The live app: a prompt, the model's answer as it comes, and its maps, in a browser."""

from __future__ import annotations

from importlib.util import find_spec

from layergram.errors import LayergramError

NEEDED = ("fastapi", "uvicorn")


def check_installed() -> None:
    """Refuse to start without the packages that the app is built on.

    Raises:
        LayergramError: naming those that are missing, and the remedy.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise LayergramError(
            "the live app",
            got=f"no package {' and no package '.join(missing)}",
            do="pip install 'layergram[app]'",
        )
