"""Results of labelled steps in files: maps with pictures and words, tables, plain data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from layergram import maps
from layergram.figures import Style
from layergram.heads.effects import causal_matrix
from layergram.heads.making import Headed
from layergram.heads.telling import section, summary
from layergram.publishing import publish

GRID = Style(columns=4, significance="none")
CLIPPED = 99  # percentile of the cells whose colour those above it share


def write(found: Headed, out: Path) -> list[Path]:
    """All maps, the tables, and a summary.

    Returns:
        The files, those of importance first.
    """
    files = publish(found.importance, out, style=_clipped(found.importance), below=section(found))
    files += publish(found.contribution, out, style=GRID)
    files += publish(found.auroc, out, style=GRID)
    if found.causal is not None:
        for score in found.causal["score"].values[:2]:
            files += publish(causal_matrix(found.causal, score=str(score)), out)
    if found.sweep is not None:
        files += publish(found.sweep, out, style=Style(significance="none"))
    for array in found.unlabelled.values():
        files += publish(array, out, style=Style(significance="none"))
    files.append(_table(found, out / "top_heads.csv"))
    if found.causal is not None:
        files.append(_causal(found, out / "masking.csv"))
    files.append(_steps(found, out / "steps.jsonl"))
    plain = json.dumps(summary(found), ensure_ascii=False, indent=1) + "\n"
    return [*files, maps.write_text(plain, out / "summary.json")]


def _clipped(importance: xr.DataArray) -> Style:
    """One scale for all panels from 0 on; the highest 1 % of the cells share its top colour."""
    top = float(f"{np.nanpercentile(importance.values, CLIPPED):.2g}")
    return replace(GRID, limits=(0.0, top)) if top > 0 else GRID


def _table(found: Headed, path: Path) -> Path:
    """The top heads of every function, the most important first."""
    rows = []
    for name, heads in found.top.items():
        for rank, (layer, head) in enumerate(heads, start=1):
            cell = {"layer": layer, "head": head, "function": name}
            numbers = [found.importance.sel(cell), found.contribution.sel(cell)]
            auroc = found.auroc.sel(cell)
            numbers += [auroc, auroc["low"], auroc["high"]]
            rows.append([name, rank, layer, head, *(f"{float(n):.6g}" for n in numbers)])
    header = ["function", "rank", "layer", "head", "importance", "contribution", "auroc"]
    return _write(path, [*header, "auroc_low", "auroc_high"], rows)


def _causal(found: Headed, path: Path) -> Path:
    """What masking did, one row per score, masked function and scored function."""
    assert found.causal is not None
    rows = []
    for score in found.causal["score"].values:
        for masked in found.causal["masked"].values:
            cells = found.causal.sel(score=score, masked=masked)
            for function in found.causal["function"].values:
                names = ["change", "change_low", "change_high"]
                numbers = [cells[name].sel(function=function) for name in names]
                told = [f"{float(n):.6g}" for n in numbers]
                if function == masked:
                    ends = ("", "_low", "_high")
                    own = [f"{name}{end}" for name in ("random", "difference") for end in ends]
                    told += [f"{float(cells[name]):.6g}" for name in own]
                else:
                    told += [""] * 6
                rows.append([str(score), str(masked), int(cells["heads"]), str(function), *told])
    header = ["score", "masked", "heads", "function", "change", "change_low", "change_high"]
    header += ["random", "random_low", "random_high"]
    return _write(path, [*header, "difference", "difference_low", "difference_high"], rows)


def _steps(found: Headed, path: Path) -> Path:
    """Every step with what was done with it."""
    said = iter(found.said)
    spans = {span.step: (span, reading) for reading in found.readings for span in reading.spans}
    lines = []
    for at, step in enumerate(found.steps.steps):
        span, _ = spans[at]
        record = {
            "id": step.id,
            "group": step.group,
            "template": step.template,
            "function": step.function,
            "question": step.question,
            "step": step.step,
            "answer": step.answer,
            "tokens": [span.first, span.last],
            "content": list(span.content),
            "use": "test" if found.tested[at] else "map",
            "said": None if found.tested[at] else next(said),
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    return maps.write_text("\n".join(lines) + "\n", path)


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return maps.write_text(text.getvalue(), path)
