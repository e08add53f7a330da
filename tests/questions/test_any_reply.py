"""Any reply is judged: odd white space, letters that match others, pieces of numbers and units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import layergram as lg

SPACES = ["", " ", "\n", "\r\n", "\t", "\u00a0", "\u2009", "-", ". ", ", ", "/"]
PIECES = [
    *("0", "1", "12", "1980", "1,234", ".5", "-7", "3/4", "10^", "1e", "$", "₹", "√", "%"),
    *("s", "m", "cM", "KM", "kilometre", "square miles", "yen", "volt", "ſecond", "mİle", "\u212a"),
    *("half", "third", "thırd", "two dozen", "a hundred", "an eİght", "no", "minus", "minuſ 3"),
    *("May", "5th", "(B)", "option", "true", "is not", "answer:", "\\boxed{8}", "Paris", "pariſ"),
]
REPLIES = st.lists(
    st.tuples(st.sampled_from(PIECES), st.sampled_from(SPACES)), min_size=1, max_size=7
).map(lambda pairs: "".join(piece + space for piece, space in pairs))


@given(REPLIES, st.sampled_from(["8", "5 km", "$5", "15%", "12 May 1990", "yes", "Paris", "none"]))
def test_any_reply_is_judged(reply, accepted):
    assert lg.judge([accepted], reply, options=[]).right in (True, False)


@pytest.mark.parametrize(
    ("accepted", "reply", "right"),
    [
        ("8", "11 minus 3 equals 8\ns", True),
        ("8 s", "It takes 8\u00a0s.", True),
        ("1/3", "It is one thırd.", True),
    ],
)
def test_units_and_words_with_odd_letters_are_read(accepted, reply, right):
    assert lg.judge([accepted], reply, options=[]).right is right
