"""Names of a package that are imported when they are first used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def imported(package: str, homes: Mapping[str, str], name: str) -> Any:
    """What a package calls by a name, for its ``__getattr__``.

    Args:
        package: its name.
        homes: of every name the module in the package, or MODULE:NAME where it is another there.
        name: what is asked for.

    Raises:
        AttributeError: if it has none of this name.
    """
    if name not in homes:
        raise AttributeError(f"module '{package}' has no attribute '{name}'")
    home, _, own = homes[name].partition(":")
    return getattr(import_module(f"{package}.{home}"), own or name)
