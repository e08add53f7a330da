"""``layergram draw``: pictures from any map file."""

from __future__ import annotations

import sys
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from layergram.cli.common import Group, PrintOptions
from layergram.cli.mistakes import in_options, option_of
from layergram.errors import LayergramError
from layergram.figures.style import Style

if TYPE_CHECKING:
    import xarray as xr

    from layergram.figures.spec import Figure


def command(
    maps: Annotated[list[Path], Parameter(name="MAP", negative="")],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    value: str = "",
    cmap: str = "",
    style: Annotated[Style | None, Parameter(name="*", negative_iterable="", negative="")] = None,
    output: Annotated[PrintOptions | None, Group] = None,
) -> None:
    """Draw any map file as a picture.

    Several maps over the same columns become the panels of one picture, others a picture each. With
    a file name that ends in .html they become one page, to open in a browser and point at cells.

    Args:
        maps: map files: .nc, .zarr, .json, .csv or .tsv.
        out: the picture (.png, .svg or .pdf), a page to open in a browser (.html), or a folder
            for a picture; default: beside the map, as .png.
        value: the column or variable with the values, where a file has several.
        cmap: any colour map of matplotlib, such as cividis; the same as --colours.
        style: the choices.
        output: how much to print.
    """
    output = output or PrintOptions()
    from layergram.figures.saving import check_suffix

    if out is not None and out.suffix and not out.is_dir():
        check_suffix(out, also=[".html"])
    if cmap:
        style = replace(style or Style(), colours=cmap)
    arrays = _read(maps, value)
    if out is not None and out.suffix.lower() == ".html" and not out.is_dir():
        written = _write_page(arrays, out, style or Style())
        if output.json:
            output.summary({"pages": [written]})
        elif not output.quiet:
            print(written["file"])
        return
    together = len(maps) == 1 or _same_columns(list(arrays.values()))
    if out is not None and out.suffix and not together and not out.is_dir():
        raise LayergramError(
            f"one picture '{out}' of {len(maps)} maps",
            got="maps whose columns differ",
            allowed="maps over the same tokens, roles or heads",
            do="give a folder, and each map gets a picture of its own",
        )
    jobs = [list(maps)] if together else [[path] for path in maps]
    summaries = [
        _draw({p: arrays[p] for p in job}, _target(job, out), style or Style(), quiet=output.quiet)
        for job in jobs
    ]
    if output.json:
        output.summary({"figures": summaries})
    elif not output.quiet:
        for summary in summaries:
            print(summary["file"])


def _write_page(arrays: dict[Path, xr.DataArray], out: Path, style: Style) -> dict[str, Any]:
    """Write all maps into one page, each under its measure, or its file where these repeat."""
    from layergram.export import save_page

    measures = [str(array.attrs["measure"]) for array in arrays.values()]
    unique = len(set(measures)) == len(measures)
    names = measures if unique else [path.stem for path in arrays]
    if len(set(names)) < len(names):
        names = [str(path) for path in arrays]
    titled = dict(zip(names, arrays.values(), strict=True))
    return {"file": str(save_page(titled, out, style=style)), "maps": names}


def _read(paths: list[Path], value: str) -> dict[Path, xr.DataArray]:
    from layergram import maps

    if len(set(paths)) < len(paths):
        raise LayergramError("a picture of several maps", got="the same file twice")
    return {path: maps.read(path, value=value) for path in paths}


def _same_columns(arrays: list[xr.DataArray]) -> bool:
    """Whether all maps have the columns of the first, label by label."""
    from layergram.figures.labels import axes_of

    columns = [axes_of(array, Style())[2] for array in arrays]
    first = arrays[0][columns[0]].values.tolist()
    return all(
        dim == columns[0] and array[dim].values.tolist() == first
        for dim, array in zip(columns, arrays, strict=True)
    )


def _target(job: list[Path], out: Path | None) -> Path:
    name = "+".join(path.stem for path in job[:4]) + ("+more" if len(job) > 4 else "") + ".png"
    if out is None:
        return job[0].parent / name
    if out.is_dir() or not out.suffix:
        return out / name
    return out


def _draw(
    arrays: dict[Path, xr.DataArray], path: Path, style: Style, *, quiet: bool
) -> dict[str, Any]:
    """Draw one picture, tell what should be told, and sum up."""
    from layergram.figures.planning import plan
    from layergram.figures.saving import save

    names = [array.attrs["measure"] for array in arrays.values()]
    titled: Any = list(arrays.values())
    if len(set(names)) < len(names):
        titled = {file.stem: array for file, array in arrays.items()}
    figure = plan(titled if len(arrays) > 1 else titled[0], style=style)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        save(figure, path)
    remarks = [str(warning.message) for warning in caught if warning.category is UserWarning]
    if not quiet:
        options = {option_of(field.name) for field in fields(Style)}
        for line in (*figure.hints, *remarks):
            print(in_options(line, options), file=sys.stderr)
    return {"file": str(path), **_summary(figure), "warnings": remarks}


def _summary(figure: Figure) -> dict[str, Any]:
    """What a script may want to know of a picture without looking at it."""
    plain = figure.to_plain()
    return {
        "panels": [
            {
                "title": panel["title"].replace("\n", " "),
                "columns": len(panel["x"]["names"]),
                "rows": len(panel["y"]["names"]),
                "regions": panel.get("regions", []),
            }
            if "x" in panel
            else {"title": panel["title"], "lines": len(panel["lines"])}
            for panel in plain["panels"]
        ],
        "scales": [
            {key: value for key, value in scale.items() if key not in ("colours", "ticks")}
            for scale in plain["scales"]
        ],
        "legend": plain["legend"],
        "notes": plain["notes"],
        "hints": plain["hints"],
    }
