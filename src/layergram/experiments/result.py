"""What an experiment gives: maps, tables, sentences and a summary, and how they become files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from layergram import maps, words
from layergram.export import page_views, save_map
from layergram.figures import Style

SUFFIXES = (".nc", ".png", ".md", ".html")
"""The files of one map."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an experiment found.

    Attributes:
        title: what was analysed, in a few words.
        maps: maps by name, the main one first.
        tables: tables by name.
        sentences: what was found, with what it has to be compared with.
        summary: the numbers as plain data.
        records: what was done with every item, by name; written as JSON lines.
        section: Markdown that stands below the words about the first map.
        styles: how the pictures of maps are drawn, where not by default.
    """

    title: str
    maps: dict[str, xr.DataArray]
    tables: dict[str, pd.DataFrame]
    sentences: list[str]
    summary: dict[str, Any]
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    section: str = ""
    styles: dict[str, Style] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """The names of the files that :meth:`save` writes."""
        of_maps = [f"{name}{suffix}" for name in self.maps for suffix in SUFFIXES]
        tables = [f"{name}.csv" for name in self.tables]
        return [*of_maps, *tables, *(f"{name}.jsonl" for name in self.records), "summary.json"]

    def save(self, out: Path) -> list[Path]:
        """Write everything into a folder.

        ``NAME.nc``, ``NAME.png``, ``NAME.md`` and ``NAME.html`` for every map, ``NAME.csv`` for
        every table, ``NAME.jsonl`` for records, and ``summary.json``.

        Returns:
            The files, those of the first map first.
        """
        files: list[Path] = []
        facts = {name: words.facts(array) for name, array in self.maps.items()}
        page = page_views(self.maps, styles=self.styles, facts=facts)
        for name, array in self.maps.items():
            files += save_map(
                array,
                out,
                name=name,
                style=self.styles.get(name),
                below="" if files else self.section,
                facts=facts[name],
                page=page,
            )
        for name, table in self.tables.items():
            text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
            files.append(maps.write_text(text, out / f"{name}.csv"))
        for name, records in self.records.items():
            lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            files.append(maps.write_text("".join(lines), out / f"{name}.jsonl"))
        return [*files, maps.write_json(self.summary, out / "summary.json")]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table in Markdown, line by line.

    Example:
        >>> markdown_table(["a", "b"], [[1, "x|y"]])
        ['| a | b |', '| --- | --- |', '| 1 | x\\\\|y |']
    """
    lines = [header, ["---"] * len(header), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return [f"| {' | '.join(line)} |" for line in cells]


def rounded(value: Any) -> float | None:
    """A number as plain data, to 4 decimals; ``None`` for NaN."""
    number = float(value)
    return None if math.isnan(number) else round(number, 4)


def counted(number: int, noun: str) -> str:
    """A number of things: '1 text', '30 texts'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
