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


def test_focus_moves_from_the_first_tokens_to_the_last(tokens):
    text = words.describe(tokens)
    assert "The focus moves from the first tokens to the last with depth" in text
    assert 'near "A and B" (position 0) in layers 1–5' in text
    assert 'near "answer" (position 14) in layers 22–27' in text


def test_exact_answer_roles_move_together(roles):
    assert (
        "exact_answer_first, exact_answer_last and exact_answer_after_last move together"
        in words.describe(roles)
    )


def test_reversed_tokens_turn_the_focus_round(tokens):
    text = words.describe(tokens.copy(data=tokens.values[:, ::-1].copy()))
    assert "The focus moves from the last tokens to the first with depth" in text


def test_permuted_columns_carry_their_names_along(tokens, roles):
    order = np.random.default_rng(1).permutation(tokens.sizes["token"])
    text = words.describe(tokens.isel(token=order).assign_coords(token=range(20)))
    place = order.tolist().index(0)
    assert f'A peak at layer 13: "A and B" (position {place}) with 0.75.' in text
    turned = words.describe(roles.isel(role=[2, 3, 0, 1]))
    assert "last_q starts highest (0.95 at layer 2), falls to 0.60 at layers 20–22" in turned


def test_permuted_layers_move_the_peaks(tokens):
    moved = tokens.copy(data=np.roll(tokens.values, 2, axis=0))
    text = words.describe(moved)
    assert 'A peak at layer 22: "A and B" (position 0) with 0.75.' in text
    assert "layer 13" not in "".join(x for x in text.splitlines() if x.startswith("- A peak"))


def test_reversed_layers_turn_the_course_round(roles):
    text = words.describe(roles.copy(data=roles.values[::-1].copy()))
    assert "falls to 0.60 at layers 10–12 and rises to 0.95 at layer 30" in text


def test_shifted_values_shift_the_numbers(tokens, roles):
    text = words.describe(roles.copy(data=roles.values - 0.3))
    assert "(0.65 at layer 2), falls to 0.30 at layers 20–22 and rises to 0.50 at layer 30" in text
    text = words.describe(tokens.copy(data=10 * tokens.values))
    assert 'A peak at layer 13: "A and B" (position 0) with 7.5.' in text


def test_alt_text_is_one_plain_sentence(tokens):
    alt = words.alt_text(tokens)
    assert alt.startswith(
        "Heatmap of value for 7 layers by 20 tokens, with values from 0.01 to 0.75"
    )
    assert alt.endswith(".") and "\n" not in alt and "\\" not in alt
