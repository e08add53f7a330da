"""The embedded sets are the generated ones, and sets are read without torch."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from layergram.datasets import questions, steps

DOCS = Path(__file__).parents[1] / "docs"
DATA = Path(questions.__file__).with_name("data")
DIGESTS = {
    "capitals": "sha256:82af8c854184b568",
    "elements": "sha256:8d54a02603028802",
    "arithmetic": "sha256:23f3cb8b0591126a",
    "countries": "sha256:b56ab27bf449c247",
    "functions": "sha256:d88281b29c8e1647",
}


def test_the_embedded_sets_are_the_published_ones():
    sets = [questions.questions(name) for name in questions.EMBEDDED]
    sets += [steps.steps(name) for name in steps.EMBEDDED]
    assert {loaded.name: loaded.digest for loaded in sets} == DIGESTS


def test_the_files_of_the_embedded_sets_are_current(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    generator = runpy.run_path(str(DOCS / "make_datasets.py"))
    assert set(generator["SETS"]) == set(DIGESTS) == {path.stem for path in DATA.iterdir()}
    for name in DIGESTS:
        current = (DATA / f"{name}.jsonl").read_text(encoding="utf-8")
        assert current == generator["text"](name), "run: python docs/make_datasets.py"


@pytest.mark.parametrize(
    ("reader", "embedded"), [("questions", "capitals"), ("steps", "functions")]
)
def test_sets_are_read_and_refused_without_torch(reader, embedded, tmp_path):
    (tmp_path / "wrong.csv").write_text("subject,verb\nwe,go\n", encoding="utf-8")
    code = f"""
import sys
from layergram.datasets.{reader} import {reader}
from layergram.errors import LayergramError
print(len({reader}("{embedded}")))
try:
    {reader}("wrong.csv")
except LayergramError as error:
    print(error.got, error.exit_code)
print(sorted({{"torch", "transformers"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    field = {"questions": "question", "steps": "step"}[reader]
    size = {"questions": 246, "steps": 448}[reader]
    assert done.stdout.splitlines() == [str(size), f"no column '{field}' 2", "[]"]
