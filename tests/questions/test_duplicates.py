"""Identical questions and near-duplicates are one group; those of one template are not."""

from __future__ import annotations

import random
import time

import pytest

from layergram.datasets.duplicates import group
from layergram.datasets.questions import EMBEDDED, questions
from layergram.errors import LayergramError

JOBS = ["carpenter", "nurse", "teller", "pilot", "tailor", "guard", "farmer", "lawyer", "chef"]
DEEDS = ["thanked", "phoned", "followed", "warned", "painted", "hired", "greeted", "invited"]
PLACES = ["at the harbour", "after lunch", "in the old library", "during the storm", "by the gate"]


def pairs(count=60):
    """Pairs that differ in a pronoun and a word, as counterfactual sets have them."""
    draw = random.Random(0)
    lines = []
    for _ in range(count):
        one, two = draw.sample(JOBS, 2)
        scene = f"The {one} {draw.choice(DEEDS)} the {two} {draw.choice(PLACES)}"
        scene += f" on the {draw.randrange(1, 29)} of {draw.choice(['May', 'June', 'July'])}"
        for word, pronoun in (("kind", "she"), ("lost", "he")):
            lines.append(f"{scene} because {pronoun} was {word}.,Who was {word}?,{one}")
    return lines


def test_pairs_that_differ_in_a_word_are_groups_and_it_is_said(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["context,question,answer", *pairs()]))
    loaded = questions(path)
    found = [q.group for q in loaded.questions]
    together = sum(found[at] == found[at + 1] for at in range(0, len(found), 2))
    assert together == 60 and len(set(found)) > 20
    assert "120 of 120 questions have near-duplicates" in loaded.warnings[0]
    apart = questions(path, near_duplicates="separate")
    assert len({q.group for q in apart.questions}) == 120 and not apart.warnings
    with pytest.raises(LayergramError, match="group, separate"):
        questions(path, near_duplicates="no")


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_have_no_near_duplicates_of_their_own(name):
    assert questions(name).warnings == ()


def test_a_set_of_one_template_stays_apart():
    names = [f"{a}{b}" for a in ("Kor", "Mel", "Tis", "Van") for b in ("land", "ia", "stan", "ora")]
    texts = [f"What is the capital city of the old kingdom of {name}?" for name in names]
    assert len(set(group(texts, given=range(16)).of)) == 16


def test_identical_questions_are_one_group_whatever_their_options_order(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text(
        "question,options,answer,group\n"
        "Which?,fig|oak,fig,x\nWhich?,oak|fig,fig,y\nWho?,Kim|Bo,Kim,y\nWhere?,here|there,here,z\n"
    )
    loaded = questions(path, near_duplicates="separate")
    assert [q.group for q in loaded.questions] == ["x", "x", "x", "z"]
    assert "1 of 4 questions are identical" in loaded.warnings[0]


def test_a_chain_does_not_take_the_whole_set():
    """Each text shares half of its words with the next, and none with the one after."""
    draw = random.Random(1)
    words = [f"{draw.choice('bdfgklmnprst')}{draw.choice('aeiou')}w{at}" for at in range(700)]
    texts = [" ".join(words[at : at + 10]) for at in range(0, 600, 5)]
    found = group(texts, given=range(len(texts)))
    assert found.largest <= 10


def test_ten_thousand_rows_take_seconds():
    draw = random.Random(2)
    words = [f"w{at}" for at in range(3000)]
    weights = [1 / (at + 1) for at in range(3000)]
    texts = [" ".join(draw.choices(words, weights, k=30)) for _ in range(10_000)]
    began = time.perf_counter()
    found = group(texts, given=range(len(texts)))
    assert time.perf_counter() - began < 60 and found.near < 20
