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

from layergram import maps
from layergram.experiments.roles.pipeline import Probed
from layergram.experiments.roles.report import lines_of, region_of, section, summary, table
from layergram.export import publish
from layergram.figures import Style
from layergram.probes import ERROR_TYPES, STRATEGIES, map_of

PLAIN = Style(significance="none")
"""Without a sign at every cell: in role maps almost all of them differ from chance."""


def write_maps(probed: Probed, out: Path) -> list[Path]:
    """The role map and those it is compared with, the table of baselines, and a summary."""
    lines = lines_of(probed)
    region, _ = region_of(probed.result)
    marked = Style(mark=(region,), significance="none")
    below = section(probed, lines)
    files = publish(map_of(probed.result), out, style=marked, below=below)
    if probed.paper is not None:
        files += publish(map_of(probed.paper), out, name="auroc_paper", style=PLAIN)
    if "random-weights" in probed.controls:
        fresh = map_of(probed.controls["random-weights"])
        files += publish(fresh, out, name="auroc_random_weights", style=PLAIN)
    files.append(maps.write_text(table(lines), out / "baselines.csv"))
    files.append(write_plain(summary(probed, lines), out / "summary.json"))
    return [*files, out / "rows.jsonl"]


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
