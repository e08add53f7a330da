"""The published rule of what is right, and the rules that find the exact answer in a reply."""

from __future__ import annotations

import pytest

from layergram.answers.exact import exact_answer
from layergram.answers.matching import find_answer
from layergram.datasets.questions import Question


@pytest.mark.parametrize(
    ("reply", "aliases", "found"),
    [
        ("It is paris.", ["Paris"], "paris"),
        ("In Jerome", ["Rome"], "rome"),  # the published rule: anywhere
        ("Bern or Berne", ["Berne", "Bern"], "Bern"),
        ("Berne", ["Bern", "Berne"], "Berne"),
        ("N’Djamena", ["N'Djamena"], "N’Djamena"),
        ("San\n José", ["San José"], "San\n José"),
        ("首都是北京。", ["北京"], "北京"),
        ("العاصمة هي القاهرة.", ["القاهرة"], "القاهرة"),
        ("It is 🗼 Paris", ["🗼"], "🗼"),
        ("19 apples", ["9"], None),
        ("9.5 apples", ["9"], None),
        ("9. Apples", ["9"], "9"),
        ("9,000 apples", ["9"], None),
        ("9,000 apples", ["9000"], "9,000"),
        ("It is 9.0.", ["9"], "9.0"),
        ("$9", ["9"], "9"),
        ("minus: -9", ["9"], None),
        ("12-9 is 3", ["9"], "9"),
        ("x9", ["9"], None),
        ("٩ تفاحات", ["9"], "٩"),
        ("The answer is B.", ["B"], "B"),
        ("Berlin", ["B"], None),
        ("b", ["B"], None),
        ("A fig is a fruit. (A)", ["A"], "A"),
        ("The He in helium", ["He"], "He"),
        ("The element", ["He"], None),
        ("", ["x"], None),
    ],
)
def test_find_answer(reply, aliases, found):
    span = find_answer(reply, aliases)
    if found is None:
        assert span is None
    else:
        assert reply[slice(*span)].lower() == found.lower()


def test_the_article_a_is_no_option():
    assert find_answer("A fig is a fruit. (A)", ["A"]) == (19, 20)
    assert find_answer("A is right", ["A"]) == (0, 1)


def question(*aliases, options=()):
    return Question("1", "What is it?", aliases, options=tuple(options))


@pytest.mark.parametrize(
    ("asked", "reply", "exact", "by"),
    [
        (question("Paris"), "It is Paris. Paris!", "Paris", "alias"),
        (question("Paris"), "The capital of Chad is Porto Novo, a city.", "Porto Novo", "name"),
        (question("Paris"), 'It is called "Rio de Janeiro".', "Rio de Janeiro", "name"),
        (question("Paris"), "It is St. George's, a port.", "St. George's", "name"),
        (question("Paris"), "France is located in Europe.", "Europe", "name"),
        (question("Paris"), "The capital is known as Ashanti.", "Ashanti", "name"),
        (question("Paris"), "Answer: Lyon", "Lyon", "name"),
        (question("Paris"), "lyon", "lyon", "whole"),
        (question("Paris"), "France is a country with many old and large cities", None, None),
        (question("7"), "3 + 5 = 8 in all, for 2 people.", "8", "number"),
        (question("7"), "We have 3 and 5, so 12", "12", "number"),
        (question("7"), "So 1 = 1. The final answer is \\boxed{\\text{9}}", "\\text{9}", "boxed"),
        (Question("1", "What is 3 + 4?", ("7",)), "To add 3 and 4, we add them", None, None),
        (Question("1", "What is 3 + 4?", ("7",)), "Add 3 and 4: 3 + 4 = 3.", "3", "number"),
        (Question("1", "What is 3 + 4?", ("7",)), "3 and 4, which gives you 3 + 4 =", None, None),
        (Question("1", "What is 3 + 4?", ("7",)), "Add the numbers: 8 +", None, None),
        (Question("1", "What is 3 + 4?", ("7",)), "The sum is **12**.", "12", "number"),
        (question("7"), "I do not know.", None, None),
        (question("B", "fig", options=["oak", "fig"]), "It must be A) oak.", "A", "option"),
        (question("B", "fig", options=["oak", "fig"]), "The oak is one.", "oak", "option"),
        (question("developer"), "The pronoun refers to the designer.", "designer", "word"),
        (question("北京"), "上海。", "上海", "whole"),
        (question("Paris"), " ... ", None, None),
    ],
)
@pytest.mark.parametrize("judge", ["strict", "published"])
def test_exact_answer(asked, reply, exact, by, judge):
    found = exact_answer(asked, reply, judge)
    if judge == "strict" and by == "boxed":
        exact, by = "9", "number"  # by its kind, without the LaTeX around it
    if exact is None:
        assert found is None
    else:
        assert (reply[found.start : found.end], found.by) == (exact, by)


@pytest.mark.parametrize(
    ("asked", "reply", "exact", "by"),
    [
        (question("Paris"), "It is Lyon, not Paris.", "Lyon", "name"),
        (question("Paris"), "Many think it is Nice, but it is Lyon.", "Lyon", "name"),
        (question("Paris"), "Sydney is the capital of Australia.", "Sydney", "subject"),
        (
            question("Goethe"),
            "Faust was written by Friedrich Schiller.",
            "Friedrich Schiller",
            "by",
        ),
        (question("Japan"), "Tokyo lies in China, near Japan.", "China", "by"),
        (question("Paris"), "It isn't Lyon.", None, None),
        (question("7"), "It is 18 or 19.", None, None),
        (question("9 May 1945"), "On May 8th, 1945.", "May 8th, 1945", "date"),
        (question("yes"), "That is not true.", "not true", "yes-no"),
        (question("B", options=["oak", "fig"]), "It is not B, so A.", "A", "option"),
    ],
)
def test_the_strict_judge_takes_nothing_that_is_denied(asked, reply, exact, by):
    found = exact_answer(asked, reply)
    if exact is None:
        assert found is None
    else:
        assert (reply[found.start : found.end], found.by) == (exact, by)
