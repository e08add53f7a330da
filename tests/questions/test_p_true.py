"""P(True): the model's own choice between A and B, whichever of them stands for true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_answering import made

from layergram.answers.judge import judge_answers
from layergram.experiments.roles.p_true import ORDERS, TEMPLATE, p_true


@pytest.fixture(scope="module")
def rows(tiny):
    judged = judge_answers(tiny, [made(tiny, reply) for reply in ("Paris", "It is Lyon.")])
    return [replace(row, id=str(at)) for at, row in enumerate(judged)]


def test_it_is_the_mean_of_both_orders(tiny, rows, folder):
    found = p_true(tiny, rows, folder)
    letters = [tiny.tokenizer(letter)["input_ids"][0] for letter in "AB"]
    for row, told in zip(rows, found, strict=True):
        expected = []
        for first, second in ORDERS:
            reply = " ".join(row.reply.split())
            text = TEMPLATE.format(question=row.question, reply=reply, first=first, second=second)
            ids = tiny.format_prompt(text).ids
            with torch.no_grad():
                logits = tiny.network(torch.tensor([ids])).logits[0, -1]
            p = torch.softmax(logits[letters], -1)
            expected.append(float(p[0] if first == "True" else p[1]))
        assert told == pytest.approx(np.mean(expected), abs=1e-5)
    np.testing.assert_array_equal(p_true(tiny, rows, folder), found)


def test_what_is_too_long_to_be_asked_about_has_none(tiny, rows):
    long = replace(rows[0], id="long", reply="many words " * 2000)
    found = p_true(tiny, [*rows, long])
    assert np.isfinite(found[:2]).all() and np.isnan(found[2])
