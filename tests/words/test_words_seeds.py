"""The two typed tables in words: what a reader of the published pictures expects to be told."""

import csv
from pathlib import Path

import numpy as np
import pytest

from layergram import maps, words

DATA = Path(__file__).parents[1] / "data"


def table(name, column):
    head, *rows = csv.reader((DATA / name).open(encoding="utf-8"))
    values = np.array([[float(x) for x in row[1:]] for row in rows])
    coords = {"layer": [int(row[0]) for row in rows]}
    coords[column] = range(len(head) - 1) if column == "token" else head[1:]
    if column == "token":
        coords["token_text"] = ("token", head[1:])
    return maps.make(values, ("layer", column), measure="value", coords=coords)


@pytest.fixture(scope="module")
def tokens():
    return table("seed000.csv", "token")


@pytest.fixture(scope="module")
def roles():
    return table("seed003.csv", "role")


def test_lowest_layers_are_low_and_uniform(tokens):
    text = words.describe(tokens)
    assert "layers 1–10 at 0.02" in text
    assert "Layers 1–10 are nearly uniform: each spans at most 0.02, within 0.01 to 0.05" in text


def test_peaks_stand_at_three_layers_with_their_tokens(tokens):
    text = words.describe(tokens)
    assert 'A peak at layer 13: "A and B" (position 0) with 0.75.' in text
    assert 'A peak at layer 17: "the_correct" to "is" (positions 8–10) with 0.60 each.' in text
    assert 'A peak at layer 22: "answer" and "is" (positions 14–15) with 0.70 each.' in text


def test_last_question_token_falls_and_rises(roles):
    assert (
        "last_q starts highest (0.95 at layer 2), falls to 0.60 at layers 20–22 "
        "and rises to 0.80 at layer 30." in words.describe(roles)
    )


def test_sections_come_in_order(tokens):
    heads = [line for line in words.describe(tokens).splitlines() if line.startswith("## ")]
    assert heads == [
        "## Overview",
        "## Components/Axes",
        "## Detailed Analysis",
        "## Key Observations",
        "## Interpretation",
    ]
