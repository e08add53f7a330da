"""The embedded steps: their numbers and groups; each answer is recomputed from its text."""

from __future__ import annotations

import re
import runpy
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from layergram.datasets.questions import questions
from layergram.datasets.steps import FUNCTIONS, steps
from layergram.experiments.heads.controls import _template_folds
from layergram.experiments.heads.importance import labelled
from layergram.experiments.heads.pipeline import HeadMapOptions, check_split

WORDS = Path(__file__).parents[2] / "docs" / "embedded" / "words.py"
facts = SimpleNamespace(**runpy.run_path(str(WORDS)))
PEOPLE = facts.WOMEN + facts.MEN
EMBEDDED = steps("functions")
STEPS = EMBEDDED.steps


def of(template):
    return [step for step in STEPS if step.template == template]


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def names(text):
    return [word for word in re.findall(r"\w+", text) if word in PEOPLE]


def yes(holds):
    return "Yes" if holds else "No"


def test_counts_per_function_and_template():
    assert EMBEDDED.counts() == dict.fromkeys(FUNCTIONS, 70)
    per_template = Counter(step.template for step in STEPS)
    assert set(per_template.values()) == {14}
    for function in FUNCTIONS:
        stem = function.lower().replace(" ", "-")
        mine = {step.template for step in STEPS if step.function == function}
        assert mine == {f"{stem}-{n}" for n in range(1, 6)}


def test_groups_are_main_questions_with_steps_of_different_functions():
    groups = defaultdict(list)
    for step in STEPS:
        groups[step.group].append(step)
    for members in groups.values():
        assert len({step.function for step in members}) == len(members) <= 4
        assert len({step.question for step in members}) == 1
    several = sum(len(members) > 1 for members in groups.values()) / len(groups)
    assert 0.4 <= several <= 0.6
    passages = [members[0].question for members in groups.values() if members[0].question]
    assert len(set(passages)) == len(passages)


def test_no_function_always_comes_first_in_its_groups():
    firsts, kinds, seen = defaultdict(set), defaultdict(set), set()
    for step in STEPS:
        kind = step.group.rpartition(" ")[0]
        kinds[kind].add(step.function)
        if step.group not in seen:
            firsts[kind].add(step.function)
        seen.add(step.group)
    assert firsts == kinds


def test_no_two_alike_nothing_empty_and_short():
    assert len({(step.question, step.step) for step in STEPS}) == len(STEPS)
    assert len({step.id for step in STEPS}) == len(STEPS)
    for step in STEPS:
        assert step.answer == step.answer.strip() and 1 <= len(step.answer.split()) <= 6
        assert step.step.endswith((".", "?")) and "  " not in step.question + step.step
        assert not re.search(r"[{}|]", step.question + step.step + step.answer)
    words = sorted(len(f"{s.question} {s.step} {s.answer}".split()) for s in STEPS)
    assert words[int(len(words) * 0.95)] <= 40


def test_a_few_of_each_function_are_of_all_its_templates():
    few = EMBEDDED.first(10)
    assert Counter(step.template for step in few.steps) == {s.template: 2 for s in STEPS}


def test_kinds_of_answers_are_mixed_in_every_function():
    for function in FUNCTIONS:
        mine = [step.answer for step in STEPS if step.function == function]
        both = Counter(answer for answer in mine if answer in ("Yes", "No"))
        assert both["Yes"] >= 4 and both["No"] >= 4 and both.total() == 14
        assert sum(answer.isdigit() for answer in mine) in (14, 15)
        assert sum(answer in PEOPLE for answer in mine) == (0 if function[0] == "K" else 14)


def test_math():
    for step in of("math-calculation-1"):
        a1, a2, b1, b2 = numbers(step.question)
        a, b = names(step.question)
        assert a1 + a2 != b1 + b2 and step.answer == (a if a1 + a2 > b1 + b2 else b)
    for step in of("math-calculation-2"):
        km = {
            place: int(n) for place, n in re.findall(r"[Tt]he ([\w ]+) is (\d+) km", step.question)
        }
        far, near = re.search(r"is the (.+) than the (.+)\?", step.step).groups()
        assert int(step.answer) == km[far] - km[near] > 0
    for step in of("math-calculation-3"):
        _, dear, cheap = numbers(step.question)
        one, many, count = re.search(r"more, (one .+) or ((\d+) .+)\?", step.step).groups()
        assert one[4:] in step.question and dear != int(count) * cheap
        assert step.answer == (one if dear > int(count) * cheap else many)
    for step in of("math-calculation-4"):
        count, things, limit, part = re.search(
            r"Do (\d+) (.+) have more than (\d+) (\w+) in", step.step
        ).groups()
        assert f"has {count} {things}" in step.question
        each = next(int(n) for _, name, p, n in facts.OWNED if (name, p) == (things, part))
        assert step.answer == yes(int(count) * each > int(limit))
    for step in of("math-calculation-5"):
        today = re.search(r"is (\w+)\.", step.step)[1]
        week = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        for _ in range(*numbers(step.step)):
            today = week[(week.index(today) + 1) % 7]
        assert step.answer == today


def test_logic():
    for step in of("logical-reasoning-1"):
        above = re.findall(r"(\w+) is (\w+) than (\w+)", step.question)
        (word,) = {word for _, word, _ in above}
        top = {a for a, _, _ in above} - {b for _, _, b in above}
        bottom = {b for _, _, b in above} - {a for a, _, _ in above}
        asked = re.search(r"the (\w+) of", step.step)[1]
        assert {step.answer} == (top if asked == word[:-1] + "st" else bottom)
    contrary = {}
    for cause, no_cause, effect, no_effect, *_ in facts.RULES:
        contrary |= {cause: (no_cause, False), no_cause: (cause, False)}
        contrary |= {effect: (no_effect, False), no_effect: (effect, False)}
    for step in of("logical-reasoning-2"):
        cause, effect, seen = re.fullmatch(r"If (.+), then (.+)\. (.+)\.", step.question).groups()
        known = {seen[0].lower() + seen[1:]}
        known |= {effect} if cause in known else set()
        known |= {contrary[cause][0]} if contrary[effect][0] in known else set()
        asked = next(f for f in contrary if step.step == f"Is {f.replace(' is ', ' ', 1)}?")
        assert (asked in known) != (contrary[asked][0] in known)
        assert step.answer == yes(asked in known)
    for step in of("logical-reasoning-3"):
        behind = dict(re.findall(r"(\w+) is right behind (\w+)", step.question))
        at, count = re.search(r"front of (\w+)", step.step)[1], 0
        while at in behind:
            at, count = behind[at], count + 1
        assert step.answer == str(count) and count > 0
    for step in of("logical-reasoning-4"):
        first, second = step.question.split(". ")
        options = re.search(r"(\w+), (\w+) or (\w+)$", first).groups()
        denied = re.search(r"(\w+) or (\w+)\.$", second).groups()
        assert {step.answer} == set(options) - set(denied) and set(denied) < set(options)
    for step in of("logical-reasoning-5"):
        rules = dict(re.findall(r"If (.+?), then (.+?)\.", step.question))
        at = re.search(r"\. ([^.]+)\.$", step.question)[1]
        while at in rules:
            at = rules[at]
        who, place = at.split(" is ")
        assert step.step == f"Where is {who}?" and step.answer == place


def test_retrieval_is_answered_by_the_passage():
    for step in of("retrieval-1"):
        things, who = re.search(r"How many (\w+) \w+ (\w+) have", step.step).groups()
        sentence = next(s for s in step.question.split(". ") if s.startswith(who))
        assert f"{step.answer} {things}" in sentence
    for step in of("retrieval-2"):
        (km,) = numbers(step.step)
        assert f"{step.answer} is {km} km" in step.question.replace("The", "the")
        assert len(set(numbers(step.question))) == 2
    for step in of("retrieval-3"):
        assert f"{names(step.step)[0]} holds {step.answer} " in step.question
    for step in of("retrieval-4"):
        thing = re.search(r"what a (\w+) costs", step.step)[1]
        assert step.answer == yes(f"a {thing} costs" in step.question.replace("A ", "a "))
    for step in of("retrieval-5"):
        things = re.search(r"has the (.+)\?", step.step)[1]
        assert re.search(rf"{step.answer} has \d+ {things}\b", step.question)


def test_knowledge_agrees_with_the_facts_of_the_question_sets():
    capitals = {name: q.id for q in questions("capitals").questions for name in q.aliases}
    for step in of("knowledge-recall-2"):
        city = re.search(r"is (.+) the capital", step.step)[1]
        assert capitals[city].removeprefix("the ") == step.answer
    elements = {q.question: q.aliases for q in questions("elements").questions}
    for step in of("knowledge-recall-4"):
        assert step.answer in elements[step.step]
    parts = {
        "legs": {"hen": 2, "horse": 4, "ant": 6, "spider": 8, "crab": 10},
        "wheels": {"unicycle": 1, "bicycle": 2, "tricycle": 3},
        "arms": {"octopus": 8},
        "strings": {"violin": 4},
        "wings": {"butterfly": 2 * 2},
        "edges": {"glass cube": 4 + 4 + 4},
        "squares": {"chessboard": 8 * 8},
        "faces": {"normal die": 3 + 3},
    }
    for step in of("knowledge-recall-1"):
        part, one = re.search(r"How many (\w+) does one (.+) have", step.step).groups()
        assert step.answer == str(parts[part][one])


def test_decisions():
    for step in of("decision-making-1"):
        wish, place = re.search(r"wants to (.+?)\. ", step.question)[1], step.answer[4:]
        assert (wish, place) in {(row[0], row[1]) for row in facts.WISHES}
    for step in of("decision-making-2"):
        purse, dear, _ = numbers(step.question)
        thing = re.search(r"buy the (\w+)", step.step)[1]
        assert f"A {thing} costs {dear} euros" in step.question
        assert step.answer == yes(dear <= purse)
    for step in of("decision-making-3"):
        lines = {to: n for n, to in re.findall(r"us (\d+) goes to the ([\w ]+)", step.question)}
        wish = re.search(r"wants to (.+?)\.", step.question)[1]
        place = next(place for place, served in facts.LINES if served == wish)
        assert step.answer == lines[place] and len(lines) == 2
    for step in of("decision-making-4"):
        one, other = re.search(
            r"(the [\w ]+?) or (?:to )?(the [\w ]+?)(?: to get .+)?\?$", step.step
        ).groups()
        assert step.answer in (one.removeprefix("the way over "), other)
    wins = {row[0]: min if row[4] == "least" else max for row in facts.JOBS}
    for step in of("decision-making-5"):
        wanted, offers = step.question.split(". ")
        given = [numbers(part)[0] for part in offers.split(", ")]
        best = wins[f"{wanted}."](given)
        assert given.count(best) == 1 and step.answer == names(offers)[given.index(best)]


def test_inference():
    for step in of("inference-3"):
        a, b, c = numbers(step.question)[-3:]
        assert b - a == c - b > 0 and step.answer == str(2 * c - b) and int(step.answer) <= 12
        assert f"Bus {numbers(step.step)[0]} has left" in step.question
    for template in ("inference-4", "inference-5"):
        for step in of(template):
            assert step.answer in ("Yes", "No") or step.answer in names(step.question)
    for step in of("inference-5"):
        assert len(set(names(step.question))) == 2


def test_syntax():
    for step in of("syntactic-understanding-1"):
        assert step.answer == yes(" had " in step.question.split(".")[0])
    for step in of("syntactic-understanding-2"):
        form = re.search(r"'(\w+)'", step.step)[1]
        stem = form[:-2]  # happier -> happi, bigger -> bigg, ruder -> rud
        spelled = {stem, stem + "e", stem[:-1] + "y" if stem[-1] == "i" else stem}
        assert step.answer in spelled | ({stem[:-1]} if stem[-1] == stem[-2] else set())
    for step in of("syntactic-understanding-3"):
        assert re.search(rf"\b{step.answer} holds", step.question)
    for step in of("syntactic-understanding-4"):
        first, last = re.search(r"(from \w+) (to [\w ]+)\.$", step.question).groups()
        assert step.answer == (first if "first" in step.step else last)
    for step in of("syntactic-understanding-5"):
        words = re.findall(r"\w+", step.question)[1:]
        animal = next(at for at, word in enumerate(words) if word in facts.ANIMALS)
        verbs = len([word for word in words[animal + 1 :] if word != "and"])
        assert step.answer == str(verbs if "verbs" in step.step else animal)


def test_meaning():
    opposites = {}
    for more, _, most, less, least in facts.COMPARED:
        assert most == f"{more[:-1]}st" and least == f"{less[:-1]}st" and more != less
        opposites[more] = less
    for step in of("semantic-understanding-1"):
        word = re.search(r"'(\w+)'", step.step)[1]
        assert step.answer == opposites[word]
    for step in of("semantic-understanding-2"):
        assert re.search(r"'(.+?)' mean", step.step)[1] in step.question
    for step in of("semantic-understanding-4"):
        pronoun = re.search(r"'(\w+)'", step.step)[1]
        assert re.search(rf"\b{pronoun}\b", step.question)
        assert step.answer in names(step.question)
        assert step.answer in (facts.WOMEN if pronoun in ("she", "her") else facts.MEN)
        both = {name in facts.WOMEN for name in names(step.question)}
        assert both == {True, False}  # one woman, one man: the pronoun is unambiguous


@pytest.mark.parametrize(("held", "most"), [("group", 0.5), ("template", 0.2)])
def test_answers_alone_do_not_reveal_the_function(held, most):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    words = CountVectorizer(token_pattern=r"\w+", ngram_range=(1, 2))
    bag = make_pipeline(words, LogisticRegression(max_iter=1000))
    folds = [step.group if held == "group" else step.template.rpartition("-")[2] for step in STEPS]
    functions = [step.function for step in STEPS]
    answers = [step.answer for step in STEPS]
    predicted = cross_val_predict(bag, answers, functions, groups=folds, cv=GroupKFold(5))
    assert (predicted == functions).mean() < most


def test_templates_can_be_held_out_of_the_steps_that_make_the_maps():
    tested = check_split(EMBEDDED, HeadMapOptions())
    mapped = [step for step, out in zip(STEPS, tested, strict=True) if not out]
    labels = labelled([step.function for step in mapped], [step.group for step in mapped])
    folds = _template_folds(mapped, labels, 5, 0)
    assert folds is not None
    for fold in range(5):
        held_out = {step.template for step, at in zip(mapped, folds, strict=True) if at == fold}
        rest = {step.template for step, at in zip(mapped, folds, strict=True) if at != fold}
        assert held_out and not held_out & rest
