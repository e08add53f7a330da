"""The embedded steps: numbers and groups, answers recomputed, and what words alone can tell."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from layergram.datasets.steps import FUNCTIONS, steps
from layergram.experiments.heads.options import HeadMapOptions
from layergram.experiments.heads.split import split_steps

DOCS = str(Path(__file__).parents[2] / "docs")
EMBEDDED = steps("functions")
STEPS = EMBEDDED.steps
ANSWERS = {
    "colour": r"has a (\w+) cup",
    "job": r"works as a (\w+)",
    "animal": r"keeps a (\w+)",
    "drink": r"drinks (\w+)",
    "country": r"lives in (\w+)",
    "vehicle": r"travels by (\w+)",
    "instrument": r"plays the (\w+)",
}


@pytest.fixture(scope="module")
def topics():
    sys.path.insert(0, DOCS)
    try:
        from embedded.topics import TOPICS
    finally:
        sys.path.remove(DOCS)
    return TOPICS


def of(function):
    return [step for step in STEPS if step.function == function]


def about(step):
    """The sentences about the one who is asked about, and that name."""
    name = next(word for word in re.findall(r"\w+", step.step)[1:] if word[0].isupper())
    others = set(re.findall(r"\b[A-Z]\w+", step.question)) - {name}
    sentences = re.split(r"(?<=\.) ", step.question)
    at = next(i for i, text in enumerate(sentences) if re.search(rf"\b{name}\b", text))
    more = sentences[at + 1] if sentences[at + 1 : at + 2] == ["One rings."] else ""
    return f"{sentences[at]} {more}", name, others


def test_counts_per_function_and_template():
    assert EMBEDDED.counts() == dict.fromkeys(FUNCTIONS, 56)
    per = Counter((step.function, step.template) for step in STEPS)
    assert set(per.values()) == {8} and len(per) == 8 * 7


def test_a_passage_is_asked_for_two_functions_in_the_same_words():
    groups = defaultdict(list)
    for step in STEPS:
        groups[step.group].append(step)
    assert len(groups) == len({members[0].question for members in groups.values()}) == 224
    pairs = Counter()
    for one, other in groups.values():
        assert one.question == other.question and one.template == other.template
        assert one.function != other.function and one.answer != other.answer
        asked = [step.step.replace(about(step)[1], "N") for step in (one, other)]
        assert asked[0] == asked[1]
        pairs[frozenset((one.function, other.function))] += 1
    assert len(pairs) >= 20
    firsts = Counter(one.function for one, _ in groups.values())
    assert min(firsts.values()) > 15  # no function always comes first, or last


def test_wording_and_answers_are_those_of_all_functions():
    """The same questions but for the name, and answers out of the same few."""
    words = defaultdict(set)
    answers = defaultdict(set)
    for step in STEPS:
        words[step.template].add(step.step.replace(about(step)[1], "N"))
        answers[step.function, step.template].add(step.answer)
    assert all(len(found) == 1 for found in words.values())
    for function in FUNCTIONS:
        assert all(len(answers[function, template]) >= 3 for template in words)


def test_no_two_alike_nothing_empty_and_short():
    assert len({(step.question, step.step) for step in STEPS}) == len(STEPS)
    assert len({step.id for step in STEPS}) == len(STEPS)
    for step in STEPS:
        assert step.answer == step.answer.strip() and len(step.answer.split()) == 1
        assert step.step.endswith("?") and "  " not in step.question + step.step
        assert not re.search(r"[{}|]", step.question + step.step + step.answer)


def test_a_few_of_each_function_are_of_all_templates():
    few = EMBEDDED.first(14)
    assert Counter(step.template for step in few.steps) == {s.template: 16 for s in STEPS}


def test_the_answer_stands_in_the_sentence_or_not():
    for step in of("Retrieval"):
        assert re.findall(ANSWERS[step.template], about(step)[0]) == [step.answer]
    for function in ("Knowledge Recall", "Semantic Understanding", "Inference"):
        for step in of(function):
            assert not re.search(rf"\b{step.answer}\b", about(step)[0])


def test_what_follows_from_a_fact_a_meaning_or_a_sign_is_in_the_lists(topics):
    kinds = {"Knowledge Recall": "known", "Semantic Understanding": "meant", "Inference": "seen"}
    for function, kind in kinds.items():
        for step in of(function):
            text, name, _ = about(step)
            fits = [
                value.name
                for value in topics[step.template].values
                if f"{name} {getattr(value, kind)}." in text
            ]
            assert fits == [step.answer]
    for topic in topics.values():
        for kind in ("name", "known", "meant", "seen"):
            assert len({getattr(value, kind) for value in topic.values}) == 6


def test_logic():
    for step in of("Logical Reasoning"):
        text, _, _ = about(step)
        found = re.findall(ANSWERS[step.template], text)
        if "One rings." in text:
            assert step.answer == found[1] != found[0]
        else:
            assert found[0] == found[2] and step.answer == found[1]


def test_syntax():
    for step in of("Syntactic Understanding"):
        text, name, _ = about(step)
        found = re.findall(ANSWERS[step.template], text)
        assert len(set(found)) == 2 and step.answer == found[1]
        assert f"{name}, who" in text


def test_sums():
    for step in of("Math Calculation"):
        text, _, _ = about(step)
        cases = re.findall(r"(\d+) \+ (\d+) is (\d+), (.+?)[;.]", text)
        right = [rest for a, b, c, rest in cases if int(a) + int(b) == int(c)]
        assert len(cases) == 2 and len(right) == 1
        assert re.search(ANSWERS[step.template], right[0])[1] == step.answer


def test_decisions():
    for step in of("Decision-making"):
        text, _, _ = about(step)
        prices = {name: int(euros) for name, euros in re.findall(r"(\w+) for (\d+) euros", text)}
        best = (max if "better paid" in text else min)(prices.values())
        assert len(set(prices.values())) == 2 and prices[step.answer] == best


def accuracy(texts, folds):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    words = CountVectorizer(token_pattern=r"\w+", ngram_range=(1, 2))
    bag = make_pipeline(words, LogisticRegression(max_iter=1000))
    functions = np.array([step.function for step in STEPS])
    split = GroupKFold(len(set(folds)) if len(set(folds)) < 10 else 5)
    return (cross_val_predict(bag, texts, functions, groups=folds, cv=split) == functions).mean()


@pytest.mark.parametrize("held", ["group", "template"])
@pytest.mark.parametrize("seen", ["step", "answer"])
def test_words_of_a_step_or_an_answer_do_not_tell_its_function(seen, held):
    """Chance is 1 in 8; three standard errors are added."""
    texts = [getattr(step, seen) for step in STEPS]
    found = accuracy(texts, [getattr(step, held) for step in STEPS])
    assert found <= 1 / 8 + 3 * np.sqrt(1 / 8 * 7 / 8 / len(STEPS))


def test_the_words_of_the_passage_cannot_tell_which_of_its_two_functions_is_asked_for():
    texts = [f"{step.question} {step.step}" for step in STEPS]
    assert accuracy(texts, [step.group for step in STEPS]) <= 0.55
    assert accuracy(texts, [step.template for step in STEPS]) <= 0.5


def test_templates_are_held_out_of_the_folds_and_the_tests():
    split = split_steps(EMBEDDED, HeadMapOptions())
    template = np.array([step.template for step in STEPS])
    assert len(set(template[split.tested])) == 2
    assert [len(set(template[~split.tested][split.folds == fold])) for fold in range(5)] == [1] * 5
