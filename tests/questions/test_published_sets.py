"""Question sets that were published with papers, in the files as they come; skipped without them.

The variable LAYERGRAM_DATA names the folder that holds them.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from layergram.answers.ask import AnswerOptions, ask
from layergram.answers.judge import coverage, judge_answers
from layergram.datasets.questions import questions

FOLDER = Path(os.environ.get("LAYERGRAM_DATA", "not set"))


@pytest.mark.parametrize(
    ("file", "count", "fields"),
    [
        ("answerable_math.csv", 1950, {"question", "answer", "id"}),
        ("winobias_dev.csv", 1584, {"question", "answer", "context"}),
    ],
)
def test_a_published_set_is_read_and_answered(file, count, fields, tiny):
    if not (FOLDER / file).is_file():
        pytest.skip(f"LAYERGRAM_DATA names no folder with {file}")
    found = questions(FOLDER / file)
    assert len(found) == count and set(dict(found.columns)) == fields
    sizes = Counter(Counter(q.group for q in found.questions).values())
    together = [size * many for size, many in sizes.items() if size > 1]
    if file == "winobias_dev.csv":  # every sentence has a twin with the other pronoun
        assert sum(together) == count and max(sizes) <= 20
        groups = [q.group for q in found.questions]
        assert all(groups[at] == groups[at + 396] for at in range(396))
    else:
        assert sum(together) < count / 2 and max(sizes) <= 20
    rows = judge_answers(tiny, ask(tiny, found.first(6), options=AnswerOptions(max_new_tokens=8)))
    assert coverage(rows)["answers"] == 6
