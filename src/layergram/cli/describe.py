"""``layergram describe``: any map file -> words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def command(
    *files: Path,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    alt: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    value: str = "",
) -> None:
    """Put a map into words: overview, axes, details, key observations, interpretation.

    Every sentence is computed from the numbers and checked against them.

    Args:
        files: map files: .nc, .json or .csv.
        out: file to write into, instead of the terminal.
        alt: one sentence of plain text per map, for the alt text of a picture.
        json: the facts themselves, as JSON.
        value: the column or variable with the values, where a file has several.
    """
    from layergram.errors import LayergramError

    if not files:
        raise LayergramError(
            "a description", got="no map file", do="name at least one: layergram describe MAP.nc"
        )
    if alt and json:
        raise LayergramError("--alt and --json", got="both", allowed="one of them")
    form = "alt" if alt else "json" if json else "markdown"
    text = _written(files, form, value)
    if out is None:
        print(text, end="")
        return
    from layergram.maps import replacing

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LayergramError(
            f"to write '{out}'",
            got=str(error.strerror or error),
            do="choose a file in a folder that can be written",
        ) from None


def _written(files: tuple[Path, ...], form: str, value: str) -> str:
    import json

    from layergram import maps, words

    arrays = [maps.read(path, value=value) for path in files]
    if form == "alt":
        return "".join(f"{words.alt_text(array)}\n" for array in arrays)
    if form == "json":
        plain = [
            {"file": str(path), **words.facts_json(array)}
            for path, array in zip(files, arrays, strict=True)
        ]
        return (
            json.dumps(plain if len(plain) > 1 else plain[0], ensure_ascii=False, indent=1) + "\n"
        )
    return "\n".join(words.describe(array) for array in arrays)
