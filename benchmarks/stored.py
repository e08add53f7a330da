"""Results of earlier runs beside the page, so that some rows can be measured anew by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alone import Alone
from rows_growth import Curve
from timing import Row

NAME = "results.json"


def merged(
    rows: Sequence[Row], curves: Sequence[Curve], folder: Path
) -> tuple[list[Row], list[Curve], dict[int, str]]:
    """The new rows with those of other numbers that were kept, and when each number was measured.

    Everything is kept again in the folder.
    """
    path = folder / NAME
    kept: dict[str, Any] = {"rows": [], "curves": [], "dates": {}}
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
    new = {row.number for row in rows}
    every = [row for row in map(_row, kept["rows"]) if row.number not in new] + list(rows)
    lines = list(curves) or [_curve(one) for one in kept["curves"]]
    dates = {int(number): date for number, date in kept["dates"].items()}
    dates |= dict.fromkeys(new, time.strftime("%Y-%m-%d"))
    found = {
        "rows": [asdict(row) for row in every],
        "curves": [asdict(one) for one in lines],
        "dates": dates,
    }
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return sorted(every, key=lambda row: row.number), lines, dates


def _row(kept: dict[str, Any]) -> Row:
    spread = kept["spread"]
    return Row(**{**kept, "spread": None if spread is None else tuple(spread)})


def _curve(kept: dict[str, Any]) -> Curve:
    points = tuple(Alone(**point) for point in kept["points"])
    return Curve(**{**kept, "sizes": tuple(kept["sizes"]), "points": points})
