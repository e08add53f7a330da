"""Names of measures and of their options, if possible without importing torch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from layergram.errors import LayergramError, unknown_name

RECORDS = Path(__file__).parent / "measures"
REGISTRY = "layergram.measures"


def measure_options() -> dict[str, frozenset[str]]:
    """Every measure -> the options that its maps depend on.

    Where the registry is imported already, it is asked: it also has what a user has registered.
    Else the source of the records is read; an installation without it (a zip archive, compiled
    files only) imports the registry.
    """
    known = {} if REGISTRY in sys.modules else options_in_source(RECORDS)
    if known:
        return known
    records = import_module(REGISTRY).MEASURES
    return {name: frozenset(record.all_options) for name, record in records.items()}


@cache
def options_in_source(folder: Path = RECORDS) -> dict[str, frozenset[str]]:
    """Every measure -> the options that its maps depend on, as the source of the records has them.

    A record is a decorated function: its keyword-only arguments are the options, and a derived
    measure (``source=``) has those of its source too. Empty where the folder has no source.
    """
    own: dict[str, frozenset[str]] = {}
    sources: dict[str, str] = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for call in node.decorator_list:
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "measure":
                        own[node.name] = frozenset(one.arg for one in node.args.kwonlyargs)
                        for word in call.keywords:
                            if word.arg == "source":
                                sources[node.name] = ast.literal_eval(word.value)
    return {
        name: names | own.get(sources.get(name, ""), frozenset()) for name, names in own.items()
    }


def check_measure_names(
    names: Iterable[str],
    options: Iterable[str] = (),
    known: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Refuse measures, and options of theirs, that there are not.

    Args:
        names: of measures.
        options: names of options.
        known: measure -> its options; by default :func:`measure_options`.

    Raises:
        LayergramError: with the nearest name.

    Example:
        >>> check_measure_names(["divergense"], known={"divergence": ()})
        Traceback (most recent call last):
        layergram.errors.LayergramError: Asked for: measure 'divergense'
        Got: no measure of that name
        Allowed: divergence
        Do: did you mean 'divergence'?
    """
    known = measure_options() if known is None else known
    names = list(names)
    if not names:
        raise LayergramError("no measure", allowed=", ".join(known), do="name at least one")
    for name in names:
        if name not in known:
            raise unknown_name("measure", name, known)
    possible = sorted({option for name in names for option in known[name]})
    for option in options:
        if option not in possible:
            raise unknown_name("option of these measures", option, possible)
