"""Write the embedded data sets into the package: ``python docs/make_datasets.py``.

Five files of JSON lines in ``src/layergram/datasets/data``: four question sets and the labelled
steps. They are generated from the facts, word lists and templates in ``docs/embedded``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from embedded import functions, questions

DATA = Path(__file__).parents[1] / "src" / "layergram" / "datasets" / "data"

SETS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "capitals": questions.capitals,
    "elements": questions.elements,
    "arithmetic": questions.arithmetic,
    "countries": questions.countries,
    "functions": functions.steps,
}
"""Name of each embedded set -> what generates its rows, the same at every call."""


def text(name: str) -> str:
    """The file of one set: one JSON object per line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in SETS[name]())


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for each in SETS:
        (DATA / f"{each}.jsonl").write_text(text(each), encoding="utf-8")
