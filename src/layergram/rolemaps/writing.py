"""Results of a role map in files: maps with pictures and words, tables, plain data."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from layergram import figures, maps, words
from layergram.figures import Style
from layergram.probes import ERROR_TYPES, STRATEGIES, map_of
from layergram.rolemaps.making import Probed
from layergram.rolemaps.telling import lines_of, region_of, section, summary, table


def write_maps(probed: Probed, out: Path) -> list[Path]:
    """The role map and those it is compared with, the table of baselines, and a summary."""
    lines = lines_of(probed)
    region, _ = region_of(probed.result)
    files = write_map(map_of(probed.result), out, mark=region, below=section(probed, lines))
    if probed.paper is not None:
        files += write_map(map_of(probed.paper), out, name="auroc_paper")
    if "random-weights" in probed.controls:
        fresh = map_of(probed.controls["random-weights"])
        files += write_map(fresh, out, name="auroc_random_weights")
    files.append(maps.write_text(table(lines), out / "baselines.csv"))
    files.append(write_plain(summary(probed, lines), out / "summary.json"))
    return [*files, out / "rows.jsonl"]


def write_map(
    array: xr.DataArray, out: Path, *, name: str = "", mark: str = "", below: str = ""
) -> list[Path]:
    """One map as netCDF, picture and words.

    Args:
        array: the map.
        out: the folder.
        name: of the files; the map's own by default.
        mark: a region to mark, as :class:`layergram.figures.Style` takes it.
        below: Markdown to stand below the words.
    """
    name = name or str(array.name)
    style = Style(mark=(mark,) if mark else (), significance="none")
    text = words.describe(array) + (f"\n{below}" if below else "")
    return [
        maps.write(array, out / f"{name}.nc"),
        figures.save(figures.plan(array, style=style), out / f"{name}.png"),
        maps.write_text(text, out / f"{name}.md"),
    ]


def write_plain(plain: Any, path: Path) -> Path:
    """Plain data as JSON."""
    return maps.write_text(json.dumps(plain, ensure_ascii=False, indent=1) + "\n", path)


def write_choice(found: xr.Dataset, path: Path) -> Path:
    """How often each way to choose among samples is right, as CSV."""
    names = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    rows = []
    for strategy in found["strategy"].values.tolist():
        numbers = (float(found[name].sel(strategy=strategy)) for name in names)
        rows.append([strategy, *(f"{number:.4f}" for number in numbers), STRATEGIES[strategy]])
    return _write_table(["strategy", *names, "about"], rows, path)


def write_types(types: Mapping[str, list[str]], found: xr.Dataset, out: Path) -> list[Path]:
    """How many questions have each type of error, how well a probe sees it, and which they are."""
    rows = []
    for name, meaning in ERROR_TYPES.items():
        questions = sum(name in kinds for kinds in types.values())
        numbers = (float(found[key].sel(type=name)) for key in ("auroc", "low", "high"))
        told = ["" if math.isnan(number) else f"{number:.4f}" for number in numbers]
        rows.append([name, str(questions), *told, meaning])
    header = ["type", "questions", "auroc", "low", "high", "about"]
    return [
        _write_table(header, rows, out / "error_types.csv"),
        write_plain(dict(types), out / "error_types.json"),
    ]


def _write_table(header: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return maps.write_text(text.getvalue(), path)
