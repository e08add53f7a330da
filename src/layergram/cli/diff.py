"""``layergram diff``: the difference of two maps."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from layergram.cli.common import Group, PrintOptions, numbers_of, tell
from layergram.errors import LayergramError

if TYPE_CHECKING:
    import xarray as xr

PICTURES = (".png", ".svg", ".pdf")
ENDINGS = (".nc", ".png", ".md", ".html")


def command(
    a: Annotated[Path, Parameter(name="A")],
    b: Annotated[Path, Parameter(name="B")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o", "--file"])] = Path(),
    match: Literal["exact", "common", "position"] = "exact",
    value: str = "",
    output: Annotated[PrintOptions | None, Group] = None,
) -> None:
    """The difference of two maps, A less B, as a map, a picture, words and a page.

    Tokens are matched by position and have to be the same, unless --match says otherwise; layers,
    heads, roles and functions are matched by name. Cells that differ by no more than rounding can
    make are grey in the picture, and 0 in the words.

    Args:
        a: map file.
        b: map file.
        out: folder for difference.nc, difference.png, difference.md and difference.html; or one
            file: a map (.nc, .zarr, .json, .csv), a picture (.png, .svg, .pdf), words (.md) or a
            page (.html).
        match: exact refuses maps whose labels differ; common compares what both have, of tokens
            those before the first that differs; position compares texts of as many tokens position
            by position, and names both tokens where they differ.
        value: the column or variable with the values, where a file has several.
        output: how much to print.
    """
    output = output or PrintOptions()
    from layergram import maps, words

    one_file = out.suffix and not out.is_dir()
    targets = [out] if one_file else [out / f"difference{end}" for end in ENDINGS]
    for target in targets:
        _writable_suffix(target)
    names = _names(a, b)
    first, second = maps.read(a, value=value), maps.read(b, value=value)
    result = maps.difference(first, second, match=match, names=names)
    remarks = [line for target in targets for line in _write(result, target)]
    found = words.findings(result)
    if output.json:
        summary = {
            "files": [str(target) for target in targets],
            "of": result.attrs["of"],
            **numbers_of(result),
            "lowest": float(result.min()),
            "highest": float(result.max()),
            "mean_absolute": float(abs(result).mean()),
            "within_rounding": int((maps.without_rounding(result) == 0).sum()),
            "findings": found,
        }
        output.summary(summary)
    elif not output.quiet:
        tell(*found, *targets)
    if not output.quiet:
        for line in remarks:
            print(line, file=sys.stderr)


def _names(a: Path, b: Path) -> tuple[str, str]:
    """The files' names, with as much of their folders as tells them apart."""
    for depth in range(1, max(len(a.parts), len(b.parts)) + 1):
        names = tuple("/".join(path.parts[-depth:]) for path in (a, b))
        if names[0] != names[1]:
            return names[0], names[1]
    return str(a), str(b)


def _writable_suffix(target: Path) -> None:
    from layergram.maps.files import WRITERS

    allowed = (*WRITERS, *PICTURES, ".md", ".html")
    if target.suffix.lower() not in allowed:
        raise LayergramError(
            f"the difference in '{target}'",
            got=f"the suffix '{target.suffix}'" if target.suffix else "no suffix",
            allowed=", ".join(allowed),
            do="give the file one of these suffixes, or name a folder with --out",
        )


def _write(result: xr.DataArray, target: Path) -> list[str]:
    """Write one form of the difference; what is to be remarks about it."""
    from layergram import figures, maps, words
    from layergram.export import save_page

    suffix = target.suffix.lower()
    if suffix == ".md":
        maps.write_text(words.describe(result), target)
    elif suffix == ".html":
        save_page(result, target)
    elif suffix in PICTURES:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            figures.save(figures.plan(result), target)
        return [str(warning.message) for warning in caught if warning.category is UserWarning]
    else:
        maps.write(result, target)
    return []
