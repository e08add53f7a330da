"""The planted model does what it was made for, and each planted head matters where it should."""

from __future__ import annotations

import pytest
import torch

import planted
from layergram.models.edits import HeadEdit, edited

torch.set_num_threads(1)

EVERY_HEAD = [(layer, head) for layer in (1, 2, 3) for head in range(planted.HEADS)]
PAIR = (planted.MATCHED, planted.INDUCTION)


@pytest.fixture(scope="module")
def model():
    return planted.model()


def logits(model, ids, without=None):
    """[token, V], with one head zeroed."""
    edits = [] if without is None else [HeadEdit(heads=(without,))]
    with torch.no_grad(), edited(model, *edits):
        return model.network(input_ids=torch.tensor([ids])).logits[0]


def losses(model, ids, places):
    """The mean log-probability of the tokens there, and what is lost of it without each head."""

    def log_p(without=None):
        after = torch.log_softmax(logits(model, ids, without), -1)
        return float(torch.stack([after[p - 1, ids[p]] for p in places]).mean())

    whole = log_p()
    return whole, {at: whole - log_p(at) for at in EVERY_HEAD}


def test_the_induction_pair_alone_predicts_what_is_repeated(model):
    ids = planted.repeated(3)
    whole, lost = losses(model, ids, range(22, 41))
    assert whole > -0.05
    assert all(lost[at] > 5 for at in PAIR)
    assert all(abs(lost[at]) < 0.1 for at in EVERY_HEAD if at not in PAIR)
    assert losses(model, ids, range(2, 21))[0] < -3  # nothing foretells the first half


def test_the_copying_head_alone_knows_the_way_back(model):
    whole, lost = losses(model, planted.there_and_back(3), range(6, 34, 3))
    assert whole > -0.05
    assert lost[planted.COPY] > 3
    assert all(abs(lost[at]) < 0.1 for at in EVERY_HEAD if at != planted.COPY)


def test_the_first_head_alone_votes_for_the_first_token(model):
    ids = planted.repeated(3)
    vote = logits(model, ids)[10:, planted.BOS].mean()
    lost = {at: vote - logits(model, ids, at)[10:, planted.BOS].mean() for at in EVERY_HEAD}
    assert lost[planted.FIRST] > 1.5
    assert all(lost[at] < 0.5 for at in EVERY_HEAD if at != planted.FIRST)
